"""Locks, and what stands for them on a file system that knows none."""

import errno
import os
import signal
import socket
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest

from benchmark.generation.pool import Pool
from benchmark.generation.results import read_rows
from benchmark.system.locks import WAIT, advice, attempt, held, holder_of, is_held, marker_of
from tests.conftest import ROOT
from tests.faults.test_pool_faults import COUNTS, SLOW
from tests.fixtures.generation import Stub, stub_spec
from tests.fixtures.mistakes import CE, bench, run_folder

ERRORS = ("ENOSYS", "ENOLCK", "EOPNOTSUPP")
# a mount without locks, or one where every call takes its time
LOCK_FREE = """
import errno, fcntl, os, sys
def refuse(*_):
    raise OSError(errno.{error}, os.strerror(errno.{error}))
fcntl.flock = refuse
"""
LATE = """
import os, time
_sync, _open = os.fsync, os.open
def slow(call, *given, **more):
    time.sleep(0.02)
    return call(*given, **more)
os.fsync = lambda *given: slow(_sync, *given)
os.open = lambda *given, **more: slow(_open, *given, **more)
"""
HOLD = """
import sys, time
from pathlib import Path
from benchmark.system.locks import held
path = Path(sys.argv[1])
with held(path, "works"):
    print("in", time.monotonic(), flush=True)
    time.sleep(float(sys.argv[2]))
    print("out", time.monotonic(), flush=True)
"""
# no process of this machine has a number above the limit of the kernel
NOBODY = 2**22 + 1


def start(code: str, *args: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, args)], cwd=ROOT, text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def said(child: subprocess.Popen[str]) -> dict[str, float]:
    """When a holder came in and went out."""
    out, err = child.communicate(timeout=60)
    assert child.returncode == 0, err
    return {line.split()[0]: float(line.split()[1]) for line in out.splitlines()}


def begun(child: subprocess.Popen[str]) -> None:
    assert child.stdout is not None
    assert child.stdout.readline().startswith("in")


@pytest.mark.parametrize("error", ERRORS)
def test_without_locks_one_process_at_a_time_holds(error: str, tmp_path: Path) -> None:
    code = LOCK_FREE.format(error=error) + HOLD
    children = [start(code, tmp_path / ".lock", 0.2) for _ in range(3)]
    spans = sorted((times["in"], times["out"]) for times in map(said, children))
    assert all(out <= into for (_, out), (into, _) in pairwise(spans))
    assert not marker_of(tmp_path / ".lock").exists()


@pytest.mark.parametrize("code", [HOLD, LOCK_FREE.format(error="ENOLCK") + HOLD])
def test_the_lock_of_a_killed_process_is_free(code: str, tmp_path: Path) -> None:
    first = start(code, tmp_path / ".lock", 60)
    begun(first)
    assert is_held(tmp_path / ".lock")
    first.send_signal(signal.SIGKILL)
    first.communicate()
    assert not is_held(tmp_path / ".lock")
    assert said(start(code, tmp_path / ".lock", 0)).keys() == {"in", "out"}


def test_a_marker_of_another_machine_stays_and_is_named(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    marker_of(path).write_text("12\nnode7\n")
    assert attempt(path) is None and is_held(path)
    assert advice(path) == (
        f"wait for process 12 of node7; if it is gone, delete {tmp_path}/.lock.held"
    )
    marker_of(path).unlink()
    lock = attempt(path)
    assert lock is not None
    lock.release()
    assert advice(path) == WAIT


def test_where_there_are_locks_a_marker_of_the_dead_is_taken_away(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    marker_of(path).write_text(f"{NOBODY}\n{socket.gethostname()}\n")
    holder = holder_of(path)
    assert holder and holder.dead and not is_held(path)
    with held(path, "works"):
        assert is_held(path)
    assert not marker_of(path).exists()


def test_who_has_locks_waits_for_who_has_none(tmp_path: Path) -> None:
    first = start(LOCK_FREE.format(error="ENOSYS") + HOLD, tmp_path / ".lock", 0.6)
    begun(first)
    assert attempt(tmp_path / ".lock") is None
    second = start(HOLD, tmp_path / ".lock", 0)
    assert said(second)["in"] >= said(first)["out"]


def test_a_run_held_elsewhere_names_the_machine(tmp_path: Path) -> None:
    with bench(tmp_path) as work:
        folder = run_folder(CE)
        folder.mkdir(parents=True)
        marker_of(folder / ".lock").write_text("12\nnode7\n")
        found = work.call(*CE)
        assert found.code == 2
        assert "if it is gone, delete" in found.err and "process 12 of node7" in found.err
        assert work.call("status").out.split("\n")[1].split()[4] == "running"
        marker_of(folder / ".lock").unlink()
        work.done(*CE)


@pytest.mark.parametrize(
    "code", [LOCK_FREE.format(error="ENOLCK"), pytest.param(LATE, marks=pytest.mark.slow)]
)
def test_two_processes_draw_once_on_such_a_file_system(code: str, tmp_path: Path) -> None:
    children = [start(code + SLOW, tmp_path) for _ in range(2)]
    drawn = []
    for child in children:
        out, err = child.communicate(timeout=120)
        assert child.returncode == 0, err
        drawn.append(int(out.split()[-1]))
    assert sum(drawn) == 60
    pool = Pool.open(stub_spec(Stub()), tmp_path)
    assert len(read_rows(pool.results_folder)) == len(pool.subset(COUNTS)) == 60


def test_any_other_error_of_a_lock_is_told(tmp_path: Path) -> None:
    code = LOCK_FREE.format(error="EIO") + HOLD
    child = start(code, tmp_path / ".lock", 0)
    _, err = child.communicate(timeout=60)
    assert child.returncode == 1
    assert f"StorageError: Cannot write: {os.strerror(errno.EIO)}" in err
    assert "SYNAUG_BENCH_CACHE, out=DIR" in err


def test_a_waiting_process_goes_on_at_once(tmp_path: Path) -> None:
    first = start(HOLD, tmp_path / ".lock", 0.3)
    begun(first)
    second = start(HOLD, tmp_path / ".lock", 0)
    one, two = said(first), said(second)
    assert two["in"] - one["out"] < 5
    assert time.monotonic() > two["out"]
