"""Accuracy along the tail: classes from the largest to the smallest, by real training counts.

Where the split follows the seed another class stands at each place; curves are by place.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from benchmark.boards.tail import class_accuracies, tail_order
from benchmark.recording.record_models import Record
from benchmark.report.page.encoding import centi
from benchmark.statistics import stats

# More places than this cannot be told apart on a screen.
MAX_PLACES = 100


def spans(classes: int) -> list[range]:
    """Neighbouring places that are shown as one: each alone up to ``MAX_PLACES`` classes."""
    parts = min(classes, MAX_PLACES)
    edges = [round(part * classes / parts) for part in range(parts + 1)]
    return [range(low, high) for low, high in pairwise(edges)]


def curve(records: Sequence[Record]) -> tuple[list[int | None], list[int | None]]:
    """Mean accuracy over seeds at each place, and half-widths, in hundredths of a percent."""
    by_seed = [_accuracies(record) for record in records]
    places = zip(*by_seed, strict=True)
    columns = [[value for value in place if value is not None] for place in places]
    means = [centi(stats.mean(values)) if values else None for values in columns]
    return means, [centi(stats.half_width(values)) for values in columns]


def _accuracies(record: Record) -> list[float | None]:
    found = class_accuracies(record)
    ordered = [found[label] for label in tail_order(record)]
    return [_mean(ordered[part.start : part.stop]) for part in spans(len(ordered))]


def _mean(values: Sequence[float | None]) -> float | None:
    present = [value for value in values if value is not None]
    return stats.mean(present) if present else None


def images(record: Record) -> list[list[int]]:
    """Real images kept and images added at each place."""
    labels, budget = tail_order(record), record.budget
    return [
        [sum(counts[labels[place]] for place in part) for part in spans(len(labels))]
        for counts in (budget.keep, budget.add)
    ]


def places(records: Sequence[Record], convention: str) -> dict[str, Any]:
    """What stands at each place: real images, shot group, and the class if it is always the same.

    Args:
        records: of one table, at least one.
        convention: of the shot groups.
    """
    first, parts = records[0], spans(len(records[0].dataset.classes))
    labels, groups = tail_order(first), first.dataset.conventions[convention]
    counts = [first.dataset.counts_real[label] for label in labels]
    return {
        "counts": [round(stats.mean(counts[part.start : part.stop])) for part in parts],
        "groups": [groups[labels[part.start]] for part in parts],
        "names": _names(records, parts),
        "each": max(len(part) for part in parts),
    }


def _names(records: Sequence[Record], parts: Sequence[range]) -> list[str] | None:
    """Names of the classes by place; None where they change with the seed or are grouped."""
    found = {
        tuple(record.dataset.classes[label] for label in tail_order(record)) for record in records
    }
    alone = all(len(part) == 1 for part in parts)
    return list(found.pop()) if len(found) == 1 and alone else None
