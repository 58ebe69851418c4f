"""What the page shows besides leaderboards, in plain form: grids, curves, pictures, figures."""

from dataclasses import dataclass

from benchmark.boards.leaderboard import Row
from benchmark.statistics.stats import Difference


@dataclass(frozen=True)
class CellView:
    """One experiment of a grid.

    Attributes:
        row: name of the grid's row.
        column: name of the grid's column; "" in a plain list.
        entry: its records.
        gain: what it changes against the plain column of the same row; None if it is plain.
        differs: whether the gain is significant after correction.
    """

    row: str
    column: str
    entry: Row
    gain: Difference | None = None
    differs: bool = False


@dataclass(frozen=True)
class PointView:
    """A place on a curve and the experiment that stands there."""

    x: float
    name: str
    entry: Row


@dataclass(frozen=True)
class MissingView:
    """An experiment that lacks runs: how many, and the command that makes them."""

    name: str
    seeds: int
    command: str


@dataclass(frozen=True)
class ShortView:
    """A small table that says what a grid comes to: a caption, names of columns, cells as text."""

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class CurveView:
    """A line of a figure; its band is the 95 % interval of each point."""

    name: str
    x_label: str
    points: tuple[PointView, ...]


@dataclass(frozen=True)
class GridView:
    """A grid with what is known of it.

    Attributes:
        name: of the grid, unique on the page.
        title: what it asks.
        command: runs what is missing of it.
        dataset: data set of its experiments.
        rows: names in order.
        columns: names in order; one "" for a plain list.
        plain: what gains are taken to: a column, or the first row of a list; "" without one.
        cells: experiments with records.
        missing: experiments that lack runs.
        curves: lines of a figure; without any, the grid is shown as a table.
        notes: conclusions and remarks, plain text.
        short: what it comes to, if that can be put in a small table.
    """

    name: str
    title: str
    command: str
    dataset: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    plain: str
    cells: tuple[CellView, ...]
    missing: tuple[MissingView, ...] = ()
    curves: tuple[CurveView, ...] = ()
    notes: tuple[str, ...] = ()
    short: ShortView | None = None


@dataclass(frozen=True)
class Sheet:
    """A picture.

    Attributes:
        png: the bytes of a PNG file.
        size: width and height in pixels.
        alt: what it shows, for those who do not see it.
        caption: what stands below it.
    """

    png: bytes
    size: tuple[int, int]
    alt: str
    caption: str


@dataclass(frozen=True)
class PublishedView:
    """A table of figures that others published; never ranked with ours.

    Attributes:
        title: where the figures come from.
        header: names of the columns.
        rows: cells as text, one for each column.
        numeric: places of the columns that hold numbers.
        notes: remarks, plain text.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: frozenset[int] = frozenset()
    notes: tuple[str, ...] = ()
