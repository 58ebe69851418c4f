"""How far a grid has come: a table of its experiments, what is missing and what that will take."""

import json
import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark.console import duration
from benchmark.estimates import Estimate, Rates, estimate, read_rates
from benchmark.grid_run import Plan, Point
from benchmark.grids import Cell
from benchmark.listing import table
from benchmark.status import State, state_of

MISSING = "missing"
SHOWN_COMMANDS = 12
RECORDS = Path("leaderboards/records")


@dataclass(frozen=True)
class Standing:
    """A plan with the state of each of its runs.

    Attributes:
        plan: what was asked for.
        states: of each point, "missing" where nothing was begun.
        rates: what finished runs took.
        borrowed: whether the rates are those of committed records, not of runs made here.
    """

    plan: Plan
    states: tuple[State | str, ...]
    rates: Rates
    borrowed: bool

    @property
    def counts(self) -> Counter[str]:
        """Runs by state."""
        return Counter(self.states)

    def of(self, *wanted: str) -> list[Point]:
        """The runs in one of these states."""
        pairs = zip(self.plan.points, self.states, strict=True)
        return [point for point, state in pairs if state in wanted]

    @property
    def unfinished(self) -> list[Point]:
        """Runs still to be made."""
        pairs = zip(self.plan.points, self.states, strict=True)
        return [point for point, state in pairs if state != "finished"]

    def estimate(self) -> Estimate:
        """What the unfinished runs will take."""
        missing, done = ([(p.facts, p.seed) for p in points]
                         for points in (self.unfinished, self.of("finished")))  # fmt: skip
        return estimate(missing, done, self.rates)


def standing(plan: Plan) -> Standing:
    """Look at the folders of a plan's runs."""
    states = tuple(_state(point.folder(plan.out)) for point in plan.points)
    done = [
        point.folder(plan.out) / "record.json"
        for point, state in zip(plan.points, states, strict=True)
        if state == "finished"
    ]
    rates = read_rates(done or plan.out.glob("*/*/*/s*/record.json"))
    if rates.runs or not RECORDS.is_dir():
        return Standing(plan, states, rates, borrowed=False)
    return Standing(plan, states, read_rates(RECORDS.rglob("record.json")), borrowed=True)


def _state(folder: Path) -> State | str:
    return state_of(folder) if folder.is_dir() else MISSING


def render(found: Standing, width: int | None = None, commands: int = SHOWN_COMMANDS) -> str:
    """The whole text: a line an experiment, the sum, the estimate, commands of what is missing."""
    lines = [
        *table(list(_cells(found)), width),
        "",
        _total(found),
        *_estimate_lines(found),
        *_refused_lines(found.plan),
        *_command_lines(found, commands),
    ]
    return "\n".join(lines)


def _cells(found: Standing) -> Iterator[tuple[str, ...]]:
    yield ("experiment", "done", "running", "failed", "missing", "All", "time left")
    by_cell: dict[Cell, list[tuple[Point, str]]] = {}
    for point, state in zip(found.plan.points, found.states, strict=True):
        by_cell.setdefault(point.cell, []).append((point, state))
    for cell, runs in by_cell.items():
        count = Counter(state for _, state in runs)
        left = [found.rates.training(p.facts) for p, state in runs if state != "finished"]
        yield (
            cell.name,
            f"{count['finished']} of {len(runs)}",
            str(count["running"] or ""),
            str(count["failed"] or ""),
            str(sum(count[s] for s in (MISSING, "interrupted", "started")) or ""),
            _accuracy([p.folder(found.plan.out) for p, state in runs if state == "finished"]),
            _left(left),
        )


def _left(times: Sequence[float | None]) -> str:
    known = [time for time in times if time is not None]
    if not times:
        return ""
    return duration(sum(known)) if len(known) == len(times) else "not known"


def _accuracy(folders: Iterable[Path]) -> str:
    """Mean accuracy of finished runs, percent."""
    found = []
    for folder in folders:
        try:
            values = json.loads((folder / "record.json").read_text(encoding="utf-8"))
            found.append(float(values["metrics"]["accuracy"]))
        except (OSError, ValueError, KeyError, TypeError):
            return "cannot be read"
    return f"{100 * sum(found) / len(found):.2f}" if found else ""


def _total(found: Standing) -> str:
    total, said = len(found.states), found.counts
    parts = [f"{said['finished']} of {total} runs done"]
    parts += [f"{n} {state}" for state, n in sorted(said.items()) if state != "finished"]
    name = f"grid {found.plan.name}: " if found.plan.name else ""
    return f"{name}{', '.join(parts)}"


def _estimate_lines(found: Standing) -> list[str]:
    if not found.unfinished:
        return []
    need = found.estimate()
    hours = f"{need.seconds / 3600:.2f} device-hours ({duration(need.seconds)})"
    source = "committed records" if found.borrowed else "finished runs"
    on = ", ".join(sorted(found.rates.devices)) or "no device"
    lines = [
        f"still to do: {hours}, {need.images:,} images to draw, {need.size:.2f} GB of them",
        f"reckoned from {found.rates.runs} {source} on {on}; stages that runs share are not taken "
        "off",
    ]
    if need.unknown:
        lines.append(
            f"not in the sum: {need.unknown} runs or pools that nothing finished tells about"
        )
    return lines


def _refused_lines(plan: Plan) -> list[str]:
    return [f"cannot run: {cell.name}: {refused.error}" for cell, refused in plan.refused]


def _command_lines(found: Standing, most: int) -> list[str]:
    cells: dict[Cell, list[int]] = {}
    for point in found.of(MISSING, "interrupted", "started", "failed"):
        cells.setdefault(point.cell, []).append(point.seed)
    lines = [f"  {command(cell.words, seeds)}" for cell, seeds in cells.items()]
    more = [f"  and {len(lines) - most} more"] if len(lines) > most else []
    return ["missing; all of it: " + grid_command(found.plan), *lines[:most], *more] * bool(lines)


def grid_command(plan: Plan) -> str:
    """The command that makes what is missing of a plan."""
    own = [f"grid={plan.name}"] if plan.name else []
    own += [f"dataset={plan.grid.dataset}"] if plan.grid.dataset else []
    words = [*own, *plan.shared]
    return f"python -m benchmark run {shlex.join(dict.fromkeys(words))}"


def command(words: Sequence[str], seeds: Sequence[int]) -> str:
    """The command that makes one experiment at some seeds."""
    if len(seeds) == 1:
        return f"python -m benchmark run {shlex.join([*words, f'seed={seeds[0]}'])}"
    listed = ",".join(map(str, seeds))
    return f"python -m benchmark run -m {shlex.join([*words, f'seed={listed}'])}"
