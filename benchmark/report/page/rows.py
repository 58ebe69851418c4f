"""A row of a leaderboard or a cell of a grid as a plain list; the page reads it by field names."""

from collections.abc import Sequence
from typing import Any

from benchmark.boards.leaderboard import Row
from benchmark.report.page.details import Details
from benchmark.report.page.encoding import Strings, centi, summary, tenths
from benchmark.statistics.metrics import GROUPS

FIELDS = (
    "label", "hash", "track", "budget", "seeds", "all", "width", "many", "manyWidth", "medium",
    "mediumWidth", "few", "fewWidth", "gain", "gainWidth", "wins", "pairs", "differs", "low",
    "high", "letters", "ece", "added", "calls", "odd", "train", "components", "onePool", "detail",
)  # fmt: skip


def encode(row: Row, strings: Strings, details: Details) -> list[Any]:
    """The fields of a row in the order of ``FIELDS``; shares in hundredths of a percent."""
    gap, first = row.difference, row.first
    low, high = row.ranks or (None, None)
    return [
        row.label, row.hash, strings.add(row.track), strings.add(first.budget.label),
        row.accuracy.n, centi(row.accuracy.mean), centi(row.accuracy.half_width),
        *groups(row),
        centi(gap.mean) if gap else None, centi(gap.half_width) if gap else None,
        gap.wins if gap else None, gap.n if gap else None, int(row.differs),
        low, high, strings.add(row.letters), centi(row.ece), row.added,
        round(row.spent.calls) if row.spent.known else None,
        int(row.spent.predicted is not None), tenths(row.train_seconds),
        strings.add_all([part.name for part in first.method.stack]), int(row.one_pool),
        details.add(row),
    ]  # fmt: skip


def groups(row: Row) -> Sequence[int | None]:
    """Mean and half-width over seeds of Many, Medium and Few, by turns."""
    convention = next(iter(row.first.dataset.conventions))
    found = [record.metrics.groups[convention] for record in row.records]
    by_group = [[getattr(each, group) for each in found] for group in GROUPS]
    return [
        number
        for values in by_group
        for number in summary([value for value in values if value is not None])
    ]
