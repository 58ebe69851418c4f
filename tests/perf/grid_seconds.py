"""A whole grid beside the sum of its runs made alone: device-seconds, and CPU-seconds of processes.

python -m tests.perf.grid_seconds [--grids table1,table2] [--alone 'synaug;t2i'] [KEY=VALUE ...]
python -m tests.perf.grid_seconds --side-by-side
python -m tests.perf.grid_seconds --records leaderboards/records/digitslt leaderboards/ablations

A record counts stages and pools as if its run had been made alone, and says which stages were
shared and what the pool took in all; so both sums follow from the records of a grid. ``--alone``
makes some runs again, each from an empty cache and with ``share_stages=false``, and puts what they
took beside what the records say. Further words go to every run. ``--side-by-side`` compares wall
time: two processes of one thread with one of two, on a machine that does nothing else.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark.grid.grid_results import results
from benchmark.recording import records
from benchmark.recording.record_models import Record

GRIDS = "table1,table2"
ALONE = "weight_balancing;t2i;[t2i,domain_mixup];synaug"


@dataclass(frozen=True)
class Sums:
    """Device-seconds of some runs.

    Attributes:
        training: trained stages, each counted once.
        drawing: pools, each counted once, with the fits behind them.
        alone: of the same runs, as if each had been made from nothing.
    """

    training: float
    drawing: float
    alone: float

    @property
    def percent(self) -> float:
        """What was taken, of what separate runs would have taken."""
        return 100 * (self.training + self.drawing) / self.alone


def sums(found: Sequence[Record]) -> Sums:
    """What the runs of a grid took together and would have taken alone."""
    stages = (stage for record in found for stage in record.stages if not stage.shared)
    pools: dict[str, float] = {}
    for record in found:
        cost = record.cost.generation
        if cost:
            own = cost.pool_device_seconds + cost.fit_seconds
            pools[cost.pool_key] = max(own, pools.get(cost.pool_key, 0.0))
    return Sums(
        training=sum(stage.seconds for stage in stages),
        drawing=sum(pools.values()),
        alone=sum(map(alone_seconds, found)),
    )


def alone_seconds(record: Record) -> float:
    """Device-seconds of a run as if made from nothing: its stages, its images, their fit."""
    cost = record.cost.generation
    drawn = cost.device_seconds + cost.fit_seconds if cost else 0.0
    return record.cost.training.seconds + drawn


def read(folder: Path) -> list[Record]:
    """The records below a folder."""
    return [found for _, found in records.find(folder) if isinstance(found, Record)]


def run(words: Sequence[str], folder: Path, threads: int = 1) -> tuple[float, float]:
    """CPU-seconds and wall-seconds of one command with the cache and the runs of ``folder``."""
    env = os.environ | {
        "SYNAUG_BENCH_CACHE": str(folder / "cache"), "OMP_NUM_THREADS": str(threads)
    }  # fmt: skip
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run(
        [sys.executable, "-m", "benchmark", "run", *words, f"out={folder / 'runs'}",
         "progress=false"],
        env=env, check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return cpu, time.monotonic() - begun


def print_grids(grids: Sequence[str], words: Sequence[str], folder: Path) -> list[Record]:
    """Make grids of one seed in one empty cache and print their sums."""
    cpu = sum(run([f"grid={grid}", "seeds=1", *words], folder)[0] for grid in grids)
    found = read(folder / "runs")
    print(f"{cpu:.1f} CPU-seconds of {len(grids)} processes")
    print_sums(", ".join(grids), found)
    return found


def print_by_grid(found: Sequence[Record]) -> None:
    """Print the sums of each grid that has records, and of all records."""
    for made in results(found):
        print_sums(made.key, [record for row in made.found.values() for record in row.records])
    print_sums("all", found)


def print_sums(name: str, found: Sequence[Record]) -> None:
    """Print what the runs took together, and what they would have taken alone."""
    made = sums(found)
    print(
        f"{name}: {len(found)} runs, {made.training:.1f} s training and {made.drawing:.1f} s "
        f"drawing, {made.percent:.0f} % of {made.alone:.1f} s alone"
    )


def print_alone(methods: Sequence[str], words: Sequence[str], found: Sequence[Record]) -> None:
    """Make runs from nothing and print what they took beside what the grid's records say."""
    known = {record.experiment.hash: record for record in found}
    print(f"{'alone':<34}{'CPU s':>8}{'device s':>10}{'by the grid':>13}")
    for method in methods:
        with tempfile.TemporaryDirectory() as text:
            folder = Path(text)
            cpu, _ = run([f"method={method}", "share_stages=false", *words], folder)
            (own,) = read(folder / "runs")
        said = known.get(own.experiment.hash)
        print(
            f"{method:<34}{cpu:>8.1f}{alone_seconds(own):>10.1f}"
            f"{alone_seconds(said) if said else 0.0:>13.1f}",
            flush=True,
        )


def print_side_by_side(grid: str) -> None:
    """Print wall-seconds of two seeds: two processes of one thread, one process of two."""
    for workers, threads in ((2, 1), (1, 2)):
        with tempfile.TemporaryDirectory() as text:
            words = [f"grid={grid}", "seeds=2", f"workers={workers}"]
            _, wall = run(words, Path(text), threads)
        print(f"{workers} processes, {threads} threads each: {wall:.1f} s", flush=True)


def main() -> None:
    """Print the sums."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--grids", default=GRIDS)
    parser.add_argument("--alone", default=ALONE, help="methods, between semicolons; '' for none")
    parser.add_argument(
        "--records", type=Path, nargs="+", help="sums of these records, by grid; nothing is run"
    )
    parser.add_argument("--keep", type=Path, help="a folder for cache and runs; else temporary")
    parser.add_argument("--side-by-side", action="store_true")
    parser.add_argument("words", nargs="*", help="KEY=VALUE, for every run")
    given = parser.parse_args()
    if given.records:
        print_by_grid([record for folder in given.records for record in read(folder)])
        return
    if given.side_by_side:
        print_side_by_side(given.grids.partition(",")[0])
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.keep or Path(temporary)
        found = print_grids(given.grids.split(","), given.words, folder)
        print_alone([name for name in given.alone.split(";") if name], given.words, found)


if __name__ == "__main__":
    main()
