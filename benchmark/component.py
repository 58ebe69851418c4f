"""The interface of a component: what travels, and the thirteen hooks.

A component owns only what makes it that component. Every hook has the plain cross-entropy
behaviour as its default, so an empty component is the CE baseline. Hooks come in four families:
data, model, objective, schedule. How the hooks of several components combine is in ``stack.py``.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, ClassVar, Literal, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmark.generation.budget import Budget
from benchmark.generation.sources import Source
from benchmark.seeds import torch_generator

Origin = Literal["real", "synthetic", "web", "heldout_real"]
ORIGINS: tuple[Origin, ...] = ("real", "synthetic", "web", "heldout_real")
Prior = Literal["real", "train"]
RowFilter = Literal["all", "real", "added"]
Reduction = Literal["weighted_mean", "batch_mean"]


@dataclass(frozen=True)
class Task:
    """All a component may know of the problem; no test row can be reached from here.

    Attributes:
        dataset: name of the data set.
        classes: readable class names, in label order.
        counts_real: real training images of each class.
        counts_train: training images of each class after the budget was spent.
        image_size: height and width of a training image, in pixels.
        modifiers: name of the modifier set written for this data set's classes.
    """

    dataset: str
    classes: tuple[str, ...]
    counts_real: tuple[int, ...]
    counts_train: tuple[int, ...]
    image_size: int
    modifiers: str = "general"

    @property
    def n_classes(self) -> int:
        """The number of classes."""
        return len(self.classes)

    def counts(self, prior: Prior) -> tuple[int, ...]:
        """The counts a component uses as its class prior: before or after the budget."""
        return self.counts_real if prior == "real" else self.counts_train


@dataclass(frozen=True)
class Rows:
    """Which training rows a stage uses.

    Attributes:
        origin: rows of every origin, the real ones, or the added ones.
        per_class: keep this many rows of each class, drawn once a stage by a named stream; "min"
            is the size of the smallest class; None keeps all.
    """

    origin: RowFilter = "all"
    per_class: int | Literal["min"] | None = None


@dataclass(frozen=True)
class Stage:
    """One phase of training.

    Attributes:
        name: what the stage is called in records and logs.
        share: length as a share of the recipe's total steps; stages may add up to more than 1.
        rows: the training rows in use.
        train: what is trained: "all", or one module or parameter by its path, such as "head" or
            "head.scale".
        batch_norm: "train" updates running statistics, "eval" freezes them.
        init: "continue" keeps the weights, "fresh" builds the network again.
        lr_scale: multiplies the recipe's learning rate.
        rates: multiplies the learning rate of parts, as (path, factor); what has none has 1.
        weight_decay: replaces the recipe's weight decay if not None.
        schedule: replaces the name of the recipe's schedule if not None.
        cached_passes: 0 augments every batch anew. Else the backbone is frozen, the features of so
            many augmented passes over the rows are computed once, and the stage trains on them,
            one pass after the other. Needs a stage that trains in the head only, with frozen batch
            norm and no mixing; ``loss`` then sees features in ``batch.images``.
        plain: hooks that fall back to their defaults in this stage.
        owner: the component that added the stage; its hooks come first. None for the base stage.
    """

    name: str
    share: float = 1.0
    rows: Rows = Rows()
    train: str = "all"
    batch_norm: Literal["train", "eval"] = "train"
    init: Literal["continue", "fresh"] = "continue"
    lr_scale: float = 1.0
    rates: tuple[tuple[str, float], ...] = ()
    weight_decay: float | None = None
    schedule: str | None = None
    cached_passes: int = 0
    plain: frozenset[str] = frozenset()
    owner: str | None = None


@dataclass(frozen=True)
class Step:
    """Where training stands.

    Attributes:
        stage: the current stage.
        task: the problem.
        index: optimiser steps done in this stage (0-based).
        total: optimiser steps of this stage.
        epoch: passes over the stage's rows done in this stage (0-based).
        epochs: passes the stage takes in all.
        seed: the run's seed; use ``rng`` rather than this.
        device: where the network lives.
        previous: in ``start_stage`` of a stage that builds a fresh network, the one before it.
    """

    stage: Stage
    task: Task
    index: int
    total: int
    epoch: int
    epochs: int
    seed: int
    device: torch.device
    previous: nn.Module | None = None

    @property
    def progress(self) -> float:
        """Share of the stage's epochs that are over, in [0, 1)."""
        return self.epoch / max(self.epochs, 1)

    def rng(self, name: str) -> torch.Generator:
        """A CPU generator for the stream ``name`` at this stage and step."""
        return torch_generator(self.seed, name, self.stage.name, self.index)


Targets = tuple[tuple[Tensor, Tensor], ...]


@dataclass(frozen=True)
class Batch:
    """A training batch after augmentation and normalisation.

    Attributes:
        images: float, (batch, channels, height, width), channels_last.
        targets: pairs of labels (batch,) int64 and weights (batch,) float; one pair before any
            mixing. The weights of a row sum to 1 unless a component weighted the rows
            themselves; then they sum to the row's weight, whose mean over a batch is 1.
        origins: uint8 (batch,), an index into ``ORIGINS``.
        index: int64 (batch,), positions among the training rows.
        views: further augmentations of the same rows, shaped like ``images``.
        whole: in a piece of a batch the labels of all its rows, one tensor a target pair; else
            empty.
    """

    images: Tensor
    targets: Targets
    origins: Tensor
    index: Tensor
    views: tuple[Tensor, ...] = ()
    whole: tuple[Tensor, ...] = ()

    @property
    def labels(self) -> Tensor:
        """The labels of the first pair: the row's own before mixing."""
        return self.targets[0][0]

    def piece(self, rows: slice) -> "Batch":
        """Some of the rows, for a process or a pass of its own; it remembers the labels of all."""
        return Batch(
            images=self.images[rows],
            targets=tuple((labels[rows], weights[rows]) for labels, weights in self.targets),
            origins=self.origins[rows],
            index=self.index[rows],
            views=tuple(view[rows] for view in self.views),
            whole=self.whole or tuple(labels for labels, _ in self.targets),
        )

    def weight_sum(self, weights: Tensor, pair: int) -> Tensor:
        """Sum of class weights (classes,) over the labels of a target pair.

        In a piece it is the piece's part, by rows, of the sum over the whole batch, so that means
        over pieces add up to the mean over the batch.
        """
        labels = self.targets[pair][0]
        if not self.whole:
            return weights[labels].sum()
        of_all = self.whole[pair]
        return weights[of_all].sum() * (len(labels) / len(of_all))

    def mixed(self, images: Tensor, other: Targets, own_weight: Tensor) -> "Batch":
        """This batch with ``images`` and targets blended: own ones by ``own_weight``.

        Args:
            images: the blended images.
            other: targets of what was mixed in.
            own_weight: share of the own targets in [0, 1], (batch,) or scalar.
        """
        own = tuple((labels, weight * own_weight) for labels, weight in self.targets)
        mixed_in = tuple((labels, weight * (1 - own_weight)) for labels, weight in other)
        return replace(self, images=images, targets=own + mixed_in)


@dataclass(frozen=True)
class Streams:
    """Row positions for one epoch, as indices into the stage's rows.

    Attributes:
        main: int64 (n,), or None for a plain permutation.
        aux: int64 (m,), positions for a second batch handed to ``mix``; wraps round if short.
    """

    main: Tensor | None = None
    aux: Tensor | None = None


class TrainingRows(Protocol):
    """A read-only, metered view of the training rows that a component may look at."""

    @property
    def labels(self) -> Tensor:
        """The class of each row, int64 (n,)."""
        ...

    @property
    def origins(self) -> Tensor:
        """Indices into ``ORIGINS``, uint8 (n,)."""
        ...

    def batches(self, batch_size: int = 256, rng: torch.Generator | None = None) -> Iterator[Batch]:
        """Every row once, in order, on the training device; augmented if ``rng`` is given."""
        ...


@dataclass(frozen=True)
class ImageRequest:
    """What a component wants added to the training rows.

    Attributes:
        origin: of the images; decides the leaderboard track.
        source: how the images come about: drawn, collected, or held-out real rows.
        default_budget: what ``budget=auto`` means for this component.
        knowledge: outside knowledge that the request itself brings (e.g. "llm-modifiers").
    """

    origin: Origin
    source: Source
    default_budget: Budget
    knowledge: tuple[str, ...] = ()


@dataclass
class AtHand:
    """What modules may know of the batch that passes through their network.

    One object, shared by a network and those of its modules that ask; a copy of the network has
    a copy of its own.

    Attributes:
        origins: uint8 (batch,), indices into ``ORIGINS``; None outside ``Net.origins_of``.
    """

    origins: Tensor | None = None


class Net(nn.Module):
    """A backbone that yields (batch, features) and a head that yields the output.

    A subclass keeps ``forward`` the head of ``features``: stages that train the head alone may
    hand it features that were computed before.

    Args:
        backbone: module with an integer ``num_features``.
        head: module from features to logits.

    Attributes:
        at_hand: the origins of the batch that passes through.
    """

    def __init__(self, backbone: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head
        self.at_hand = AtHand()

    @contextmanager
    def origins_of(self, batch: Batch) -> Iterator[None]:
        """Let the modules see the origins of a batch while it passes through the network.

        A context rather than a call, so that it serves a compiled network too:
        ``with net.origins_of(batch): out = net(batch.images)``.
        """
        self.at_hand.origins = batch.origins
        try:
            yield
        finally:
            self.at_hand.origins = None

    def features(self, images: Tensor) -> Tensor:
        """Pooled features, (batch, features)."""
        features: Tensor = self.backbone(images)
        return features

    def forward(self, images: Tensor) -> Any:
        """Logits (batch, classes), or what the component's criterion expects."""
        return self.head(self.features(images))


def linear_net(backbone: nn.Module, task: Task) -> Net:
    """The default network: the backbone and one linear layer, Kaiming-normal with bias."""
    head = nn.Linear(int(backbone.num_features), task.n_classes)  # type: ignore[arg-type]
    nn.init.kaiming_normal_(head.weight)
    return Net(backbone, head)


def cross_entropy(out: Tensor, labels: Tensor) -> Tensor:
    """Softmax cross-entropy of each example: (batch, classes), (batch,) -> (batch,)."""
    return functional.cross_entropy(out, labels, reduction="none")


@dataclass(frozen=True)
class Citation:
    """Where a component comes from."""

    authors: str = ""
    title: str = ""
    venue: str = ""
    year: int = 0
    url: str = ""


def space(**values: tuple[Any, ...]) -> Mapping[str, tuple[Any, ...]]:
    """A search space: a few candidate values of each setting named, read-only."""
    return MappingProxyType(values)


class Component:
    """One reusable piece of a method. Final: wrap or stack, never subclass a concrete one.

    A concrete component sets ``Config``, a frozen dataclass. A field without a default takes its
    value from the component's YAML file; a field with one is neutral: at that value it is left
    out of the experiment's hash, so an option added later does not orphan old records.

    Attributes:
        version: bump when behaviour changes; enters the experiment's hash.
        citation: where the component comes from.
        reduction: how ``class_weights`` enter the mean: divided by the sum of weights
            ("weighted_mean", PyTorch's rule) or by the batch ("batch_mean").
        accepts_mix: False if ``loss`` reads plain labels and cannot take blended targets.
        accepts_heads: kinds of ``net.head`` as built that the component can work with.
        needs_whole_batch: True if rows of a batch act on each other in training, or state is kept
            from batches. Else a mean over the pieces of a batch is the mean over the batch, and
            several processes may share it, or one take it in pieces where memory is short; a
            ``loss`` that divides by a sum of class weights takes it from ``Batch.weight_sum``.
        search: the settings that ``search_trials`` may vary, with two to four values each; none for
            a component that requests images.
    """

    @dataclass(frozen=True)
    class Config:
        """No settings."""

    version: ClassVar[int] = 1
    citation: ClassVar[Citation] = Citation()
    reduction: ClassVar[Reduction] = "weighted_mean"
    accepts_mix: ClassVar[bool] = True
    accepts_heads: ClassVar[tuple[type[nn.Module], ...]] = (nn.Module,)
    needs_whole_batch: ClassVar[bool] = False
    search: ClassVar[Mapping[str, tuple[Any, ...]]] = space()

    def __init__(self, config: Any, name: str) -> None:
        self.config = config
        self.name = name

    # data
    def request_images(self, task: Task) -> ImageRequest | None:
        """Images to add before training; ``task.counts_train`` is not known yet."""

    def views(self, recipe: Any) -> Sequence[str] | None:
        """Names of the augmentations of one row, the first being the training image."""

    def streams(self, step: Step, labels: Tensor, rng: torch.Generator) -> Streams | None:
        """Row positions for the epoch that begins; fields left None stay the default."""

    def mix(self, batch: Batch, aux: Batch | None, step: Step) -> Batch:
        """Blend images and targets; draws come from ``step.rng(f"mix/{self.name}")``."""
        return batch

    # model
    def build(self, backbone: nn.Module, task: Task) -> Net:
        """The network to train."""
        return linear_net(backbone, task)

    def deploy(self, net: Net, task: Task) -> nn.Module:
        """The plain module, images to logits, that is evaluated and published."""
        return net

    # objective
    def class_weights(self, step: Step) -> Tensor | None:
        """A weight for each class, (classes,), on ``step.device``; None means all ones."""

    def criterion(self, out: Any, labels: Tensor, step: Step) -> Tensor:
        """The loss of each example, (batch,)."""
        return cross_entropy(out, labels)

    def loss(self, net: Net, batch: Batch, step: Step) -> Tensor:
        """The scalar to minimise, where ``criterion`` is not enough."""
        raise TypeError("loss is only called on a component that fills it")

    # schedule
    def stages(self, base: list[Stage]) -> list[Stage]:
        """The stages of training, given those so far."""
        return base

    def start_stage(self, net: Net, rows: TrainingRows, step: Step) -> None:
        """Called once as a stage begins; torch's global generator is seeded for it.

        Called again for stages already over when a run resumes; their weights are then restored.
        A module attached here (a teacher) is put into training mode with the rest of the network
        before each step: ``loss`` has to call ``eval`` on it, and detach it.
        """

    def after_step(self, net: Net, step: Step) -> None:
        """Called after each optimiser step."""

    def end_epoch(self, net: Net, rows: TrainingRows, step: Step) -> None:
        """Called after each epoch."""


HOOKS: tuple[str, ...] = (
    "request_images", "views", "streams", "mix",
    "build", "deploy",
    "class_weights", "criterion", "loss",
    "stages", "start_stage", "after_step", "end_epoch",
)  # fmt: skip


def fills(component: Component, hook: str) -> bool:
    """Whether the component overrides the hook."""
    return getattr(type(component), hook) is not getattr(Component, hook)
