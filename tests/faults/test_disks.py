"""Disks that are really full, out of files, read-only, or another one than the rest."""

from pathlib import Path

import numpy as np
import pytest

from benchmark.data.store import PartPlan, StorePlan, build, find
from benchmark.errors import StorageError
from benchmark.integrity.sweep import sweep
from benchmark.paths import CACHE_VARIABLE
from benchmark.report import tables
from tests.faults.test_records_tables import source
from tests.fixtures.commands import Commands, Finished
from tests.fixtures.disks import Disk, disk
from tests.fixtures.places import WORDS, Place

__all__ = ["source"]
CE = ("method=ce", "recipe.steps.amount=2", "progress=false", "device=cpu", "threads=1")


class Small:
    """Runs and cache on a disk, everything else elsewhere."""

    def __init__(self, folder: Path, commands: Commands) -> None:
        self.folder, self.commands, self.mount = folder, commands, folder / "disk"

    def call(self, *words: str, before: str = "") -> Finished:
        env = {CACHE_VARIABLE: str(self.mount / "cache")}
        return self.commands.call(*words, folder=self.folder, env=env, before=before)

    def run(self, *words: str, before: str = "") -> Finished:
        return self.call("run", *words, f"out={self.mount}/runs", before=before)

    def place(self) -> Place:
        return Place(self.mount, self.commands)


@pytest.fixture
def small(tmp_path: Path, commands: Commands) -> Small:
    return Small(tmp_path, commands)


def grown(small: Small, made: Disk, steps: list[str]) -> list[str]:
    """Run on a disk that grows after each failure; the errors on the way."""
    said = []
    for step in steps:
        done = small.run(*WORDS)
        if done.code == 0:
            break
        assert done.code == 5, done.err
        line = done.err.splitlines()[-1]
        assert line.startswith("error: The disk is full [") and "free some space" in line, line
        assert "Traceback" not in done.err
        assert sweep([small.mount]).problems == []
        said.append(line)
        made.remount(step)
    assert small.run(*WORDS).code == 0
    return said


def test_a_disk_full_at_every_point_of_a_run(small: Small, undisturbed: Place) -> None:
    sizes = [f"size={size}k" for size in (28, 60, 120, 180, 260, 700, 2200, 9000)]
    with disk(small.mount, "size=8k") as made:
        said = grown(small, made, sizes)
        places = " ".join(said)
        # drawing, training, and what a run leaves
        assert ".png" in places and "checkpoint.pt" in places and len(said) >= 4, said
        assert small.place().numbers() == undisturbed.numbers()
        assert not list(small.mount.rglob("*.tmp"))


@pytest.mark.slow
def test_a_disk_without_room_for_another_file(small: Small, undisturbed: Place) -> None:
    steps = [f"nr_inodes={n}" for n in (16, 24, 40, 60, 70, 74, 200)]
    with disk(small.mount, "size=20m,nr_inodes=6") as made:
        assert len(grown(small, made, steps)) >= 4
        assert small.place().numbers() == undisturbed.numbers()


@pytest.mark.slow
def test_a_disk_full_while_a_finished_run_is_made_again(small: Small) -> None:
    with disk(small.mount, "size=9m") as made:
        assert small.run(*CE, "share_stages=false").code == 0
        place = small.place()
        before, [record] = place.numbers(), place.files("record.json")
        content = record.read_bytes()
        used = sum(path.stat().st_blocks * 512 for path in small.mount.rglob("*"))
        for spare in (8, 40, 400):
            made.remount(f"size={used // 1024 + spare}k")
            done = small.run(*CE, "share_stages=false", "on_existing=rerun")
            assert done.code in (0, 5), done.err
            if done.code == 5:
                assert record.read_bytes() == content
                assert sweep([small.mount]).problems == []
        made.remount("size=9m")
        assert small.run(*CE, "on_existing=rerun").code == 0
        assert place.numbers() == before


def test_a_disk_full_while_data_are_prepared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (50, 16, 16, 3), dtype=np.uint8)
    part = PartPlan(
        "train", tuple(map(str, range(50))), np.arange(50) % 5,
        lambda rows: ((int(row), pixels[row]) for row in rows),
    )  # fmt: skip
    plan = StorePlan("toy", 16, (part,), {}, "v1")
    with disk(tmp_path / "disk", "size=48k") as made:
        monkeypatch.setenv(CACHE_VARIABLE, str(made.path / "cache"))
        # less room than the pixels take is seen before; less than all takes is seen on the way
        for size in ("size=48k", "size=52k"):
            made.remount(size)
            with pytest.raises(StorageError, match=r"The disk is full|GB of free disk"):
                build(plan, progress=False)
            assert find("toy") is None
        made.remount("size=200k")
        store = build(plan, progress=False)
        store.verify()
        np.testing.assert_array_equal(store.images("train"), pixels)


def test_a_disk_full_while_tables_are_written(source: Path, tmp_path: Path) -> None:
    with disk(tmp_path / "disk", "size=16k") as made:
        folder = made.path / "tables"
        with pytest.raises(StorageError, match="The disk is full"):
            tables.write(source, folder)
        # a table is there whole or not at all
        written = tables.render(tables.boards(source))
        assert all(path.read_text() == written[path.name] for path in folder.iterdir())
        made.remount("size=4m")
        tables.write(source, folder)
        assert tables.check(source, folder) == []


LIMIT = """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}))
"""


@pytest.mark.slow
def test_a_file_above_the_quota(small: Small, undisturbed: Place) -> None:
    small.mount.mkdir()
    done = small.run(*WORDS, before=LIMIT.format(size=200_000))
    assert done.code == 5
    line = done.err.splitlines()[-1]
    assert line.startswith("error: Cannot write: File too large [") and "checkpoint.pt" in line
    assert sweep([small.mount]).problems == []
    assert small.run(*WORDS).code == 0
    assert small.place().numbers() == undisturbed.numbers()


def test_what_is_finished_can_be_looked_at_on_a_read_only_disk(small: Small) -> None:
    with disk(small.mount, "size=9m") as made:
        assert small.run(*CE).code == 0
        out = f"{small.mount}/runs"
        assert small.call("report", "--records", out, "--tables", f"{small.mount}/tables").code == 0
        made.remount("ro")
        again = small.run(*CE)
        assert again.code == 0 and "already finished" in again.err
        assert small.call("status", "--out", out).code == 0
        check = ("report", "--records", out, "--tables", f"{small.mount}/tables", "--check")
        assert small.call(*check).code == 0
        assert small.call("check", "--all", str(small.mount)).code == 0
        other = small.run(*CE, "seed=1")
        assert other.code == 5
        line = other.err.splitlines()[-1]
        assert line.startswith("error: Expected a writable folder, but permission was denied")
        assert "SYNAUG_BENCH_CACHE, out=DIR" in line
        made.remount("rw")


# root without its privileges: what is not writable cannot be written
POWERLESS = """
import ctypes
header, data = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
assert ctypes.CDLL(None).capset(header, data) == 0
"""


@pytest.mark.slow
def test_a_folder_that_may_not_be_written(small: Small) -> None:
    small.mount.mkdir()
    assert small.run(*CE).code == 0
    folder = small.place().files("record.json")[0].parent
    for path in (small.mount, *small.mount.rglob("*")):
        path.chmod(0o500 if path.is_dir() else 0o400)
    try:
        again = small.run(*CE, before=POWERLESS)
        assert again.code == 0 and "already finished" in again.err
        assert small.call("status", "--out", f"{small.mount}/runs", before=POWERLESS).code == 0
        assert small.call("check", "--all", str(small.mount), before=POWERLESS).code == 0
        other = small.run(*CE, "seed=1", before=POWERLESS)
        assert other.code == 5, other.err
        assert "Expected a writable folder, but permission was denied" in other.err.splitlines()[-1]
        rerun = small.run(*CE, "on_existing=rerun", before=POWERLESS)
        assert rerun.code == 5 and sweep([folder]).problems == []
    finally:
        for path in (small.mount, *small.mount.rglob("*")):
            path.chmod(0o700)


@pytest.mark.slow
def test_nothing_is_renamed_from_one_disk_to_another(small: Small, undisturbed: Place) -> None:
    before = "import tempfile; tempfile.tempdir = '/dev/shm'"
    with disk(small.mount, "size=20m"):
        assert small.run(*WORDS, before=before).code == 0
        assert small.place().numbers() == undisturbed.numbers()
