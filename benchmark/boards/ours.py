"""Our own numbers of a method, from the committed tables; imports no torch.

A row of a leaderboard is labelled by a component alone, a preset or a stack, followed by settings
that are not as shipped, in parentheses, and by the budget where that tells rows apart.
"""

import csv
import html
import re
from dataclasses import dataclass
from pathlib import Path

from benchmark.boards import text
from benchmark.paths import PACKAGE

TABLES = PACKAGE.parent / "leaderboards" / "tables"


@dataclass(frozen=True)
class Ours:
    """A row of a leaderboard.

    Attributes:
        table: its file's name without the ending.
        title: of the table: data, recipe and its length, and what is equal across methods.
        backbone: the network.
        label: the method as the row names it.
        budget: how many images each class got.
        seeds: how many runs.
        accuracy: mean and interval, percent, as text.
        few: accuracy of the rare classes, percent, as text.
    """

    table: str
    title: str
    backbone: str
    label: str
    budget: str
    seeds: int
    accuracy: str
    few: str

    @property
    def method(self) -> str:
        """The component or preset, or the names of a stack joined by " + "."""
        return self.label.partition(" @ ")[0].partition(" (")[0]


def read_ours(folder: Path = TABLES) -> list[Ours]:
    """Every row of every leaderboard in a folder, by file and rank; none if there is no folder."""
    paths = [path for path in sorted(folder.glob("*.csv")) if not path.stem.endswith(".cost")]
    return [row for path in paths for row in _rows(path)]


def ours(method: str, rows: list[Ours]) -> list[Ours]:
    """The rows of a component alone, or of a preset."""
    return [row for row in rows if row.method == method]


def _rows(path: Path) -> list[Ours]:
    with path.open(encoding="utf-8", newline="") as file:
        found = list(csv.DictReader(file))
    return [_row(path.stem, _title(path.with_suffix(".md")), cells) for cells in found]


def _title(page: Path) -> str:
    """The heading of a table's page as plain text; its CSV does not say how long training was."""
    with page.open(encoding="utf-8") as file:
        heading = file.readline().lstrip("# ").strip()
    return html.unescape(re.sub(r"\\(.)", r"\1", heading))


def _row(table: str, title: str, cells: dict[str, str]) -> Ours:
    return Ours(
        table=table,
        title=title,
        backbone=cells["backbone"],
        label=cells["method"],
        budget=cells["budget"],
        seeds=int(cells["seeds"]),
        accuracy=_percent(cells["accuracy"], cells["half_width"]),
        few=_percent(cells["few"]),
    )


def _percent(mean: str, half_width: str = "") -> str:
    shown = text.percent(float(mean) if mean else None)
    return f"{shown} ± {text.percent(float(half_width))}" if half_width else shown
