"""A plan of runs through one of Hydra's launchers: what is missing of it is run, and no more."""

import sys
from collections.abc import Sequence

from benchmark.grid.grid_run import Plan, Point
from benchmark.launch.launching import JobResult, launch
from benchmark.system.console import say
from benchmark.system.failures import ERROR, keep_failure


def run_plan(found: Plan, todo: Sequence[Point]) -> int:
    """Run some runs of a plan through its launcher, and keep why runs failed.

    Args:
        found: the plan.
        todo: those that are missing.

    Returns:
        the exit code of the last failure, 0 without one.

    Raises:
        BenchError: the launcher itself failed; what was finished is kept.
    """
    if len(todo) < len(found.points):
        done = len(found.points) - len(todo)
        say("done", f"{done} of {len(found.points)} runs: already finished in {found.out}")
    if not todo:
        return 0
    say("launch", f"{len(todo)} of {len(found.points)} runs")
    results = launch([point.words for point in todo], found.launcher, found.out)
    failed = [(point, each) for point, each in zip(todo, results, strict=True) if each.code]
    for point, each in failed:
        folder = point.folder(found.out)
        # the run itself may have said so
        if not (folder / ERROR).exists():
            keep_failure(folder, each.error, each.code)
    _say_failures(failed, len(todo))
    return failed[-1][1].code if failed else 0


def _say_failures(failed: Sequence[tuple[Point, JobResult]], runs: int) -> None:
    for point, each in failed:
        name = f"{point.cell.name}, seed {point.seed}"
        print(f"error: {name}: {each.error}", file=sys.stderr)
        if each.bug:
            print(each.bug, file=sys.stderr)
    if failed:
        say("failed", f"{len(failed)} of {runs} runs; the others are done")
