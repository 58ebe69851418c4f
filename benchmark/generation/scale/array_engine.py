"""Drawing by an array of jobs: SLURM's through submitit, or processes of this machine.

Each job reads the missing rows from one file. By claims, jobs lock blocks as processes on one
machine do, so that fast ones draw more. By shards, job i of n draws every n-th block and takes no
lock, for file systems on which locks do not hold between machines.
"""

import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from benchmark.config import NonNegativeInt, PositiveFloat, PositiveInt
from benchmark.errors import BenchError, Interrupted, one_line
from benchmark.generation.access import CLAIMS, alone, shared
from benchmark.generation.claims import Claims, Given, blocks
from benchmark.generation.drawing import Drawer, Others, Source, Stop
from benchmark.generation.engines import Order
from benchmark.generation.fence import Fence
from benchmark.generation.frames import Frames, Setup
from benchmark.generation.limits import Meter
from benchmark.generation.plan import PlanRow, read_plan, write_plan
from benchmark.generation.results import Tail
from benchmark.generation.scale.extras import need
from benchmark.generation.scale.following import follow
from benchmark.generation.scale.worker import Outcome
from benchmark.system.console import say
from benchmark.system.interrupts import stop_flag
from benchmark.system.progress import Tracker

Cluster = Literal["local", "slurm", "debug"]
Split = Literal["claims", "shards"]
_JOBS = "jobs"
_POLL_SECONDS = 1.0


@dataclass(frozen=True)
class Either:
    """A ``drawing.Stop`` that is raised when one of several is.

    Attributes:
        stops: the several.
    """

    stops: tuple[Stop, ...]

    @property
    def raised(self) -> bool:
        """Whether one of them is."""
        return any(stop.raised for stop in self.stops)


@dataclass(frozen=True)
class Share:
    """What one job draws; called in the job.

    Attributes:
        setup: what it draws with.
        rows: file of the missing rows.
        tail: reads the rows of all workers; at the point where the missing rows were found.
        meter: what may be spent, as it stood then; None for any amount.
        shard: number of the job and how many there are; None where jobs claim blocks.
        fence: of the run that the shards are of, since a job may start when it is over.
    """

    setup: Setup
    rows: Path
    tail: Tail
    meter: Meter | None = None
    shard: tuple[int, int] | None = None
    fence: Fence | None = None

    def __call__(self) -> Outcome:
        """Draw; what stopped it is returned."""
        bar = Tracker("drawing", 0, "images", enabled=False)
        number = self.shard[0] if self.shard else 0
        try:
            with nullcontext() if self.shard else shared(self.setup.folder), stop_flag() as stop:
                self._draw(read_plan(self.rows), stop, bar)
        except Interrupted:
            return Outcome(number, bar.done)
        except BenchError as error:
            return Outcome(number, bar.done, error)
        return Outcome(number, bar.done)

    def checkpoint(self, *_: Any) -> Any:
        """Queue it again when SLURM takes its machine away; what was drawn is recorded."""
        return need("submitit").helpers.DelayedSubmission(self)

    def _draw(self, missing: Sequence[PlanRow], stop: Stop, bar: Tracker) -> None:
        fence, frames, source = self.fence, Frames(self.setup, self.meter), self._source(missing)
        if not source.waiting or (fence is not None and fence.raised):
            return
        bar.grow(sum(len(block.rows) for block in source.waiting))
        frames.open_session(source.waiting[0].rows[0])
        others = Others(frames, self.tail, frozenset((row.label, row.slot) for row in missing))
        if fence is None:
            Drawer(frames, source, others, stop, bar).run()
        else:
            either = Either((stop, fence))
            Drawer(frames, source, others, either, bar, lambda: not fence.lost).run()

    def _source(self, missing: Sequence[PlanRow]) -> Source:
        setup = self.setup
        every = blocks(missing, map(setup.mode_number, missing), setup.spec.n_classes)
        if self.shard is None:
            return Claims(setup.folder / CLAIMS, deque(every))
        number, of = self.shard
        return Given(deque(every[number::of]))


@dataclass(frozen=True, kw_only=True)
class ArrayEngine:
    """Drawing by an array of jobs.

    Attributes:
        workers: jobs.
        cluster: "slurm", "local" for processes of this machine, "debug" for one job after another
            in this process.
        split: "claims", or "shards" where the file system has no locks between machines.
        cpus: cores a job.
        gpus: GPUs a job.
        memory: GB a job; None for the cluster's default.
        minutes: at most; a job that is cut off is queued again.
        partition: of SLURM; None for the default one.
        slurm: further options of ``sbatch``, by name.
    """

    workers: PositiveInt = 1
    cluster: Cluster = "local"
    split: Split = "claims"
    cpus: PositiveInt = 1
    gpus: NonNegativeInt = 0
    memory: PositiveFloat | None = None
    minutes: PositiveInt = 720
    partition: str | None = None
    slurm: Mapping[str, Any] = field(default_factory=dict)

    def check(self) -> None:
        """See ``Engine.check``; nothing is submitted."""
        self.executor(Path(_JOBS))

    def access(self, pool: Path) -> AbstractContextManager[None]:
        """See ``Engine.access``; shards take no locks, so they need the pool for themselves."""
        return shared(pool) if self.split == "claims" else alone(pool)

    def draw(self, order: Order) -> None:
        """See ``Engine.draw``."""
        # weights that were loaded here would be sent to every job
        order.setup.generator.close()
        folder = order.setup.folder / _JOBS / f"{time.time_ns():016x}"
        write_plan(folder / "missing.jsonl", order.missing)
        executor = self.executor(folder)
        with executor.batch():
            jobs = [executor.submit(share) for share in self._shares(order, folder)]
        say("jobs", f"{len(jobs)} on {self.cluster}; logs in {folder}")
        follow(self._outcomes(jobs, order), order, lambda: _cancel(jobs))

    def executor(self, folder: Path) -> Any:
        """The executor of submitit with this engine's parameters.

        Args:
            folder: of scripts, logs and results.

        Raises:
            UsageError: submitit or SLURM is not there, or an option is unknown.
        """
        submitit = need("submitit")
        from benchmark.generation.scale.parameters import refused

        with refused(self.cluster):
            executor = submitit.AutoExecutor(folder=folder, cluster=self.cluster)
            executor.update_parameters(**self.parameters())
        return executor

    def parameters(self) -> dict[str, Any]:
        """This engine's settings as submitit calls them."""
        found: dict[str, Any] = {
            "name": "pool",
            "timeout_min": self.minutes,
            "cpus_per_task": self.cpus,
            "gpus_per_node": self.gpus or None,
            "mem_gb": self.memory,
        }
        if self.cluster == "slurm":
            found |= {
                "slurm_partition": self.partition,
                "slurm_array_parallelism": self.workers,
                "slurm_additional_parameters": dict(self.slurm) or None,
            }
        return {name: value for name, value in found.items() if value is not None}

    def _shares(self, order: Order, folder: Path) -> list[Share]:
        rows, split = folder / "missing.jsonl", self.split == "shards"
        fence = Fence.of(order.setup.folder) if split else None
        return [
            Share(
                order.setup,
                rows,
                # of its own, also where all jobs are in one process
                deepcopy(order.tail),
                deepcopy(order.meter),
                (number, self.workers) if split else None,
                fence,
            )
            for number in range(self.workers)
        ]

    def _outcomes(self, jobs: Sequence[Any], order: Order) -> Iterator[Outcome]:
        """Images as their rows appear, then what stopped a job."""
        tail = deepcopy(order.tail)
        wanted = {(row.label, row.slot) for row in order.missing}
        # asking a debug job for its error runs it; other ways of waiting open a debugger
        died = [job.exception() for job in jobs] if self.cluster == "debug" else None
        ended = False
        while not ended:
            ended = died is not None or all(job.done() for job in jobs)
            drawn = [row for row in tail.new() if row.status == "ok"]
            yield Outcome(0, sum((row.label, row.slot) in wanted for row in drawn))
            time.sleep(0 if ended else _POLL_SECONDS)
        died = [job.exception() for job in jobs] if died is None else died
        yield from map(_ended, range(len(jobs)), jobs, died)


def _ended(number: int, job: Any, died: BaseException | None) -> Outcome:
    """What became of a job; images were counted as they came."""
    if died is None:
        found: Outcome = job.result()
        return Outcome(number, 0, found.error)
    say("job", f"{number} ended without a result: {one_line(died)}")
    return Outcome(number, 0)


def _cancel(jobs: Sequence[Any]) -> None:
    for job in jobs:
        job.cancel(check=False)
