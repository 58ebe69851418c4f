"""A batch that does not fit: taken again in pieces, said once, kept; or one clear error."""

import multiprocessing
import resource
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from benchmark.component import Component, Net, Stage, Step, Task, linear_net
from benchmark.config import BackboneConfig
from benchmark.errors import Diverged
from benchmark.models import build_backbone
from benchmark.stack import Stack
from benchmark.tiny import (
    MEAN,
    STD,
    Stop,
    Watch,
    random_images,
    tiny_job,
    tiny_recipe,
    tiny_task,
)
from benchmark.training import evaluate
from benchmark.training.checkpoints import weights_hash
from benchmark.training.features import feature_rows
from benchmark.training.job import Progress
from benchmark.training.memory import Halving, OutOfMemory, is_out_of_memory
from benchmark.training.stage_store import StageStore
from benchmark.training.team import ALONE
from benchmark.training.train import train
from tests.fixtures.processes import distance, trained
from tests.fixtures.training import pieces

ROWS = 16
BACKBONE = BackboneConfig(name="cifar_resnet8", options={"width": 8})
# what torch says where an allocation fails
FAILURES = {
    "device": torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    "host": RuntimeError("[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate "
                         "memory: you tried to allocate 9 bytes. Error code 12"),
    "python": MemoryError(),
}  # fmt: skip


class Full(nn.Linear):
    """A head without room for more than ``limit`` rows; what comes before it has already run."""

    limit: int
    error: Exception

    def forward(self, features: Tensor) -> Tensor:
        """Logits."""
        if len(features) > self.limit:
            raise self.error
        return super().forward(features)


class SmallMemory(Component):
    """The plain network in a small memory."""

    def __init__(self, limit: int, error: Exception = FAILURES["device"]) -> None:
        super().__init__(self.Config(), "small")
        self.limit, self.error = limit, error

    def build(self, backbone: nn.Module, task: Task) -> Net:
        """The plain network, whose head refuses large batches."""
        net: Any = linear_net(backbone, task)
        net.head.__class__ = Full
        net.head.limit, net.head.error = self.limit, self.error
        return net


def run(folder: Path, *parts: Component, steps: int = 6, **changes: Any) -> tuple[str, Progress]:
    """Hash of the final weights and buffers, and progress."""
    recipe = tiny_recipe(steps=steps, batch_size=ROWS)
    stop_at = changes.pop("stop_at", None)
    job = tiny_job(Watch(parts, stop_at=stop_at), folder, recipe=recipe, **changes)
    net, progress, _ = train(job)
    return weights_hash(net), progress


@pytest.mark.parametrize("kind", list(FAILURES))
def test_a_step_that_does_not_fit_is_taken_again_from_the_same_state(
    tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Bit by bit what comes of pieces from the start: weights, running statistics, momentum."""
    expected, _ = run(tmp_path / "from the start", *pieces("drw,mixup"), pieces=4)
    small = SmallMemory(5, FAILURES[kind])
    found, progress = run(tmp_path / "later", *pieces("drw,mixup"), small)
    assert found == expected
    assert progress.pieces == 4
    said = [line for line in capsys.readouterr().err.splitlines() if "out of memory" in line]
    assert len(said) == 2
    assert "from here on 4 of the 16 rows of a batch pass through the network at once" in said[1]


def test_pieces_give_the_gradients_of_the_batch_where_rows_do_not_act_on_each_other(
    tmp_path: Path,
) -> None:
    one = trained(ALONE, tmp_path / "one", "frozen,ldam,drw,cmo", rows=ROWS)
    three = trained(ALONE, tmp_path / "three", "frozen,ldam,drw,cmo", rows=ROWS, pieces=3)
    assert 0 < distance(one, three) < 1e-5


def test_pieces_are_kept_after_a_kill_and_found_in_old_checkpoints(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, _ = run(tmp_path / "whole", SmallMemory(8))
    with pytest.raises(Stop):
        run(tmp_path / "cut", SmallMemory(8), stop_at=("base", 3), checkpoint_seconds=0.0)
    capsys.readouterr()
    found, progress = run(tmp_path / "cut", SmallMemory(8))
    assert (found, progress.pieces, progress.resumed) == (whole, 2, 1)
    assert "out of memory" not in capsys.readouterr().err
    before = {"stage": 0, "step": 3, "seconds": 1.0, "images": 48, "resumed": 0, "history": []}
    assert Progress(**before).pieces == Progress(**before).processes == 1


def test_a_stage_taken_in_pieces_is_not_kept_for_other_runs(tmp_path: Path) -> None:
    store = StageStore(tmp_path / "store")
    run(tmp_path / "one", SmallMemory(8), shared=store)
    assert not list(tmp_path.glob("store/*.pt"))
    run(tmp_path / "two", SmallMemory(ROWS), shared=store)
    assert len(list(tmp_path.glob("store/*.pt"))) == 1


def test_a_batch_that_must_stay_whole_is_an_error_that_says_what_to_set(tmp_path: Path) -> None:
    parts = [*pieces("origin_batch_norm"), SmallMemory(8)]
    with pytest.raises(OutOfMemory) as caught:
        run(tmp_path, *parts)
    assert str(caught.value) == (
        "A batch of 16 rows does not fit into memory, and 'origin_batch_norm' needs it whole "
        "[stage 'base' on cpu]; lower recipe.batch_size, or choose a smaller backbone"
    )


def test_a_row_that_does_not_fit_is_an_error(tmp_path: Path) -> None:
    message = r"Not even one row of a batch fits into memory \(CUDA out of memory.*smaller backbone"
    with pytest.raises(OutOfMemory, match=message):
        run(tmp_path, SmallMemory(0))


def test_other_errors_are_not_taken_for_it(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        run(tmp_path, SmallMemory(8, RuntimeError("mat1 and mat2 shapes cannot be multiplied")))
    assert not is_out_of_memory(ValueError("DefaultCPUAllocator"))


class Explodes(Component):
    """A loss that is no number in one piece only."""

    def criterion(self, out: Tensor, labels: Tensor, step: Step) -> Tensor:
        """Cross-entropy, spoilt where class 0 is."""
        losses = nn.functional.cross_entropy(out, labels, reduction="none")
        return torch.where(labels == 0, torch.nan, losses)


def test_a_loss_that_is_no_number_in_one_piece_ends_the_run(tmp_path: Path) -> None:
    with pytest.raises(Diverged, match="The loss became nan in epoch 1"):
        run(tmp_path, Explodes(Explodes.Config(), "explodes"), pieces=8)


# evaluation


class Counts(nn.Module):
    """Logits, in a memory for ``limit`` images."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.limit, self.sizes = limit, [0]
        self.net = nn.Sequential(nn.Flatten(), nn.Linear(192, 5))

    def forward(self, images: Tensor) -> Tensor:
        """(n, 3, 8, 8) -> (n, 5)."""
        self.sizes.append(len(images))
        if len(images) > self.limit:
            raise FAILURES["device"]
        found: Tensor = self.net(images)
        return found


def test_evaluation_halves_its_batches_and_keeps_its_numbers() -> None:
    images, net = random_images(evaluate.BATCH + 70, 1), Counts(evaluate.BATCH)
    expected = evaluate.logits(net, images, MEAN, STD, torch.device("cpu"))
    net.limit, net.sizes = 130, []
    found = evaluate.logits(net, images, MEAN, STD, torch.device("cpu"))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    # the size that fits is found once
    assert net.sizes == [500, 250, 125, 125, 125, 125, 70]
    net.limit = 0
    with pytest.raises(OutOfMemory, match="Not even one image fits into memory"):
        evaluate.logits(net, images, MEAN, STD, torch.device("cpu"))


def test_features_computed_once_are_computed_in_halves(tmp_path: Path) -> None:
    job = tiny_job(Stack(()), tmp_path)
    net: Any = linear_net(build_backbone(job.backbone), job.task)
    stage = Stage("second", train="head", batch_norm="eval", cached_passes=1, owner="x")
    step = Step(stage, job.task, 0, 4, 0, 2, 0, job.device)
    expected = feature_rows(net, job.rows, step, half=False).passes[0]
    whole = net.backbone.forward

    def tight(images: Tensor) -> Tensor:
        if len(images) > 20:
            raise FAILURES["python"]
        return whole(images)

    net.backbone.forward = tight
    found = feature_rows(net, job.rows, step, half=False).passes[0]
    torch.testing.assert_close(found, expected)


def test_halving_passes_other_errors_on() -> None:
    def broken(_images: Tensor) -> Tensor:
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        Halving(broken)(torch.zeros(4))


# an allocation that really fails


def _limited(pipe: Any, folder: Path, spare: int) -> None:
    """Train on large batches in an address space with ``spare`` bytes left."""
    torch.set_num_threads(1)
    # what libraries allocate once, whatever the batch, they have before the limit is set
    run(folder / "before", steps=1, backbone=BACKBONE)
    recipe, task = tiny_recipe(steps=1, batch_size=6000), tiny_task((3000, 3000))
    job = tiny_job(Stack(()), folder / "limited", recipe=recipe, task=task, backbone=BACKBONE)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + spare, used + spare))
    try:
        _, progress, _ = train(job)
        pipe.send(progress.pieces)
    except Exception as error:
        pipe.send(f"{type(error).__name__}: {error}")


def limited(folder: Path, megabytes: int) -> Any:
    """What becomes of a run with so much memory: the pieces it took, or its error."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.fixtures.processes"])
    here, there = context.Pipe()
    process = context.Process(target=_limited, args=(there, folder, megabytes * 2**20))
    process.start()
    there.close()
    found = here.recv() if here.poll(120) else "hangs"
    process.join(30)
    return found


@pytest.mark.slow
def test_a_host_without_room_for_a_batch_takes_pieces(tmp_path: Path) -> None:
    assert limited(tmp_path, 170) in (2, 4, 8, 16)
