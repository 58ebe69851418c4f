"""A leaderboard as CSV, with shares in [0, 1] at six decimals."""

import csv
import io
from collections.abc import Iterable, Sequence

from benchmark.leaderboard import Row, Table
from benchmark.report import text

HEADER = (
    "dataset", "protocol", "recipe", "steps_rule", "backbone", "track", "method", "budget",
    "rank_low", "rank_high", "letters", "seeds", "accuracy", "half_width", "convention", "many",
    "medium", "few", "difference", "difference_half_width", "wins", "pairs", "differs", "ece",
    "images_added", "network_calls", "train_seconds", "one_pool", "verified", "experiment",
)  # fmt: skip


def render(table: Table) -> str:
    """The whole file of one table: a header, then one line a row; empty where not available."""
    # files of tables with equal images have no such column
    rule = [table.key.budget_rule] if table.key.budget_rule else []
    header = [*HEADER, *(["budget_rule"] if rule else [])]
    return write([header, *([*_cells(row, table), *rule] for row in table.rows)])


def write(rows: Iterable[Sequence[object]]) -> str:
    """Rows of cells as the text of a CSV file."""
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    return buffer.getvalue()


def _share(value: float | None) -> str:
    return "" if value is None else text.number(value, 6)


def _cells(row: Row, table: Table) -> list[object]:
    low, high = row.ranks or ("", "")
    gap, key = row.difference, table.key
    return [
        key.dataset, key.protocol, key.recipe, key.steps_rule, key.backbone,
        row.track, row.label, row.first.budget.label,
        low, high, row.letters,
        row.accuracy.n, _share(row.accuracy.mean), _share(row.accuracy.half_width),
        table.convention, *map(_share, row.groups),
        _share(gap.mean if gap else None), _share(gap.half_width if gap else None),
        gap.wins if gap else "", gap.n if gap else "", int(row.differs),
        _share(row.ece), row.added, text.number(row.spent.calls, 0),
        text.number(row.train_seconds, 1), int(row.one_pool), row.verified, row.hash,
    ]  # fmt: skip
