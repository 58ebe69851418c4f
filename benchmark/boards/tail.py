"""Accuracy of single classes: as a profile over classes, along the tail, and as gains.

Classes stand in order of real training images, most first. Where the split follows the seed, the
same place is another class at another seed; a place then has no name.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from benchmark.recording.record_models import Record
from benchmark.statistics import stats
from benchmark.statistics.stats import Design, Difference, Estimate, Values

THRESHOLDS = tuple(round(0.05 * step, 2) for step in range(20))
_DECIMALS = 12


@dataclass(frozen=True)
class Profile:
    """How many classes are better than a threshold, for each of several.

    Attributes:
        thresholds: accuracies, ascending.
        shares: of classes with an accuracy above each, mean over seeds with its interval.
    """

    thresholds: tuple[float, ...]
    shares: tuple[Estimate, ...]


@dataclass(frozen=True)
class Place:
    """One place along the tail.

    Attributes:
        rank: 1 for the class with the most real images.
        name: the class; "" where it is another one at another seed.
        count: real training images, mean over seeds.
        accuracy: mean over seeds with its interval.
    """

    rank: int
    name: str
    count: float
    accuracy: Estimate


@dataclass(frozen=True)
class Gain:
    """What one row has over another at one place along the tail."""

    rank: int
    name: str
    count: float
    difference: Difference


def class_accuracies(record: Record) -> tuple[float | None, ...]:
    """Accuracy of each class in the card's order; None for a class without test rows."""
    counts = record.metrics.per_class
    return tuple(
        correct / n if n else None for n, correct in zip(counts.n, counts.correct, strict=True)
    )


def tail_order(record: Record) -> tuple[int, ...]:
    """Classes by descending count of real training images; equal ones in the card's order."""
    counts = record.dataset.counts_real
    return tuple(sorted(range(len(counts)), key=lambda label: (-counts[label], label)))


def profile(records: Sequence[Record], thresholds: Sequence[float] = THRESHOLDS) -> Profile:
    """The profile over classes of one row; classes without test rows are left out.

    Args:
        records: at least one, a seed each.
        thresholds: accuracies in [0, 1]; a class that only reaches one is not above it.
    """
    seeds = [[a for a in class_accuracies(record) if a is not None] for record in records]
    shares = [
        stats.estimate([_share_above(accuracies, threshold) for accuracies in seeds])
        for threshold in thresholds
    ]
    return Profile(tuple(thresholds), tuple(shares))


def _share_above(accuracies: Sequence[float], threshold: float) -> float:
    above = sum(round(a - threshold, _DECIMALS) > 0 for a in accuracies)
    return above / len(accuracies) if accuracies else 0.0


def along_tail(records: Sequence[Record]) -> list[Place]:
    """Accuracy at every place along the tail; at least one record, all with the same classes.

    A place at which no seed has test rows is left out.
    """
    found = []
    for rank, name, count in _places(records):
        values = [a for record in records if (a := _at(record, rank)) is not None]
        if values:
            found.append(Place(rank, name, count, stats.estimate(values)))
    return found


def _places(records: Sequence[Record]) -> list[tuple[int, str, float]]:
    orders = [tail_order(record) for record in records]
    places = []
    for index in range(len(orders[0])):
        labels = {order[index] for order in orders}
        name = records[0].dataset.classes[min(labels)] if len(labels) == 1 else ""
        counts = [
            record.dataset.counts_real[order[index]]
            for record, order in zip(records, orders, strict=True)
        ]
        places.append((index + 1, name, math.fsum(counts) / len(counts)))
    return places


def _at(record: Record, rank: int) -> float | None:
    return class_accuracies(record)[tail_order(record)[rank - 1]]


def gains(first: Sequence[Record], second: Sequence[Record], design: Design) -> list[Gain]:
    """Difference of two rows at every place along the tail, in the order of places.

    Paired by seed in a blocked design, else with the variance pooled over the two. A place that one
    of the rows has no value for is left out.
    """
    found = []
    for rank, name, count in _places([*first, *second]):
        difference = _difference(_by_seed(first, rank), _by_seed(second, rank), design)
        if difference is not None:
            found.append(Gain(rank, name, count, difference))
    return found


def _by_seed(records: Sequence[Record], rank: int) -> Values:
    return {record.seed: a for record in records if (a := _at(record, rank)) is not None}


def _difference(first: Values, second: Values, design: Design) -> Difference | None:
    if not first or not second:
        return None
    if design == "blocked":
        return stats.paired(first, second)
    return stats.unpaired(first, second, stats.pooled_variance([first, second]))
