"""A plan of runs through one of Hydra's launchers: what is missing of it is run, and no more."""

import sys
from collections.abc import Sequence
from contextlib import suppress

from benchmark import errors
from benchmark.console import say
from benchmark.files import write_json
from benchmark.grid_run import Plan, Point
from benchmark.grid_status import standing
from benchmark.launching import JobResult, launch


def run_plan(found: Plan) -> int:
    """Run what is missing of a plan through its launcher, and keep why runs failed.

    Returns:
        the exit code of the last failure, 0 without one.

    Raises:
        BenchError: the launcher itself failed; what was finished is kept.
    """
    todo = list(found.points) if found.rerun else standing(found).unfinished
    if len(todo) < len(found.points):
        done = len(found.points) - len(todo)
        say("done", f"{done} of {len(found.points)} runs: already finished in {found.out}")
    if not todo:
        return 0
    say("launch", f"{len(todo)} of {len(found.points)} runs")
    results = launch([point.words for point in todo], found.launcher, found.out)
    failed = [(point, each) for point, each in zip(todo, results, strict=True) if each.code]
    for point, each in failed:
        _keep(found, point, each)
    _say_failures(failed, len(todo))
    return failed[-1][1].code if failed else 0


def _keep(found: Plan, point: Point, result: JobResult) -> None:
    """Write why a run failed where the run itself could not."""
    path = point.folder(found.out) / "error.json"
    if not path.exists():
        with suppress(errors.StorageError):
            write_json(path, {"error": result.error, "exit_code": result.code})


def _say_failures(failed: Sequence[tuple[Point, JobResult]], runs: int) -> None:
    for point, each in failed:
        name = f"{point.cell.name}, seed {point.seed}"
        print(f"error: {name}: {each.error}", file=sys.stderr)
        if each.bug:
            print(each.bug, file=sys.stderr)
    if failed:
        say("failed", f"{len(failed)} of {runs} runs; the others are done")
