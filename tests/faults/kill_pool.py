"""Two processes draw one pool; one of them is killed again and again at random moments.

python -m tests.faults.kill_pool [--kills N] [--seed S]
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from benchmark.generation.pool import Pool
from benchmark.generation.results import PoolRow, read_rows
from benchmark.generation.seeding import image_seed
from benchmark.generation.stored import read_pool
from benchmark.generation.verify import verify
from tests.fixtures.generation import Stub, stub_spec

COUNTS = [500, 500, 500]
ROOT = Path(__file__).parents[2]
_WORKER = """
import sys, time
from pathlib import Path
from benchmark.generation.pool import Pool
from tests.faults.kill_pool import COUNTS, flaw
from tests.fixtures.generation import Stub, stub_spec

class Slow(Stub):
    def draw(self, *args):
        time.sleep(float(sys.argv[2]))
        return super().draw(*args)

generator = Slow(flaw=flaw)
print("ready", flush=True)
Pool.open(stub_spec(generator), Path(sys.argv[1])).ensure(COUNTS, generator, progress=False)
print("drawn", generator.drawn)
"""
_FLAWED = {image_seed(7, slot % 3, slot, 3) for slot in range(0, 300, 10)}


def flaw(seed: int) -> str:
    """One image in thirty is flat at its first attempt."""
    return "flat" if seed in _FLAWED else ""


def start(root: Path, pause: float) -> subprocess.Popen[str]:
    """A process that draws the pool under ``root``, ``pause`` seconds a batch."""
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    child = subprocess.Popen(
        [sys.executable, "-c", _WORKER, str(root), str(pause)],
        cwd=ROOT, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n", child.communicate()[1]
    return child


@dataclass(frozen=True)
class Survived:
    """What was left after the kills.

    Attributes:
        kills: processes killed while they drew.
        rows: recorded images, accepted and rejected.
        twice: images recorded more than once.
        missing: images of the budget that are not there.
        problems: what verification found.
        temporary: half-written files that were left behind; none of them is read.
        calls: network calls in the ledger, against those of the rows.
    """

    kills: int
    rows: int
    twice: int
    missing: int
    problems: tuple[str, ...]
    temporary: int
    calls: tuple[int, int]


def torment(root: Path, kills: int, rng: random.Random, pause: float = 0.005) -> Survived:
    """Kill a worker ``kills`` times while another works on, then let both finish."""
    done = 0
    steady = start(root, pause * 40)
    while done < kills:
        victim = start(root, pause)
        time.sleep(rng.uniform(0.0, 0.35))
        if victim.poll() is None:
            victim.send_signal(signal.SIGKILL)
            done += 1
        victim.communicate()
        if read_missing(root) == 0:
            break
    last = start(root, pause)
    for child in (steady, last):
        _, error = child.communicate(timeout=120)
        assert child.returncode == 0, error
    return _survived(root, done)


def read_missing(root: Path) -> int:
    """Images of the budget that are still to be drawn."""
    return Pool.open(stub_spec(Stub()), root).missing(COUNTS)


def _survived(root: Path, kills: int) -> Survived:
    pool = Pool.open(stub_spec(Stub()), root)
    rows = read_rows(pool.results_folder)
    cost = pool.cost(COUNTS)
    return Survived(
        kills=kills,
        rows=len(rows),
        twice=_twice(rows),
        missing=pool.missing(COUNTS),
        problems=verify(read_pool(pool.folder)).problems,
        temporary=len(list(pool.folder.rglob("*.tmp"))),
        calls=(cost.network_calls_measured, sum(row.calls for row in rows)),
    )


def _twice(rows: list[PoolRow]) -> int:
    return sum(count - 1 for count in Counter(row.image_id for row in rows).values())


def main() -> None:
    """Torment a pool and print what survived."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(torment(Path(folder), given.kills, random.Random(given.seed)))


if __name__ == "__main__":
    main()
