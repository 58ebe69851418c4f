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

import numpy as np
import torch
from torch.nn import functional

from benchmark.component import Batch, Net, Stage, Step, linear_net
from benchmark.config import AugmentationConfig, BackboneConfig
from benchmark.data.batches import Part, TrainSet, train_set
from benchmark.models import build_backbone
from benchmark.optim import stage_optimizer
from benchmark.seeds import torch_generator
from benchmark.tiny import MEAN, STD, tiny_recipe, tiny_task

CPU = torch.device("cpu")
CLASSES = 100


@dataclass(frozen=True)
class Shares:
    """Medians over rounds.

    Attributes:
        input_share: time of making a batch over the time of a step that makes one.
        relative_speed: speed of the loop relative to the bare model on a resident batch.
        images_per_second: of the loop.
    """

    input_share: float
    relative_speed: float
    images_per_second: float


def cifar_rows(n: int = 2000, size: int = 32) -> TrainSet:
    """Random training rows in the shape of CIFAR, padded by four pixels."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (n, size, size, 3), dtype=np.uint8)
    labels = rng.integers(0, CLASSES, n)
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


def measure(backbone: str, rounds: int, steps: int, batch_size: int = 128) -> Shares:
    """Time the bare model, and the steps of the loop, in turn."""
    from pathlib import Path

    from benchmark.job import Progress
    from benchmark.stack import Stack
    from benchmark.stepping import Stepper
    from benchmark.tiny import tiny_job
    from benchmark.train import _batch

    rows, net = cifar_rows(), new_net(backbone)
    recipe = tiny_recipe(steps=10**6, batch_size=batch_size)
    optimizer = stage_optimizer(net, recipe, Stage("base"))
    task = tiny_task((1,) * CLASSES)
    job = tiny_job(Stack(()), Path(), recipe=recipe, task=task, rows=rows)
    stepper = Stepper(job, net, net, optimizer, Progress())
    resident = make_batch(rows, 0, batch_size)

    def loop(index: int) -> None:
        step = Step(Stage("base"), task, index, 10**6, 0, 10**6, 0, CPU)
        order = torch.arange(index * 7, index * 7 + batch_size) % len(rows)
        stepper.take(*_batch(job, rows, step, order, None), step)

    loop(0)
    bare_step(net, resident, optimizer)
    bare, whole, share = [], [], []
    for index in range(1, rounds + 1):
        bare.append(clocked(lambda: [bare_step(net, resident, optimizer) for _ in range(steps)]))
        rows.meter.input_seconds, wall = 0.0, time.perf_counter()
        whole.append(clocked(lambda at=index: [loop(at * steps + k) for k in range(steps)]))  # type: ignore[misc]
        share.append(rows.meter.input_seconds / (time.perf_counter() - wall))
    ratios = [one / other for one, other in zip(bare, whole, strict=True)]
    return Shares(
        statistics.median(share),
        statistics.median(ratios),
        steps * batch_size / statistics.median(whole),
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
