"""The deployed network of a run built again from its weights file.

Components attach modules as their stages start, and that is replayed without a step.
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn

from benchmark.component import ORIGINS, Component, Origin, Task
from benchmark.config import BackboneConfig, RecipeConfig, parse
from benchmark.data.augmentation import pad_images
from benchmark.data.batches import TrainSet
from benchmark.errors import BenchError, IntegrityError, UsageError, one_line
from benchmark.experiments.untrained import untrained
from benchmark.models import NOT_BUILT_WITH
from benchmark.recording.blueprint import Blueprint
from benchmark.recording.weights_file import blueprint_in, read_tensors
from benchmark.registry import COMPONENTS
from benchmark.stack import Stack
from benchmark.training.checkpoints import weights_hash
from benchmark.training.job import Job
from benchmark.training.logs import NullLogger

MAX_ROWS = 10**8
_ORIGINS: dict[str, Origin] = {"synthetic": "synthetic", "web": "web", "oracle": "heldout_real"}


def read_network(path: Path) -> tuple[nn.Module, Blueprint]:
    """The network of a weights file of ours, in evaluation mode, and its blueprint.

    Raises:
        DataError: there is no such file.
        IntegrityError: it is damaged, of another kind, or does not fit its blueprint.
        UsageError: a component or backbone that is not installed, or in another version.
    """
    metadata, tensors = read_tensors(path)
    plan = blueprint_in(metadata, path)
    if plan is None:
        raise IntegrityError(
            "Expected weights that a run kept, but the file has no blueprint",
            where=path,
            todo="score it as any checkpoint: evaluate dataset=... checkpoint=FILE model=NAME",
        )
    net = rebuild(plan)
    try:
        net.load_state_dict(tensors)
    except RuntimeError as error:
        raise IntegrityError(
            f"Expected the tensors of its blueprint, but got others: {one_line(error)}",
            where=path,
            todo="export the run again, with the version of the suite that trained it",
        ) from error
    if weights_hash(net) != plan.state_sha256:
        raise IntegrityError(
            "Expected the tensors that were written, but their hash differs",
            where=path,
            todo="delete it and copy or write it again",
        )
    return net.eval(), plan


def rebuild(plan: Blueprint) -> nn.Module:
    """The deployed network of a blueprint, untrained.

    Raises:
        UsageError: a component or backbone that is not installed, or in another version.
        IntegrityError: settings that no network comes of.
    """
    _check_size(plan)
    task, stack = _task(plan), stack_of(plan)
    job = _job(plan, task, stack)
    try:
        return stack.deploy(untrained(job), task)
    except BenchError:
        raise
    except Exception as error:  # whatever damaged settings make of a component
        raise IntegrityError(
            f"The network of '{plan.label}' cannot be built again: {one_line(error)}",
            where="blueprint",
            todo="use the version of the suite that trained it, and report this if it is the same",
        ) from error


def _task(plan: Blueprint) -> Task:
    return Task(
        dataset=plan.dataset,
        classes=plan.classes,
        counts_real=plan.counts_real,
        counts_train=tuple(k + a for k, a in zip(plan.keep, plan.add, strict=True)),
        image_size=plan.image_size,
        modifiers=plan.modifiers,
    )


def _job(plan: Blueprint, task: Task, stack: Stack) -> Job:
    recipe = parse(RecipeConfig, plan.recipe, "recipe")
    return Job(
        stack=stack,
        task=task,
        rows=stand_in(plan, recipe, stack.views(recipe)),
        recipe=recipe,
        fixed_rows=plan.fixed_rows,
        backbone=parse(BackboneConfig, plan.backbone, "backbone"),
        seed=plan.seed,
        device=torch.device("cpu"),
        folder=Path(),
        checkpoint_seconds=float("inf"),
        compile=False,
        progress=False,
        logger=NullLogger(),
    )


def _check_size(plan: Blueprint) -> None:
    """Refuse what no data set has, before memory is taken for it."""
    lengths = {len(plan.classes), len(plan.counts_real), len(plan.keep), len(plan.add)}
    rows = sum(plan.keep) + sum(plan.add)
    odd = [name for name in NOT_BUILT_WITH if name in (plan.backbone.get("options") or {})]  # type: ignore[operator]
    if len(lengths) != 1 or not 0 < rows <= MAX_ROWS or odd:
        problem = f"the backbone option {odd[0]}" if odd else f"{rows:,} rows of {lengths} classes"
        raise IntegrityError(
            f"Expected the blueprint of a run, but got {problem}",
            where="blueprint",
            todo="export the run again",
        )


def stack_of(plan: Blueprint) -> Stack:
    """The method of a blueprint.

    Raises:
        UsageError: a component that is not installed, or in another version.
    """
    return Stack(tuple(_component(part.name, part.version, part.settings) for part in plan.stack))


def _component(name: str, version: int, settings: Mapping[str, object]) -> Component:
    cls = COMPONENTS.load(name)
    if cls.version != version:
        raise UsageError(
            f"Expected version {version} of '{name}', but got {cls.version}",
            where="method",
            todo="use the version of the suite that trained it",
        )
    made: Component = cls(parse(cls.Config, settings, f"method.{name}"), name)
    return made


def stand_in(plan: Blueprint, recipe: RecipeConfig, views: tuple[str, ...]) -> TrainSet:
    """Rows with the labels and origins of the run's; one black image stands for all."""
    labels = torch.arange(len(plan.classes))
    real, added = torch.tensor(plan.keep), torch.tensor(plan.add)
    of_added = ORIGINS.index(_ORIGINS.get(plan.track, "real"))
    rows = torch.cat([labels.repeat_interleave(real), labels.repeat_interleave(added)])
    origins = torch.cat(
        [torch.full((int(n.sum()),), at) for n, at in ((real, 0), (added, of_added))]
    )
    black = torch.zeros(1, plan.image_size, plan.image_size, 3, dtype=torch.uint8)
    change = recipe.augmentation
    return TrainSet(
        images=pad_images(black, change.pad, plan.mean, plan.std, change.border),
        index=torch.zeros(len(rows), dtype=torch.long),
        labels=rows,
        origins=origins.to(torch.uint8),
        augmentation=change,
        views=views,
    )
