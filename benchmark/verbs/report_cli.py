"""The verb ``report``: leaderboards, and what else is made from records."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.errors import IntegrityError
from benchmark.vocabulary.words import Parser

if TYPE_CHECKING:
    from benchmark.boards.leaderboard import Table

USAGE = (
    "[--records DIR] [--tables DIR] [--collect] [--out DIR] [--check] "
    "| compare A B | plots | export RUN"
)


def main(args: Sequence[str]) -> int:
    """Run ``report`` with the words after the verb and return the exit code."""
    if args and args[0] == "compare":
        from benchmark.report.compare import main as compare

        return compare(args[1:])
    if args and args[0] == "plots":
        from benchmark.report.plots import main as plots

        return plots(args[1:])
    if args and args[0] == "export":
        from benchmark.publishing.export_cli import main as export

        return export(args[1:])
    return _tables(args)


def _tables(args: Sequence[str]) -> int:
    parser = Parser("report", USAGE, "leaderboards from records")
    board = Path("leaderboards")
    committed = "records to read (default: leaderboards/records, else the runs)"
    parser.add_argument("--records", type=Path, help=committed)
    where = "where tables go (default: leaderboards/tables, or tables in the folder of --records)"
    parser.add_argument("--tables", type=Path, help=where)
    parser.add_argument("--collect", action="store_true", help="first copy finished runs there")
    parser.add_argument("--out", type=Path, default=Path("runs"), help="the runs to collect")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if any differs")
    given = parser.strict(args)
    from benchmark import api

    if given.collect:
        target = given.records or api.DEFAULT_RECORDS
        n = len(api.collect(given.out, target))
        print(f"{n} finished run{'' if n == 1 else 's'} collected in {target}")
    boards = api.leaderboards(given.records)
    # tables of other records never take the place of the committed ones
    foreign = given.records not in (None, api.DEFAULT_RECORDS) and api.DEFAULT_RECORDS.is_dir()
    folder = given.tables or (given.records if foreign else board) / "tables"
    files = api.report(given.records, folder, check=given.check, boards=boards)
    if not given.check:
        _print_boards(boards)
    print("\n".join(map(str, files)) or "nothing is out of date")
    if given.check and files:
        problem = "Expected tables made from these records, but the ones above differ"
        raise IntegrityError(problem, where=folder, todo="run: python -m benchmark report")
    return 0


def _print_boards(boards: Sequence["Table"]) -> None:
    from rich.console import Console

    from benchmark.report.console import board_table

    for board in boards:
        Console().print(board_table(board))
