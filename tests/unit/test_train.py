"""The loop: steps, stages, epochs, state, history."""

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from benchmark.component import Batch, Component, Net, Rows, Stage, Step, Streams, TrainingRows
from benchmark.config import StepsConfig
from benchmark.errors import BenchError
from benchmark.identity import shipped_settings
from benchmark.registry import COMPONENTS
from benchmark.stack import Stack
from benchmark.tiny import Piece, Watch, tiny_job, tiny_recipe, tiny_rows, tiny_task
from benchmark.training.checkpoints import weights_hash
from benchmark.training.job import base_steps, plan_stages
from benchmark.training.train import train

EPOCHS = StepsConfig(unit="epochs", amount=3)


class Diary(Component):
    """Notes what it is called with."""

    def __init__(self, config: Any, name: str) -> None:
        super().__init__(config, name)
        self.calls: list[tuple[str, Any]] = []

    def streams(self, step: Step, labels: Tensor, rng: torch.Generator) -> Streams:
        self.calls.append(("streams", (step.stage.name, step.epoch)))
        return Streams(aux=torch.tensor([1, 0, 2]))

    def mix(self, batch: Batch, aux: Batch | None, step: Step) -> Batch:
        assert aux is not None
        self.calls.append(("mix", (batch.index.tolist(), aux.index.tolist())))
        return batch

    def start_stage(self, net: Net, rows: TrainingRows, step: Step) -> None:
        self.calls.append(("start", (step.stage.name, step.total, step.epochs)))

    def after_step(self, net: Net, step: Step) -> None:
        self.calls.append(("step", (step.stage.name, step.index, step.epoch)))

    def end_epoch(self, net: Net, rows: TrainingRows, step: Step) -> None:
        self.calls.append(("epoch", (step.stage.name, step.index, step.epoch)))

    def of(self, kind: str) -> list[Any]:
        return [what for name, what in self.calls if name == kind]


class TwoStages(Component):
    """A second, fresh stage on added rows."""

    def stages(self, base: list[Stage]) -> list[Stage]:
        rows = Rows("added")
        return [*base, Stage("second", 0.5, rows, init="fresh", owner=self.name)]

    def start_stage(self, net: Any, rows: TrainingRows, step: Step) -> None:
        net.teacher = step.previous


class Short(Component):
    def streams(self, step: Step, labels: Tensor, rng: torch.Generator) -> Streams:
        return Streams(main=torch.arange(len(labels) - 1))


class Explodes(Component):
    def criterion(self, out: Tensor, labels: Tensor, step: Step) -> Tensor:
        return out.sum(1) * float("nan")


def make(cls: type[Component], name: str = "part") -> Any:
    return cls(cls.Config(), name)


def shipped(*names: str) -> tuple[Component, ...]:
    return tuple(
        Piece(COMPONENTS.load(name), shipped_settings(name), name).build() for name in names
    )


def run(folder: Path, *parts: Component, **changes: Any) -> tuple[Net, Watch]:
    watch = Watch(parts)
    net, _, _ = train(tiny_job(watch, folder, **changes))
    return net, watch


@pytest.mark.parametrize(("unit", "expected"), [("epochs", 12), ("iterations", 3)])
def test_the_recipe_owns_the_number_of_steps(unit: Any, expected: int) -> None:
    recipe = tiny_recipe(batch_size=16)
    recipe = replace(recipe, steps=StepsConfig(unit=unit, amount=3))
    assert base_steps(recipe, 50) == expected


def test_a_stage_takes_its_share_of_the_base_steps_on_its_own_rows() -> None:
    rows = tiny_rows(tiny_task((20, 10), added=3))
    recipe = tiny_recipe(batch_size=8, steps=10)
    base, second = plan_stages(Stack((make(TwoStages),)), rows, recipe, 0)
    assert (base.steps, base.per_epoch, base.epochs) == (10, 5, 2)
    assert (len(second.rows), second.steps, second.per_epoch, second.epochs) == (6, 5, 1, 5)


def test_every_row_is_seen_once_an_epoch_and_the_last_batch_is_kept(tmp_path: Path) -> None:
    diary = make(Diary)
    recipe = replace(tiny_recipe(batch_size=16), steps=EPOCHS)
    run(tmp_path, diary, recipe=recipe)
    sizes = [len(main) for main, _ in diary.of("mix")]
    assert sizes == [16, 16, 16, 4] * 3
    for epoch in range(3):
        seen = [row for main, _ in diary.of("mix")[4 * epoch : 4 * epoch + 4] for row in main]
        assert sorted(seen) == list(range(52))


def test_a_short_auxiliary_stream_wraps_round(tmp_path: Path) -> None:
    diary = make(Diary)
    run(tmp_path, diary, recipe=tiny_recipe(batch_size=5, steps=2))
    assert [aux for _, aux in diary.of("mix")] == [[1, 0, 2, 1, 0], [2, 1, 0, 2, 1]]


def test_epochs_differ_in_order(tmp_path: Path) -> None:
    diary = make(Diary)
    run(tmp_path, diary, recipe=tiny_recipe(batch_size=52, steps=3))
    orders = {tuple(main) for main, _ in diary.of("mix")}
    assert len(orders) == 3


def test_hooks_are_called_at_stage_epoch_and_step(tmp_path: Path) -> None:
    diary = make(Diary)
    run(tmp_path, diary, recipe=tiny_recipe(batch_size=32, steps=5))
    assert diary.of("start") == [("base", 5, 3)]
    assert diary.of("streams") == [("base", 0), ("base", 1), ("base", 2)]
    assert diary.of("step") == [("base", index, index // 2) for index in range(5)]
    assert diary.of("epoch") == [("base", 1, 0), ("base", 3, 1), ("base", 4, 2)]


def test_a_stream_that_is_too_short_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="Expected a main row stream of 52 rows, but got 51"):
        run(tmp_path, make(Short))


def test_two_methods_with_one_seed_see_the_same_rows_and_crops(tmp_path: Path) -> None:
    one = run(tmp_path / "one", *shipped("ce"))[1].trace
    two = run(tmp_path / "two", make(TwoStages))[1].trace
    assert two[: len(one)] == one


def test_a_fresh_stage_starts_from_new_weights_and_keeps_the_old_network(tmp_path: Path) -> None:
    first, _ = run(tmp_path / "one", *shipped("ce"), recipe=tiny_recipe(steps=6))
    net, _ = run(tmp_path / "two", make(TwoStages), recipe=tiny_recipe(steps=6))
    teacher: Any = net.teacher
    assert weights_hash(teacher) == weights_hash(first)
    assert not torch.equal(net.backbone.conv1.weight, teacher.backbone.conv1.weight)  # type: ignore[union-attr]


def test_a_nan_loss_is_an_error_that_says_where(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"loss became nan in epoch 1 of stage 'base'.*lower"):
        run(tmp_path, make(Explodes))


def test_no_checkpoint_holds_what_a_nan_loss_left(tmp_path: Path) -> None:
    """In the middle of an epoch, too: the epoch of the main case has two steps."""
    with pytest.raises(BenchError, match="loss became nan in epoch 1"):
        run(tmp_path, make(Explodes), checkpoint_seconds=0.0)
    assert not (tmp_path / "checkpoint.pt").exists()


def test_the_history_has_a_row_an_epoch_with_the_mean_loss(tmp_path: Path) -> None:
    _, watch = run(tmp_path, *shipped("ce"), recipe=tiny_recipe(batch_size=32, steps=5))
    with (tmp_path / "history.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["stage"], row["epoch"], row["step"]) for row in rows] == [
        ("base", "1", "2"), ("base", "2", "4"), ("base", "3", "5")]  # fmt: skip
    means = [sum(watch.trace[:2]) / 2, sum(watch.trace[2:4]) / 2, watch.trace[4]]
    assert [float(row["loss"]) for row in rows] == pytest.approx(means, abs=1e-6)


def test_bf16_changes_losses_by_rounding_only_and_keeps_fp32_weights(tmp_path: Path) -> None:
    exact = run(tmp_path / "fp32", *shipped("ce"), recipe=tiny_recipe(steps=4))[1].trace
    net, watch = run(
        tmp_path / "bf16", *shipped("ce"), recipe=tiny_recipe(steps=4, precision="bf16")
    )
    assert watch.trace != exact
    assert watch.trace == pytest.approx(exact, rel=0.05)
    assert {weight.dtype for weight in net.parameters()} == {torch.float32}


def test_ema_returns_the_averaged_weights(tmp_path: Path) -> None:
    recipe = tiny_recipe(steps=4)
    last, _ = run(tmp_path / "last", *shipped("ce"), recipe=recipe)
    near, _ = run(tmp_path / "near", *shipped("ce"), recipe=replace(recipe, ema=1e-7))
    far, _ = run(tmp_path / "far", *shipped("ce"), recipe=replace(recipe, ema=0.9))
    torch.testing.assert_close(near.head.weight, last.head.weight)
    assert not torch.allclose(far.head.weight, last.head.weight)


def test_the_network_comes_back_trainable(tmp_path: Path) -> None:
    net, _ = run(tmp_path, *shipped("retrain_head"), recipe=tiny_recipe(steps=4))
    assert all(weight.requires_grad for weight in net.parameters())


def test_gradients_of_one_step_equal_those_of_plain_torch(tmp_path: Path) -> None:
    """One step of the loop is one step of SGD on the same batch, written out."""
    job = tiny_job(Stack(()), tmp_path, recipe=tiny_recipe(steps=1, batch_size=64))
    net, _, _ = train(job)
    start, _, _ = train(
        replace(job, folder=tmp_path / "still", recipe=replace(
            job.recipe, optimizer=replace(job.recipe.optimizer, lr=1e-30)))
    )  # fmt: skip
    plan = plan_stages(job.stack, job.rows, job.recipe, 0)[0]
    step = Step(plan.stage, job.task, 0, 1, 0, 1, 0, job.device)
    order = torch.randperm(52, generator=step.rng("order"))
    batch = job.rows.batch(order, step.rng("augment"))
    start.train().zero_grad()
    sgd = torch.optim.SGD(start.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4)
    nn.functional.cross_entropy(start(batch.images), batch.labels).backward()
    sgd.step()
    for name, weight in net.named_parameters():
        torch.testing.assert_close(weight, start.get_parameter(name), msg=name)
