"""One line under each plot: what it shows, what is missing, the command that makes it."""

from collections.abc import Sequence

from benchmark.boards.leaderboard import Row, Table
from benchmark.boards.length import title
from benchmark.grid.grid_results import GridResult
from benchmark.grid.grids import cells
from benchmark.report.plotting.board import Dot
from benchmark.report.plotting.cost import Point
from benchmark.report.plotting.names import names
from benchmark.statistics import stats

COMMAND = "python -m benchmark report plots"
_MEAN = "mean over seeds with the 95 % Student interval"
_FEW = f"fewer than {stats.MIN_SEEDS} seeds"
_MOST_NAMES = 6


def _line(name: str, *parts: str) -> str:
    """The parts that say something as sentences, and the command."""
    said = " ".join(f"{part}." for part in parts if part)
    return f"{said} Plot: {COMMAND} {name}\n"


def leaderboard(name: str, table: Table, shown: Sequence[Dot]) -> str:
    """Of a leaderboard's dots."""
    all_ = len(table.rows)
    cut = f"The highest of each track, {len(shown)} of {all_} rows" if len(shown) < all_ else ""
    unranked = f"Grey and hollow: {_FEW}, without a rank" if any(not d.ranks for d in shown) else ""
    return _line(
        name, f"{title(table)}: accuracy, {_MEAN}, tracks apart", cut,
        f"Dashed: the reference, {table.reference.label}" if table.reference else "",
        "At the right the range of ranks within the track", unranked, _one_pool(table.rows),
    )  # fmt: skip


def cost(name: str, table: Table, shown: Sequence[Point]) -> str:
    """Of accuracy against cost."""
    silent = len(table.rows) - len(shown)
    return _line(
        name, f"{title(table)}: accuracy, {_MEAN}, against the network calls that the added "
        "images and fitting took, logarithmic",
        "Steps: the front of the tracks real and synthetic, which nothing as cheap exceeds",
        f"Hollow: {_FEW}" if any(point.half_width is None for point in shown) else "",
        f"Rows left out, their cost was not stated: {silent}" if silent else "",
    )  # fmt: skip


def tail(name: str, table: Table, rows: Sequence[Row]) -> str:
    """Of accuracy along the tail."""
    moving = rows[0].first.dataset.design == "blocked"
    return _line(
        name, f"{title(table)}: accuracy of single classes, {_MEAN}, from the class with the most "
        "real training images to the one with the fewest",
        "The split follows the seed: a place is another class at another seed" if moving else "",
        _unranked(rows),
        _choice(table, rows),
    )  # fmt: skip


def groups(name: str, table: Table, rows: Sequence[Row]) -> str:
    """Of the bars by shot group."""
    return _line(
        name,
        f"{title(table)}: accuracy by shot group ({table.convention}), {_MEAN}",
        _unranked(rows),
        _choice(table, rows),
    )


def _unranked(rows: Sequence[Row]) -> str:
    few = any(row.accuracy.n < stats.MIN_SEEDS for row in rows)
    return f"Without interval: {_FEW}" if few else ""


def _choice(table: Table, rows: Sequence[Row]) -> str:
    named = names(table.rows)
    return f"Rows: {'; '.join(named[row.hash] for row in rows)}"


def _one_pool(rows: Sequence[Row]) -> str:
    shared = any(row.one_pool for row in rows)
    return "Some rows share one pool over seeds: their intervals are given that pool" * shared


def curves(name: str, made: Sequence[GridResult], *, moved: bool) -> str:
    """Of the curves of grids."""
    titles = "; ".join(map(_titled, made))
    few = any(row.accuracy.n < stats.MIN_SEEDS for each in made for row in each.found.values())
    return _line(
        name, titles, f"{_MEAN[0].upper()}{_MEAN[1:]}",
        "Points of one place stand side by side" if moved else "",
        f"Hollow, without interval: {_FEW}" if few else "", *map(missing, made),
    )  # fmt: skip


def heat(name: str, made: GridResult, what: str) -> str:
    """Of a heat map."""
    plain = next(iter(made.grid.columns))
    shown = (
        f"gain over {plain} in points, paired by seed on the same images; bold: told apart from "
        "none after Holm's correction"
        if what == "gain"
        else "accuracy in percent, mean over seeds"
    )
    return _line(name, f"{_titled(made)}: {shown}",
                 f"Up to {made.grid.seeds} seeds", missing(made))  # fmt: skip


def _titled(made: GridResult) -> str:
    return f"{made.title} ({made.grid.dataset})" if made.grid.dataset else made.title


def missing(made: GridResult) -> str:
    """What a grid lacks, in words; "" if it is complete."""
    none = [each.cell.name for each in made.missing if len(each.seeds) == made.grid.seeds]
    part = len(made.missing) - len(none)
    if not made.missing:
        return ""
    listed = f" ({', '.join(none)})" if 0 < len(none) <= _MOST_NAMES else ""
    total = len(list(cells(made.grid)))
    said = [
        f"without records {len(none)} of {total} experiments{listed}" if none else "",
        f"with fewer than {made.grid.seeds} seeds {part} of {total}" if part else "",
    ]
    return f"Gaps: {', '.join(filter(None, said))}; run: {made.command}"
