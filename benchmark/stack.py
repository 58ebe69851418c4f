"""How the hooks of several components combine.

Single hooks (one filler at most): request_images, views, build, deploy, class_weights, criterion,
loss. Chained hooks, in stack order: mix, stages, start_stage, after_step, end_epoch. ``streams``
merges by field. A component that owns stages acts only in those, and comes first there; the
others act in every stage. Clashes are found before any work starts.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from benchmark.component import (
    HOOKS,
    Batch,
    Component,
    ImageRequest,
    Net,
    Stage,
    Step,
    Streams,
    Task,
    TrainingRows,
    fills,
)
from benchmark.errors import UsageError

SINGLE = ("request_images", "views", "build", "deploy", "class_weights", "criterion", "loss")
ANY_STAGE = ("request_images", "build", "deploy", "stages", "views")


@dataclass(frozen=True)
class Stack:
    """Components in the order given, acting as one method; an empty stack is plain CE.

    Raises:
        UsageError: two components fill the same single hook, or cannot work together.
    """

    components: tuple[Component, ...]

    def __post_init__(self) -> None:
        names = [component.name for component in self.components]
        for name in names:
            if names.count(name) > 1:
                raise UsageError(f"'{name}' stands twice in the stack", where="method")
        for hook in SINGLE:
            if hook in ANY_STAGE:
                self._one(hook)
        for stage in self.stages([Stage("base")]):
            for hook in SINGLE:
                if hook not in ANY_STAGE:
                    self._one(hook, stage)
            self._check_loss(stage)
            self._check_cached(stage)

    def acting(self, hook: str, stage: Stage) -> list[Component]:
        """The components that fill a hook and act by it in a stage, in order of precedence."""
        active = self._active(hook, stage)
        return active[:1] if hook in SINGLE else active

    def _active(self, hook: str, stage: Stage | None) -> list[Component]:
        """Components that fill ``hook`` and act in ``stage``, the owner of the stage first."""
        filling = [component for component in self.components if fills(component, hook)]
        if stage is None or hook in ANY_STAGE:
            return filling
        if hook in stage.plain:
            return []
        owners = self._owners()
        free = [component for component in filling if component.name not in owners]
        return [component for component in filling if component.name == stage.owner] + free

    def _owners(self) -> set[str]:
        return {stage.owner for stage in self.stages([Stage("base")]) if stage.owner}

    def _one(self, hook: str, stage: Stage | None = None) -> Component | None:
        active = self._active(hook, stage)
        owned = stage is not None and active and active[0].name == stage.owner
        if len(active) > 1 and not owned:
            names = " and ".join(f"'{component.name}'" for component in active)
            raise UsageError(
                f"{names} cannot be stacked: each fills the hook '{hook}'",
                where="method",
                todo="keep one of them",
            )
        return active[0] if active else None

    def _check_loss(self, stage: Stage) -> None:
        whole = self._one("loss", stage)
        if whole is None:
            return
        parts = {
            part for hook in ("criterion", "class_weights") for part in self._active(hook, stage)
        }
        clashing = [part.name for part in parts if part is not whole]
        if not whole.accepts_mix:
            clashing += [part.name for part in self._active("mix", stage) if part is not whole]
        if clashing:
            raise UsageError(
                f"'{whole.name}' brings its own loss and would ignore '{clashing[0]}'",
                where="method",
                todo="keep one of them",
            )

    def _check_cached(self, stage: Stage) -> None:
        if not stage.cached_passes:
            return
        head = stage.train.partition(".")[0] == "head"
        mixing = [part.name for part in self._active("mix", stage)]
        if not head or stage.batch_norm != "eval" or mixing:
            mixed = f"'{mixing[0]}' mixes in it" if mixing else "its backbone is not frozen"
            raise UsageError(
                f"The stage '{stage.name}' cannot train on features computed once: {mixed}",
                where=f"method.{stage.owner}",
                todo="set cached_passes=0 there",
            )

    # data
    def request_images(self, task: Task) -> ImageRequest | None:
        """The one request for added images, or None."""
        part = self._one("request_images")
        return part.request_images(task) if part else None

    def views(self, recipe: Any) -> tuple[str, ...]:
        """Augmentations of one row; one "weak" view by default."""
        part = self._one("views")
        return tuple((part.views(recipe) if part else None) or ("weak",))

    def streams(self, step: Step, labels: Tensor, rng: torch.Generator) -> Streams:
        """The merged row streams of an epoch.

        Raises:
            UsageError: two components of equal standing set the same stream.
        """
        merged: dict[str, tuple[str, Tensor]] = {}
        for part in self._active("streams", step.stage):
            drawn = part.streams(step, labels, rng) or Streams()
            for field in ("main", "aux"):
                rows = getattr(drawn, field)
                held = merged.get(field)
                if rows is None or (held and held[0] == step.stage.owner):
                    continue
                if held:
                    raise UsageError(
                        f"'{held[0]}' and '{part.name}' cannot be stacked: each sets the {field} "
                        "row stream",
                        where="method",
                    )
                merged[field] = (part.name, rows)
        return Streams(**{field: rows for field, (_, rows) in merged.items()})

    def mixes(self, stage: Stage) -> bool:
        """Whether any component blends batches in ``stage``."""
        return bool(self._active("mix", stage))

    def mix(self, batch: Batch, aux: Batch | None, step: Step) -> Batch:
        """The batch after every mixing component."""
        for part in self._active("mix", step.stage):
            batch = part.mix(batch, aux, step)
        return batch

    # model
    def build(self, backbone: nn.Module, task: Task) -> Net:
        """The network to train."""
        return (self._one("build") or _PLAIN).build(backbone, task)

    def check_head(self, net: Net) -> None:
        """Refuse a network, as built, with a head that a component cannot work with.

        Raises:
            UsageError: names the component, the head it needs and the one that was built.
        """
        for part in self.components:
            if not isinstance(net.head, part.accepts_heads):
                wanted = " or ".join(kind.__name__ for kind in part.accepts_heads)
                builder = (self._one("build") or part).name
                raise UsageError(
                    f"'{part.name}' expects a head of kind {wanted}, but '{builder}' builds a "
                    f"{type(net.head).__name__}",
                    where="method",
                    todo=f"leave out {part.name} or {builder}",
                )

    def needs_whole_batch(self) -> list[str]:
        """Names of the components that must see every batch whole."""
        return [part.name for part in self.components if part.needs_whole_batch]

    def deploy(self, net: Net, task: Task) -> nn.Module:
        """The module that is evaluated."""
        return (self._one("deploy") or _PLAIN).deploy(net, task)

    # objective
    def class_weights(self, step: Step) -> tuple[Tensor | None, str]:
        """Weights of the classes (or None) and how they enter the mean."""
        part = self._one("class_weights", step.stage)
        return (part.class_weights(step), part.reduction) if part else (None, _PLAIN.reduction)

    def criterion(self, out: Any, labels: Tensor, step: Step) -> Tensor:
        """The loss of each example."""
        return (self._one("criterion", step.stage) or _PLAIN).criterion(out, labels, step)

    def loss(self, net: Net, batch: Batch, step: Step) -> Tensor:
        """The scalar to minimise; of a piece of a batch, a mean over the piece's rows."""
        part = self._one("loss", step.stage)
        if part:
            return part.loss(net, batch, step)
        with net.origins_of(batch):
            out = net(batch.images)
        return blended_loss(self, out, batch, step)

    # schedule
    def stages(self, base: list[Stage]) -> list[Stage]:
        """The stages, each component adding to what those before it made."""
        for part in self.components:
            after = part.stages(base)
            _check_stages(part, base, after)
            base = after
        return base

    def start_stage(self, net: Net, rows: TrainingRows, step: Step) -> None:
        """Call every acting component as a stage begins."""
        for part in self._active("start_stage", step.stage):
            part.start_stage(net, rows, step)

    def after_step(self, net: Net, step: Step) -> None:
        """Call every acting component after an optimiser step."""
        for part in self._active("after_step", step.stage):
            part.after_step(net, step)

    def end_epoch(self, net: Net, rows: TrainingRows, step: Step) -> None:
        """Call every acting component after an epoch."""
        for part in self._active("end_epoch", step.stage):
            part.end_epoch(net, rows, step)

    def describe(self, stages: Iterable[Stage]) -> list[tuple[str, str, str]]:
        """The resolved hooks as (stage, hook, components) rows, for printing."""
        rows = []
        for stage in stages:
            for hook in HOOKS:
                shown = [part.name for part in self.acting(hook, stage)]
                if shown and (hook not in ANY_STAGE or stage.owner is None):
                    rows.append((stage.name, hook, ", ".join(shown)))
        return rows


def _check_stages(part: Component, before: list[Stage], after: list[Stage]) -> None:
    names = [stage.name for stage in after]
    dropped = [stage.name for stage in before if stage.owner and stage.name not in names]
    twice = [name for name in names if names.count(name) > 1]
    if dropped or twice:
        verb, name = ("drops", dropped[0]) if dropped else ("repeats", twice[0])
        raise UsageError(
            f"'{part.name}' {verb} the stage '{name}' of the components before it",
            where="method",
            todo="name it first in the stack, or leave one of them out",
        )


_PLAIN = Component(Component.Config(), "plain")


def blended_loss(stack: Stack, out: Any, batch: Batch, step: Step) -> Tensor:
    """The mean over examples and target pairs of weight x class weight x criterion.

    With "weighted_mean" each pair's sum is divided by its own sum of class weights, as PyTorch's
    weighted mean does for each term of a mixed loss; with "batch_mean" by the batch size. Weights
    of pairs never divide: a component that weights rows keeps their mean at 1 itself.
    """
    weights, reduction = stack.class_weights(step)
    total = torch.zeros((), device=step.device)
    for pair, (labels, share) in enumerate(batch.targets):
        losses = share * stack.criterion(out, labels, step)
        if weights is None:
            total = total + losses.mean()
            continue
        weighted = (losses * weights[labels]).sum()
        mean = reduction == "weighted_mean"
        total = total + weighted / (batch.weight_sum(weights, pair) if mean else len(labels))
    return total
