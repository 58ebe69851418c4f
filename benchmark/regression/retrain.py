"""Tier 2: new runs of experiments against the committed reference, as printed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark.boards.text import percent
from benchmark.errors import BenchError, DataError, Inconclusive
from benchmark.regression import commands, verdicts
from benchmark.regression.policy import Policy
from benchmark.regression.samples import (
    Runs,
    arms,
    check_new,
    fresh,
    lenders,
    pick,
    read_runs,
)
from benchmark.regression.verdicts import Compared
from benchmark.vocabulary.listing import table

HEAD = ("experiment", "data", "metric", "before", "now", "change", "bounds", "margin", "compared",
        "verdict")  # fmt: skip


@dataclass(frozen=True)
class Retrained:
    """New runs and what they come to.

    Attributes:
        old: the reference, by experiment hash.
        new: the experiments that were compared, by hash.
        unknown: new experiments without a reference.
        found: one comparison for each metric of each experiment.
    """

    old: Mapping[str, Runs]
    new: Mapping[str, Runs]
    unknown: tuple[Runs, ...]
    found: tuple[Compared, ...]

    def of(self, verdict: str) -> list[str]:
        """Hashes of experiments with such a comparison, in order."""
        return list(dict.fromkeys(x.arm.hash for x in self.found if x.verdict == verdict))


def retrained(records: Path, new: Path, policy: Policy, names: Iterable[str] = ()) -> Retrained:
    """Compare new runs with the reference.

    Args:
        records: the reference.
        new: the folder of new runs; copies of the reference's own records are left out.
        policy: what decides.
        names: labels or hashes; all experiments of ``new`` if empty.

    Raises:
        DataError: there is nothing to compare.
        UsageError: no such experiment, or new runs of several commits.
    """
    old = read_runs(records)
    given = fresh(read_runs(new), old)
    if not given:
        todo = "make them: python -m benchmark check regression --run"
        raise DataError("Expected new runs, but found none", where=new, todo=todo)
    chosen = pick(given, names)
    check_new(chosen.values())
    unknown = tuple(runs for name, runs in chosen.items() if name not in old)
    known = {name: runs for name, runs in chosen.items() if name in old}
    found = verdicts.compare(arms(old, known), policy, lenders(old, known))
    return Retrained(old, known, unknown, tuple(found))


def render(done: Retrained, policy: Policy, width: int | None) -> str:
    """The comparison as text: a table, then what to know about it."""
    lines = table([HEAD, *map(_cells, done.found)], width) if done.found else []
    lines += [f"note: {text}" for text in _notes(done)]
    n = len(done.found)
    lines.append(f"{n} comparisons; bounds are one-sided at {100 * policy.level:g} %, in points")
    return "\n".join(lines)


def _cells(each: Compared) -> tuple[str, ...]:
    arm = each.arm
    seeds = arm.common if arm.paired else None
    before = _mean([arm.old[s] for s in seeds] if seeds else list(arm.old.values()))
    now = _mean([arm.new[s] for s in seeds] if seeds else list(arm.new.values()))
    compared = f"{len(seeds)} pairs" if seeds else f"{len(arm.old)} and {len(arm.new)} seeds"
    verdict = f"{each.verdict}: {each.note}" if each.note else each.verdict
    return (arm.label, arm.dataset, arm.metric, before, now, signed(each.change), _bounds(each),
            f"{100 * each.margin:g}", compared, verdict)  # fmt: skip


def _mean(values: list[float]) -> str:
    return percent(sum(values) / len(values) if values else None)


def signed(value: float) -> str:
    """A share as points with its sign."""
    shown = percent(value)
    return shown if shown.startswith("-") else f"+{shown}"


def _bounds(each: Compared) -> str:
    if not each.df:
        return "-"
    ends = (each.low, each.high) if each.change == each.gain else (-each.high, -each.low)
    return f"[{signed(ends[0])}, {signed(ends[1])}]"


def _notes(done: Retrained) -> list[str]:
    notes = [
        f"{runs.label} ({runs.hash}) has no reference; `accept` makes one" for runs in done.unknown
    ]
    if done.of("drift"):
        notes.append("drift: worse, but by less than the margin")
    better = [each.arm.label for each in done.found if each.better]
    if better:
        names = ", ".join(dict.fromkeys(better))
        notes.append(f"better than before: {names}; rule out a leak before you accept it")
    changed = {
        change
        for name, runs in done.new.items()
        for change in commands.changed_environment(done.old[name], runs)
    }
    return [*notes, *(f"another environment: {change}" for change in sorted(changed))]


def advice(done: Retrained, policy: Policy, new: Path, names: Sequence[str] = ()) -> list[str]:
    """Commands for what failed or is not decided, by experiment.

    The next comparison is of all that was asked for, since experiments lend each other variance.
    """
    lines: list[str] = []
    failed = done.of("fail")
    for name in failed:
        lines.append(f"code or environment? the commit that made {done.old[name].label}, run here:")
        lines += [
            f"  {line}" for line in commands.code_or_environment(done.old[name], done.new[name])
        ]
    if failed:
        lines.append("if that fails as well, it is the environment; if it passes, the code")
    open_ = [name for name in done.of("inconclusive") if name not in failed]
    for name in open_:
        lines.append(f"more seeds for {done.new[name].label}:")
        asked = commands.ask_for_seeds(done.old[name], done.new[name], policy, new)
        lines += [f"  {line}" for line in asked]
    if open_:
        lines += ["and then:", f"  {commands.check_command(names, new)}"]
    return lines


def conclude(done: Retrained) -> None:
    """Return if the numbers are as good as they were.

    Raises:
        BenchError: some are worse (exit code 1).
        Inconclusive: none is shown to be worse, but not all to be as good (exit code 6).
    """
    n = len(done.found)
    worst = verdicts.overall(done.found)
    if worst == "fail":
        bad = sum(each.verdict == "fail" for each in done.found)
        raise BenchError(f"{bad} of {n} comparisons with the reference fail", where="tier 2")
    if worst == "inconclusive":
        bad = sum(each.verdict == "inconclusive" for each in done.found)
        raise Inconclusive(
            f"{bad} of {n} comparisons are not decided",
            where="tier 2",
            todo="run more seeds with the commands above" if n else "no experiment has a reference",
        )
