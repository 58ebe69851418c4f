"""How far a grid has come: a table of its experiments, what is missing and what that will take."""

import json
import shlex
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from benchmark.estimation.estimates import Estimate, Rates, estimate, read_rates
from benchmark.experiments.status import State, state_of
from benchmark.grid.grid_run import Plan, Point
from benchmark.grid.grids import Cell
from benchmark.system.console import duration
from benchmark.vocabulary.listing import table

MISSING = "missing"
SHOWN_COMMANDS = 12
_SHORTEST = 16
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

    @cached_property
    def failures(self) -> dict[Cell, str]:
        """Why runs failed, by cell: the error of its first failed run."""
        found: dict[Cell, str] = {}
        for point in self.of("failed"):
            found.setdefault(point.cell, _error(point.folder(self.plan.out)))
        return found

    def estimate(self) -> Estimate:
        """What the unfinished runs will take."""
        missing, done = ([(p.facts, p.seed) for p in points]
                         for points in (self.unfinished, self.of("finished")))  # fmt: skip
        return estimate(missing, done, self.rates)


def standing(plan: Plan) -> Standing:
    """Look at the folders of a plan's runs."""
    states = tuple(state_at(point.folder(plan.out)) for point in plan.points)
    done = [
        point.folder(plan.out) / "record.json"
        for point, state in zip(plan.points, states, strict=True)
        if state == "finished"
    ]
    rates = read_rates(done or plan.out.glob("*/*/*/s*/record.json"))
    told = any(rates.training(point.facts) is not None for point in plan.points)
    if told or not RECORDS.is_dir():
        return Standing(plan, states, rates, borrowed=False)
    return Standing(plan, states, read_rates(RECORDS.rglob("record.json")), borrowed=True)


def to_run(plan: Plan) -> list[Point]:
    """The runs that a plan still has to make: all where finished ones are made again."""
    if plan.rerun:
        return list(plan.points)
    return [point for point in plan.points if state_at(point.folder(plan.out)) != "finished"]


def state_at(folder: Path) -> State | str:
    """The state of the run of a folder, which need not exist."""
    return state_of(folder) if folder.is_dir() else MISSING


def _error(folder: Path) -> str:
    try:
        return str(json.loads((folder / "error.json").read_text(encoding="utf-8"))["error"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return "error.json cannot be read"


def render(found: Standing, width: int | None = None, commands: int = SHOWN_COMMANDS) -> str:
    """The whole text: a line an experiment, the sum, the estimate, commands of what is missing.

    Args:
        found: what was asked for and how far it is.
        width: columns of the terminal; None leaves lines whole. Commands are never cut.
        commands: show at most so many of what is missing.
    """
    said = [
        _total(found), *_estimate_lines(found), *_refused_lines(found.plan), *_failed_lines(found)
    ]  # fmt: skip
    wrapped = [line for text in said for line in _wrapped(text, width)]
    table_lines = table(_shortened(list(_cells(found)), width), width)
    return "\n".join([*table_lines, "", *wrapped, *_command_lines(found, commands)])


def _wrapped(text: str, width: int | None) -> list[str]:
    return textwrap.wrap(text, width, subsequent_indent="  ") if width else [text]


def _shortened(cells: list[tuple[str, ...]], width: int | None) -> list[tuple[str, ...]]:
    """Rows whose first column leaves room for the others; numbers are not what is cut."""
    others = sum(2 + max(map(len, column)) for column in list(zip(*cells, strict=True))[1:])
    room = max((width or 0) - others, _SHORTEST)
    if width is None:
        return cells
    return [(_cut(name, room), *rest) for name, *rest in cells]


def _cut(text: str, room: int) -> str:
    return text if len(text) <= room else text[: room - 1].rstrip() + "…"


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
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
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
        f"reckoned from {source} ({found.rates.runs}) on {on}; stages that runs share are not "
        "taken off",
    ]
    if need.unknown:
        lines.append(
            f"not in the sum: {need.unknown} runs or pools that nothing finished tells about"
        )
    return lines


def _refused_lines(plan: Plan) -> list[str]:
    reasons = ((cell, str(refused.error)) for cell, refused in plan.refused)
    return [f"cannot run: {line}" for line in by_reason(reasons)]


def _failed_lines(found: Standing) -> list[str]:
    return [f"failed: {line}" for line in by_reason(found.failures.items())]


def by_reason(reasons: Iterable[tuple[Cell, str]]) -> list[str]:
    """One line a reason: the first cell that has it, how many others do, and the reason."""
    cells: dict[str, list[Cell]] = {}
    for cell, reason in reasons:
        cells.setdefault(reason, []).append(cell)
    return [
        f"{first.name}{f' and {len(others)} more' if others else ''}: {reason}"
        for reason, (first, *others) in cells.items()
    ]


def _command_lines(found: Standing, most: int) -> list[str]:
    cells: dict[Cell, list[int]] = {point.cell: [] for point in found.plan.points}
    for point in found.of(MISSING, "interrupted", "started", "failed"):
        cells[point.cell].append(point.seed)
    lines = [f"  {command(cell.words, seeds)}" for cell, seeds in cells.items() if seeds]
    if not lines:
        return []
    more = [f"  and {len(lines) - most} more"] if len(lines) > most else []
    return [f"missing; all of it: {plan_command(found.plan)}", *lines[:most], *more]


def plan_command(plan: Plan) -> str:
    """The command that makes what is missing of a plan."""
    return f"python -m benchmark run {shlex.join(plan.words)}"


def command(words: Sequence[str], seeds: Sequence[int]) -> str:
    """The command that makes one experiment at some seeds."""
    if len(seeds) == 1:
        return f"python -m benchmark run {shlex.join([*words, f'seed={seeds[0]}'])}"
    listed = ",".join(map(str, seeds))
    return f"python -m benchmark run -m {shlex.join([*words, f'seed={listed}'])}"
