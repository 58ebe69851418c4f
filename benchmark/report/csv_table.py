"""A leaderboard as CSV, with shares in [0, 1] at six decimals."""

import csv
import io
import re
from collections.abc import Iterable, Sequence

from benchmark.boards import text
from benchmark.boards.leaderboard import Row, Table
from benchmark.harmless import harmless

HEADER = (
    "dataset", "protocol", "recipe", "steps_rule", "backbone", "track", "method", "budget",
    "rank_low", "rank_high", "letters", "seeds", "accuracy", "half_width", "convention", "many",
    "medium", "few", "difference", "difference_half_width", "wins", "pairs", "differs", "ece",
    "images_added", "network_calls", "train_seconds", "one_pool", "verified", "experiment",
)  # fmt: skip
_FORMULA = re.compile(r"\s*[=+\-@]")
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?(e[+-]?\d+)?|-")


def render(table: Table) -> str:
    """The whole file of one table: a header, then one line a row; empty where not available."""
    # files of tables with equal images have no such column
    rule = [table.key.budget_rule] if table.key.budget_rule else []
    header = [*HEADER, *(["budget_rule"] if rule else [])]
    return write([header, *([*_cells(row, table), *rule] for row in table.rows)])


def write(rows: Iterable[Sequence[object]]) -> str:
    """Rows of cells as the text of a CSV file in which no text is a formula.

    Spreadsheets run what begins with =, +, - or @; an apostrophe before it makes it text.
    """
    buffer = io.StringIO()
    inert = ([_inert(cell) for cell in row] for row in rows)
    csv.writer(buffer, lineterminator="\n").writerows(inert)
    return buffer.getvalue()


def _inert(cell: object) -> object:
    if not isinstance(cell, str):
        return cell
    shown = harmless(cell)
    return f"'{shown}" if _FORMULA.match(shown) and not _NUMBER.fullmatch(shown) else shown


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
