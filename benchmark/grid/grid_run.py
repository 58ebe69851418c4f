"""What ``run grid=NAME`` stands for: every experiment of a grid with every seed.

A word of the grid's own (``grid``, ``seeds``, ``shard``, ``rows``, ``columns``, ``workers``) says
which part of it, a word of Hydra's (``hydra/launcher=NAME``) where it is run; every other word goes
to each run, and wins over what the grid says. Settings of a component (``method.NAME.KEY=VALUE``)
go to the runs that have it.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmark.errors import UsageError, unknown
from benchmark.experiments.expansion import Expansions, Facts, Refused, expand_all
from benchmark.grid import grids
from benchmark.grid.grids import Cell, Grid
from benchmark.vocabulary.words import DRY_RUN, launcher_words, plumbing_names, unknown_flag

OWN = ("grid", "seeds", "shard", "rows", "columns", "workers")
WHOLE = (0, 1)
RERUN = "on_existing=rerun"


@dataclass(frozen=True)
class Asked:
    """What a command line says, before anything is composed.

    Attributes:
        name: of the grid.
        grid: the part of it that was asked for.
        cells: its experiments, with the words of the command line.
        shard: which runs: every n-th from the i-th on, as (i, n).
        out: the folder of runs.
        workers: processes that share the work.
        words: the command line.
        launcher: words for one of Hydra's launchers.
    """

    name: str
    grid: Grid
    cells: tuple[Cell, ...]
    shard: tuple[int, int]
    out: Path
    workers: int
    words: tuple[str, ...]
    launcher: tuple[str, ...] = ()


@dataclass(frozen=True)
class Point:
    """One run of a grid: its cell, its seed, and what is known of it beforehand."""

    cell: Cell
    seed: int
    facts: Facts

    @property
    def words(self) -> tuple[str, ...]:
        """The words of its own command line."""
        return (*self.cell.words, f"seed={self.seed}")

    def folder(self, out: Path) -> Path:
        """Where the run is, or will be."""
        return out / self.facts.folder / f"s{self.seed}"


@dataclass(frozen=True)
class Plan:
    """The runs that a command line asks for.

    Attributes:
        name: of the grid, "" where none was named.
        grid: the part of it that was asked for.
        points: its runs: all cells at seed 0, then at seed 1, and so on.
        refused: cells that cannot be run, and why.
        words: the command line.
        out: the folder of runs.
        workers: processes that share the work.
        whole: whether these are all runs of the part; a shard's are not.
        launcher: words for one of Hydra's launchers; none where the suite runs it by itself.
    """

    name: str
    grid: Grid
    points: tuple[Point, ...]
    refused: tuple[tuple[Cell, Refused], ...]
    words: tuple[str, ...]
    out: Path
    workers: int = 1
    whole: bool = True
    launcher: tuple[str, ...] = ()

    @property
    def rerun(self) -> bool:
        """Whether finished runs are made again."""
        return RERUN in self.words


def is_grid(words: Sequence[str]) -> bool:
    """Whether a command line names a grid."""
    return any(word.startswith("grid=") for word in words)


def read(words: Sequence[str]) -> Asked:
    """What a command line says about a grid; composes nothing.

    Args:
        words: ``grid=NAME``; perhaps ``dataset=NAME``, ``seeds=N`` (instead of the grid's own
            number), ``rows=A,B`` and ``columns=A,B`` (some of them), ``shard=i/n`` (every n-th run
            from the i-th on), ``workers=N``; other words go to each run.

    Raises:
        UsageError: no such grid, or a word that cannot be meant.
    """
    own = dict(word.split("=", 1) for word in words if word.partition("=")[0] in OWN)
    launcher = checked_launcher(words)
    shared = tuple(
        word for word in words if word.partition("=")[0] not in OWN and word not in launcher
    )
    _check(shared)
    if launcher and "workers" in own:
        raise UsageError(
            "Expected workers or a launcher, but got both",
            where=f"workers={own['workers']} {' '.join(launcher)}",
            todo="leave one out; hydra.launcher.n_jobs says how many a launcher runs at once",
        )
    grid = _part(grids.load(own["grid"], value_of(shared, "dataset")), own)
    cells = tuple(grids.cells(grid))
    _check_components(shared, cells)
    return Asked(
        name=own["grid"],
        grid=grid,
        cells=tuple(replace(cell, words=merged(cell.words, shared)) for cell in cells),
        shard=grids.shard(own["shard"]) if "shard" in own else WHOLE,
        out=Path(value_of(shared, "out") or grids.run_defaults()["out"]),
        workers=_positive(own.get("workers"), "workers") or 1,
        words=tuple(words),
        launcher=launcher,
    )


def checked_launcher(words: Sequence[str]) -> tuple[str, ...]:
    """The words of a command line that choose and set a launcher.

    Raises:
        UsageError: no such launcher, one that is not installed, or another setting of Hydra.
    """
    found = tuple(launcher_words(words))
    if found:
        # Hydra's grammar is imported with it
        from benchmark.vocabulary.hydra_words import refuse_unsafe
        from benchmark.vocabulary.launchers import chosen, require_installed

        refuse_unsafe(found)
        require_installed(chosen(found))
    return found


def plan(words: Sequence[str], known: Expansions | None = None) -> Plan:
    """The runs that a command line asks for; see ``read``.

    Args:
        words: of the command line.
        known: facts of experiments; by default those in the cache.

    Raises:
        UsageError: no such grid, a word that cannot be meant, or no experiment that can be run.
    """
    asked = read(words)
    lines = [science(cell.words) for cell in asked.cells]
    with known or Expansions() as facts:
        found = expand_all(lines, facts)
    able, refused = _sorted_out(asked.cells, [found[line] for line in lines])
    if not able:
        raise refused[0][1].error
    points = [
        Point(cell, seed, fact) for seed in range(asked.grid.seeds) for cell, fact in able.items()
    ]
    first, step = asked.shard
    return Plan(
        name=asked.name,
        grid=asked.grid,
        points=tuple(points[first::step]),
        refused=tuple(refused),
        words=asked.words,
        out=asked.out,
        workers=asked.workers,
        whole=asked.shard == WHOLE,
        launcher=asked.launcher,
    )


def _sorted_out(
    cells: Sequence[Cell], found: Sequence[Facts | Refused]
) -> tuple[dict[Cell, Facts], list[tuple[Cell, Refused]]]:
    """Cells that can be run, each experiment once, and those that cannot."""
    able: dict[Cell, Facts] = {}
    refused: list[tuple[Cell, Refused]] = []
    first: dict[str, Cell] = {}
    for cell, fact in zip(cells, found, strict=True):
        if isinstance(fact, Refused):
            refused.append((cell, fact))
        elif first.setdefault(fact.hash, cell) is cell:
            able[cell] = fact
        else:
            refused.append((cell, Refused(_alike(first[fact.hash]))))
    return able, refused


def _alike(other: Cell) -> UsageError:
    return UsageError(
        f"The words of the command line make this the same experiment as '{other.name}'",
        todo="leave out the word that both differ in",
    )


def _part(grid: Grid, own: dict[str, str]) -> Grid:
    """The rows, columns and seeds that were asked for."""
    rows, columns = _listed(own.get("rows"), grid.rows), _listed(own.get("columns"), grid.columns)
    seeds = _positive(own.get("seeds"), "seeds")
    part = grids.chosen(grid, rows, columns)
    return replace(part, seeds=seeds) if seeds else part


def _listed(text: str | None, known: Collection[str]) -> list[str] | None:
    """Names between commas; a comma that is part of a known name does not divide."""
    if text is None:
        return None
    pieces, found = text.replace(",,", ",").split(","), []
    while pieces:
        joined = [",".join(pieces[:size]).strip() for size in range(len(pieces), 0, -1)]
        name = next((each for each in joined if each in known), joined[-1])
        found.append(name)
        del pieces[: name.count(",") + 1]
    return found


def _positive(text: str | None, where: str) -> int | None:
    if text is None:
        return None
    if not text.isdecimal() or len(text) > 9 or int(text) < 1:
        raise UsageError(
            f"Expected a number of {where}, but got {text}", where=where, todo=f"set {where}=3"
        )
    return int(text)


def _check(shared: Sequence[str]) -> None:
    for word in shared:
        if word.startswith("-"):
            raise unknown_flag(shared, word, [DRY_RUN], grids.run_defaults(), "run grid=NAME")
        if _key(word) in ("seed", "method"):
            raise UsageError(
                "Expected settings that all runs of a grid share, but got this",
                where=word,
                todo="choose seeds with seeds=N; a grid names its methods itself",
            )


def _check_components(shared: Sequence[str], cells: Sequence[Cell]) -> None:
    """Refuse a setting of a component that no cell has."""
    named = [part for word in shared if (part := _component(word))]
    known = {part for cell in cells for part in grids.components(cell.words)} if named else set()
    for part in named:
        if part not in known:
            raise unknown("component of this grid", part, known, where=f"method.{part}")


def value_of(words: Sequence[str], key: str) -> str | None:
    """The last value that words give a key; None where they do not."""
    found = [word.partition("=")[2] for word in words if word.partition("=")[0] == key]
    return found[-1] if found else None


def _key(word: str) -> str:
    return word.lstrip("+~").partition("=")[0]


def _component(word: str) -> str:
    """The component that a word sets something of; "" for any other word."""
    group, _, rest = _key(word).partition(".")
    return rest.partition(".")[0] if group == "method" else ""


def merged(words: Sequence[str], shared: Sequence[str]) -> tuple[str, ...]:
    """The words of a cell with those of the command line that concern it, which win."""
    own = [
        word
        for word in shared
        if not _component(word) or _component(word) in grids.components(words)
    ]
    given = {_key(word) for word in own}
    return (*(word for word in words if _key(word) not in given), *own)


def science(words: Sequence[str]) -> tuple[str, ...]:
    """The words that decide an experiment; the others would only fill the cache of facts."""
    hidden = plumbing_names()
    return tuple(word for word in words if _key(word) not in hidden)
