"""``check regression --history``: accepted changes, and what they add up to."""

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from benchmark.boards.text import percent
from benchmark.regression.accept import drift
from benchmark.regression.accepted import Accepted, log_path, of_experiment, read_log
from benchmark.regression.policy import METRICS, SIGNS, Policy
from benchmark.vocabulary.listing import table

HEAD = ("experiment", "data", "accepted", "seeds", *METRICS, "all since the first", "reason")


def history(records_dir: Path, policy: Policy, width: int | None) -> str:
    """Every accepted change by experiment, with the sum of the changes so far, in points.

    Raises:
        IntegrityError: the log is broken.
    """
    log = read_log(log_path(records_dir))
    if not log:
        return f"the reference in {records_dir} has not moved: no change was accepted"
    ordered = sorted(log, key=lambda each: (each.label, each.hash))
    rows = [
        _cells(past, policy)
        for _, part in groupby(ordered, lambda each: each.hash)
        for past in _prefixes(list(part))
    ]
    return "\n".join([*table([HEAD, *rows], width), "changes and sums in points of percent"])


def _prefixes(changes: Sequence[Accepted]) -> list[Sequence[Accepted]]:
    return [changes[: number + 1] for number in range(len(changes))]


def _cells(past: Sequence[Accepted], policy: Policy) -> tuple[str, ...]:
    last = past[-1]
    changes = [_points(last.change(metric)) for metric in METRICS]
    sums = ", ".join(_sum(past, metric, policy) for metric in METRICS)
    seeds = f"{last.old.n if last.old else 0} -> {last.new.n}"
    reason = f"{last.reason} (really)" if last.really else last.reason
    return (last.label, last.dataset, last.git_sha[:10], seeds, *changes, sums, reason)


def _sum(past: Sequence[Accepted], metric: str, policy: Policy) -> str:
    total = drift(of_experiment(past, past[-1].hash), metric)
    over = total is not None and SIGNS[metric] * total <= -policy.margin(past[-1].dataset, metric)  # type: ignore[index, arg-type]
    return f"{metric} {_points(total)}{' beyond the margin' if over else ''}"


def _points(value: float | None) -> str:
    if value is None:
        return "-"
    shown = percent(value)
    return shown if shown.startswith("-") else f"+{shown}"
