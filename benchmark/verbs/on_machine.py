"""``run ... --dry-run --on MACHINE``: hours and gigabytes on a machine that nothing ran on.

From first principles: what a run computes (``workload``), over what the machine sustains
(``machines``). Counting takes torch; what was counted is kept in the cache.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmark.errors import IntegrityError, StorageError
from benchmark.estimation.estimates import Draw, to_draw
from benchmark.estimation.machines import GeneratorNeeds, Machine, generator_needs
from benchmark.estimation.machines import machine as machine_of
from benchmark.estimation.workload import StageWork, Work
from benchmark.experiments.expansion import state
from benchmark.grid.grid_run import Plan, Point, science
from benchmark.paths import cache_root
from benchmark.system.console import duration
from benchmark.system.files import read_sealed, write_sealed
from benchmark.vocabulary.listing import table
from benchmark.vocabulary.words import ON, take_flag

_HOUR, _TERA, _GIGA = 3600.0, 1e12, 1e9
Words = tuple[str, ...]


@dataclass(frozen=True)
class Sum:
    """What some experiments take, hours and gigabytes.

    Attributes:
        name: of them.
        runs: how many.
        training: hours of training.
        scoring: hours of scoring.
        drawing: hours of drawing.
        fitting: hours of fitting generators.
        images: to draw.
        memory: peak, gigabytes of the device.
        disk: gigabytes of images and of trained weights.
        unknown: pools of a generator that nobody counted.
    """

    name: str
    runs: int = 0
    training: float = 0.0
    scoring: float = 0.0
    drawing: float = 0.0
    fitting: float = 0.0
    images: int = 0
    memory: float = 0.0
    disk: float = 0.0
    unknown: int = 0

    @property
    def hours(self) -> float:
        """Of the device in all."""
        return self.training + self.scoring + self.drawing + self.fitting


def take_on(words: Sequence[str]) -> tuple[list[str], Machine | None]:
    """The words without ``--on MACHINE``, and that machine.

    Raises:
        UsageError: ``--on`` without a machine, or an unknown one.
    """
    kept, name = take_flag(words, ON, "a machine", "gpu24")
    return kept, machine_of(name) if name else None


def works(lines: Iterable[Words]) -> dict[Words, Work]:
    """What command lines compute; counted at most once for the same source and data."""
    wanted = list(dict.fromkeys(lines))
    path, key = cache_root() / "workloads.json", state("benchmark.estimation.counting")
    known = _read(path, key)
    if missing := [line for line in wanted if line not in known]:
        known |= _counted(missing)
        _write(path, key, known)
    return {line: known[line] for line in wanted}


def _counted(lines: Sequence[Words]) -> dict[Words, Work]:
    from benchmark.estimation.counting import work_of
    from benchmark.experiments import compose
    from benchmark.experiments.experiment import resolve
    from benchmark.system.progress import Tracker

    compose.quiet_libraries()
    found = {}
    with compose.hydra_session(), Tracker("counting", len(lines), "experiments") as tracker:
        for line in lines:
            found[line] = work_of(resolve(compose.settings(line)))
            tracker.advance()
    return found


def _read(path: Path, key: str) -> dict[Words, Work]:
    try:
        kept = read_sealed(path) or {"key": "", "works": []}
        listed = kept["works"] if kept["key"] == key else []
        return {
            tuple(line): Work(
                **values | {"stages": tuple(StageWork(**s) for s in values["stages"])}
            )
            for line, values in listed
        }
    except (OSError, IntegrityError, ValueError, KeyError, TypeError, AttributeError):
        # a cache: whatever is wrong with it, it is made again
        return {}


def _write(path: Path, key: str, known: dict[Words, Work]) -> None:
    listed: list[Any] = [[list(line), asdict(work)] for line, work in known.items()]
    try:
        write_sealed(path, {"key": key, "works": listed})
    except StorageError:
        # a cache: without it the next call takes longer
        return


def sums(points: Sequence[Point], done: Sequence[Point], machine: Machine) -> list[Sum]:
    """What runs still to be made take, by column; images that runs share count once.

    Args:
        points: the runs to make.
        done: runs whose images are drawn.
        machine: to make them on.
    """
    return _by_column(points, done, machine, _works_of(points))


def _works_of(points: Sequence[Point]) -> dict[Words, Work]:
    return works(science(point.cell.words) for point in points)


def _by_column(
    points: Sequence[Point],
    done: Sequence[Point],
    machine: Machine,
    counted: dict[Words, Work],
) -> list[Sum]:
    columns = dict.fromkeys(point.cell.column for point in points)
    return [
        _sum(column, [p for p in points if p.cell.column == column], done, machine, counted)
        for column in columns
    ]


def _sum(
    name: str,
    points: Sequence[Point],
    done: Sequence[Point],
    machine: Machine,
    counted: dict[Words, Work],
) -> Sum:
    own = [counted[science(point.cell.words)] for point in points]
    draws = to_draw([(p.facts, p.seed) for p in points], [(p.facts, p.seed) for p in done])
    needs = [(draw, generator_needs(draw.facts.generator)) for draw in draws]
    known = [(draw, each) for draw, each in needs if each]
    memory = [work.memory_gb for work in own]
    memory += [_drawing_memory(draw, each) for draw, each in known]
    return Sum(
        name=name,
        runs=len(points),
        training=sum(work.seconds(machine) for work in own) / _HOUR,
        scoring=sum(work.scoring_seconds(machine) for work in own) / _HOUR,
        drawing=sum(_drawing(draw, each, machine) for draw, each in known),
        fitting=sum(_calls(draw.fit_calls, each, machine) for draw, each in known),
        images=sum(draw.images for draw in draws),
        memory=max(memory, default=0.0) + machine.reserved_gb,
        disk=(sum(draw.size for draw in draws) + sum(4 * w.parameters for w in own)) / _GIGA,
        unknown=len(needs) - len(known),
    )


def _drawing(draw: Draw, needs: GeneratorNeeds, machine: Machine) -> float:
    """Hours of drawing and decoding."""
    decoding = draw.images * needs.image / (machine.rates.diffusion * _HOUR)
    return _calls(draw.calls - draw.fit_calls, needs, machine) + decoding


def _calls(calls: int, needs: GeneratorNeeds, machine: Machine) -> float:
    return calls * needs.call / (machine.rates.diffusion * _HOUR)


def _drawing_memory(draw: Draw, needs: GeneratorNeeds) -> float:
    return max(needs.drawing_gb, needs.fit_gb if draw.fit_calls else 0.0)


def render(plan: Plan, points: Sequence[Point], done: Sequence[Point], machine: Machine,
           width: int | None = None) -> str:  # fmt: skip
    """The whole text: a line an experiment, a line a column, and what the numbers are worth."""
    counted = _works_of(points)
    lines = [*table(list(_experiments(points, machine, counted)), width), ""]
    by_column = _by_column(points, done, machine, counted)
    lines += table([_HEADER, *map(_cells, [*by_column, *_total(by_column)])], width)
    downloads = {draw.facts.generator for draw in to_draw([(p.facts, p.seed) for p in points], [])}
    lines += ["", f"on {machine.what}", *_notes(by_column, downloads, machine)]
    lines += [f"cannot run: {cell.name}: {refused.error}" for cell, refused in plan.refused]
    return "\n".join(lines)


_HEADER = ("column", "runs", "train h", "score h", "images", "draw h", "fit h", "all h", "GPU GB",
           "disk GB")  # fmt: skip


def _experiments(
    points: Sequence[Point], machine: Machine, counted: dict[Words, Work]
) -> Iterator[tuple[str, ...]]:
    yield ("experiment", "runs", "steps", "TFLOP", "a run", "GPU GB", "bound by")
    runs: dict[Any, list[Point]] = {}
    for point in points:
        runs.setdefault(point.cell, []).append(point)
    for cell, own in runs.items():
        work = counted[science(cell.words)]
        yield (
            cell.name,
            str(len(own)),
            f"{work.steps:,}",
            f"{work.flops / _TERA:,.0f}",
            duration(work.seconds(machine)),
            f"{work.memory_gb + machine.reserved_gb:.1f}",
            work.bound_by(machine),
        )


def _cells(each: Sum) -> tuple[str, ...]:
    hours = (each.training, each.scoring, each.drawing, each.fitting, each.hours)
    train, score, draw, fit, total = (f"{value:.1f}" for value in hours)
    return (
        each.name or "all", str(each.runs), train, score, f"{each.images:,}", draw, fit, total,
        f"{each.memory:.1f}", f"{each.disk:.1f}",
    )  # fmt: skip


def _total(each: Sequence[Sum]) -> list[Sum]:
    if len(each) < 2:
        return []
    added = ("runs", "training", "scoring", "drawing", "fitting", "images", "disk", "unknown")
    values: dict[str, Any] = {name: sum(getattr(one, name) for one in each) for name in added}
    return [Sum("sum", memory=max(one.memory for one in each), **values)]


def _notes(found: Sequence[Sum], generators: Iterable[str], machine: Machine) -> Iterator[str]:
    yield "reckoned, not measured: nothing ran there; a factor of two either way is likely"
    if max((each.memory for each in found), default=0.0) > machine.memory_gb:
        yield (
            f"more memory than its {machine.memory_gb:g} GB: stream the images from disk where the "
            "data set can (dataset.pixels), or lower a batch size"
        )
    needs = [each for each in map(generator_needs, sorted(generators)) if each]
    if needs:
        yield f"weights of generators to fetch once: {sum(e.download_gb for e in needs):.1f} GB"
    if unknown := sum(each.unknown for each in found):
        yield f"not in the sum: {unknown} pools of generators that nobody counted"
    yield from (f"{name}: {said}" for name, said in machine.sources.items())
