"""``check regression accept``: the only way the reference moves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark.errors import BenchError, IntegrityError, UsageError
from benchmark.recording import records
from benchmark.regression import accepted, verdicts
from benchmark.regression.accepted import Accepted
from benchmark.regression.policy import METRICS, SIGNS, Policy
from benchmark.regression.samples import (
    Runs,
    arms,
    check_new,
    fresh,
    lenders,
    pick,
    read_runs,
)
from benchmark.regression.swap import replace_folder, restore
from benchmark.regression.verdicts import Compared
from benchmark.statistics.stats import MIN_SEEDS

REALLY = "give --really if the change is meant"


@dataclass(frozen=True)
class Asked:
    """What is to be accepted.

    Attributes:
        records: the folder of the reference.
        new: the folder of new runs.
        names: labels or hashes of experiments, at least one.
        reason: why the reference moves.
        really: also what is not shown to be equivalent.
    """

    records: Path
    new: Path
    names: tuple[str, ...]
    reason: str
    really: bool = False


def accept(asked: Asked, policy: Policy) -> list[Accepted]:
    """Replace the reference of experiments by new runs, or add it, and log each change.

    Everything is checked before anything is written. All runs of an experiment are replaced
    together, since the mean of two states of the code is the result of neither.

    Raises:
        UsageError: no reason, no experiment, too few seeds, or runs of changed or unknown code.
        IntegrityError: a record that its predictions do not give, or seeds that trained alike.
        BenchError: an experiment is not equivalent, or has drifted beyond the margin in all.
    """
    if not asked.reason.strip():
        todo = "say why the numbers move: --reason TEXT"
        raise UsageError("Expected a reason, but got none", where="accept", todo=todo)
    if not asked.names:
        raise UsageError("Expected experiments, but got none", where="accept", todo="name them")
    old = read_runs(asked.records) if asked.records.is_dir() else {}
    chosen = pick(fresh(read_runs(asked.new), old), asked.names)
    check_new(chosen.values())
    for runs in chosen.values():
        _check_runs(runs)
    log = accepted.read_log(accepted.log_path(asked.records))
    changes = [_change(runs, old.get(name), asked) for name, runs in chosen.items()]
    if not asked.really:
        _check_equivalent(old, chosen, policy)
        _check_drift(changes, log, policy)
    for change in changes:
        _move(chosen[change.hash], old.get(change.hash), asked)
        accepted.append(accepted.log_path(asked.records), [change])
    return changes


def _check_runs(runs: Runs) -> None:
    where = f"{runs.label} ({runs.hash})"
    if len(runs.seeds) < MIN_SEEDS:
        problem = f"Expected at least {MIN_SEEDS} seeds, but got {len(runs.seeds)}"
        raise UsageError(problem, where=where, todo="run more seeds")
    for record in runs.records:
        made = record.environment
        if made.git_sha is None or made.dirty is not False:
            state = "an unknown state" if made.git_sha is None else "a changed state"
            raise UsageError(
                f"Expected runs of a committed state, but seed {record.seed} is of {state}",
                where=where,
                todo="commit, then run again with on_existing=rerun",
            )
        faults = records.verify(runs.folder / f"s{record.seed}" / "record.json")
        if faults:
            todo = "delete the run and repeat it"
            raise IntegrityError(faults[0], where=f"{where}, seed {record.seed}", todo=todo)


def _check_equivalent(old: Mapping[str, Runs], new: Mapping[str, Runs], policy: Policy) -> None:
    known = {name: runs for name, runs in new.items() if name in old}
    found = verdicts.compare(arms(old, known), policy, lenders(old, known))
    bad = [each for each in found if not each.equivalent]
    if bad:
        raise BenchError(
            f"Expected numbers equivalent to the reference, but {_described(bad[0])}",
            where=f"{bad[0].arm.label} ({bad[0].arm.hash})",
            todo=f"see check regression --tier 2; run more seeds, or {REALLY}",
        )


def _described(found: Compared) -> str:
    moved = 100 * found.change
    return (
        f"{found.arm.metric} moved by {moved:+.2f} points, verdict {found.verdict}, "
        f"with a margin of {100 * found.margin:g}"
    )


def _change(runs: Runs, old: Runs | None, asked: Asked) -> Accepted:
    newest = max(runs.records, key=lambda record: record.created)
    return Accepted(
        hash=runs.hash,
        label=runs.label,
        dataset=runs.dataset,
        old=accepted.means(old) if old else None,
        new=accepted.means(runs),
        reason=" ".join(asked.reason.split()),
        git_sha=str(newest.environment.git_sha),
        created=newest.created,
        really=asked.really,
        moved=_moved(runs, old) if old else {},
    )


def _moved(runs: Runs, old: Runs) -> dict[str, float]:
    """The change of each metric, over the values that the verdict rests on."""
    compared = arms({runs.hash: old}, {runs.hash: runs})
    return {arm.metric: round(arm.change, accepted.DECIMALS) for arm in compared if arm.new}


def _check_drift(changes: Sequence[Accepted], log: Sequence[Accepted], policy: Policy) -> None:
    """Small losses that were each accepted must not add up to more than the margin."""
    for change in changes:
        for metric in METRICS:
            margin = policy.margin(change.dataset, metric)
            total = drift(accepted.of_experiment([*log, change], change.hash), metric)
            if total is not None and SIGNS[metric] * total <= -margin:
                raise BenchError(
                    f"Expected a drift of less than {100 * margin:g} points since the first "
                    f"reference, but {metric} has moved by {100 * total:+.2f}",
                    where=f"{change.label} ({change.hash})",
                    todo=f"see check regression --history; {REALLY}",
                )


def drift(changes: Sequence[Accepted], metric: str) -> float | None:
    """The sum of all changes of a metric; None where it was never measured twice.

    A change that was really meant begins the sum anew.
    """
    total: float | None = None
    for each in changes:
        change = each.change(metric)
        if each.really:
            total = None
        elif change is not None:
            total = (total or 0.0) + change
    return total


def _move(runs: Runs, old: Runs | None, asked: Asked) -> None:
    target = old.folder if old else asked.records / runs.folder.relative_to(asked.new)
    restore(target)
    files = {}
    for record in runs.records:
        for name in ("record.json", record.predictions.file):
            path = runs.folder / f"s{record.seed}" / name
            files[f"s{record.seed}/{name}"] = path.read_bytes()
    replace_folder(target, files)
