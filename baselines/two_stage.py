"""What two-stage methods share: a stage for the head, balanced rows, heads that are changed."""

import math
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor, nn

from baselines.class_prior import class_balanced_rows
from benchmark.component import Net, Stage
from benchmark.config import NonNegativeInt, PositiveFloat
from benchmark.errors import UsageError

Sampler = Literal["class_aware", "weighted"]
# published images of a class that are drawn one after the other
PER_CLASS = 4


@dataclass(frozen=True, kw_only=True)
class HeadStageConfig:
    """Settings of a stage that trains in the head on balanced rows.

    Attributes:
        share: length of the stage, as a share of the recipe's steps; added to them.
        lr_scale: multiplies the recipe's learning rate; it then falls by a cosine.
        sampler: "class_aware" draws four rows of a class in a row, without replacement until all
            had their turn; "weighted" draws independently, with replacement.
        batch_norm: "train" lets running statistics of the backbone go on changing.
        cached_passes: if not 0, train on the features of so many augmented passes, computed once;
            needs ``batch_norm=eval``.
    """

    share: PositiveFloat
    lr_scale: PositiveFloat
    sampler: Sampler = "class_aware"
    batch_norm: Literal["eval", "train"] = "eval"
    cached_passes: NonNegativeInt = 0

    def stage(self, name: str, **changes: Any) -> Stage:
        """The stage that ``name`` owns; ``changes`` are further fields of it."""
        return head_stage(
            name,
            self.share,
            batch_norm=self.batch_norm,
            lr_scale=self.lr_scale,
            cached_passes=self.cached_passes,
            **changes,
        )


def head_stage(name: str, share: float, **changes: Any) -> Stage:
    """A stage of ``name``'s own in which the head is trained under a cosine of its own.

    Mixing and class weights of other components rest in it; their criterion and loss hold.

    Args:
        name: of the stage and of the component that owns it.
        share: length, as a share of the recipe's steps.
        **changes: further fields of ``Stage``, or other values of those set here.
    """
    stage = Stage(
        name=name,
        share=share,
        train="head",
        schedule="cosine",
        plain=frozenset({"mix", "class_weights"}),
        owner=name,
    )
    return replace(stage, **changes)


def balanced_rows(sampler: Sampler, labels: Tensor, rng: torch.Generator) -> Tensor:
    """An epoch of rows in which every class is drawn equally often.

    Args:
        sampler: "class_aware", see ``class_aware_rows``; or "weighted": independent draws with
            replacement, so that classes are equal in the mean only.
        labels: int64 (rows,).
        rng: source of randomness.

    Returns:
        int64 (rows,), positions in ``labels``.
    """
    if sampler == "weighted":
        return class_balanced_rows(labels, len(labels), rng)
    return class_aware_rows(labels, len(labels), PER_CLASS, rng)


def class_aware_rows(labels: Tensor, n: int, per_class: int, rng: torch.Generator) -> Tensor:
    """``n`` positions, class after class in random order, ``per_class`` rows of each in a row.

    Both the classes and the rows of a class are gone through without replacement and shuffled
    anew when all had their turn. As in the code of Kang et al. (2020), but every call starts
    with full lists.

    Args:
        labels: int64 (rows,); classes without rows are left out.
        n: rows to draw.
        per_class: rows of a class that follow each other, at least 1.
        rng: source of randomness.

    Returns:
        int64 (n,).
    """
    classes = labels.unique()
    visited = _cycled(classes, math.ceil(n / per_class), rng)
    drawn = torch.empty(len(visited), per_class, dtype=torch.int64)
    for label in classes:
        rows, visits = (labels == label).nonzero()[:, 0], visited == label
        needed = int(visits.sum()) * per_class
        drawn[visits] = _cycled(rows, needed, rng).view(-1, per_class)
    return drawn.flatten()[:n]


def _cycled(items: Tensor, n: int, rng: torch.Generator) -> Tensor:
    """``n`` items: one random permutation of all after another."""
    rounds = math.ceil(n / len(items))
    keys = torch.rand(rounds, len(items), generator=rng, dtype=torch.float64)
    return items[keys.argsort(1).flatten()[:n]]


class ScaledHead(nn.Module):
    """A head whose output for each class is multiplied by a factor of the class, 1 at first.

    Args:
        linear: module from features to (batch, classes).
        classes: number of classes.

    Attributes:
        scale: the factors, (classes,).
    """

    def __init__(self, linear: nn.Module, classes: int) -> None:
        super().__init__()
        self.linear = linear
        self.scale = nn.Parameter(torch.ones(classes))

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Factors of 1 again."""
        self.scale.fill_(1.0)

    def forward(self, features: Tensor) -> Tensor:
        """(batch, features) -> (batch, classes)."""
        out: Tensor = self.scale * self.linear(features)
        return out


def scale_head(net: Net, classes: int) -> None:
    """Give the head of ``net`` a factor for each class; one that has some keeps them."""
    if not isinstance(net.head, ScaledHead):
        net.head = ScaledHead(net.head, classes)


@torch.no_grad()
def linear_head(head: nn.Module, name: str) -> nn.Linear:
    """The linear layer that a head is, the factors of a ``ScaledHead`` multiplied into it.

    Args:
        head: of a network; what is returned may be the same object.
        name: the component that asks.

    Raises:
        UsageError: the head is no linear layer.
    """
    if isinstance(head, ScaledHead):
        inner = linear_head(head.linear, name)
        inner.weight.mul_(head.scale[:, None])
        if inner.bias is not None:
            inner.bias.mul_(head.scale)
        return inner
    if not isinstance(head, nn.Linear):
        raise UsageError(
            f"'{name}' expects a linear head, but got a {type(head).__name__}",
            where=f"method.{name}",
            todo=f"leave out {name}, or the component that builds that head",
        )
    return head


def reset_head(head: nn.Module, where: str | None = None) -> None:
    """Give every module of a head its initial weights again.

    Args:
        head: its modules are changed in place, by torch's global generator.
        where: the setting that asks for it, for the message.

    Raises:
        UsageError: no part of the head can be re-initialised.
    """
    found = [reset for module in head.modules() if callable(reset := _reset_method(module))]
    if not found:
        raise UsageError(f"{type(head).__name__} cannot be re-initialised", where=where)
    for reset in found:
        reset()


def _reset_method(module: nn.Module) -> object:
    return getattr(module, "reset_parameters", None)
