"""``run grid=NAME``: make the runs of a grid that are missing, in one process or in several."""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmark import errors
from benchmark.estimation.estimates import Rates, read_rates
from benchmark.experiments.status import state_of
from benchmark.grid.grid_run import WHOLE, Plan, Point, plan, value_of
from benchmark.grid.grid_status import Standing, plan_command, render, standing, to_run
from benchmark.grid.grids import Cell, shard
from benchmark.system.console import duration, say
from benchmark.system.failures import keep_failure
from benchmark.system.places import places
from benchmark.system.worker_processes import run_all
from benchmark.vocabulary.listing import terminal_width


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
    code = _run_missing(found)
    now = standing(found)
    print(render(now, terminal_width()))
    _advise(now)
    return code or (found.refused[0][1].error.exit_code if found.refused else 0)


def _run_missing(found: Plan) -> int:
    todo = to_run(found)
    if not todo:
        return 0
    if found.launcher:
        # Hydra is imported with it
        from benchmark.launch.sweeps import run_plan

        return run_plan(found, todo)
    return _spawn(found) if found.workers > 1 else _Work(found).all(todo)


def _advise(now: Standing) -> None:
    """Write the page that says what to take, once nobody is at work any more."""
    if now.plan.grid.kind != "matrix" or not now.plan.whole or now.of("running"):
        return
    from benchmark.report.advice import write_advice

    for line in write_advice(now):
        print(line)


def _spawn(found: Plan) -> int:
    """Several processes at the same grid; each takes what nobody has begun."""
    say("grid", f"{found.workers} processes: {plan_command(found)}")
    begin = [sys.executable, "-m", "benchmark", "run"]
    return run_all([[*begin, *words] for words in worker_words(found)], places(found.workers))


def worker_words(found: Plan) -> list[list[str]]:
    """The words of each process: all runs, or its share of them where finished ones count, too."""
    own = [word for word in found.words if not word.startswith(("workers=", "shard="))]
    # two bars on one line say nothing
    own += [] if value_of(own, "progress") else ["progress=false"]
    given = value_of(found.words, "shard")
    first, step = shard(given) if given else WHOLE
    if not found.rerun:
        return [[*own, f"shard={first}/{step}"] if given else own] * found.workers
    return [
        [*own, f"shard={first + step * number}/{step * found.workers}"]
        for number in range(found.workers)
    ]


@dataclass
class _Work:
    """What this process does of a grid.

    Attributes:
        plan: of the grid.
        code: exit code of the last failure.
        hopeless: cells that lack something which another seed would lack as well.
    """

    plan: Plan
    code: int = 0
    hopeless: set[Cell] = field(default_factory=set)

    def all(self, todo: Sequence[Point]) -> int:
        """Run these; the exit code of the last failure."""
        # torch is imported from here on only
        from benchmark.experiments import compose

        compose.quiet_libraries()
        clock = _Clock(todo, read_rates(self.plan.out.glob("*/*/*/s*/record.json")))
        with compose.hydra_session():
            busy = [
                point
                for number, point in enumerate(todo)
                if not self._settled(point, number, clock)
            ]
            for point in busy:
                self._settled(point, len(todo), clock)
        return self.code

    def _settled(self, point: Point, number: int, clock: "_Clock") -> bool:
        """Run it unless that is needless; False if another process is at it."""
        folder = point.folder(self.plan.out)
        state = state_of(folder) if folder.is_dir() else ""
        if point.cell in self.hopeless or (state == "finished" and not self.plan.rerun):
            return True
        if state == "running":
            return False
        clock.announce(point, number)
        try:
            _run(point)
        except errors.Interrupted:
            raise
        except errors.Occupied:
            return False
        except errors.BenchError as error:
            self._failed(point, error)
        return True

    def _failed(self, point: Point, error: errors.BenchError) -> None:
        print(f"error: {point.cell.name}, seed {point.seed}: {error}", file=sys.stderr)
        self.code = error.exit_code
        if isinstance(error, errors.UsageError | errors.DataError):
            self.hopeless.add(point.cell)
        # what is refused before a run begins leaves no trace of its own
        keep_failure(point.folder(self.plan.out), str(error), error.exit_code)


def _run(point: Point) -> None:
    from benchmark.experiments import compose
    from benchmark.experiments.experiment import resolve
    from benchmark.experiments.runner import run_experiment

    run_experiment(resolve(compose.settings(point.words)))


class _Clock:
    """How long what is left takes, reckoned from records and then from how it goes."""

    def __init__(self, todo: Sequence[Point], rates: Rates) -> None:
        self.total = len(todo)
        self.reckoned = sum(rates.training(point.facts) or 0.0 for point in todo)
        self.begun = time.monotonic()

    def announce(self, point: Point, number: int) -> None:
        """Say which run begins and how long the rest takes; runs before it are settled."""
        left = self.reckoned
        if number:
            left = (time.monotonic() - self.begun) / number * (self.total - number)
        tail = f", about {duration(left)} left" if left else ""
        say(
            "grid",
            f"{min(number + 1, self.total)} of {self.total}: {point.cell.name}, "
            f"seed {point.seed}{tail}",
        )
