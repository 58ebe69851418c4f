"""One resolved configuration: what will be trained on how many images of each class.

Resolving reads no image and trains nothing; whatever can be refused is refused here.
"""

from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from benchmark import identity
from benchmark.component import ImageRequest, Stage, Task
from benchmark.data.cards import Card
from benchmark.errors import UsageError
from benchmark.experiments import search
from benchmark.experiments.compose import Settings
from benchmark.generation.budget import Allocation, Budget, counts_only
from benchmark.generation.budget import label as budget_label
from benchmark.generation.budget import resolve as resolve_budget
from benchmark.generation.limits import Predicted, Prices, check_limits, predict
from benchmark.generation.protocols import (
    NEUTRAL,
    Protocol,
    allocate_under,
    deciding,
    derives_counts,
    levelled,
)
from benchmark.generation.sources import Collected, Drawn
from benchmark.harmless import is_file_name
from benchmark.recording import record_models
from benchmark.seeds import numpy_generator
from benchmark.stack import Stack
from benchmark.system.files import content_hash

TRACKS = {"synthetic": "synthetic", "web": "web", "heldout_real": "oracle", "real": "real"}


@dataclass(frozen=True)
class Chosen:
    """What a search came to: the stack with the settings that did best, and how they were found."""

    stack: Stack
    search: record_models.Search


@dataclass(frozen=True)
class Experiment:
    """An experiment with a seed.

    Attributes:
        settings: the checked configuration.
        card: facts of the data set.
        task: the problem, with counts before and after the budget.
        request: images the method asks for, or None.
        budget: with "auto" resolved.
        allocation: real images kept and images added, by class.
        predicted: what drawing the added images will take.
        chosen: the outcome of the search of settings; None before it and without one.
    """

    settings: Settings
    card: Card
    task: Task
    request: ImageRequest | None
    budget: Budget
    allocation: Allocation
    predicted: Predicted
    chosen: Chosen | None = None

    @property
    def stack(self) -> Stack:
        """The method that is trained: with the settings that were chosen, or as configured."""
        return self.chosen.stack if self.chosen else self.settings.stack

    @cached_property
    def search_space(self) -> dict[str, tuple[Any, ...]]:
        """Values of the method's settings that a search may try."""
        return _search_space(self.settings)

    @property
    def protocol(self) -> Protocol:
        """What is equal across the methods that this experiment may be compared with."""
        return self.settings.protocol

    @property
    def fixed_rows(self) -> int | None:
        """Rows that every method's epochs are counted on; None where they are its own."""
        return sum(self.task.counts_real) if self.protocol == "iso_training" else None

    @property
    def seed(self) -> int:
        """The run's seed."""
        return self.settings.seed

    @property
    def pool_seed(self) -> int:
        """The seed of the pool: the run's own unless one was fixed."""
        fixed = self.settings.pool_seed
        return fixed if isinstance(fixed, int) else self.seed

    @cached_property
    def science(self) -> dict[str, Any]:
        """The settings that are hashed; the seed stands beside them.

        What a search chooses is an outcome, which may differ by seed, and not among them.
        """
        chosen = self.settings
        values = {
            "protocol": identity.PROTOCOL,
            "dataset": {"kind": chosen.values["dataset"]["kind"], "protocol": self.card.protocol}
            | identity.plain(chosen.dataset.config),
            "method": [identity.describe_component(part) for part in chosen.stack.components],
            "backbone": identity.plain(chosen.backbone),
            "recipe": identity.plain(chosen.recipe),
        }
        if content := chosen.dataset.content():
            values["content"] = content
        if chosen.score_on != "test":
            values["score_on"] = chosen.score_on
        if self.protocol != NEUTRAL:
            values["budget_protocol"] = self.protocol
        if chosen.search_trials:
            values["search"] = {"trials": chosen.search_trials, "on": chosen.search_on,
                                "space": identity.plain(self.search_space)}  # fmt: skip
        if self.request or self.budget.kind != "none" or self.budget.keep_real is not None:
            values["budget"] = identity.plain(deciding(self.budget, self.protocol))
        if self.request and isinstance(self.request.source, Drawn):
            values["generator"] = self._generator()
            values["pool_seed"] = chosen.pool_seed
            values["modifiers"] = chosen.modifiers
            if self.request.source.prompts.class_modifiers:
                values["modifier_hash"] = self.request.source.prompts.modifier_hash
        elif self.request and isinstance(self.request.source, Collected):
            # which images of a collection are taken follows the seed unless one is given
            values |= {} if chosen.pool_seed == "seed" else {"pool_seed": chosen.pool_seed}
        return values

    def _generator(self) -> dict[str, Any]:
        # these move an image by rounding only
        hidden = ("batch_size", "vae_slicing", "compile")
        given = identity.plain(self.settings.generator.config)
        return {key: value for key, value in given.items() if key not in hidden}

    @cached_property
    def hash(self) -> str:
        """Twelve hex digits that identify the experiment, whatever the seed."""
        return content_hash(self.science)

    @cached_property
    def label(self) -> str:
        """The readable name of the method, with the budget where it is not the method's own."""
        chosen = self.settings
        note = search.note(chosen.search_trials, chosen.search_on)
        name = identity.label(chosen.stack.components, note)
        own = not derives_counts(self.protocol) and _is_default(self.settings.budget)
        return name if own else f"{name} @ {budget_label(self.budget)}"

    @property
    def dataset_name(self) -> str:
        """The data set as printed; runs scored on other rows than the test set say so.

        Raises:
            UsageError: it is no name of a folder, which it becomes.
        """
        rows, name = self.settings.score_on, self.card.name
        if not is_file_name(name):
            raise UsageError(
                f"Expected letters, digits, - and _, but got '{name}'",
                where="dataset.name",
                todo="give the data set a short name",
            )
        return name if rows == "test" else f"{name}@{rows}"

    @property
    def track(self) -> str:
        """The leaderboard track: decided by the origin of the added images."""
        return TRACKS[self.request.origin] if self.request else "real"

    @property
    def folder(self) -> Path:
        """The run's folder: runs/<dataset>/<method>/<hash>/s<seed>."""
        out = Path(self.settings.plumbing.out)
        method = identity.slug(self.label)
        return out / self.dataset_name / method / self.hash / f"s{self.seed}"


def resolve(settings: Settings) -> Experiment:
    """Work out the budget of an experiment and check that the parts fit together.

    Raises:
        UsageError: the budget and the method do not fit, or the plan exceeds a limit.
    """
    card: Card = settings.dataset.card(settings.seed)
    counts = tuple(card.counts)
    task = Task(card.name, card.classes, counts, counts, card.image_size, settings.modifiers)
    request = settings.stack.request_images(task)
    budget = _budget(settings, request)
    prices = _prices(settings, request, sum(map(bool, counts)))
    protocol = settings.protocol if request else NEUTRAL
    allocation = _allocation(protocol, card, budget, prices, settings.seed)
    _check_allocation(allocation, request)
    _check_stages(settings, allocation)
    _check_search(settings, request)
    predicted = predict(allocation.add, prices, budget)
    check_limits(budget, predicted, partial(_price, card, prices, settings.seed))
    trained = replace(task, counts_train=allocation.counts_train)
    return Experiment(settings, card, trained, request, budget, allocation, predicted)


def _check_stages(settings: Settings, allocation: Allocation) -> None:
    for stage in settings.stack.stages([Stage("base")]):
        if stage.rows.origin == "added" and not sum(allocation.add):
            raise UsageError(
                f"The stage '{stage.name}' has no training rows of origin added",
                where="method",
                todo="add a supply, e.g. 'method=[t2i,...]', and a budget that adds images",
            )


def _search_space(settings: Settings) -> dict[str, tuple[Any, ...]]:
    parts = settings.stack.components
    preset = identity.preset_of(parts)
    return search.space(parts, preset.settings if preset else {})


def _check_search(settings: Settings, request: ImageRequest | None) -> None:
    if not settings.search_trials:
        return
    _search_space(settings)
    if settings.search_on == "heldout" and request and request.origin == "heldout_real":
        raise UsageError(
            "The method trains on held-out rows, so nothing can be chosen on them",
            where="search_on",
            todo=choose_rows(settings, request, "search_on", heldout=False),
        )


def choose_rows(
    settings: Settings, request: ImageRequest | None, key: str, *, heldout: bool, val: bool = True
) -> str:
    """What to do where the rows that ``score_on`` or ``search_on`` names cannot be had.

    Args:
        settings: of the run.
        request: images that the method asks for; it may train on held-out rows itself.
        key: the setting that names the rows.
        heldout: whether the data set keeps held-out rows.
        val: whether carving may help, where the data set can carve.
    """
    searches = bool(settings.search_trials)
    other = settings.score_on if key == "search_on" else settings.search_on if searches else ""
    if val and other != "val" and hasattr(settings.dataset.config, "val"):
        return f"set {key}=val and dataset.val=carve"
    trained = request is not None and request.origin == "heldout_real"
    if heldout and other != "heldout" and not trained:
        return f"set {key}=heldout"
    return "set score_on=test" if key == "score_on" else "set search_trials=0"


def _is_default(budget: Budget) -> bool:
    """Whether nothing that decides counts was asked for."""
    return counts_only(budget) == Budget(kind="auto")


def _budget(settings: Settings, request: ImageRequest | None) -> Budget:
    if derives_counts(settings.protocol):
        derived = levelled(settings.budget, settings.protocol)
        # a method that adds nothing spends nothing, and is what the others are compared with
        return derived if request else replace(derived, kind="none")
    own = request.default_budget if request else Budget(kind="none")
    return resolve_budget(settings.budget, own)


def _prices(settings: Settings, request: ImageRequest | None, n_classes: int) -> Prices:
    """What images of the method's supply take; free where no network draws them."""
    if request is None or not isinstance(request.source, Drawn):
        return Prices(supply=f"{request.origin} images" if request else "no images")
    source, generator = request.source, settings.generator
    strengths = source.guides.strengths if source.guides else (None,)
    calls = tuple(generator.predicted_calls(strength) for strength in strengths)
    if source.fit is None:
        return Prices(calls)
    from benchmark.generation.fitting.cost import predicted_network_calls

    return Prices(calls, predicted_network_calls(source.fit, n_classes))


def _allocation(
    protocol: Protocol, card: Card, budget: Budget, prices: Prices, seed: int
) -> Allocation:
    many = card.conventions[0].many
    order = numpy_generator(seed, "replaced classes").permutation(card.n_classes).tolist()
    return allocate_under(protocol, budget, card.counts, prices, many_above=many, order=order)


def _price(card: Card, prices: Prices, seed: int, budget: Budget) -> Predicted:
    """What another budget would take whose counts are given."""
    return predict(_allocation(NEUTRAL, card, budget, prices, seed).add, prices, budget)


def _check_allocation(allocation: Allocation, request: ImageRequest | None) -> None:
    if sum(allocation.add) and request is None:
        raise UsageError(
            f"The budget adds {sum(allocation.add):,} images, but no component supplies any",
            where="budget",
            todo="add a supply to the method, e.g. 'method=[t2i,...]', or use budget=none",
        )
    if sum(allocation.counts_train) == 0:
        todo = "raise budget.amount, or leave budget.keep_real out"
        raise UsageError("The budget leaves no training image", where="budget", todo=todo)
