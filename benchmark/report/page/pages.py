"""The page as a file beside the leaderboards, from all that is committed."""

from collections.abc import Sequence
from pathlib import Path

from benchmark.boards import published
from benchmark.boards.leaderboard import Table
from benchmark.grid.grid_results import GridResult
from benchmark.report.cited import elsewhere
from benchmark.report.page import from_grid, from_published, sheets
from benchmark.report.page.build import render
from benchmark.report.page.views import PublishedView

INDEX = "index.html"
FIGURES, GRIDS = "paper.json", "ablations"
PICTURES = (Path("docs/images/contact_sheet.png"),)


def pages(folder: Path, boards: Sequence[Table], results: Sequence[GridResult]) -> dict[Path, str]:
    """The text of the page by its path.

    Args:
        folder: of published figures and of what grids keep; the page stands in it.
        boards: all leaderboards.
        results: grids with records.

    Raises:
        IntegrityError: the published figures or a picture are broken.
    """
    found = render(
        boards,
        from_grid.views(results),
        _published(folder / FIGURES),
        sheets.find([folder / GRIDS, *PICTURES]),
    )
    return {folder / INDEX: found}


def _published(path: Path) -> list[PublishedView]:
    if not path.is_file():
        return []
    found = published.load(path)
    return from_published.views([*found.tables, *elsewhere(found.paper)], found.readings)
