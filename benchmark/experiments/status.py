"""What the runs folder holds: finished, running, interrupted and failed runs; imports no torch."""

import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from benchmark.errors import DataError
from benchmark.system.console import duration
from benchmark.system.locks import is_held
from benchmark.vocabulary.listing import table

State = Literal["finished", "running", "interrupted", "failed", "started"]
RUN_PATTERN = "*/*/*/s*"
_MARKS: tuple[tuple[str, State], ...] = (
    ("record.json", "finished"),
    ("error.json", "failed"),
    ("checkpoint.pt", "interrupted"),
)


@dataclass(frozen=True)
class RunState:
    """One run folder.

    Attributes:
        dataset: name of the data set.
        method: label of the method, as a folder name.
        hash: of the experiment.
        seed: of the run.
        state: how far it came.
        changed: when the file that says so was written, in seconds since the epoch.
        detail: accuracy of a finished run, the error of a failed one.
        folder: the run folder.
    """

    dataset: str
    method: str
    hash: str
    seed: str
    state: State
    changed: float
    detail: str
    folder: Path


def runs(out: Path) -> list[RunState]:
    """The state of every run below ``out``, in path order.

    Raises:
        DataError: there is no such folder.
    """
    if not out.is_dir():
        raise DataError(
            "Expected a folder of runs, but found none",
            where=out,
            todo="name it with --out, or start one: python -m benchmark run",
        )
    folders = sorted(folder for folder in out.glob(RUN_PATTERN) if folder.is_dir())
    return [_state(folder) for folder in folders]


def _state(folder: Path) -> RunState:
    dataset, method, digest, seed = folder.parts[-4:]
    mark, state = _mark(folder)
    detail = _detail(mark, state) if mark.is_file() else ""
    return RunState(dataset, method, digest, seed[1:], state, mark.stat().st_mtime, detail, folder)


def _mark(folder: Path) -> tuple[Path, State]:
    """The file that tells the state of a run; a held lock overrules the others."""
    if is_held(folder / ".lock"):
        return folder / ".lock", "running"
    for name, state in _MARKS:
        if (folder / name).exists():
            return folder / name, state
    return folder, "started"


def state_of(folder: Path) -> State:
    """How far the run of a folder has come."""
    return _mark(folder)[1]


def _detail(path: Path, state: State) -> str:
    if state not in ("finished", "failed"):
        return ""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        return _accuracy(value) if state == "finished" else str(value["error"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return f"{path.name} cannot be read: python -m benchmark check records"


def _accuracy(record: dict[str, Any]) -> str:
    seconds = record["cost"]["training"]["seconds"]
    return f"{100 * record['metrics']['accuracy']:.1f} % in {duration(seconds)}"


def status(out: Path, width: int | None = None) -> str:
    """A table of the runs below ``out``, and how many stand where.

    Args:
        out: the folder of runs.
        width: columns of the terminal; None leaves lines whole.
    """
    found = runs(out)
    if not found:
        return f"no run in {out}"
    count = Counter(run.state for run in found)
    total = ", ".join(f"{number} {state}" for state, number in count.items())
    return "\n".join([*table(_cells(found), width), "", total, *_advice(found)])


def _cells(found: list[RunState]) -> Iterator[tuple[str, ...]]:
    yield ("dataset", "method", "experiment", "seed", "state", "when", "result")
    for run in found:
        when = datetime.fromtimestamp(run.changed, UTC).astimezone().strftime("%Y-%m-%d %H:%M")
        if run.state == "running":
            when = f"for {duration(max(time.time() - run.changed, 0))}"
        yield (run.dataset, run.method, run.hash, run.seed, run.state, when, run.detail)


def _advice(found: list[RunState]) -> list[str]:
    if any(run.state in ("interrupted", "started") for run in found):
        return ["an interrupted run goes on where it stopped when its command is given again"]
    return []
