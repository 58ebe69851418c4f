"""``report compare A B``: two rows of a leaderboard, or own runs against the committed ones.

A and B are labels or hashes of experiments among the records, or folders and record files. A label
that several tables have needs ``--dataset`` or a hash. Two folders of several experiments are
compared experiment by experiment.
"""

import os
from argparse import Namespace
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.errors import DataError, UsageError, unknown
from benchmark.vocabulary.words import Parser

# Not imported when run: scipy takes a second, and words are checked before.
if TYPE_CHECKING:
    from benchmark.boards.comparison import Metric
    from benchmark.boards.leaderboard import Row
    from benchmark.recording.record_models import Record

USAGE = (
    "A B [--records DIR] [--dataset NAME] [--metric NAME] [--margin POINTS] [--json]\n"
    "       A, B: labels or hashes of rows, or folders of records"
)
SUMMARY = "compare two rows of a leaderboard, or own runs with committed ones"
COMMITTED, RUNS = Path("leaderboards/records"), Path("runs")


def main(args: Sequence[str]) -> int:
    """Run ``report compare`` with the words after it and return the exit code."""
    parser = Parser("report compare", USAGE, SUMMARY)
    parser.add_argument("first", metavar="A", help="a label, a hash, a folder or a record file")
    parser.add_argument("second", metavar="B", help="the same")
    parser.add_argument("--records", type=Path, help=f"where rows are looked up (or {COMMITTED})")
    parser.add_argument("--dataset", help="only rows of this data set")
    parser.add_argument("--metric", default="accuracy", help="what the verdict is about")
    parser.add_argument("--margin", type=float, default=1.0, help="practically equal, in points")
    parser.add_argument("--json", action="store_true", help="all values, for programs")
    given = parser.strict(args)
    if not 0 < given.margin <= 100:
        got = f"Expected a margin above 0 and up to 100 points, but got {given.margin:g}"
        raise UsageError(got, where="--margin")
    print(_compared(given))
    return 0


def _compared(given: Namespace) -> str:
    from benchmark.boards import comparison
    from benchmark.report import compare_json, compare_text
    from benchmark.system.files import layout_json

    metric, margin = _metric(given.metric), given.margin / 100
    if _is_path(given.first) and _is_path(given.second):
        sides = _rows_at(given.first, given.dataset), _rows_at(given.second, given.dataset)
        if max(map(len, sides)) > 1:
            return _folders(sides, metric, margin, as_json=given.json)
    board = _board(given)
    first, second = _pair(
        _candidates(given.first, board, given.dataset),
        _candidates(given.second, board, given.dataset),
        (given.first, given.second),
    )
    found = comparison.compare(first, second, board, metric=metric, margin=margin)
    return layout_json(compare_json.plain(found)) if given.json else compare_text.render(found)


def _folders(
    sides: "tuple[list[Row], list[Row]]", metric: "Metric", margin: float, *, as_json: bool
) -> str:
    from benchmark.report import compare_folders, compare_json
    from benchmark.system.files import layout_json

    found = compare_folders.compare_folders(*sides, metric=metric, margin=margin)
    if as_json:
        return layout_json([compare_json.plain(pair) for pair in found.pairs])
    return compare_folders.render(found)


def _metric(name: str) -> "Metric":
    from benchmark.boards.comparison import METRICS

    for each in METRICS:
        if each == name:
            return each
    raise unknown("metric", name, METRICS, where="--metric")


def _board(given: Namespace) -> "list[Row]":
    """The rows among which labels are looked up; none if both sides are paths and nothing is."""
    from benchmark.boards.leaderboard import build
    from benchmark.report.tables import read_all

    folder = given.records or (COMMITTED if COMMITTED.is_dir() else RUNS)
    if not folder.is_dir():
        if given.records is None and _is_path(given.first) and _is_path(given.second):
            return []
        todo = "name a folder of records: --records DIR"
        raise DataError("Expected a folder of records, but found none", where=folder, todo=todo)
    rows = [row for table in build(read_all(folder)) for row in table.rows]
    return _of_dataset(rows, given.dataset)


def _of_dataset(rows: "list[Row]", name: str | None) -> "list[Row]":
    if name is None:
        return rows
    kept = [row for row in rows if row.first.dataset.name == name]
    if not kept:
        allowed = {row.first.dataset.name for row in rows} or {"(no records)"}
        raise unknown("data set", name, allowed, where="--dataset")
    return kept


def _is_path(name: str) -> bool:
    return os.sep in name or name.endswith(".json")


def _candidates(name: str, board: "list[Row]", dataset: str | None) -> "list[Row]":
    """The rows that a label, a hash or a path may mean; at least one.

    Raises:
        UsageError: there is no such row, or a folder holds several.
        DataError: a folder or file holds no record.
    """
    found = [row for row in board if name in (row.label, row.hash)]
    if found:
        return found
    if _is_path(name) or Path(name).exists():
        return [_row_at(name, dataset)]
    raise unknown("row", name, {row.label for row in board} or {"(no records)"})


def _row_at(path: str, dataset: str | None) -> "Row":
    rows = _rows_at(path, dataset)
    if len(rows) > 1:
        listed = ", ".join(sorted({row.label for row in rows})[:5])
        raise UsageError(
            f"Expected runs of one experiment, but got {len(rows)} experiments: {listed}",
            where=path,
            todo="name the folder of one of them, or pass this one with --records",
        )
    return rows[0]


def _rows_at(path: str, dataset: str | None) -> "list[Row]":
    from benchmark.boards.leaderboard import build

    rows = [row for table in build(_records_at(Path(path))) for row in table.rows]
    if not rows:
        todo = "name a folder of runs, or a record.json"
        raise DataError("Expected a record, but found none", where=path, todo=todo)
    return _of_dataset(rows, dataset)


def _records_at(path: Path) -> "Iterable[Record]":
    from benchmark.recording import records
    from benchmark.report.tables import read_all

    return read_all(path) if path.is_dir() else [records.load(path)]


def _pair(firsts: "list[Row]", seconds: "list[Row]", names: tuple[str, str]) -> "tuple[Row, Row]":
    """The one pair of rows that share a table; one row each may be of different tables.

    Raises:
        UsageError: there are several pairs, or none among several rows.
    """
    from benchmark.recording.table_key import key_of

    pairs = [(a, b) for a in firsts for b in seconds if key_of(a.first) == key_of(b.first)]
    if not pairs and len(firsts) == len(seconds) == 1:
        return firsts[0], seconds[0]
    if len(pairs) == 1:
        if pairs[0][0] is pairs[0][1]:
            raise UsageError(f"Expected two rows, but '{names[0]}' and '{names[1]}' are one")
        return pairs[0]
    rows = [row for pair in pairs for row in pair] or [*firsts, *seconds]
    listed = "; ".join(dict.fromkeys(map(_told, rows)))
    raise UsageError(
        f"Expected one pair '{names[0]}' and '{names[1]}' in one table, but got {len(pairs)}",
        todo=f"name both by hash, or add --dataset: {listed}",
    )


def _told(row: "Row") -> str:
    pool = f", pool {row.first.pool.pool_seed}" if row.first.pool and row.one_pool else ""
    what = f"{row.first.dataset.name}, {row.first.recipe.name}, budget {row.first.budget.label}"
    return f"{row.hash} ({row.label}, {what}{pool})"
