"""One resolved configuration: what will be trained on how many images of each class.

Resolving reads no image and trains nothing; whatever can be refused is refused here.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from benchmark import identity
from benchmark.component import ImageRequest, Task
from benchmark.compose import Settings
from benchmark.data.cards import Card
from benchmark.errors import UsageError
from benchmark.files import content_hash
from benchmark.generation.budget import Allocation, Budget, allocate
from benchmark.generation.budget import label as budget_label
from benchmark.generation.budget import resolve as resolve_budget
from benchmark.generation.sources import Drawn

TRACKS = {"synthetic": "synthetic", "web": "web", "heldout_real": "oracle", "real": "real"}


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
    """

    settings: Settings
    card: Card
    task: Task
    request: ImageRequest | None
    budget: Budget
    allocation: Allocation

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
        """The settings that are hashed; the seed stands beside them."""
        chosen = self.settings
        values = {
            "protocol": identity.PROTOCOL,
            "dataset": {"kind": chosen.values["dataset"]["kind"], "protocol": self.card.protocol}
            | identity.plain(chosen.dataset.config),
            "method": [identity.describe_component(part) for part in chosen.stack.components],
            "backbone": identity.plain(chosen.backbone),
            "recipe": identity.plain(chosen.recipe),
        }
        if chosen.score_on != "test":
            values["score_on"] = chosen.score_on
        if self.request or self.budget.kind != "none" or self.budget.keep_real is not None:
            values["budget"] = identity.plain(self.budget)
        if self.request and isinstance(self.request.source, Drawn):
            values["generator"] = self._generator()
            values["pool_seed"] = chosen.pool_seed
            values["modifiers"] = chosen.modifiers
        return values

    def _generator(self) -> dict[str, Any]:
        # the batch size moves an image by rounding only
        hidden = ("batch_size",)
        given = identity.plain(self.settings.generator.config)
        return {key: value for key, value in given.items() if key not in hidden}

    @cached_property
    def hash(self) -> str:
        """Twelve hex digits that identify the experiment, whatever the seed."""
        return content_hash(self.science)

    @cached_property
    def label(self) -> str:
        """The readable name of the method, with the budget where it is not the method's own."""
        name = identity.label(self.settings.stack.components)
        own = self.settings.budget == Budget(kind="auto")
        return name if own else f"{name} @ {budget_label(self.budget)}"

    @property
    def dataset_name(self) -> str:
        """The data set as printed; runs scored on other rows than the test set say so."""
        rows = self.settings.score_on
        return self.card.name if rows == "test" else f"{self.card.name}@{rows}"

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
        UsageError: the budget and the method do not fit.
    """
    card: Card = settings.dataset.card(settings.seed)
    counts = tuple(card.counts)
    task = Task(card.name, card.classes, counts, counts, card.image_size, settings.modifiers)
    request = settings.stack.request_images(task)
    own = request.default_budget if request else Budget(kind="none")
    budget = resolve_budget(settings.budget, own)
    allocation = allocate(budget, counts, many_above=card.conventions[0].many)
    if sum(allocation.add) and request is None:
        raise UsageError(
            f"The budget adds {sum(allocation.add):,} images, but no component supplies any",
            where="budget",
            todo="add a supply to the method, e.g. 'method=[t2i,...]', or use budget=none",
        )
    if sum(allocation.counts_train) == 0:
        todo = "raise budget.amount, or leave budget.keep_real out"
        raise UsageError("The budget leaves no training image", where="budget", todo=todo)
    trained = Task(
        card.name,
        card.classes,
        counts,
        allocation.counts_train,
        card.image_size,
        settings.modifiers,
    )
    return Experiment(settings, card, trained, request, budget, allocation)
