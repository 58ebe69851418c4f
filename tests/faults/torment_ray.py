"""Many workers on local Ray: some die by themselves, some are killed, and so is the driver.

python -m tests.faults.torment_ray [--workers N] [--images N] [--kills N] [--failures N]
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmark.generation.pool import Pool
from benchmark.generation.results import read_rows
from benchmark.generation.seeding import image_seed
from benchmark.generation.stored import read_pool
from benchmark.generation.verify import verify
from tests.fixtures.generation import stub_spec
from tests.fixtures.generation_scale import Sleeper, essence
from tests.perf.ray_pool import workers_of

ROOT = Path(__file__).parents[2]
# one image in thirty is flat at its first attempt
FLAT = frozenset(image_seed(7, slot % 3, slot, 3) for slot in range(0, 100_000, 10))
_DRIVER = """
import json, sys
from pathlib import Path
from benchmark.errors import Interrupted
from tests.faults.torment_ray import Plan, draw

try:
    draw(Path(sys.argv[1]), Plan(**json.loads(sys.argv[2])))
except Interrupted as stop:
    print(stop)
    sys.exit(stop.exit_code)
"""


@dataclass(frozen=True)
class Plan:
    """What is drawn and how.

    Attributes:
        workers: actors.
        count: images of each of three classes.
        pause: seconds a batch of four takes.
        failures: batches at which a worker exits, and as many at which one raises.
    """

    workers: int
    count: int
    pause: float
    failures: int = 0


def _generator(root: Path, plan: Plan) -> Sleeper:
    every = max(plan.count // max(plan.failures, 1), 1)
    slots = range(every // 2, plan.count, every) if plan.failures else range(0)
    return Sleeper(
        flat=FLAT,
        pause=plan.pause,
        once=root / "once",
        dies=frozenset(image_seed(7, 0, slot, 3) for slot in slots),
        raises=frozenset(image_seed(7, 1, slot + 3, 3) for slot in slots),
    )


def draw(root: Path, plan: Plan) -> None:
    """Draw the pool under ``root`` with a local cluster of its own."""
    # imported here: the parent needs no ray
    from benchmark.generation.scale.ray_engine import RayEngine

    engine = RayEngine(least=plan.workers, most=plan.workers, address="local", block=16)
    generator = _generator(root, plan)
    Pool.open(stub_spec(generator), root).ensure(
        [plan.count] * 3, generator, progress=False, engine=engine
    )


def start_driver(root: Path, plan: Plan) -> "subprocess.Popen[str]":
    """A process that draws the pool under ``root``."""
    (root / "once").mkdir(exist_ok=True)
    return subprocess.Popen(
        [sys.executable, "-c", _DRIVER, str(root), json.dumps(asdict(plan))],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def wait_for_rows(pool: Pool, rows: int, seconds: float = 240) -> None:
    """Until so many rows are recorded."""
    deadline = time.monotonic() + seconds
    while len(read_rows(pool.results_folder)) < rows:
        assert time.monotonic() < deadline, "too slow"
        time.sleep(0.2)


@dataclass(frozen=True)
class Survived:
    """What was left.

    Attributes:
        workers: sessions that recorded rows.
        killed: workers killed from outside.
        failed: workers that exited or raised by themselves.
        drivers: drivers that were started.
        rows: recorded images, accepted and rejected.
        twice: images recorded more than once.
        missing: images of the plan that are not there.
        differ: rows that one process would not have written, or would have.
        problems: what verification found.
        seconds: of the drivers together.
    """

    workers: int
    killed: int
    failed: int
    drivers: int
    rows: int
    twice: int
    missing: int
    differ: int
    problems: tuple[str, ...]
    seconds: float


def torment(root: Path, plan: Plan, kills: int) -> Survived:
    """Kill half of ``kills`` workers, then the driver, then the others under a second driver."""
    pool = Pool.open(stub_spec(Sleeper()), root)
    begun, total = time.monotonic(), 3 * plan.count
    first = start_driver(root, plan)
    killed = _kill_workers(pool, first, kills // 2, range(total // 8, total // 2))
    first.kill()
    first.communicate()
    second = start_driver(root, plan)
    killed += _kill_workers(pool, second, kills - kills // 2, range(total // 2, 7 * total // 8))
    _, error = second.communicate(timeout=280)
    assert second.returncode == 0, error
    return _survived(root, plan, killed, time.monotonic() - begun)


def _kill_workers(pool: Pool, driver: "subprocess.Popen[str]", kills: int, rows: range) -> int:
    done = 0
    for wanted in rows[:: max(len(rows) // kills, 1)][:kills]:
        wait_for_rows(pool, wanted)
        victims = workers_of(driver.pid)
        if victims:
            os.kill(victims[done % len(victims)], signal.SIGKILL)
            done += 1
    return done


def _survived(root: Path, plan: Plan, killed: int, seconds: float) -> Survived:
    pool = Pool.open(stub_spec(Sleeper()), root)
    rows = read_rows(pool.results_folder)
    with tempfile.TemporaryDirectory() as folder:
        alone = Pool.open(stub_spec(Sleeper()), Path(folder))
        alone.ensure([plan.count] * 3, Sleeper(flat=FLAT), progress=False)
        differ = essence(rows) ^ essence(read_rows(alone.results_folder))
    counted = Counter(row.image_id for row in rows)
    return Survived(
        workers=len({row.worker for row in rows}),
        killed=killed,
        failed=len(list((root / "once").iterdir())),
        drivers=2,
        rows=len(rows),
        twice=sum(count - 1 for count in counted.values()),
        missing=pool.missing([plan.count] * 3),
        differ=len(differ),
        problems=verify(read_pool(pool.folder)).problems,
        seconds=round(seconds, 1),
    )


def main() -> None:
    """Torment a pool and print what survived."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=64)
    parser.add_argument("--images", type=int, default=6000)
    parser.add_argument("--kills", type=int, default=12)
    parser.add_argument("--failures", type=int, default=8)
    parser.add_argument("--pause", type=float, default=1.0, help="seconds a batch of four")
    given = parser.parse_args()
    plan = Plan(given.workers, given.images // 3, given.pause, given.failures)
    with tempfile.TemporaryDirectory() as folder:
        print(torment(Path(folder), plan, given.kills))


if __name__ == "__main__":
    main()
