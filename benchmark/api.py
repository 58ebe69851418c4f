"""Every verb as a function, for notebooks and scripts.

from benchmark import api
record = api.run("method=ldam", "dataset=digitslt", "seed=3")
record.metrics.accuracy
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.boards.leaderboard import Table
from benchmark.errors import DataError
from benchmark.grid import grid_results
from benchmark.publishing import submission_tables
from benchmark.recording import records
from benchmark.report import (
    across,
    blocks,
    grid_pages,
    method_pages,
    published,
    reproduction,
    tables,
)
from benchmark.report.page import pages as page
from benchmark.system.files import has_text, write_bytes, write_text

DEFAULT_OUT = Path("runs")
BOARD = Path("leaderboards")
DEFAULT_RECORDS = BOARD / "records"
DEFAULT_TABLES = BOARD / "tables"
DEFAULT_PAGES = (Path("README.md"), Path("docs/generation.md"), Path("docs/leaderboards.md"))


@dataclass(frozen=True)
class PoolReport:
    """What ``generate`` did.

    Attributes:
        folder: where the pool is.
        sheet: its contact sheet, a PNG.
        images: images that the budget takes from the pool.
        cost: what they took, as if drawn alone.
    """

    folder: Path
    sheet: Path
    images: int
    cost: Any


def run(*overrides: str) -> records.Record:
    """Run one experiment, or return the record of the finished run.

    Args:
        overrides: words as on the command line, e.g. "method=ldam".

    Raises:
        BenchError: what was wrong, where, and what to do.
    """
    from benchmark.experiments.compose import quiet_libraries, settings
    from benchmark.experiments.experiment import resolve
    from benchmark.experiments.runner import run_experiment

    quiet_libraries()
    return run_experiment(resolve(settings(overrides)))


def prepare(*overrides: str, source: str | None = None, split: str | None = None) -> Any:
    """Bring a data set (``dataset=...``) or a generator's weights (``generator=...``) on disk.

    Args:
        overrides: words as on the command line.
        source: the official download if None, else a directory, zip or tar of images.
        split: a folder of published list files, for data sets that have them.

    Raises:
        DataError: what is missing and how to get it.
    """
    from benchmark.experiments.compose import quiet_libraries, settings

    quiet_libraries()
    chosen = settings(overrides)
    if any(word.startswith("generator=") for word in overrides):
        return chosen.generator.fetch()
    return chosen.dataset.prepare(source, split=split, progress=chosen.plumbing.progress)


def generate(*overrides: str, engine: Any = None) -> PoolReport:
    """Draw the images that an experiment would add, without training.

    Args:
        overrides: words as on the command line.
        engine: of ``benchmark.generation.scale``, to draw by many workers; None draws here.

    Raises:
        UsageError: the method asks for no generated images.
    """
    from benchmark.experiments.compose import quiet_libraries, settings
    from benchmark.experiments.drawn import fill_pool
    from benchmark.experiments.experiment import resolve
    from benchmark.experiments.supply import check_supply
    from benchmark.generation.engines import HERE

    quiet_libraries()
    experiment = resolve(settings(overrides))
    check_supply(experiment)

    def load() -> Any:
        return experiment.settings.dataset.load(experiment.seed)

    pool, cost = fill_pool(experiment, load, engine or HERE)
    return PoolReport(pool.folder, pool.sheet_path, sum(experiment.allocation.add), cost)


@dataclass(frozen=True)
class PlanReport:
    """What ``plan`` wrote.

    Attributes:
        path: the plan, one JSON object a line.
        images: rows that the budget takes from it.
        real: real images kept beside them.
        missing: images still to be drawn.
        predicted: what drawing all of them takes: images, calls, fitting.
        notes: what a reader should know.
    """

    path: Path
    images: int
    real: int
    missing: int
    predicted: Any
    notes: tuple[str, ...]


def plan(*overrides: str) -> PlanReport:
    """Write down every image that an experiment would draw, and draw none.

    Raises:
        UsageError: the method asks for no generated images, or the plan exceeds a limit.
    """
    from benchmark.experiments.compose import quiet_libraries, settings
    from benchmark.experiments.drawn import drawing
    from benchmark.experiments.experiment import resolve

    quiet_libraries()
    experiment = resolve(settings(overrides))
    add = experiment.allocation.add
    pool = drawing(experiment, lambda: experiment.settings.dataset.load(experiment.seed)).pool
    pool.plan(add)
    return PlanReport(
        path=pool.plan_path,
        images=sum(add),
        real=sum(experiment.allocation.keep),
        missing=pool.missing(add),
        predicted=experiment.predicted,
        notes=experiment.allocation.notes,
    )


def prompts(*overrides: str, model: str, base_url: str, out: str, **settings_: str) -> Any:
    """Ask a language model for modifiers of a data set's classes and freeze them in a file.

    Args:
        overrides: words that name the data set.
        model: name of the model.
        base_url: of an OpenAI-compatible endpoint, up to "/chat/completions".
        out: the modifier set to write, NAME.yaml.
        settings_: ``key`` (name of the environment variable that holds the key), ``n``,
            ``temperature``, ``licence``.

    Raises:
        UsageError: a setting of the wrong type, or another set in ``out``.
        DataError: the endpoint cannot be used, or gave no usable words.
    """
    from benchmark.config import parse
    from benchmark.experiments.compose import settings
    from benchmark.generation.chat import Endpoint
    from benchmark.generation.prompt_writer import PromptQuery, write_prompts

    card = settings(overrides).dataset.card(0)
    endpoint = Endpoint(base_url=base_url, model=model, key_variable=settings_.pop("key", None))
    query = parse(PromptQuery, {"endpoint": endpoint, **settings_}, "prompts")
    return write_prompts(query, card.classes, Path(out).expanduser())


def collect(out: Path = DEFAULT_OUT, records_dir: Path = DEFAULT_RECORDS) -> list[Path]:
    """Copy finished runs, records and predictions only, to the folder of committed records.

    With the default folder, runs of a grid that keeps its records apart go to that grid's folder,
    unless they are on the leaderboards already.

    Returns:
        the records copied.

    Raises:
        IntegrityError: a run's record is broken, or not what was written.
    """
    from benchmark.recording import sums

    copied = []
    for path, found in records.find(out):
        if isinstance(found, Exception):
            raise found
        sums.require(path)
        home = grid_results.home(found, records_dir) if records_dir == DEFAULT_RECORDS else None
        target = (home or records_dir) / path.parent.relative_to(out)
        for name in (found.predictions.file, path.name):
            content = (path.parent / name).read_bytes()
            write_bytes(target / name, content)
        copied.append(target / "record.json")
    return copied


def all_records(
    records_dir: Path | None = None, boards: list[Table] | None = None
) -> list[records.Record]:
    """The records of the leaderboards and of every grid that keeps its own.

    Args:
        records_dir: see ``read_records``.
        boards: the leaderboards of that folder, where they are at hand.
    """
    folder = records_dir or default_records()
    found = tables.records_of(boards) if boards is not None else read_records(folder)
    return [*found, *_grid_records()] if folder == DEFAULT_RECORDS else found


def _grid_records() -> list[records.Record]:
    others = [each for each in grid_results.records_folders() if each != DEFAULT_RECORDS]
    return [record for each in others for record in tables.read_all(each)]


def read_records(records_dir: Path | None = None) -> list[records.Record]:
    """All records of a folder: the committed ones by default, else those of finished runs.

    Raises:
        DataError: there are none.
        IntegrityError: one of them is broken.
    """
    folder = records_dir or default_records()
    return _some(tables.read_all(folder), folder)


def _some(found: list[Any], folder: Path) -> list[Any]:
    if not found:
        raise DataError(
            "Expected records, but got none", where=folder, todo="python -m benchmark run makes one"
        )
    return found


def default_records() -> Path:
    """The folder of committed records where there is one, else that of runs."""
    return DEFAULT_RECORDS if DEFAULT_RECORDS.is_dir() else DEFAULT_OUT


def leaderboards(records_dir: Path | None = None) -> list[Table]:
    """The leaderboards of a folder of records, recomputed where predictions are at hand.

    Raises:
        DataError: there are no records.
        IntegrityError: one is broken, or contradicts another or its predictions.
    """
    folder = records_dir or default_records()
    return _some(tables.boards(folder), folder)


def report(
    records_dir: Path | None = None,
    tables_dir: Path = DEFAULT_TABLES,
    *,
    check: bool = False,
    pages: tuple[Path, ...] | None = None,
    boards: list[Table] | None = None,
) -> list[Path]:
    """Write leaderboards from records, or with ``check`` list the files that are out of date.

    With the committed records follow the published figures beside ours, the page across data sets,
    the pages of grids, methods and submissions, where there are any, and the page of everything.

    Args:
        records_dir: see ``read_records``.
        tables_dir: where the tables go.
        check: compare byte for byte and write nothing.
        pages: hand-written pages whose blocks are rebuilt where they exist; by default the
            README and the docs that have any, if the records are the committed ones.
        boards: the leaderboards of that folder, where they are at hand.
    """
    folder = records_dir or default_records()
    boards = boards if boards is not None else leaderboards(folder)
    rendered = tables.render(boards)
    if folder == DEFAULT_RECORDS:
        rendered[tables.INDEX] += reproduction.link(BOARD, tables_dir)
    if pages is None:
        pages = DEFAULT_PAGES if folder == DEFAULT_RECORDS else ()
    found = tables.records_of(boards)
    texts = {path: blocks.rebuilt(path, found) for path in pages if path.exists()}
    # nothing is written before what can be refused was made
    files = (tables.differing if check else tables.save)(rendered, tables_dir)
    if folder == DEFAULT_RECORDS:
        texts |= published.pages(BOARD, boards) | across.pages(BOARD, boards)
        texts |= reproduction.pages(BOARD, boards)
        # methods are described from the tables as they are now
        grids = grid_results.results([*found, *_grid_records()])
        texts |= grid_pages.pages(grids) | method_pages.pages(tables_dir)
        texts |= page.pages(BOARD, boards, grids) | submission_tables.pages(BOARD)
    stale = [path for path, text in texts.items() if not has_text(path, text)]
    for path in stale if not check else ():
        write_text(path, texts[path])
    return [*files, *stale]
