"""The page across data sets: mean rank and mean gain of methods that several tables share.

It is shown and decides nothing: tables are few, and often about the same images.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from benchmark.boards import text
from benchmark.boards.across import Across, across
from benchmark.boards.leaderboard import Row, Table
from benchmark.boards.length import title
from benchmark.recording.record_models import TRACKS, Track
from benchmark.report.markdown import REPORT_COMMAND
from benchmark.report.tables import file_stem
from benchmark.statistics import stats

PAGE = "across.md"
MIN_SHARED = 2
Method = tuple[Track, str]
_INTRODUCTION = """\
# Across data sets

What holds in one table may not hold in another. These numbers are shown and decide nothing: tables
are few and often about the same images, so there is no test, and no method is ranked by them in a
leaderboard.
"""
_MEANS = f"""\
Methods that all of these tables have with at least {stats.MIN_SEEDS} seeds. Mean rank: by accuracy
among those of the same track, 1 is best, ties share. Mean gain: over the reference row of each
table, in points; the reference has no gain over itself.
"""
_GAINS = f"""\
Methods that at least two tables have, in tables with at least {MIN_SHARED} of them. Gain over the
reference row of the table ± half-width of its 95 % interval, in points; grey (in italics) where it
or the reference has fewer than {stats.MIN_SEEDS} seeds.
"""


def pages(folder: Path, boards: Sequence[Table]) -> dict[Path, str]:
    """The text of the page by its path.

    Args:
        folder: where it stands beside the folder of tables.
        boards: our leaderboards.
    """
    return {folder / PAGE: render(boards)}


def render(boards: Sequence[Table]) -> str:
    """The whole page."""
    chosen = sharing(boards)
    parts = [_INTRODUCTION]
    if len(chosen) > 1:
        parts += ["## Mean rank and mean gain\n", _MEANS, _means(across(chosen), chosen)]
    else:
        parts.append(
            f"There is no mean yet: no two tables share {MIN_SHARED} methods with at least "
            f"{stats.MIN_SEEDS} seeds each.\n"
        )
    gains = _gains(boards)
    if gains:
        parts += ["## Gains, table by table\n", _GAINS, gains]
    return "\n".join([*parts, f"Made from the leaderboards by {text.code(REPORT_COMMAND)}.\n"])


def sharing(boards: Sequence[Table]) -> list[Table]:
    """The tables that a mean is taken over, in their own order.

    The table with the most ranked methods comes first; others join, those that share most before
    those that share less, as long as at least two methods remain that all of them have.
    """
    ranked = {index: _ranked(table) for index, table in enumerate(boards)}
    if not ranked:
        return []
    first = max(ranked, key=lambda index: (len(ranked[index]), -index))
    chosen, common = [first], ranked[first]
    rest = sorted(set(ranked) - {first}, key=lambda index: (-len(ranked[index] & common), index))
    for index in rest:
        if len(common & ranked[index]) >= MIN_SHARED:
            chosen.append(index)
            common &= ranked[index]
    return [boards[index] for index in sorted(chosen)]


def _ranked(table: Table) -> set[Method]:
    return {key for key, row in _methods(table).items() if row.ranks is not None}


def _methods(table: Table) -> dict[Method, Row]:
    """The rows of a table whose label is no other row's."""
    keys = [(row.track, row.label) for row in table.rows]
    times = Counter(keys)
    return {key: row for key, row in zip(keys, table.rows, strict=True) if times[key] == 1}


def _means(found: Across, chosen: Sequence[Table]) -> str:
    header = ["Method", "Track", "Mean rank", "Mean gain", "Tables"]
    lines = [
        [
            text.escape(each.label),
            each.track,
            text.number(each.rank, 2),
            _points(each.gain),
            str(each.n),
        ]
        for each in found.methods
    ]
    links = "".join(f"- {_link(table)}\n" for table in chosen)
    sets = f"{found.data_sets} data set{'' if found.data_sets == 1 else 's'}"
    return f"{text.markdown_table(header, lines, 2)}\nTables, about {sets}:\n\n{links}"


def _points(gain: float | None) -> str:
    if gain is None:
        return text.NONE
    shown = text.percent(gain)
    return shown if shown.startswith("-") else f"+{shown}"


def _link(table: Table) -> str:
    said = text.escape(f"{title(table)}; {table.key.backbone}")
    return f"[{said}](tables/{file_stem(table)}.md)"


def _gains(boards: Sequence[Table]) -> str:
    """A column for each table that shares methods with another; "" if none does."""
    own = [(table, _methods(table)) for table in boards]
    times = Counter(key for _, rows in own for key in rows)
    shared = {key for key, n in times.items() if n > 1}
    shown = [(table, rows) for table, rows in own if len(rows.keys() & shared) >= MIN_SHARED]
    methods = sorted({key for _, rows in shown for key in rows.keys() & shared}, key=_place)
    if not methods:
        return ""
    header = ["Method", "Track", *(_link(table) for table, _ in shown)]
    lines = [
        [text.escape(key[1]), key[0], *(_gain(rows.get(key), table) for table, rows in shown)]
        for key in methods
    ]
    return text.markdown_table(header, lines, 2)


def _place(key: Method) -> tuple[int, str]:
    return TRACKS.index(key[0]), key[1]


def _gain(row: Row | None, table: Table) -> str:
    base = table.reference
    if row is None or base is None:
        return text.NONE
    if row.hash == base.hash:
        return "reference"
    grey = "*" * (min(row.accuracy.n, base.accuracy.n) < stats.MIN_SEEDS)
    return f"{grey}{text.difference(row.difference)}{grey}"
