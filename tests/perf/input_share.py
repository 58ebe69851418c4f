"""How much of a training step the harness costs, for CIFAR shapes, measured interleaved.

Two numbers: the share of a step spent making the batch (goal: under 1 %), and the speed of the
loop relative to the bare model on one resident batch (goal: at least 99 %). Each round times both
sides in turn, in CPU seconds of the process, so that other work on the machine falls on both.

command: OMP_NUM_THREADS=1 python -m tests.perf.input_share
"""

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from benchmark.component import Batch, Net, Stage, linear_net
from benchmark.config import AugmentationConfig, BackboneConfig
from benchmark.data.batches import Part, TrainSet, train_set
from benchmark.models import build_backbone
from benchmark.seeds import torch_generator
from benchmark.stack import Stack
from benchmark.tiny import MEAN, STD, tiny_job, tiny_recipe, tiny_task
from benchmark.training.job import Progress, plan_stages
from benchmark.training.optim import stage_optimizer
from benchmark.training.stepping import Stepper
from benchmark.training.train import _batch, _source, _step

CPU = torch.device("cpu")
CLASSES = 100


@dataclass(frozen=True)
class Shares:
    """Medians over rounds.

    Attributes:
        input_share: time of making a batch over the time of a step that makes one.
        relative_speed: speed of the loop relative to the bare model on a resident batch.
        images_per_second: of the loop.
        share_rounds: ``input_share`` of each round.
        speed_rounds: ``relative_speed`` of each round.
    """

    input_share: float
    relative_speed: float
    images_per_second: float
    share_rounds: tuple[float, ...]
    speed_rounds: tuple[float, ...]


def cifar_pixels(n: int = 2000, size: int = 32) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Random images (n, size, size, 3) and labels."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (n, size, size, 3), dtype=np.uint8)
    return images, rng.integers(0, CLASSES, n)


def cifar_rows(n: int = 2000, size: int = 32) -> TrainSet:
    """Random training rows in the shape of CIFAR, padded by four pixels."""
    images, labels = cifar_pixels(n, size)
    settings = AugmentationConfig(pad=4, flip=0.5)
    return train_set([Part("real", images, labels)], MEAN, STD, settings, ("weak",), CPU)


def make_batch(rows: TrainSet, index: int, size: int = 128) -> Batch:
    """The batch of one step, as the loop makes it."""
    order = torch.randperm(len(rows), generator=torch_generator(0, "order", index))[:size]
    return rows.batch(order, torch_generator(0, "augment", index))


def new_net(name: str) -> Net:
    """The default network in the loop's memory format."""
    torch.manual_seed(0)
    net = linear_net(build_backbone(BackboneConfig(name=name)), tiny_task((1,) * CLASSES))
    return net.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def bare_step(net: Net, batch: Batch, optimizer: torch.optim.Optimizer) -> None:
    """Forward, backward and update, and nothing else."""
    optimizer.zero_grad(set_to_none=True)
    functional.cross_entropy(net(batch.images), batch.labels).backward()
    optimizer.step()


def clocked(work: Callable[[], object]) -> float:
    """CPU seconds of a call."""
    begin = time.process_time()
    work()
    return time.process_time() - begin


class SuiteLoop:
    """The steps of the suite's loop on resident rows, as ``benchmark.training.train`` takes them.

    Args:
        backbone: name of the network.
        rows: what is trained on.
        batch_size: rows of a step, at most those there are.
        precision: "fp32" or "bf16".
        compiled: whether the network is compiled.
    """

    def __init__(
        self,
        backbone: str,
        rows: TrainSet,
        batch_size: int = 128,
        precision: Literal["fp32", "bf16"] = "fp32",
        compiled: bool = False,
    ) -> None:
        recipe = tiny_recipe(steps=10**6, batch_size=batch_size, precision=precision)
        task = tiny_task((1,) * CLASSES)
        self.job = tiny_job(
            Stack(()), Path(), recipe=recipe, task=task, rows=rows, compile=compiled
        )
        (self.plan,) = plan_stages(self.job.stack, rows, recipe, seed=0)
        self.net, self.rows, self.taken = new_net(backbone), rows, 0
        _, runner = _source(self.job, self.net, self.plan)
        self.optimizer = stage_optimizer(self.net, recipe, Stage("base"))
        self.stepper = Stepper(self.job, self.net, runner, self.optimizer, Progress())
        # whole batches only
        self.order = torch.randperm(len(rows), generator=torch_generator(0, "order"))

    def take(self, steps: int) -> Tensor:
        """Take some steps; returns the sum of their losses."""
        size, total = self.job.recipe.batch_size, torch.zeros(())
        for _ in range(steps):
            first = self.taken * size % (len(self.rows) // size * size)
            total = total + self.one(self.order[first : first + size])
        return total

    def one(self, order: Tensor) -> Tensor:
        """Take a step on the given rows; returns its loss."""
        step = _step(self.job, self.plan, self.taken)
        self.taken += 1
        return self.stepper.take(*_batch(self.job, self.rows, step, order, None), step)

    def batch(self) -> Batch:
        """The batch of a step that is not taken."""
        order = self.order[: self.job.recipe.batch_size]
        step = _step(self.job, self.plan, self.taken)
        return _batch(self.job, self.rows, step, order, None)[0]


def measure(backbone: str, rounds: int, steps: int, batch_size: int = 128) -> Shares:
    """Time the bare model, and the steps of the loop, in turn."""
    rows = cifar_rows()
    loop = SuiteLoop(backbone, rows, batch_size)
    net, optimizer, resident = loop.net, loop.optimizer, make_batch(rows, 0, batch_size)
    loop.take(1)
    bare_step(net, resident, optimizer)
    bare, whole, share = [], [], []
    for _ in range(rounds):
        bare.append(clocked(lambda: [bare_step(net, resident, optimizer) for _ in range(steps)]))
        whole.append(clocked(lambda: loop.take(steps)))
        share.append(clocked(loop.batch) * steps / whole[-1])
    ratios = [one / other for one, other in zip(bare, whole, strict=True)]
    return Shares(
        statistics.median(share),
        statistics.median(ratios),
        steps * batch_size / statistics.median(whole),
        tuple(share),
        tuple(ratios),
    )


def main() -> None:
    """Print both numbers for ResNet-32 at batch 128."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])  # type: ignore[union-attr]
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--steps", type=int, default=2, help="of each side in a round")
    parser.add_argument("--backbone", default="cifar_resnet32")
    given = parser.parse_args()
    torch.set_num_threads(1)
    found = measure(given.backbone, given.rounds, given.steps)
    print(f"{given.backbone}, batch 128, 32x32, one thread, medians of {given.rounds} rounds")
    print(f"input path            {100 * found.input_share:6.2f} % of a step (goal: < 1 %)")
    print(f"loop against bare     {100 * found.relative_speed:6.2f} % (goal: >= 99 %)")
    print(f"loop                  {found.images_per_second:6.0f} images per CPU-second")


if __name__ == "__main__":
    main()
