"""Pictures on disk that vanish, change or are damaged, before a run and in the middle of one."""

import os
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmark.config import AugmentationConfig
from benchmark.data import store as stores
from benchmark.data.batches import Part, TrainSet, train_set
from benchmark.data.keeping import LISTED, ListedRows, Seen, WholeRows
from benchmark.data.rows import Images
from benchmark.data.store import PartPlan, StorePlan, build, find
from benchmark.data.streaming.files import list_files
from benchmark.data.streaming.images import StreamedImages
from benchmark.data.streaming.pictures import Fitted, StoredPictures
from benchmark.errors import BenchError, DataError, IntegrityError, StorageError
from benchmark.tiny import MEAN, STD, Watch, tiny_job, tiny_recipe, tiny_task
from benchmark.training.train import train
from tests.fixtures.pictures import encoded, photograph
from tests.fixtures.training import pieces

RESIZED = AugmentationConfig(pad=0, flip=0.5, crop="resized")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "pictures"
    root.mkdir()
    for number in range(6):
        (root / f"{number}.jpg").write_bytes(encoded(photograph(number, 60, 80)))
    return root


def rows(folder: Path) -> TrainSet:
    names = sorted(path.name for path in folder.iterdir())
    pictures = list_files(folder, names, "RGB", False, "put it back")
    part = Part("real", Images(Fitted(pictures, 8)), np.asarray([0, 0, 0, 1, 1, 2]), pictures)
    return train_set([part], MEAN, STD, RESIZED, ("weak",), torch.device("cpu"), 2)


def gone(path: Path) -> None:
    path.unlink()


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def flipped(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x10
    path.write_bytes(bytes(data))


def replaced(path: Path) -> None:
    """As long as before, and not an image."""
    path.write_bytes(b"\xff\xd8\xff" + b"x" * (path.stat().st_size - 3))


DAMAGE = [
    (gone, DataError, "Expected an image, but it cannot be read"),
    (cut, IntegrityError, r"Expected [0-9,]+ bytes, but got"),
    (emptied, IntegrityError, "Expected .* bytes, but got 0"),
    (flipped, IntegrityError, "Expected the bytes of when it was listed, but got others"),
    (replaced, IntegrityError, "Expected the bytes of when it was listed, but got others"),
]


@pytest.mark.parametrize(("damage", "kind", "says"), DAMAGE)
def test_a_damaged_file_ends_training_with_its_name(
    folder: Path, tmp_path: Path, damage: Callable[[Path], None], kind: type[BenchError], says: str
) -> None:
    found = rows(folder)
    damage(folder / "4.jpg")
    before = threading.active_count()
    job = tiny_job(
        Watch(tuple(pieces("ce"))), tmp_path / "run", task=tiny_task((3, 2, 1)), rows=found,
        recipe=replace(tiny_recipe(batch_size=4), augmentation=RESIZED),
    )  # fmt: skip
    with pytest.raises(kind, match=rf"{says}.*4\.jpg.*put it back"):
        train(job)
    assert isinstance(found.images, StreamedImages)
    # nothing is left to decode, so nothing keeps the process
    assert not found.images.ahead._pending
    assert threading.active_count() <= before + found.images.ahead.workers


def test_a_file_that_vanishes_later_is_named_too(folder: Path) -> None:
    found, order = rows(folder), torch.arange(6)
    found.batch(order, torch.Generator())
    gone(folder / "2.jpg")
    with pytest.raises(DataError, match=r"2\.jpg"):
        found.batch(order, torch.Generator())
    with pytest.raises(DataError, match=r"2\.jpg"):
        list(found.batches())


def test_what_was_announced_fails_only_when_it_is_taken(folder: Path) -> None:
    found = rows(folder)
    gone(folder / "5.jpg")
    found.announce((torch.tensor([row]), torch.Generator(), None) for row in range(6))
    for row in range(5):
        found.batch(torch.tensor([row]), torch.Generator())
    with pytest.raises(DataError, match=r"5\.jpg"):
        found.batch(torch.tensor([5]), torch.Generator())


def test_a_failing_thread_ends_the_batch_and_not_the_set(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = rows(folder)
    assert isinstance(found.images, StreamedImages)
    pictures = type(found.images.pictures)
    with monkeypatch.context() as patch:
        patch.setattr(pictures, "read", lambda *_: (_ for _ in ()).throw(MemoryError("full")))
        with pytest.raises(MemoryError):
            found.batch(torch.arange(6), torch.Generator())
    assert found.batch(torch.arange(6), torch.Generator()).images.isfinite().all()


def test_added_files_are_checked_when_they_are_listed(folder: Path) -> None:
    (folder / "3.jpg").write_bytes(b"no image")
    with pytest.raises(IntegrityError, match=r"bytes that are not an image.*3\.jpg"):
        rows(folder)
    with pytest.raises(DataError, match=r"9\.jpg.*look"):
        list_files(folder, ["9.jpg"], "RGB", False, "look")


# stores of pictures


def plan(fail_at: int | None = None) -> tuple[StorePlan, list[int]]:
    """Pictures of various sizes; what is asked of the source is noted."""
    asked: list[int] = []

    def produce(wanted: np.ndarray) -> object:
        for row in wanted:
            if row == fail_at:
                raise IntegrityError("damaged")
            asked.append(int(row))
            yield int(row), item(int(row))

    parts = (
        PartPlan("train", tuple(map(str, range(20))), np.arange(20) % 2, produce, "store256"),  # type: ignore[arg-type]
        PartPlan("test", (), np.empty(0, np.int64), produce),  # type: ignore[arg-type]
    )
    return StorePlan("toy", 4, parts, {}, "v1", {"colour": "RGB"}), asked


def item(row: int) -> Seen:
    rng = np.random.default_rng(row)
    picture = rng.integers(0, 256, (row + 3, 9 - row % 4, 3), dtype=np.uint8)
    pixels = rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return Seen(pixels, *picture.shape[:2], 100 + row, bytes(range(32)), picture)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SYNAUG_BENCH_CACHE", str(tmp_path))
    monkeypatch.setattr(stores, "CHUNK", 6)
    return tmp_path


def check(found: StoredPictures) -> None:
    for row in range(20):
        np.testing.assert_array_equal(found.read(row), item(row).picture)


@pytest.mark.usefixtures("cache")
def test_a_conversion_that_broke_off_goes_on_behind_the_last_picture() -> None:
    with pytest.raises(IntegrityError, match="damaged"):
        build(plan(fail_at=14)[0], progress=False)
    assert find("toy") is None
    again, asked = plan()
    found = build(again, progress=False)
    assert asked == list(range(12, 20))
    pictures = found.table("train").pictures
    assert isinstance(pictures, StoredPictures)
    check(pictures)
    found.verify()
    sizes = sum(item(row).picture.nbytes for row in range(20))  # type: ignore[union-attr]
    assert (found.folder / "train.pictures").stat().st_size == sizes
    assert found.table("train").images.shape == (20, 4, 4, 3)


@pytest.mark.usefixtures("cache")
@pytest.mark.parametrize("name", ["train.pictures", "train.listing"])
def test_damaged_parts_of_a_store_of_pictures(name: str) -> None:
    found = build(plan()[0], progress=False)
    path = found.folder / name
    flipped(path)
    with pytest.raises(IntegrityError, match=f"SHA-256.*{name}"):
        found.verify()
    cut(path)
    with pytest.raises(IntegrityError, match=f"bytes of part 'train'.*{name}"):
        find("toy")


@pytest.mark.usefixtures("cache")
def test_a_full_disk_leaves_no_store(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", lambda _file, data, _offset: len(data) - 1)
        with pytest.raises(StorageError, match="The disk is full"):
            build(plan()[0], progress=False)
    assert find("toy") is None
    check(build(plan()[0], progress=False).table("train").pictures)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", [ListedRows, WholeRows])
def test_pixels_of_another_size_are_a_bug(
    tmp_path: Path, kind: type[ListedRows] | type[WholeRows]
) -> None:
    keeper = kind(tmp_path / "train", 5, np.zeros(3, bool))
    with pytest.raises(ValueError, match="expected uint8"):
        keeper.write([(0, item(0))])
    keeper.close()
    assert (tmp_path / "train.listing").stat().st_size == 3 * LISTED.itemsize
