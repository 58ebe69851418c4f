"""Frozen facts of a data set: what every method, record and table may rely on."""

from dataclasses import dataclass
from typing import Literal

from benchmark.data.groups import Convention, Group, assign

Colour = Literal["RGB", "L"]
Design = Literal["independent", "blocked"]
Triple = tuple[float, float, float]

IMAGENET_MEAN: Triple = (0.485, 0.456, 0.406)
IMAGENET_STD: Triple = (0.229, 0.224, 0.225)


@dataclass(frozen=True, kw_only=True)
class Card:
    """Facts of one configured data set.

    Attributes:
        name: short name, used in paths, records and tables.
        title: one line for people.
        classes: readable class names in label order; they enter prompts.
        class_ids: folder names or WordNet ids in label order.
        counts: real training images of each class, validation rows left out.
        image_size: height and width in pixels.
        colour: "RGB", or "L" for grey images kept in three equal channels.
        mean: of each channel on the [0, 1] scale, used to normalise.
        std: of each channel on the [0, 1] scale.
        conventions: shot-group conventions, the main one first.
        protocol: bumped when the data would change for an unchanged configuration.
        licence: what the data may be used for, or that nobody states it.
        url: where the data set is described.
        citation: the paper to cite.
        n_test_per_class: test images of each class; None if unequal or not known.
        split_rule: how rows were chosen, in words.
        design: "blocked" if the split follows the run's seed, so seeds are compared in pairs.
        carved: validation rows taken from the training rows of each class; empty for none.
    """

    name: str
    title: str
    classes: tuple[str, ...]
    class_ids: tuple[str, ...]
    counts: tuple[int, ...]
    image_size: int
    colour: Colour
    mean: Triple
    std: Triple
    conventions: tuple[Convention, ...]
    protocol: int
    licence: str
    url: str
    citation: str
    n_test_per_class: int | None
    split_rule: str
    design: Design
    carved: tuple[int, ...] = ()

    @property
    def n_classes(self) -> int:
        """The number of classes."""
        return len(self.classes)

    @property
    def chance(self) -> float:
        """Accuracy of guessing on a balanced test set, 1 / K."""
        return 1 / self.n_classes

    @property
    def imbalance(self) -> float:
        """Largest count over smallest count; truncation can lift it above the configured one."""
        return max(self.counts) / min(self.counts)

    @property
    def counts_long_tailed(self) -> tuple[int, ...]:
        """Counts before validation rows were carved out: these decide the shot groups."""
        carved = self.carved or (0,) * self.n_classes
        return tuple(kept + taken for kept, taken in zip(self.counts, carved, strict=True))

    @property
    def groups(self) -> dict[str, tuple[Group, ...]]:
        """The shot group of each class under each convention."""
        counts = self.counts_long_tailed
        return {convention.name: assign(counts, convention) for convention in self.conventions}
