"""What can happen to a pool: kills, signals, two processes, corrupt files, a full disk."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmark.errors import DataError, IntegrityError, StorageError
from benchmark.generation import frames
from benchmark.generation.pool import Pool
from benchmark.generation.results import read_rows
from tests.fixtures.generation import Stub, stub_spec

pytest_plugins = ["tests.fixtures.generation_plugin"]
pytestmark = pytest.mark.usefixtures("own_cache")
ROOT = Path(__file__).parents[2]
COUNTS = [20, 20, 20]
SLOW = """
import sys, time
from pathlib import Path
from tests.fixtures.generation import Stub, stub_spec
from benchmark.errors import Interrupted
from benchmark.generation.pool import Pool

class Slow(Stub):
    def draw(self, *args):
        time.sleep(0.05)
        return super().draw(*args)

generator = Slow()
pool = Pool.open(stub_spec(generator), Path(sys.argv[1]))
print("ready", flush=True)
try:
    pool.ensure([20, 20, 20], generator)
except Interrupted as stop:
    print(stop)
    sys.exit(stop.exit_code)
print("drawn", generator.drawn)
"""


def _start(root: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", SLOW, str(root)]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    child = subprocess.Popen(
        command, cwd=ROOT, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    return child


def _wait_for_rows(pool: Pool, n: int) -> None:
    deadline = time.monotonic() + 20
    while len(read_rows(pool.results_folder)) < n:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _reference(tmp_path: Path) -> list[str]:
    generator = Stub()
    pool = Pool.open(stub_spec(generator), tmp_path / "reference")
    pool.ensure(COUNTS, generator)
    return [row.image_id for row in pool.subset(COUNTS)]


def test_a_killed_pool_resumes_without_duplicates(tmp_path: Path) -> None:
    generator = Stub()
    pool = Pool.open(stub_spec(generator), tmp_path)
    child = _start(tmp_path)
    _wait_for_rows(pool, 12)
    child.kill()
    child.communicate()
    before = len(read_rows(pool.results_folder))
    assert 12 <= before < 60
    assert len(pool.plan_path.read_text().splitlines()) == 60
    pool.ensure(COUNTS, generator)
    assert generator.drawn == 60 - before
    ids = [row.image_id for row in read_rows(pool.results_folder)]
    assert len(ids) == len(set(ids)) == 60
    assert [row.image_id for row in pool.subset(COUNTS)] == _reference(tmp_path)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_keeps_what_was_drawn(tmp_path: Path, number: signal.Signals) -> None:
    pool = Pool.open(stub_spec(Stub()), tmp_path)
    child = _start(tmp_path)
    _wait_for_rows(pool, 4)
    child.send_signal(number)
    out, _ = child.communicate(timeout=20)
    assert child.returncode == 130
    assert "of 60 images to draw" in out
    assert "run again to go on" in out
    assert len(list(pool.folder.rglob("*.png"))) == len(read_rows(pool.results_folder))


def test_two_processes_draw_once(tmp_path: Path) -> None:
    children = [_start(tmp_path), _start(tmp_path)]
    drawn = [int(child.communicate(timeout=30)[0].split()[1]) for child in children]
    assert sum(drawn) == 60
    pool = Pool.open(stub_spec(Stub()), tmp_path)
    assert len(read_rows(pool.results_folder)) == len(pool.subset(COUNTS)) == 60


def _drawn_pool(generator: Stub) -> Pool:
    pool = Pool.open(stub_spec(generator))
    pool.ensure([2, 2, 2], generator)
    return pool


@pytest.mark.parametrize("damage", ["truncate", "delete", "alter"])
def test_a_damaged_image_is_named_then_drawn_again(damage: str) -> None:
    generator = Stub()
    pool = _drawn_pool(generator)
    row = pool.subset([2, 2, 2])[3]
    path = pool.image_path(row)
    data = path.read_bytes()
    path.write_bytes({"truncate": data[:40], "alter": data[:-1] + b"x", "delete": b""}[damage])
    if damage == "delete":
        path.unlink()
    with pytest.raises((IntegrityError, DataError), match=rf"{path.name}\]; run again"):
        pool.read(row)
    assert pool.missing([2, 2, 2]) == 1
    cost = pool.ensure([2, 2, 2], generator)
    assert (generator.drawn, cost.failed, cost.candidates, cost.pool_candidates) == (7, 1, 6, 7)
    assert pool.read(pool.subset([2, 2, 2])[3]) == data


def test_a_torn_last_line_is_drawn_again() -> None:
    generator = Stub()
    pool = _drawn_pool(generator)
    part = next(pool.results_folder.glob("part-*.jsonl"))
    part.write_text(part.read_text()[:-30])
    pool.ensure([2, 2, 2], generator)
    assert generator.drawn == 7


def test_a_bad_line_in_the_middle_is_named() -> None:
    pool = _drawn_pool(Stub())
    part = next(pool.results_folder.glob("part-*.jsonl"))
    part.write_text("nonsense\n" + part.read_text())
    with pytest.raises(IntegrityError, match="result row at line 1"):
        pool.missing([1, 1, 1])


def test_a_damaged_session_is_named() -> None:
    pool = _drawn_pool(Stub())
    next(pool.results_folder.glob("session-*.json")).write_text("{}")
    with pytest.raises(IntegrityError, match="Expected a session"):
        pool.cost([1, 1, 1])


def test_a_full_disk_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise StorageError("The disk is full", where="x")

    generator = Stub()
    pool = Pool.open(stub_spec(generator))
    monkeypatch.setattr(frames, "write_bytes", full)
    with pytest.raises(StorageError, match="The disk is full"):
        pool.ensure([1, 1, 1], generator)
    monkeypatch.undo()
