"""What a run computes, counted by taking one small step of each of its stages on the CPU.

Counted are floating-point operations of convolutions and products (torch's FLOP counter; a
multiply-add is two), operations of the library, and what is kept for the backward pass. All but the
operations grow with the batch, so that a few images are enough.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from benchmark.component import Batch, Net, Stage, Step
from benchmark.data.batches import Part, TrainSet, train_set
from benchmark.estimation.machines import SMALL_PIXELS
from benchmark.estimation.workload import StageWork, Work
from benchmark.experiments.experiment import Experiment
from benchmark.models import build_backbone
from benchmark.seeds import scoped_global_seed
from benchmark.training.features import OnFeatures
from benchmark.training.job import base_steps
from benchmark.training.optim import stage_optimizer

_CPU = torch.device("cpu")
_ROW_PIXELS = 32
PACKED = "packed"


def work_of(experiment: Experiment) -> Work:
    """Count a run: build its network, and take one step of every stage with a few images."""
    card, recipe = experiment.card, experiment.settings.recipe
    with scoped_global_seed(0, "workload"):
        stages, net = _stages(experiment)
        deployed = experiment.stack.deploy(net, experiment.task).eval()
        shown = torch.randn(2, 3, card.image_size, card.image_size)
        with torch.no_grad():
            forward = _counted(lambda: deployed(shown)).flops / 2
    return Work(
        stages=tuple(stages),
        precision=recipe.precision,
        image_size=card.image_size,
        batch=recipe.batch_size,
        parameters=sum(each.numel() for each in net.parameters()),
        forward=forward,
        tests=(card.n_test_per_class or 0) * card.n_classes,
        data_bytes=_data_bytes(experiment),
    )


def _data_bytes(experiment: Experiment) -> int:
    """Resident images with their border, a byte a value."""
    if getattr(experiment.settings.dataset.config, "pixels", PACKED) != PACKED:
        return 0
    side = experiment.card.image_size + 2 * experiment.settings.recipe.augmentation.pad
    return 3 * sum(experiment.task.counts_train) * side**2


def _stages(experiment: Experiment) -> tuple[list[StageWork], Net]:
    stack, recipe = experiment.stack, experiment.settings.recipe
    rows = _few_rows(experiment)
    found, net = [], _new_net(experiment)
    for stage, (steps, n) in _lengths(experiment):
        previous = None
        if stage.init == "fresh":
            previous, net = net, _new_net(experiment)
        per_epoch = math.ceil(n / recipe.batch_size)
        epochs = math.ceil(steps / per_epoch)
        step = Step(stage, experiment.task, 0, steps, 0, epochs, 0, _CPU, previous)
        read = _read(rows, partial(stack.start_stage, net, rows, step))
        late = replace(step, index=steps - 1, epoch=epochs - 1, previous=None)
        counted = _one_step(experiment, net, late)
        read += epochs * _read(rows, partial(stack.end_epoch, net, rows, step))
        found.append(
            StageWork(
                name=stage.name,
                steps=steps,
                images=_images(steps, n, recipe.batch_size),
                flops=counted.flops,
                ops=counted.ops,
                read=n * (read + min(stage.cached_passes, epochs)),
                kept_bytes=counted.kept,
            )
        )
    return found, net


def _new_net(experiment: Experiment) -> Net:
    net = experiment.stack.build(build_backbone(experiment.settings.backbone), experiment.task)
    return net.to(memory_format=torch.channels_last)


def _lengths(experiment: Experiment) -> list[tuple[Stage, tuple[int, int]]]:
    """Each stage with its steps and its rows."""
    stages = experiment.stack.stages([Stage("base")])
    task, fixed = experiment.task, experiment.fixed_rows
    total = base_steps(experiment.settings.recipe, fixed or sum(task.counts_train))
    scale = sum(stage.share for stage in stages) if fixed else 1.0
    return [
        (stage, (max(1, round(stage.share * total / scale)), _rows(experiment, stage)))
        for stage in stages
    ]


def _rows(experiment: Experiment, stage: Stage) -> int:
    kept = experiment.allocation
    counts = {"all": experiment.task.counts_train, "real": kept.keep, "added": kept.add}
    chosen = [count for count in counts[stage.rows.origin] if count]
    each = stage.rows.per_class
    if each is None:
        return sum(chosen)
    return len(chosen) * (min(chosen) if each == "min" else int(each))


def _images(steps: int, rows: int, batch: int) -> int:
    whole, rest = divmod(steps, math.ceil(rows / batch))
    return whole * rows + min(rest * batch, rows)


def _few_rows(experiment: Experiment) -> TrainSet:
    """One image of each class, small ones where the data set's are large."""
    card = experiment.card
    size = min(card.image_size, _ROW_PIXELS)
    images = np.zeros((card.n_classes, size, size, 3), np.uint8)
    labels = np.arange(card.n_classes)
    half = card.n_classes // 2 if sum(experiment.allocation.add) else card.n_classes
    parts = [Part("real", images[:half], labels[:half])]
    if half < card.n_classes and experiment.request:
        parts.append(Part(experiment.request.origin, images[half:], labels[half:]))
    recipe = experiment.settings.recipe
    views = experiment.stack.views(recipe)
    return train_set(parts, card.mean, card.std, recipe.augmentation, views, _CPU)


def _read(rows: TrainSet, act: Callable[[], None]) -> float:
    """How often all rows are read while something is done."""
    before = rows.meter.rows_read
    act()
    return (rows.meter.rows_read - before) / len(rows)


@dataclass
class _Counted:
    """FLOPs, operations, and bytes kept for a backward pass."""

    flops: float = 0.0
    ops: float = 0.0
    kept: float = 0.0


class _Ops(TorchDispatchMode):
    """Counts operations that compute something; views do not."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.total += not func.is_view
        return func(*args, **(kwargs or {}))


def _counted(act: Callable[[], Any], own: frozenset[int] = frozenset()) -> _Counted:
    found = _Counted()
    with _keeping(found, own), _Ops() as ops, FlopCounterMode(display=False) as flops:
        act()
    found.flops, found.ops = float(flops.get_total_flops()), float(ops.total)
    return found


@contextmanager
def _keeping(found: _Counted, own: frozenset[int]) -> Iterator[None]:
    """Count the bytes of tensors that are kept for a backward pass, but for those at ``own``."""
    seen = set(own)

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in seen:
            seen.add(storage.data_ptr())
            found.kept += storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        yield


def _one_step(experiment: Experiment, net: Net, step: Step) -> _Counted:
    stack, recipe = experiment.stack, experiment.settings.recipe
    optimizer = stage_optimizer(net, recipe, step.stage)
    net.train()
    for module in net.modules() if step.stage.batch_norm == "eval" else ():
        if isinstance(module, _BatchNorm):
            module.eval()
    size = experiment.card.image_size
    n = 4 if size <= SMALL_PIXELS else 2
    batch = _batch(experiment, step, n, size)
    runner: Any = net
    if step.stage.cached_passes:
        runner, batch = OnFeatures(net), replace(batch, images=_features(net, batch))

    def act() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=recipe.precision == "bf16"):
            loss = stack.loss(runner, batch, step)
        loss.backward()
        optimizer.step()
        stack.after_step(net, step)

    own = frozenset(each.untyped_storage().data_ptr() for each in _tensors(net))
    found = _counted(act, own)
    optimizer.zero_grad(set_to_none=True)
    return _Counted(found.flops / n, found.ops, found.kept / n)


def _tensors(net: nn.Module) -> Iterator[Tensor]:
    yield from net.parameters()
    yield from net.buffers()


@torch.no_grad()
def _features(net: Any, batch: Batch) -> Tensor:
    with net.origins_of(batch):
        found: Tensor = net.features(batch.images).float()
    return found


def _batch(experiment: Experiment, step: Step, n: int, size: int) -> Batch:
    views = len(experiment.stack.views(experiment.settings.recipe))
    batch, other = _plain(n, size, views), _plain(n, size, views)
    mixes = experiment.stack.mixes(step.stage) and not step.stage.cached_passes
    return experiment.stack.mix(batch, other, step) if mixes else batch


def _plain(n: int, size: int, views: int) -> Batch:
    images = [
        torch.randn(n, 3, size, size).contiguous(memory_format=torch.channels_last)
        for _ in range(views)
    ]
    labels = torch.arange(n) % 2
    origins = (torch.arange(n) % 2).to(torch.uint8)
    targets = ((labels, torch.ones(n)),)
    return Batch(images[0], targets, origins, torch.arange(n), tuple(images[1:]))
