"""Full disks, unwritable caches, killed and competing conversions."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmark.data import store as stores
from benchmark.data.store import PartPlan, StorePlan, build, find
from benchmark.errors import IntegrityError, StorageError

ROOT = Path(stores.__file__).parents[2]
SCRIPT = """
import os, signal, sys, time
import numpy as np
from benchmark.data import store
store.CHUNK = 10

def plan(kill_at=None, pause=0.0, log=None, stamp=""):
    pixels = np.random.default_rng(1).integers(0, 256, (50, 4, 4, 3), dtype=np.uint8)
    def produce(rows):
        for row in rows:
            if row == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(pause)
            if log:
                with open(log, "a") as file:
                    file.write(f"{row}\\n")
            yield int(row), pixels[row]
    part = store.PartPlan("train", tuple(map(str, range(50))), np.arange(50) % 5, produce)
    return store.StorePlan("toy", 4, (part,), {}, "v1", stamp=stamp)
"""


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SYNAUG_BENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def start(code: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-c", SCRIPT + code], cwd=ROOT)


def plan(stamp: str = "") -> tuple[StorePlan, list[int]]:
    """The plan of ``SCRIPT`` and the rows that were asked of it."""
    asked: list[int] = []
    pixels = np.random.default_rng(1).integers(0, 256, (50, 4, 4, 3), dtype=np.uint8)

    def produce(rows: np.ndarray) -> object:
        asked.extend(rows.tolist())
        return ((int(row), pixels[row]) for row in rows)

    ids = tuple(map(str, range(50)))
    part = PartPlan("train", ids, np.arange(50) % 5, produce)  # type: ignore[arg-type]
    return StorePlan("toy", 4, (part,), {}, "v1", stamp=stamp), asked


def test_a_killed_conversion_goes_on(cache: Path) -> None:
    assert start("store.build(plan(kill_at=35))").wait() == -signal.SIGKILL
    assert find("toy") is None
    assert (cache / "data" / ".toy.building").is_dir()
    again, asked = plan()
    resumed = build(again, progress=False)
    assert asked == list(range(30, 50))
    resumed.verify()
    pixels = np.random.default_rng(1).integers(0, 256, (50, 4, 4, 3), dtype=np.uint8)
    np.testing.assert_array_equal(resumed.images("train"), pixels)
    assert not (cache / "data" / ".toy.building").exists()


def test_another_source_starts_anew() -> None:
    start("store.build(plan(kill_at=35))").wait()
    again, asked = plan(stamp="other")
    build(again, progress=False).verify()
    assert asked == list(range(50))


def test_killed_before_the_rename(cache: Path) -> None:
    code = "os.replace = lambda *_: os.kill(os.getpid(), 9)\nstore.build(plan())"
    assert start(code).wait() == -signal.SIGKILL
    assert find("toy") is None
    again, _ = plan()
    build(again, progress=False).verify()


def test_two_processes_convert_once(tmp_path: Path) -> None:
    log = tmp_path / "log"
    code = f"store.build(plan(pause=0.01, log={str(log)!r})).verify()"
    both = [start(code), start(code)]
    assert [process.wait() for process in both] == [0, 0]
    assert sorted(map(int, log.read_text().split())) == list(range(50))


@pytest.mark.parametrize("call", ["fsync", "pwrite"])
def test_full_disk_leaves_nothing_that_opens(call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, call, full)
        with pytest.raises(StorageError, match="The disk is full"):
            build(plan()[0], progress=False)
    assert find("toy") is None
    build(plan()[0], progress=False).verify()


def test_a_short_write_is_a_full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "pwrite", lambda _file, data, _offset: len(data) - 1)
    with pytest.raises(StorageError, match="The disk is full"):
        build(plan()[0], progress=False)


def test_too_little_space_is_said_before_converting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(StorePlan, "bytes_needed", 1 << 60)
    again, asked = plan()
    with pytest.raises(StorageError, match="GB of free disk, but got"):
        build(again, progress=False)
    assert asked == []


def test_cache_below_a_file(cache: Path) -> None:
    cache.write_text("in the way")
    with pytest.raises(StorageError, match="Cannot write"):
        build(plan()[0], progress=False)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_unwritable_cache(cache: Path) -> None:
    cache.mkdir()
    cache.chmod(0o500)
    with pytest.raises(StorageError, match="permission was denied"):
        build(plan()[0], progress=False)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema": 99}', '{"schema": 1}'])
def test_damaged_marker(cache: Path, text: str) -> None:
    folder = build(plan()[0], progress=False).folder
    (folder / "store.json").write_text(text)
    with pytest.raises(IntegrityError):
        find("toy")
