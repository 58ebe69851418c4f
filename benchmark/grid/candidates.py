"""Cells of a grid as candidates for one's own use: scores on two halves of the scored rows.

The best of many cells looks better than it is on the rows that it was chosen by. So the scored rows
are cut in two halves, class by class: cells are *chosen* by one half, and whatever is *reported* of
them is of the other. The score is the mean of the class accuracies, so that a skewed test set does
not hide the tail; where classes have equally many test rows, this is the accuracy.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from benchmark.boards.leaderboard import Row
from benchmark.grid.grids import Cell
from benchmark.recording.record_models import Record
from benchmark.seeds import numpy_generator
from benchmark.statistics import metrics, stats
from benchmark.statistics.metrics import GroupAccuracy, Predictions
from benchmark.statistics.stats import Design, Estimate, Values

# scores that differ by less are the same but for rounding
DECIMALS = 9


def rows_of_choice(labels: NDArray[np.uint16], n_classes: int) -> NDArray[np.bool_]:
    """Which scored rows cells are chosen by: half of each class, the same for every run.

    Args:
        labels: uint16 (n,).
        n_classes: classes K. Of classes with an odd number of rows every other one gives the
            larger half.

    Returns:
        bool (n,); the others are those that are reported.
    """
    return _rows_of_choice(labels.tobytes(), n_classes)


@lru_cache(maxsize=8)
def _rows_of_choice(content: bytes, n_classes: int) -> NDArray[np.bool_]:
    """Runs of a grid have the same labels, and large test sets many of them."""
    labels = np.frombuffer(content, dtype=np.uint16)
    chosen = np.zeros(len(labels), dtype=bool)
    spare = 0
    for label in range(n_classes):
        rows = np.flatnonzero(labels == label)
        order = numpy_generator(0, "rows of choice", label).permutation(rows)
        chosen[order[: (len(rows) + spare) // 2]] = True
        spare = (len(rows) + spare) % 2
    return chosen


@dataclass(frozen=True, eq=False)
class Scored:
    """One run on the two halves of its rows.

    Attributes:
        choice: score on the rows of choice, in [0, 1].
        choice_few: Few on the rows of choice; None where the group has none.
        report: score on the reported rows.
        groups: shot groups on the reported rows.
        few_rows: how many of them are of few-shot classes.
        labels: uint16 (n,), classes of the reported rows.
        hits: bool (n,), which of them are right.
    """

    choice: float
    choice_few: float | None
    report: float
    groups: GroupAccuracy
    few_rows: int
    labels: NDArray[np.uint16]
    hits: NDArray[np.bool_]


def score(record: Record, predictions: Predictions) -> Scored:
    """A run's score on both halves; groups under the record's first convention.

    Raises:
        DataError: labels that the record's classes do not have.
    """
    n_classes = len(record.dataset.classes)
    groups = next(iter(record.dataset.conventions.values()))
    chosen = rows_of_choice(predictions.labels, n_classes)
    first, second = (
        metrics.count(_only(predictions, rows), n_classes) for rows in (chosen, ~chosen)
    )
    return Scored(
        choice=metrics.macro(first),
        choice_few=metrics.group_accuracy(first, groups).few,
        report=metrics.macro(second),
        groups=metrics.group_accuracy(second, groups),
        few_rows=sum(n for n, group in zip(second.n, groups, strict=True) if group == "few"),
        labels=predictions.labels[~chosen],
        hits=(predictions.labels == predictions.predicted)[~chosen],
    )


def _only(predictions: Predictions, rows: NDArray[np.bool_]) -> Predictions:
    return Predictions(**{name: values[rows] for name, values in vars(predictions).items()})


@dataclass(frozen=True, eq=False)
class Candidate:
    """A cell with its finished runs.

    Attributes:
        cell: of the grid.
        row: its records at the seeds of the grid.
        runs: scores at these seeds.
        more: scores at further seeds, which nothing is chosen by.
    """

    cell: Cell
    row: Row
    runs: dict[int, Scored]
    more: dict[int, Scored] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The cell's name."""
        return self.cell.name

    @property
    def choice(self) -> float:
        """Mean score on the rows of choice."""
        return round(stats.mean([run.choice for run in self.runs.values()]), DECIMALS)

    @property
    def choice_few(self) -> float | None:
        """Mean Few on the rows of choice."""
        return _mean([run.choice_few for run in self.runs.values()])

    @cached_property
    def values(self) -> Values:
        """Score on the reported rows, by seed."""
        return {seed: run.report for seed, run in self.runs.items()}

    @cached_property
    def fresh(self) -> Values:
        """Score on the reported rows at further seeds."""
        return {seed: run.report for seed, run in self.more.items()}

    @property
    def estimate(self) -> Estimate:
        """Mean score on the reported rows and its interval over seeds."""
        return stats.estimate(list(self.values.values()))

    @property
    def groups(self) -> tuple[float | None, float | None, float | None]:
        """Mean Many, Medium and Few on the reported rows."""
        many, medium, few = (
            _mean([getattr(run.groups, name) for run in self.runs.values()])
            for name in metrics.GROUPS
        )
        return many, medium, few

    @property
    def design(self) -> Design:
        """How seeds relate to the split."""
        return self.row.first.dataset.design

    @property
    def price(self) -> tuple[bool, float, float, float]:
        """What orders cells by cost: unknown cost, network calls, images added, training time."""
        spent = self.row.spent
        return not spent.known, spent.calls, self.row.added, self.row.train_seconds


def _mean(values: Sequence[float | None]) -> float | None:
    found = [value for value in values if value is not None]
    return stats.mean(found) if found else None
