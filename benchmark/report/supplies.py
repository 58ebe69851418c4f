"""Rows side by side with what their images cost: which supply is worth its price."""

from collections.abc import Iterable, Sequence

from benchmark.boards import text
from benchmark.boards.leaderboard import Row, distinct, pick, rows_of
from benchmark.recording.record_models import Record
from benchmark.report.chain import check_comparable
from benchmark.statistics import stats

HEADER = [
    "Supply", "Track", "All", "Few", "Seeds", "To the first", "Added", "Network calls", "Fitting",
    "Device s",
]  # fmt: skip


def supply_table(records: Iterable[Record], labels: Sequence[str]) -> str:
    """A Markdown table of accuracy beside cost; differences are to the first row, by seed.

    Args:
        records: in any order; those of other rows are ignored.
        labels: labels or experiment hashes, in order; the first is the reference.

    Raises:
        UsageError: a label is unknown or ambiguous, or two rows may not share a table.
    """
    rows = rows_of(distinct(records))
    chosen = [pick(rows, label) for label in labels]
    check_comparable(chosen)
    lines = [_line(row, chosen[0]) for row in chosen]
    return text.markdown_table(HEADER, lines, left=2)


def _line(row: Row, reference: Row) -> list[str]:
    gap = None if row is reference else stats.paired(row.values, reference.values)
    spent = row.spent
    added = stats.mean([sum(record.budget.add) for record in row.records])
    return [
        text.escape(row.label),
        row.track,
        text.estimate(row.accuracy),
        text.percent(row.groups[2]),
        str(row.accuracy.n),
        text.difference(gap),
        f"{added:,.0f}",
        f"{spent.calls:,.0f}" if spent.known else "not stated",
        f"{spent.fit_calls:,.0f}",
        f"{spent.seconds:,.0f}",
    ]
