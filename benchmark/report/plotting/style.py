"""One column's width, type that stays readable in it, and marks that need no colour."""

import importlib.util
import io
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from PIL import Image

from benchmark.errors import DataError
from benchmark.statistics import stats
from benchmark.statistics.stats import Estimate

# Imported when something is drawn: it is an extra, and loads slowly.
if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 3.35
HEIGHT = 2.35
DOTS_PER_INCH = 250
COLOURS = 128
GREY = "0.45"
PALE = "0.85"
PAPER: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 7,
    "axes.labelsize": 7,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.unicode_minus": True,
    "figure.constrained_layout.h_pad": 0.03,
    "figure.constrained_layout.w_pad": 0.03,
    "grid.color": PALE,
    "grid.linewidth": 0.4,
    "hatch.linewidth": 0.5,
    "legend.fontsize": 6.5,
    "legend.frameon": False,
    "legend.handlelength": 2.6,
    "lines.linewidth": 1.0,
    "lines.markersize": 3.6,
    "savefig.dpi": DOTS_PER_INCH,
    "svg.fonttype": "path",
    # labels come from records: a dollar is a dollar
    "text.parse_math": False,
    # ids of clipping paths and markers repeat
    "svg.hashsalt": "synaug-bench",
    "xtick.labelsize": 6.5,
    "xtick.major.width": 0.6,
    "ytick.labelsize": 6.5,
    "ytick.major.width": 0.6,
}


@dataclass(frozen=True)
class Mark:
    """How a series looks; every part of it alone tells series apart, in grey too.

    Attributes:
        colour: of Okabe and Ito's palette for the colour-blind.
        marker: a marker of matplotlib.
        dash: a line style of matplotlib.
        hatch: of bars.
    """

    colour: str
    marker: str
    dash: Any
    hatch: str


MARKS = (
    Mark("#000000", "o", "-", ""),
    Mark("#0072B2", "s", (0, (5, 1.5)), "///"),
    Mark("#D55E00", "^", (0, (1, 1)), ".."),
    Mark("#009E73", "D", (0, (4, 1, 1, 1)), "xx"),
    Mark("#CC79A7", "v", (0, (7, 2)), "\\\\\\"),
    Mark("#56B4E9", "P", (0, (2, 2)), "++"),
    Mark("#E69F00", "X", (0, (3, 1, 1, 1, 1, 1)), "oo"),
)
TRACK_MARKS = dict(zip(("real", "synthetic", "web", "oracle"), MARKS, strict=False))


def mark(index: int) -> Mark:
    """The look of the series at a place; it repeats after seven."""
    return MARKS[index % len(MARKS)]


def require() -> None:
    """Refuse to go on without matplotlib.

    Raises:
        DataError: it is not installed.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise DataError(
            "Expected matplotlib, which draws the plots, but it is not installed",
            where="report plots",
            todo="pip install 'synaug-bench[report]'",
        )


def paper() -> AbstractContextManager[None]:
    """The settings under which figures are drawn and saved."""
    require()
    import matplotlib

    return matplotlib.rc_context(PAPER)


@contextmanager
def canvas(ax: "Axes | None", height: float = HEIGHT) -> "Iterator[tuple[Figure, Axes]]":
    """Axes to draw in: given ones as they are, or new ones of one column in the paper's style.

    Args:
        ax: given axes.
        height: of a new figure, inches.

    Raises:
        DataError: matplotlib is not installed.
    """
    require()
    if ax is not None:
        found = ax.get_figure(root=True)
        assert found is not None
        yield found, ax
        return
    from matplotlib.figure import Figure

    with paper():
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        yield figure, figure.add_subplot()


def png(figure: "Figure") -> bytes:
    """A figure as a small PNG of few colours, without date and versions."""
    whole, buffer = io.BytesIO(_saved(figure, "png", {"Software": None})), io.BytesIO()
    with Image.open(whole, formats=["PNG"]) as image:
        few = image.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    few.save(buffer, "PNG", optimize=True, dpi=(DOTS_PER_INCH, DOTS_PER_INCH))
    return buffer.getvalue()


def svg(figure: "Figure") -> bytes:
    """A figure as an SVG, text as outlines, without date and versions."""
    return _saved(figure, "svg", {"Date": None, "Creator": None})


def _saved(figure: "Figure", form: str, metadata: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    with paper():
        figure.savefig(buffer, format=form, metadata=metadata)
    return buffer.getvalue()


def above(ax: "Axes", columns: int = 2) -> None:
    """A legend over the axes, where it covers nothing; none where nothing has a label."""
    handles, labels = ax.get_legend_handles_labels()
    if handles:
        ax.legend(
            handles, labels, loc="lower left", bbox_to_anchor=(0, 1.01), ncols=columns,
            borderaxespad=0, borderpad=0.2, columnspacing=1.2,
        )  # fmt: skip


def shown_width(value: Estimate) -> float | None:
    """Half-width of an interval in percent; None with fewer seeds than are ranked."""
    return None if value.half_width is None or value.n < stats.MIN_SEEDS else 100 * value.half_width


def accuracy_label(counts: Iterable[int]) -> str:
    """The name of an axis of accuracies, with the numbers of seeds behind its points."""
    found = sorted(set(counts))
    if len(found) > 1:
        return f"accuracy, percent (n = {found[0]} to {found[-1]} seeds)"
    return f"accuracy, percent (n = {found[0]} seed{'s' * (found[0] != 1)})"
