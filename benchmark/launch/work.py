"""``work JOBS``: a file of jobs, one process a job, beside any other machine at the same file."""

import shlex
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmark import errors
from benchmark.grid.grid_status import state_at
from benchmark.grid.grids import shard
from benchmark.launch.jobs_file import Job, at, read_jobs
from benchmark.system.console import say
from benchmark.system.failures import keep_failure
from benchmark.system.places import places
from benchmark.system.worker_processes import run_each
from benchmark.vocabulary.words import Parser

LEFT_ALONE = ("finished", "running")
USAGE = "JOBS.jsonl [--index I | --shard I/N] [--workers N]"


def main(args: Sequence[str]) -> int:
    """Run the words after ``work`` and return the exit code.

    Raises:
        UsageError: a word that cannot be meant.
        BenchError: with ``--index``, why the job failed.
    """
    parser = Parser("work", USAGE, "run jobs written by `run ... --dry-run --write JOBS.jsonl`")
    parser.add_argument("jobs", type=Path, help="the file of jobs")
    parser.add_argument("--index", type=int, help="only this one, from 0, in this process")
    parser.add_argument("--shard", help="every n-th from the i-th on, as i/n")
    parser.add_argument("--workers", type=int, default=1, help="processes side by side")
    parser.add_argument("--quiet", action="store_true", help="no progress bars")
    given = parser.strict(args)
    jobs = read_jobs(given.jobs)
    if given.index is not None:
        if given.shard or given.workers != 1:
            parser.error("expected --index alone: it is one job in this process")
        return run_one(at(jobs, given.index, given.jobs), quiet=given.quiet)
    if given.workers < 1:
        parser.error(f"expected at least one worker, but got {given.workers}")
    first, step = shard(given.shard) if given.shard else (0, 1)
    return _Work(given.jobs, jobs, range(first, len(jobs), step)).all(given.workers)


def run_one(job: Job, *, quiet: bool = False) -> int:
    """Run a job in this process; what is finished, or another process is at, is left alone.

    Raises:
        UsageError: the job is another experiment by now.
        BenchError: why it failed; ``error.json`` in its folder says so, too.
    """
    folder = Path(job.folder)
    state = state_at(folder)
    if state in LEFT_ALONE:
        say("done", f"{job.name}, seed {job.seed}: {state} in {folder}")
        return 0
    # torch is imported from here on only
    from benchmark.experiments import compose
    from benchmark.experiments.experiment import resolve
    from benchmark.experiments.runner import run_experiment

    compose.quiet_libraries()
    words = [*job.overrides, *(["progress=false"] if quiet else [])]
    with compose.hydra_session():
        experiment = resolve(compose.settings(words))
        # nothing is written where a line of the file says so, but no run would
        _check(job, experiment.hash, experiment.folder)
        try:
            run_experiment(experiment)
        except errors.Occupied:
            say("done", f"{job.name}, seed {job.seed}: another process is at it")
        except errors.Interrupted:
            raise
        except errors.BenchError as error:
            # what is refused before a run begins leaves no trace of its own
            keep_failure(folder, str(error), error.exit_code)
            raise
    return 0


def _check(job: Job, found: str, folder: Path) -> None:
    if (found, folder) != (job.hash, Path(job.folder)):
        raise errors.UsageError(
            f"Expected experiment {job.hash} in {job.folder}, but its words now make {found} in "
            f"{folder}",
            where=shlex.join(job.overrides),
            todo="the suite or its configurations changed since; write the file of jobs again",
        )


@dataclass
class _Work:
    """What this process does of a file of jobs.

    Attributes:
        path: of the file.
        jobs: all of them.
        mine: numbers of those to be run here.
        codes: exit codes of those that ended, by number.
    """

    path: Path
    jobs: Sequence[Job]
    mine: Sequence[int]
    codes: dict[int, int] = field(default_factory=dict)

    def all(self, workers: int) -> int:
        """Run what nobody has finished or is at; the exit code of the last failure."""
        try:
            run_each(map(self._command, self._todo()), places(workers), self._ended)
        finally:
            self._say()
        return next((code for code in reversed(self.codes.values()) if code), 0)

    def _todo(self) -> Iterator[int]:
        """Numbers of jobs to begin; states are looked at when a place is free, not before."""
        for number in self.mine:
            if state_at(Path(self.jobs[number].folder)) not in LEFT_ALONE:
                job = self.jobs[number]
                say("work", f"{number} of {len(self.jobs)}: {job.name}, seed {job.seed}")
                yield number

    def _command(self, number: int) -> list[str]:
        own = [str(self.path), "--index", str(number), "--quiet"]
        return [sys.executable, "-m", "benchmark", "work", *own]

    def _ended(self, command: Sequence[str], code: int) -> None:
        number = int(command[command.index("--index") + 1])
        self.codes[number] = code
        if code:
            job = self.jobs[number]
            say("failed", f"{number}: {job.name}, seed {job.seed}, exit code {code}")

    def _say(self) -> None:
        """How many are in which state."""
        states = Counter(state_at(Path(self.jobs[number].folder)) for number in self.mine)
        said = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
        print(f"{len(self.mine)} jobs: {said}")
