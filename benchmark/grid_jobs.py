"""``run grid=NAME``: make the runs of a grid that are missing, in one process or in several."""

import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmark import errors
from benchmark.console import duration, say
from benchmark.estimates import Rates, read_rates
from benchmark.grid_run import Plan, Point, plan
from benchmark.grid_status import Standing, grid_command, render, standing
from benchmark.listing import terminal_width
from benchmark.status import state_of

RERUN = "on_existing=rerun"


@dataclass
class _Progress:
    """What this process has done of a grid, and how long the rest will take it."""

    left: list[Point]
    rates: Rates
    begun: float = field(default_factory=time.monotonic)
    done: int = 0

    def announce(self, point: Point) -> None:
        """Say which run begins, of how many, with the time left."""
        total = len(self.left)
        spent = time.monotonic() - self.begun
        rest = spent / self.done * (total - self.done) if self.done else self._reckoned()
        tail = f", about {duration(rest)} left" if rest else ""
        say("grid", f"{self.done + 1} of {total}: {point.cell.name}, seed {point.seed}{tail}")

    def _reckoned(self) -> float:
        return sum(self.rates.training(point.facts) or 0.0 for point in self.left)


def run_grid(words: Sequence[str]) -> int:
    """Run what is missing of the grid that a command line names, and say how far it is.

    Runs that another process is at are left to it, and looked at once more in the end. A run that
    fails does not stop the others.

    Returns:
        the exit code: of the last failure, or of the first experiment that cannot be run.

    Raises:
        UsageError: no such grid, or a word that cannot be meant.
    """
    found = plan(words)
    for cell, refused in found.refused:
        say("skipped", f"{cell.name}: {refused.error}")
    code = _spawn(words, found) if found.workers > 1 else _work(found)
    print(render(standing(found), terminal_width()))
    if not code and found.refused:
        return found.refused[0][1].error.exit_code
    return code


def _spawn(words: Sequence[str], found: Plan) -> int:
    """Several processes at the same grid; each takes what nobody has begun."""
    if not standing(found).unfinished and RERUN not in found.shared:
        return 0
    own = [word for word in words if not word.startswith("workers=")]
    command = [sys.executable, "-m", "benchmark", "run", *own]
    say("grid", f"{found.workers} processes: {grid_command(found)}")
    workers = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for _ in range(found.workers)]
    try:
        return max(worker.wait() for worker in workers)
    except KeyboardInterrupt:
        # they get the signal, too, and save what they have
        for worker in workers:
            worker.wait()
        raise


def _work(found: Plan) -> int:
    todo = _todo(standing(found), rerun=RERUN in found.shared)
    if not todo:
        return 0
    # torch is imported from here on only
    from benchmark import compose

    compose.quiet_libraries()
    progress = _Progress(todo, read_rates(found.out.glob("*/*/*/s*/record.json")))
    code = 0
    with compose.hydra_session():
        for point in todo:
            progress.announce(point)
            code = _run(point, found) or code
            progress.done += 1
    return code


def _todo(now: Standing, rerun: bool) -> list[Point]:
    return list(now.plan.points) if rerun else now.unfinished


def _run(point: Point, found: Plan) -> int:
    from benchmark import compose
    from benchmark.experiment import resolve
    from benchmark.runner import run_experiment

    state = state_of(point.folder(found.out)) if point.folder(found.out).is_dir() else ""
    if state == "running" or (state == "finished" and RERUN not in found.shared):
        return 0
    try:
        run_experiment(resolve(compose.settings(point.words)))
    except errors.Interrupted:
        raise
    except errors.Occupied as error:
        say("note", str(error))
    except errors.BenchError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0
