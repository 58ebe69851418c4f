"""Pages of the grids that keep records of their own: Markdown and CSV beside those records."""

from pathlib import Path

from benchmark import grids
from benchmark.paths import config_dir
from benchmark.registry import yaml_names
from benchmark.report import matrix, tables
from benchmark.source import yaml_head

PAGE, CELLS = "README.md", "cells.csv"


def pages() -> dict[Path, str]:
    """The text of every page by its path; grids without committed records have none.

    Raises:
        IntegrityError: a record is broken or contradicts another.
    """
    found: dict[Path, str] = {}
    for name in yaml_names("grid"):
        grid = grids.load(name)
        folder = Path(grid.records)
        if len(grid.columns) > 1 and folder.is_dir():
            head = yaml_head(config_dir() / "grid" / f"{name}.yaml")
            made = matrix.matrix(grid, tables.read_all(folder))
            command = f"python -m benchmark run grid={name}"
            found[folder / PAGE] = matrix.render(made, head.summary.rstrip("."), command)
            found[folder / CELLS] = matrix.render_csv(made)
    return found
