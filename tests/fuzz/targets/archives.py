"""Archives, images and prepared data."""

import hashlib
import io
import json
import tarfile
import zipfile

import numpy as np
from PIL import Image

from benchmark.data.archives import Limits, open_archive
from benchmark.data.class_names import readable_names
from benchmark.data.images import decode
from benchmark.data.row_lists import read_lists
from benchmark.data.sets import tinyimagenet
from benchmark.data.store import Store
from benchmark.generation.collections.layouts import list_images
from benchmark.generation.collections.naming import ClassNames
from benchmark.generation.collections.pixels import examine
from tests.fuzz.kit import Target, file
from tests.fuzz.mutate import packed

LIMITS = Limits(members=1000, member_bytes=1 << 22, total_bytes=1 << 24)


def archive(data: bytes) -> None:
    """Every file of a zip or tar, with the size that was listed and a name that stays inside."""
    with open_archive(file("archive.bin", data), limits=LIMITS) as found:
        for name, content in found.read_many(found.names):
            assert not name.startswith("/") and ".." not in name.split("/")
            assert len(content) == found.sizes[name]


def layout(data: bytes) -> None:
    """The images of an archive with their classes, and the facts of a Tiny-ImageNet."""
    with open_archive(file("layout.bin", data), limits=LIMITS) as found:
        names = [name for name in found.names if name.endswith(".png")]
        readable_names(found, "")
        tinyimagenet._test_files(found, names, "")
        list_images(found, ClassNames(("cat", "dog", "val")))


def row_list(data: bytes) -> None:
    """A list of training rows: what is taken stays below the source, each row once."""
    test = file("rows/test.txt", b"val/cat/9.JPEG 0\nval/dog/9.JPEG 1\n")
    lists = read_lists({"train": file("rows/train.txt", data), "test": test})
    names = [row.name for row in lists.rows["train"]]
    assert lists.ids == ("cat", "dog") and len(set(names)) == len(names)
    assert all(name.startswith("train/") and ".." not in name.split("/") for name in names)


def image(data: bytes) -> None:
    """An image as it is prepared and as it is collected; both ways agree on what is sound."""
    for colour in ("RGB", "L"):
        pixels = decode(data, "x.png", 8, colour, max_pixels=1 << 20)  # type: ignore[arg-type]
        assert pixels.shape == (8, 8, 3) and pixels.dtype == np.uint8
    examine(data, "x.png", max_pixels=1 << 20)


def store(data: bytes) -> None:
    """A store whose description is the input."""
    path = file("store/store.json", data)
    for what, content in _parts().items():
        file(f"store/train.{what}", content)
    found = Store(path.parent)
    for part in found.meta["parts"]:
        found.rows(part)
        found.images(part)
        found.labels(part)
        found.digests(part)
    _ = found.facts, found.source_hash


def store_ids(data: bytes) -> None:
    """A store in which the names of the rows are the input, of the stated length."""
    parts = _parts() | {"ids": data}
    path = file("stored/store.json", _meta(parts))
    for what, content in parts.items():
        file(f"stored/train.{what}", content)
    Store(path.parent).table("train")


def _parts() -> dict[str, bytes]:
    return {
        "images": bytes(2 * 4 * 4 * 3),
        "labels": np.asarray([0, 1], "<i8").tobytes(),
        "digests": bytes(32),
        "ids": b'["a", "b"]',
    }


def _meta(parts: dict[str, bytes]) -> bytes:
    files = {
        f"train.{what}": {"bytes": len(each), "sha256": hashlib.sha256(each).hexdigest()}
        for what, each in parts.items()
    }
    part = {"rows": 2, "counts": [1, 1], "files": files}
    value = {
        "schema": 1, "name": "x", "size": 4, "processing": "p", "source": {}, "facts": {"a": 1},
        "seconds": 1.0, "parts": {"train": part},
    }  # fmt: skip
    return json.dumps(value).encode()


def _images() -> list[bytes]:
    found = []
    pixels = np.arange(5 * 6 * 3, dtype=np.uint8).reshape(5, 6, 3)
    colour = Image.fromarray(pixels)
    for form in ("PNG", "JPEG", "BMP", "WEBP", "GIF", "TIFF", "PPM"):
        buffer = io.BytesIO()
        colour.save(buffer, form)
        found.append(buffer.getvalue())
    for mode in ("RGBA", "LA", "P", "1", "I;16", "CMYK", "L"):
        form = "TIFF" if mode in ("CMYK", "I;16") else "PNG"
        buffer = io.BytesIO()
        made = Image.new(mode, (4, 4)) if mode == "I;16" else colour.convert(mode)
        made.save(buffer, form)
        found.append(buffer.getvalue())
    return found


def _files() -> dict[str, bytes]:
    png = _images()[0]
    return {
        "cat/1.png": png, "dog/2.png": png, "words.txt": b"cat\tcat, kitty\ndog\tdog\n",
        "val/val_annotations.txt": b"a.png\tcat\t0\t0\t1\t1\n", "val/images/a.png": png,
        "cat/1.json": b'{"prompt": "a cat"}', "metadata.csv": b"file_name,prompt\ncat/1.png,x\n",
    }  # fmt: skip


def _rows() -> bytes:
    return "".join(
        f"train/{('cat', 'dog')[row % 2]}/{row}.JPEG {row % 2}\n" for row in range(9)
    ).encode()


def _zip() -> bytes:
    return packed([[name, data, zipfile.ZIP_DEFLATED, 0] for name, data in _files().items()])


def _tar(mode: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as found:  # type: ignore[call-overload]
        for name, data in _files().items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            found.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


TARGETS = (
    Target("zip", "zip", archive, lambda: [_zip()], ("zipfile",)),
    Target("tar", "tar", archive, lambda: [_tar("w"), _tar("w:gz"), _tar("w:xz")], ("tarfile",)),
    Target("layout_zip", "zip", layout, lambda: [_zip()]),
    Target("row_list", "text", row_list, lambda: [_rows()]),
    Target("image", "bytes", image, _images, ("PIL",)),
    Target("store", "json", store, lambda: [_meta(_parts())]),
    Target("store_ids", "json", store_ids, lambda: [_parts()["ids"]]),
)
