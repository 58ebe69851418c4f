"""Pages of all grids that have records, with an index: Markdown and CSV."""

from collections.abc import Iterable
from pathlib import Path

from benchmark.boards import text
from benchmark.grid.grid_results import GridResult
from benchmark.grid.grids import cells
from benchmark.report import grid_page

FOLDER = Path("leaderboards/ablations")
INDEX = "README.md"


def pages(made: Iterable[GridResult], folder: Path = FOLDER) -> dict[Path, str]:
    """The text of every page by its path; none where no grid has a record."""
    found = list(made)
    files: dict[Path, str] = {}
    for each in found:
        stem = folder / each.name / (each.grid.dataset or "cells")
        files[stem.with_suffix(".md")] = grid_page.render(each)
        files[stem.with_suffix(".csv")] = grid_page.render_csv(each)
    return {folder / INDEX: _index(found)} | files if files else {}


def _index(found: list[GridResult]) -> str:
    lines = [
        [
            f"[{text.escape(each.name)}]({each.name}/{each.grid.dataset or 'cells'}.md)",
            text.escape(each.title),
            text.escape(each.grid.dataset),
            f"{len(list(cells(each.grid))) - len(each.missing)} of {len(list(cells(each.grid)))}",
            str(each.grid.seeds),
            text.code_cell(each.command),
        ]
        for each in found
    ]
    table = text.markdown_table(["Grid", "", "Data", "Complete", "Seeds", "Command"], lines, 3)
    return (
        f"# Tables and figures of the paper\n\n{table}\nA grid is a file of `configs/grid`; how "
        "far it has come: the command with `--dry-run`. Rebuilt from the records by "
        "`python -m benchmark report`.\n"
    )
