"""A pool drawn on local Ray while its workers are killed, against one process without Ray.

python -m tests.perf.ray_pool [--images N] [--alone N] [--workers N] [--kills N] [--steps N]
python -m tests.perf.ray_pool --hand-out N    a plan of N rows, to actors that draw nothing

Prints images a second, seconds to the first image, and how many images are missing, recorded
twice, or differ from those of the one process.
"""

import argparse
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmark.generation.frames import Setup
from benchmark.generation.plan import build_plan
from benchmark.generation.results import PoolRow, read_rows
from benchmark.generation.scale.blocks import cut, from_table, outcome_table, outcomes, tables
from benchmark.generation.scale.ray_engine import RayEngine
from benchmark.generation.scale.worker import Outcome
from benchmark.generation.stored import read_pool
from benchmark.generation.verify import verify
from tests.fixtures.generation import Stub
from tests.perf.pool_scale import made_up_spec

ROOT = Path(__file__).parents[2]
CLASSES = 10


@dataclass(frozen=True)
class Drawn:
    """What one run took.

    Attributes:
        images: accepted.
        start: seconds until the first row was recorded.
        seconds: from then until the last.
        whole: seconds of the whole command.
        kills: workers killed meanwhile.
        cpu: seconds of processor of all its processes, whatever else the machine does.
    """

    images: int
    start: float
    seconds: float
    whole: float
    kills: int
    cpu: float

    @property
    def rate(self) -> float:
        """Images a second once it has begun."""
        return self.images / self.seconds


def workers_of(driver: int) -> list[int]:
    """Processes of the actors that a driver with a local cluster started."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            title = (path / "cmdline").read_bytes()
            if title.startswith(b"ray::MapWorker") and _parent(_parent(int(path.name))) == driver:
                found.append(int(path.name))
        except OSError:
            continue
    return sorted(found)


def _stat(process: int) -> list[str]:
    return Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()


def _parent(process: int) -> int:
    return int(_stat(process)[1])


def _note_cpu(root: int, known: dict[int, float]) -> None:
    """Note the seconds of processor of ``root`` and all its descendants, by process."""
    parents, seconds = {}, {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            stat = _stat(int(path.name))
        except OSError:
            continue
        parents[int(path.name)] = int(stat[1])
        seconds[int(path.name)] = (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")
    for process, spent in seconds.items():
        above = process
        while above not in (0, root):
            above = parents.get(above, 0)
        if above == root:
            known[process] = spent


def _rows(cache: Path) -> list[PoolRow]:
    return [row for folder in cache.glob("pools/*/results") for row in read_rows(folder)]


def draw(cache: Path, images: int, steps: int, words: list[str], kills: int) -> Drawn:
    """Run ``generate`` with a cache of its own, killing a worker whenever a share is drawn."""
    command = [
        sys.executable, "-m", "benchmark", "generate", "method=t2i", "dataset=digitslt",
        "budget=add", f"budget.amount={images // CLASSES}", f"generator.steps={steps}", *words,
    ]  # fmt: skip
    env = {**os.environ, "SYNAUG_BENCH_CACHE": str(cache), "OMP_NUM_THREADS": "1"}
    begun = time.monotonic()
    child = subprocess.Popen(command, cwd=ROOT, env=env)
    first, done, cpu = 0.0, 0, dict[int, float]()
    for rows in _watch(child, cache):
        _note_cpu(child.pid, cpu)
        if rows and not first:
            first = time.monotonic()
        victims = workers_of(child.pid) if done < kills and rows else []
        if victims and rows > images * (done + 1) / (kills + 1):
            os.kill(victims[done % len(victims)], signal.SIGKILL)
            done += 1
    last = time.monotonic()
    assert child.returncode == 0, child.returncode
    accepted = sum(row.status == "ok" for row in _rows(cache))
    spent = sum(cpu.values())
    return Drawn(accepted, first - begun, last - first, last - begun, done, round(spent, 1))


def _watch(child: "subprocess.Popen[bytes]", cache: Path) -> Iterator[int]:
    """Rows recorded so far, about twice a second, by the sizes of their files."""
    while child.poll() is None:
        size = sum(path.stat().st_size for path in cache.glob("pools/*/results/part-*"))
        yield size // _ROW_BYTES
        time.sleep(0.5)


_ROW_BYTES = 260


def compare(cache: Path, reference: Path) -> dict[str, int]:
    """Images missing, recorded twice, unsound, and different from those of one process."""
    (folder,) = (path.parent for path in cache.glob("pools/*/pool.json"))
    pool = read_pool(folder)
    report = verify(pool)
    ids = Counter(row.image_id for row in pool.rows)
    mine = {row.image_id: row for row in pool.rows}
    theirs = [row for row in _rows(reference) if row.image_id in mine]
    same = [_essence(row) == _essence(mine[row.image_id]) for row in theirs]
    return {
        "planned": report.planned,
        "missing": report.planned - report.accepted,
        "twice": sum(count - 1 for count in ids.values()),
        "problems": len(report.problems),
        "compared": len(same),
        "differ": len(same) - sum(same),
        "other_bytes": sum(row.sha256 != mine[row.image_id].sha256 for row in theirs),
    }


def _essence(row: PoolRow) -> PoolRow:
    return row._replace(seconds=0.0, worker="", sha256="")


class Idle:
    """Takes a block and draws nothing."""

    def __call__(self, table: Any) -> Any:
        number, block = from_table(table)
        return outcome_table(Outcome(number, len(block.rows)))


def hand_out(images: int) -> dict[str, float]:
    """Seconds that a driver and two idle actors take for a plan, and the driver's peak in GB."""
    import ray.data

    spec, found, begun = made_up_spec(100), {}, time.monotonic()
    cut_up = cut(Setup(spec, Path("none"), Stub()), build_plan(spec, [images // 100] * 100), 256)
    found["cut"] = time.monotonic() - begun
    with RayEngine(most=2, address="local")._cluster():
        begun = time.monotonic()
        rows = ray.data.from_arrow(list(tables(cut_up)))
        found["put"] = time.monotonic() - begun
        actors = ray.data.ActorPoolStrategy(size=2, max_tasks_in_flight_per_actor=2)
        begun, back = time.monotonic(), 0
        done = rows.map_batches(Idle, batch_size=None, batch_format="pyarrow", compute=actors)
        for table in done.iter_batches(batch_size=None, batch_format="pyarrow"):
            back += sum(outcome.images for outcome in outcomes(table))
        found["hand out"] = time.monotonic() - begun
    assert back == sum(len(block.rows) for block in cut_up)
    found["blocks"] = len(cut_up)
    found["peak_gb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--alone", type=int, default=4_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--kills", type=int, default=6)
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--hand-out", type=int, default=0)
    given = parser.parse_args()
    if given.hand_out:
        found = hand_out(given.hand_out)
        print(json.dumps({name: round(value, 2) for name, value in found.items()}))
        return
    with tempfile.TemporaryDirectory() as folder:
        ray, alone = Path(folder) / "ray", Path(folder) / "alone"
        words = ["engine=ray", f"workers={given.workers}", "address=local"]
        one = draw(alone, given.alone, given.steps, [], 0)
        many = draw(ray, given.images, given.steps, words, given.kills)
        compared = compare(ray, alone)
    for name, each in (("one process", one), ("ray", many)):
        print(name, json.dumps({**asdict(each), "images/s": round(each.rate, 1)}))
    print(json.dumps(compared))


if __name__ == "__main__":
    main()
