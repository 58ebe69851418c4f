"""The small table printed at the end of a run: one line a record, within 80 columns."""

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchmark.boards import text
from benchmark.boards.length import title
from benchmark.errors import unknown
from benchmark.harmless import harmless
from benchmark.recording.record_models import Record
from benchmark.system.console import duration

# Not imported when run: a run prints its table without loading scipy.
if TYPE_CHECKING:
    from benchmark.boards import leaderboard

MAX_ROWS = 100


def console_table(records: Sequence[Record], convention: str | None = None) -> Table:
    """Label, shot groups, All, added images and time of each record, in the order given.

    Args:
        records: at least one, of one data set.
        convention: of the shot groups; by default the first of the first record.

    Raises:
        UsageError: a record has no such convention.
    """
    name = convention or next(iter(records[0].dataset.conventions))
    first = f"percent; shot groups by {name}; time: generation + training"
    lines = map(harmless, [first, *filter(None, map(_search, records))])
    # a plain text would be read as markup
    table = Table(caption=Text("\n".join(lines), style="table.caption"))
    table.add_column("Method", overflow="fold", max_width=26)
    for heading in ("Many", "Medium", "Few", "All", "Added", "Time"):
        table.add_column(heading, justify="right", no_wrap=True)
    for record in records:
        table.add_row(*map(_cell, _cells(record, name)))
    return table


def show_runs(records: Sequence[Record]) -> None:
    """Print the table of some runs, if there are any."""
    if records:
        Console().print(console_table(list(records)))


def board_table(board: "leaderboard.Table") -> Table:
    """A leaderboard for the terminal: by track, rank range, method, seeds, All, shot groups.

    Of a long one the first ``MAX_ROWS`` rows.
    """
    left = len(board.rows) - MAX_ROWS
    table = Table(
        title=_cell(f"{title(board)}; {board.key.backbone}"),
        title_justify="left",
        caption=f"{left:,} more rows in its files" if left > 0 else None,
    )
    table.add_column("Rank")
    table.add_column("Method", overflow="fold")
    for heading in ("Seeds", "All", "Many", "Medium", "Few", "Added"):
        table.add_column(heading, justify="right", no_wrap=True)
    for track, rows in groupby(board.rows[:MAX_ROWS], lambda row: row.track):
        table.add_section()
        table.add_row("", Text(f"track: {track}", style="italic"))
        for row in rows:
            grey = "bright_black" if row.ranks is None else ""
            table.add_row(*map(_cell, _board_cells(row)), style=grey)
    return table


def _cell(shown: str) -> Text:
    """Text without markup or controls, whoever chose the label."""
    return Text(harmless(shown))


def _board_cells(row: "leaderboard.Row") -> list[str]:
    return [
        text.ranks(row.ranks),
        row.label,
        str(len(row.records)),
        text.estimate(row.accuracy),
        *(text.percent(group, 1) for group in row.groups),
        str(sum(row.first.budget.add)),
    ]


def _cells(record: Record, convention: str) -> list[str]:
    found = record.metrics.groups
    if convention not in found:
        raise unknown("convention", convention, found, where=record.experiment.label)
    group = found[convention]
    shares = (group.many, group.medium, group.few, record.metrics.accuracy)
    return [
        f"{record.experiment.label} (seed {record.seed})",
        *(text.percent(share, 1) for share in shares),
        str(sum(record.budget.add)),
        duration(_seconds(record)),
    ]


def _search(record: Record) -> str:
    """What choosing settings took, on top of the time in the table."""
    found = record.search
    if found is None:
        return ""
    tried = f"{len(found.tried)} tried in {duration(found.seconds)}"
    return f"{record.experiment.label}, seed {record.seed}: {tried}"


def _seconds(record: Record) -> float:
    generation = record.cost.generation
    return record.cost.training.seconds + (generation.device_seconds if generation else 0.0)
