"""A grid with rows and columns as a heat map, every value written in its cell."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from benchmark.grid.grid_results import GridResult
from benchmark.grid.grids import cells
from benchmark.report import matrix
from benchmark.report.plotting.style import PALE, canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

What = Literal["accuracy", "gain"]
_LINE = 0.155  # inches
_FRAME = 1.15
_MAPS: dict[What, str] = {"accuracy": "Blues", "gain": "PuOr_r"}
_DARK = 0.46
# of the colours for accuracies, so that black numbers can be read on all of them
_PALEST = 0.62


@dataclass(frozen=True)
class Cell:
    """An experiment of a grid.

    Attributes:
        row: what is added to the real images.
        column: the algorithm.
        value: accuracy in percent, or the gain over the first column in points; None without
            records, or for a gain of the first column itself.
        differs: whether the gain is told apart from none.
        n: seeds; 0 without records.
    """

    row: str
    column: str
    value: float | None
    differs: bool
    n: int


def rows(made: GridResult, what: What) -> list[Cell]:
    """Every cell of a grid; gains are paired by seed, on the same images."""
    marked = matrix.significant(made) if what == "gain" else set()
    return [_cell(made, each.row, each.column, what, marked) for each in cells(made.grid)]


def _cell(
    made: GridResult, row: str, column: str, what: What, marked: set[tuple[str, str]]
) -> Cell:
    found = made.found.get((row, column))
    gain = matrix.gain(made, row, column) if what == "gain" else None
    value = gain.mean if gain else found.accuracy.mean if found and what == "accuracy" else None
    n = gain.n if gain else found.accuracy.n if found else 0
    percent = None if value is None else 100 * value
    return Cell(row, column, percent, (row, column) in marked, n)


def draw(
    found: Sequence[Cell], ax: "Axes | None" = None, *, what: What = "accuracy"
) -> "tuple[Figure, Axes]":
    """Algorithms down, what is added across; bold: told apart; hatched: no records.

    Args:
        found: of ``rows``, at least one with a value.
        ax: axes to draw in; None makes a figure of one column.
        what: "gain" puts white at zero.
    """
    across = list(dict.fromkeys(cell.row for cell in found))
    down = [
        column
        for column in dict.fromkeys(cell.column for cell in found)
        if what != "gain" or any(cell.value is not None for cell in found if cell.column == column)
    ]
    with canvas(ax, _FRAME + _LINE * len(down)) as (figure, axes):
        low, high = _limits([cell.value for cell in found if cell.value is not None], what)
        colours = _colours(what)
        for cell in found:
            if cell.column in down:
                place = across.index(cell.row), down.index(cell.column)
                share = None if cell.value is None else (cell.value - low) / (high - low)
                _draw_cell(axes, place, cell, share, colours, signed=what == "gain")
        _frame(axes, across, down)
    return figure, axes


def _colours(what: What) -> "Colormap":
    import matplotlib

    return matplotlib.colormaps[_MAPS[what]]


def _limits(values: Sequence[float], what: What) -> tuple[float, float]:
    """The ends of the colours; symmetric around no gain."""
    if what == "gain":
        most = max((abs(value) for value in values), default=1.0) or 1.0
        return -most, most
    low, high = min(values, default=0.0), max(values, default=1.0)
    return (low, high) if high > low else (low - 1, high + 1)


def _draw_cell(
    axes: "Axes", place: tuple[int, int], cell: Cell, share: float | None, colours: "Colormap",
    *, signed: bool,
) -> None:  # fmt: skip
    from matplotlib.patches import Rectangle

    corner = place[0] - 0.5, place[1] - 0.5
    if share is None or cell.value is None:
        axes.add_patch(Rectangle(corner, 1, 1, facecolor="white", edgecolor=PALE, hatch="////",
                                 linewidth=0))  # fmt: skip
        return
    red, green, blue, _ = colours(share if signed else share * _PALEST)
    axes.add_patch(Rectangle(corner, 1, 1, facecolor=(red, green, blue), edgecolor="white",
                             linewidth=0.5))  # fmt: skip
    bright = 0.299 * red + 0.587 * green + 0.114 * blue
    said = f"{round(cell.value, 1) + 0.0:{'+' if signed else ''}.1f}"
    axes.text(
        *place, said.replace("-", "\N{MINUS SIGN}"), ha="center", va="center_baseline",
        fontsize=5.8, color="white" if bright < _DARK else "black",
        fontweight="bold" if cell.differs else "normal",
    )  # fmt: skip


def _frame(axes: "Axes", across: Sequence[str], down: Sequence[str]) -> None:
    axes.set_xlim(-0.5, len(across) - 0.5)
    axes.set_ylim(len(down) - 0.5, -0.5)
    axes.xaxis.tick_top()
    axes.set_xticks(range(len(across)), list(across), rotation=90)  # fmt: skip
    axes.set_yticks(range(len(down)), list(down))
    axes.tick_params(length=0, pad=2)
    for spine in axes.spines.values():
        spine.set_visible(False)
