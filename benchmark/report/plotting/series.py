"""One series of a plot: a line with a band, or with a bar at each point."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from benchmark.report.plotting.style import Mark

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# bands of more series than this cover each other; they get bars, side by side
MOST_BANDS = 3
# percent; an interval may go further, an accuracy cannot
_TOP = 101.0


class Spot(NamedTuple):
    """A point: its place, its mean in percent, and the half-width of its interval, if any."""

    x: float
    mean: float
    half_width: float | None


def draw_series(
    axes: "Axes", spots: Sequence[Spot], look: Mark, label: str, *, bands: bool, marked: bool = True
) -> None:
    """Draw one series; points without an interval are hollow.

    Args:
        axes: to draw in.
        spots: at least one, by place.
        look: colour, marker and dash.
        label: for the legend.
        bands: one band in place of a bar at each point.
        marked: whether points have markers.
    """
    marker = look.marker if marked else ""
    x, means = [spot.x for spot in spots], [spot.mean for spot in spots]
    axes.plot(x, means, color=look.colour, linestyle=look.dash, marker=marker, label=label,
              zorder=3)  # fmt: skip
    for spot in spots:
        if spot.half_width is None and marked:
            axes.plot(spot.x, spot.mean, color=look.colour, marker=marker,
                      markerfacecolor="white", zorder=4)  # fmt: skip
        elif spot.half_width is not None and not bands:
            axes.errorbar(spot.x, spot.mean, yerr=spot.half_width, color=look.colour,
                          elinewidth=0.7, capsize=1.3, zorder=2)  # fmt: skip
    if bands:
        low = [spot.mean - (spot.half_width or 0.0) for spot in spots]
        high = [spot.mean + (spot.half_width or 0.0) for spot in spots]
        axes.fill_between(x, low, high, color=look.colour, alpha=0.15, linewidth=0)


def cap(axes: "Axes") -> None:
    """End the vertical axis a little above all that is correct."""
    bottom, top = axes.get_ylim()
    axes.set_ylim(bottom, min(top, _TOP))
