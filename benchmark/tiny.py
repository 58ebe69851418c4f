"""Tiny problems for tests, and a stack that watches what its components do.

For the test kit (``conformance.py``) and for tests of plugins; a run takes about a second.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmark.component import Batch, Component, Net, Stage, Step, Task
from benchmark.config import (
    AugmentationConfig,
    BackboneConfig,
    OptimizerConfig,
    RecipeConfig,
    ScheduleConfig,
    StepsConfig,
    parse,
)
from benchmark.data.batches import Part, TrainSet, train_set
from benchmark.stack import Stack
from benchmark.training.job import Job
from benchmark.training.logs import NullLogger

MEAN, STD = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)
SIZE = 8
CASES = {
    "2 classes": (20, 6),
    "10 classes": (10, 8, 6, 5, 4, 3, 2, 2, 1, 1),
    "100 classes": (3,) * 10 + (1,) * 90,
    "a class with a single image": (12, 6, 1),
}
MAIN_CASE = "10 classes"


@dataclass(frozen=True)
class Piece:
    """A component that is built anew for every run, so that nothing survives in Python objects.

    Attributes:
        cls: the component's class.
        config: its ``Config``, or plain values for it.
        name: the name it has in the stack.
    """

    cls: type[Component]
    config: Any
    name: str

    def build(self) -> Component:
        """A new component.

        Raises:
            UsageError: the settings do not fit ``Config``.
        """
        given: Any = self.config
        made = is_dataclass(given) and not isinstance(given, type)
        values = asdict(given) if made else dict(given or {})
        return self.cls(parse(self.cls.Config, values, f"method.{self.name}"), self.name)


def tiny_recipe(steps: int = 20, batch_size: int = 32, **changes: Any) -> RecipeConfig:
    """A few iterations of SGD at a constant rate: ten epochs of the main case."""
    recipe = RecipeConfig(
        name="tiny",
        steps=StepsConfig(unit="iterations", amount=steps),
        batch_size=batch_size,
        optimizer=OptimizerConfig(
            name="sgd", lr=0.05, momentum=0.9, weight_decay=5e-4, nesterov=False
        ),
        schedule=ScheduleConfig(name="constant", unit="step", warmup=0),
        augmentation=AugmentationConfig(pad=1, flip=0.5),
        precision="fp32",
    )
    return replace(recipe, **changes)


def tiny_task(counts: Sequence[int], added: int = 0) -> Task:
    """A problem with ``counts`` real images, and ``added`` more of each class."""
    return Task(
        dataset="random",
        classes=tuple(f"class {label}" for label in range(len(counts))),
        counts_real=tuple(counts),
        counts_train=tuple(count + added for count in counts),
        image_size=SIZE,
    )


def random_images(n: int, seed: int) -> NDArray[np.uint8]:
    """Random uint8 images (n, 8, 8, 3)."""
    return np.random.default_rng(seed).integers(0, 256, (n, SIZE, SIZE, 3), dtype=np.uint8)


def tiny_rows(
    task: Task, views: tuple[str, ...] = ("weak",), augmentation: AugmentationConfig | None = None
) -> TrainSet:
    """Random training rows with the task's counts; what is not real is synthetic."""
    labels = np.arange(task.n_classes)
    extra = np.subtract(task.counts_train, task.counts_real)
    real, added = np.repeat(labels, task.counts_real), np.repeat(labels, extra)
    parts = [Part("real", random_images(len(real), 1), real)]
    if len(added):
        parts.append(Part("synthetic", random_images(len(added), 2), added))
    settings = augmentation or tiny_recipe().augmentation
    return train_set(parts, MEAN, STD, settings, views, torch.device("cpu"))


def tiny_job(stack: Stack, folder: Path, **changes: Any) -> Job:
    """A job of the main case: ten classes, one added image a class, a ResNet-8 of width 4."""
    recipe = changes.pop("recipe", tiny_recipe())
    task = changes.pop("task", tiny_task(CASES[MAIN_CASE], added=1))
    rows = changes.pop("rows", None) or tiny_rows(task, stack.views(recipe), recipe.augmentation)
    job = Job(
        stack=stack,
        task=task,
        rows=rows,
        recipe=recipe,
        backbone=BackboneConfig(name="cifar_resnet8", options={"width": 4}),
        seed=0,
        device=torch.device("cpu"),
        folder=folder,
        checkpoint_seconds=3600.0,
        compile=False,
        progress=False,
        logger=NullLogger(),
    )
    return replace(job, **changes)


# watching a run


class Stop(Exception):
    """Raised by ``Watch`` where a run is to be killed."""


@dataclass(frozen=True)
class Seen:
    """What one optimiser step did.

    Attributes:
        stage: the stage it belongs to.
        index: its number in the stage.
        loss: its loss.
        changed: names of the parameters that it changed.
        graded: names of the parameters that had a gradient other than zero.
        statistics: whether batch statistics of the backbone changed.
        touched: names of the parameters that hooks changed after the step.
    """

    stage: Stage
    index: int
    loss: float
    changed: frozenset[str]
    graded: frozenset[str]
    statistics: bool
    touched: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Watch(Stack):
    """A stack that notes what every step does, and can stop before one.

    Attributes:
        seen: one entry a step.
        stop_at: stage name and step before which the run is killed.
        deep: whether to compare parameters around every step; the trace is kept in any case.
        still: whether batch norm keeps to its running statistics, so that it couples no rows.
    """

    seen: list[Seen] = field(default_factory=list, compare=False)
    stop_at: tuple[str, int] | None = None
    deep: bool = False
    still: bool = False
    held: dict[str, Any] = field(default_factory=dict, compare=False)

    @property
    def trace(self) -> list[float]:
        """The losses of all steps."""
        return [step.loss for step in self.seen]

    def loss(self, net: Net, batch: Batch, step: Step) -> Tensor:
        """The loss of the stack, noted."""
        if self.stop_at == (step.stage.name, step.index):
            raise Stop
        for module in net.modules() if self.still else ():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()
        if self.deep:
            self.held.update(
                parameters=copies(net.named_parameters()), statistics=running_statistics(net)
            )
        loss = super().loss(net, batch, step)
        self.held["loss"] = loss.item()
        return loss

    def after_step(self, net: Net, step: Step) -> None:
        """Note the step and what the stack does after it."""
        changed, graded, statistics = frozenset[str](), frozenset[str](), False
        if self.deep:
            changed = changes(self.held["parameters"], net)
            graded = frozenset(
                name
                for name, each in net.named_parameters()
                if each.grad is not None and bool(each.grad.any())
            )
            statistics = not same(self.held["statistics"], running_statistics(net))
        stepped = copies(net.named_parameters()) if self.deep else {}
        super().after_step(net, step)
        touched = changes(stepped, net) if self.deep else frozenset[str]()
        self.seen.append(
            Seen(step.stage, step.index, self.held["loss"], changed, graded, statistics, touched)
        )


def changes(before: dict[str, Tensor], net: Net) -> frozenset[str]:
    """Names of the parameters that are not what they were ``before``."""
    return frozenset(
        name
        for name, now in net.named_parameters()
        if name not in before or not torch.equal(now, before[name])
    )


def copies(named: Iterator[tuple[str, Tensor]]) -> dict[str, Tensor]:
    """Detached copies of named tensors."""
    return {name: tensor.detach().clone() for name, tensor in named}


def running_statistics(net: Net) -> dict[str, Tensor]:
    """Copies of the running statistics of the backbone."""
    return copies(
        (name, tensor) for name, tensor in net.backbone.named_buffers() if "running" in name
    )


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    """Whether two sets of named tensors agree bit by bit."""
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)
