"""The words after ``report plots``: static plots as SVG and PNG, and sheets of generated images."""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from benchmark import api
from benchmark.boards.leaderboard import Table
from benchmark.errors import unknown
from benchmark.generation.quality import pictures
from benchmark.grid import grid_results, grids
from benchmark.grid.grid_results import GridResult
from benchmark.registry import yaml_names
from benchmark.report.plotting import catalogue, steps, style
from benchmark.report.plotting.catalogue import Plot
from benchmark.system.files import write_bytes, write_text
from benchmark.system.progress import Tracker
from benchmark.vocabulary.words import Parser

USAGE = "[--records DIR] [--to DIR] [--row LABEL ...] [NAME ...]"
SUMMARY = "plots of leaderboards and grids as SVG and PNG, and sheets of generated images"
FOLDER = Path("leaderboards/plots")
SHEET = "sheet"


def main(args: Sequence[str]) -> int:
    """Run ``report plots`` and return the exit code.

    Raises:
        DataError: matplotlib is not installed, or there are no records.
        UsageError: an unknown plot or row.
    """
    given = _parser().strict(args)
    style.require()
    boards = api.leaderboards(given.records)
    made = grid_results.results(api.all_records(given.records, boards))
    plots = _plots(boards, made, given.row)
    sheets = {f"{each.key}-{SHEET}": each for each in made if steps.has_sheet(each)}
    chosen = catalogue.chosen(given.names, plots, [*kinds(), *sheets])
    _write_all(chosen, given.to or FOLDER)
    for name, each in sheets.items():
        if not given.names or {name, SHEET} & set(given.names):
            print(write_sheet(each, given.to))
    for line in _idle(given.names, chosen, sheets):
        print(line)
    return 0


def _parser() -> Parser:
    parser = Parser("report plots", USAGE, SUMMARY)
    words = f"plots, or kinds of them: {', '.join(kinds())} (default: all)"
    parser.add_argument("names", nargs="*", metavar="NAME", help=words)
    parser.add_argument("--records", type=Path, help="records to read (default: committed ones)")
    parser.add_argument("--to", type=Path, help=f"where files go (default: {FOLDER})")
    chosen = "row of the tail and groups plots, may be repeated (default: the leaders)"
    parser.add_argument("--row", action="append", default=[], metavar="LABEL", help=chosen)
    return parser


def kinds() -> list[str]:
    """Words that choose plots: those of tables, grids with a figure, and the sheets."""
    drawn = [name for name in yaml_names("grid") if grids.load_file(name).kind != "table"]
    return [*catalogue.OF_TABLES, *dict.fromkeys(map(catalogue.kind_of, drawn)), SHEET]


def _plots(tables: Sequence[Table], made: Sequence[GridResult], rows: Sequence[str]) -> list[Plot]:
    known = {name for table in tables for row in table.rows for name in (row.label, row.hash)}
    for row in rows:
        if row not in known:
            raise unknown("row", row, known, where="--row")
    plots = [plot for table in tables for plot in catalogue.of_table(table, rows)]
    return [*plots, *catalogue.of_grids(made)]


def _write_all(plots: Sequence[Plot], folder: Path) -> None:
    with Tracker("plots", len(plots), "plots") as bar:
        for plot in plots:
            write(plot, folder)
            print(f"{folder / plot.name}.{{svg,png,txt}}")
            bar.advance(1, plot.name)


def write(plot: Plot, folder: Path) -> None:
    """Write a plot as SVG and PNG, and its caption beside them.

    Raises:
        StorageError: the disk is full or the folder cannot be written.
    """
    figure, _ = plot.draw()
    write_bytes(folder / f"{plot.name}.svg", style.svg(figure))
    write_bytes(folder / f"{plot.name}.png", style.png(figure))
    write_text(folder / f"{plot.name}.txt", plot.caption)


def write_sheet(made: GridResult, to: Path | None = None, root: Path | None = None) -> str:
    """Write the sheet of a grid, beside its records by default; what was done, in one line.

    Where something is lacking, nothing is written and a sheet that is there stays.

    Args:
        made: a grid over diffusion steps with records.
        to: another folder.
        root: where pools are; the cache by default.

    Raises:
        IntegrityError: a pool or an image of one is damaged.
        StorageError: the disk is full or the folder cannot be written.
    """
    name, home = f"{made.key}-{SHEET}", Path(made.grid.records)
    path = to / f"{name}.png" if to else home / f"{made.grid.dataset}-{SHEET}.png"
    found = steps.sheet(made, root)
    if isinstance(found, steps.Lacking):
        return f"{name}: {found.problem}; {path} is left as it is; run: {found.command}"
    pictures.write_grid(path, found.grid)
    left = ", ".join(found.left_out)
    return f"{path} (no images of: {left})" if left else str(path)


def _idle(names: Sequence[str], chosen: Sequence[Plot], sheets: Collection[str]) -> Iterator[str]:
    """A line for each word that chose nothing."""
    done = {word for plot in chosen for word in (plot.name, plot.kind)} | {*sheets}
    done |= {SHEET} if sheets else set()
    for name in dict.fromkeys(names):
        if name not in done:
            yield f"{name}: nothing to draw; {_advice(name)}"


def _advice(name: str) -> str:
    own = [grid for grid in yaml_names("grid") if catalogue.kind_of(grid) == name]
    if name == SHEET:
        own = [grid for grid in yaml_names("grid") if grids.load_file(grid).x == "steps"]
    commands = " and ".join(f"python -m benchmark run grid={grid}" for grid in own)
    return f"run: {commands}" if commands else "it takes a leaderboard of two rows"
