"""What can be wrong with images of others, and with a collection on disk."""

import io
import os
import signal
import struct
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmark.errors import DataError, IntegrityError, StorageError, UsageError
from benchmark.generation.collections import Collection, import_folder, screen
from benchmark.generation.collections.pixels import examine
from benchmark.generation.quality.leaks import Match
from tests.unit.test_collections import CLASSES, make, png, tarred, tree, write

pytest_plugins = ["tests.fixtures.generation_plugin"]
pytestmark = pytest.mark.usefixtures("own_cache")
ROOT = Path(__file__).parents[2]


def bomb(side: int) -> bytes:
    """A square PNG of many pixels in a few bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(
            ">I", zlib.crc32(kind + data)
        )  # fmt: skip

    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


SICK = {
    "empty": (b"", "an empty file"),
    "text": (b"hello", "bytes that are not an image"),
    "truncated": (png(1, 64)[:-200], "Expected a complete image"),
    "bomb": (bomb(60_000), "decompression bomb"),
    "small bomb": (bomb(8_000), "Expected at most 50,000,000 pixels, but got 8000 x 8000"),
    "half a JPEG": (png(1, 64, "JPEG")[:400], "Expected a complete image"),
}


@pytest.mark.parametrize("case", SICK)
def test_a_sick_image_fails_alone(case: str, tmp_path: Path) -> None:
    data, words = SICK[case]
    collection = import_folder(write(tmp_path / "in", {**tree(), "cat/x.png": data}), CLASSES)
    [row] = [row for row in collection.rows if row.status == "failed"]
    assert (row.source, collection.counts, row.file_name) == ("cat/x.png", (3, 2, 1), "")
    assert words in row.reason
    assert collection.facts["failed"] == 1


def test_limits_of_bytes_are_hard() -> None:
    with pytest.raises(IntegrityError, match="Expected at most 10 bytes, but got"):
        examine(png(1), "x", max_bytes=10)


def test_only_sick_images_make_no_collection(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="all 2 failed: Expected a complete image"):
        import_folder(write(tmp_path / "in", {"cat/1.png": b"", "cat/2.png": b""}), CLASSES)


@pytest.mark.parametrize("name", ["../cat/1.png", "/cat/1.png"])
def test_an_archive_that_leads_outside_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match="leads outside"):
        import_folder(tarred(tmp_path / "in.tar", {name: png(1)}), CLASSES)
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as archive:
        archive.writestr(name, png(1))
    with pytest.raises(IntegrityError, match="leads outside"):
        import_folder(tmp_path / "in.zip", CLASSES)


@pytest.mark.parametrize(
    ("files", "kind", "words"),
    [
        ({}, DataError, "Expected images in class folders, but got none"),
        ({"1.png": png(1)}, DataError, "Expected every image in a class folder"),
        ({"catt/1.png": png(1)}, UsageError, "Unknown class 'catt'.*did you mean cat"),
        ({"cat/1.png": png(1), "train/cat/2.png": png(2)}, UsageError, "Unknown class 'train'"),
        ({"1.png": png(1), "1.cls": "3"}, DataError, "Expected a label below 3, but got 3"),
        ({"1.png": png(1), "1.json": "{"}, IntegrityError, "Expected readable text"),
    ],
)
def test_a_folder_of_something_else_is_refused(
    files: dict[str, bytes | str], kind: type[Exception], words: str, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    with pytest.raises(kind, match=words) as caught:
        import_folder(write(tmp_path / "in", files), CLASSES)
    assert "; " in str(caught.value)


@pytest.mark.parametrize("what", ["cut", "altered", "gone"])
def test_a_damaged_image_is_never_trained_on(what: str, tmp_path: Path) -> None:
    collection = make(tmp_path)
    path = collection.folder / collection.kept[0].file_name
    data = path.read_bytes()
    path.write_bytes({"cut": data[:50], "altered": png(99), "gone": b""}[what])
    if what == "gone":
        path.unlink()
    with pytest.raises((IntegrityError, DataError), match=f"{path.name}.*collect again"):
        collection.take([3, 2, 1], 8, "RGB", 0)


@pytest.mark.parametrize("name", ["rows.jsonl", "collection.json"])
def test_an_edited_collection_is_refused(name: str, tmp_path: Path) -> None:
    collection = make(tmp_path)
    path = collection.folder / name
    path.write_text(path.read_text().replace(collection.key, "0" * 16).replace("cat", "dog"))
    with pytest.raises(IntegrityError, match=name):
        Collection.open(collection.key, CLASSES)


def nothing(*_: object) -> list[Match]:
    return []


def test_a_damaged_screen_is_named(tmp_path: Path) -> None:
    collection, images = make(tmp_path), np.zeros((1, 8, 8, 3), np.uint8)
    screen(collection, images, images, compare=nothing)
    [path] = (collection.folder / "screens").glob("*.json")
    for text in ("{}", "[", path.read_text().replace(collection.key, "0" * 16)):
        path.write_text(text)
        with pytest.raises(IntegrityError, match=path.name):
            screen(collection, images, images, compare=nothing)


def test_a_full_disk_leaves_no_half_collection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write(tmp_path / "in", tree())

    def full(self: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(StorageError, match="The disk is full"):
            import_folder(source, CLASSES)
    assert list((tmp_path / "cache" / "collections").glob("*/collection.json")) == []
    assert import_folder(source, CLASSES).counts == (3, 2, 1)


CHILD = """
import sys, time
from pathlib import Path
from benchmark.generation.collections import importing, store
from benchmark.generation.collections.importing import import_folder
keep = store.keep_image
def slow(*given):
    time.sleep(0.05)
    print("one", flush=True)
    return keep(*given)
store.keep_image = slow
import_folder(Path(sys.argv[1]), ("fire truck", "cat", "Über-dog"))
"""


def test_a_killed_import_is_done_again_whole(tmp_path: Path) -> None:
    source = write(tmp_path / "in", tree((30, 20, 10)))
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(source)], env=env, text=True, stdout=subprocess.PIPE
    )
    assert child.stdout is not None
    for _ in range(5):
        assert child.stdout.readline() == "one\n"
    child.send_signal(signal.SIGKILL)
    child.communicate()
    root = tmp_path / "cache" / "collections"
    assert list(root.glob("*/collection.json")) == []
    collection = import_folder(source, CLASSES)
    assert collection.counts == (30, 20, 10)
    assert len(list(collection.folder.rglob("*.png"))) == 60
    assert [path for path in (root / ".work").iterdir() if path.is_dir()] == []


def test_a_wide_picture_is_cropped_like_a_real_one(tmp_path: Path) -> None:
    pixels = np.zeros((8, 40, 3), np.uint8)
    pixels[:, 16:24] = 200
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    collection = import_folder(write(tmp_path / "in", {"cat/1.png": file.getvalue()}), CLASSES)
    images, _, _ = collection.take([0, 1, 0], 8, "RGB", 0)
    assert (images == 200).all()
