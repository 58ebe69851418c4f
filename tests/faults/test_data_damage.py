"""Damaged, unsafe and wrong sources are refused by name."""

import contextlib
import io
import stat
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchmark.config import parse
from benchmark.data.archives import Limits, open_archive
from benchmark.data.images import decode
from benchmark.data.sets.cifar import CLASS_IDS, Cifar
from benchmark.data.sets.folder import Folder
from benchmark.errors import DataError, IntegrityError


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SYNAUG_BENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def encoded(kind: str = "PNG", size: int = 64) -> bytes:
    file = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (size, size, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


def write_zip(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


# images


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "WEBP", "GIF", "TIFF"])
@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.9])
def test_truncated_images_are_named(kind: str, share: float) -> None:
    data = encoded(kind)
    with pytest.raises(IntegrityError, match=r"Expected a complete image.*\[cut\.img\]"):
        decode(data[: int(len(data) * share)], "cut.img", 8, "RGB")


@pytest.mark.parametrize(
    "data", [b"", b"not an image", b"<svg/>", b"%!PS-Adobe-3.0 EPSF-3.0\n", b"\x89PNG\r\n\x1a\n"]
)
def test_other_files_are_not_images(data: bytes) -> None:
    with pytest.raises(IntegrityError, match="Expected a complete image, but got"):
        decode(data, "x.png", 8, "RGB")


def test_bit_flips_end_in_pixels_or_one_error() -> None:
    rng = np.random.default_rng(5)
    for kind in ("PNG", "JPEG", "WEBP", "GIF", "TIFF"):
        data = np.frombuffer(encoded(kind, 16), np.uint8)
        for _ in range(60):
            bad = data.copy()
            bad[rng.integers(0, len(bad), 4)] ^= rng.integers(1, 256, 4, dtype=np.uint8)
            with contextlib.suppress(IntegrityError):
                assert decode(bad.tobytes(), "x", 8, "RGB").shape == (8, 8, 3)


def test_bombs_are_refused_before_decoding() -> None:
    with pytest.raises(IntegrityError, match="Expected at most 1,000 pixels, but got 4,096"):
        decode(encoded(), "bomb.png", 8, "RGB", max_pixels=1000)
    file = io.BytesIO()
    Image.new("1", (20_000, 5_001)).save(file, "PNG")
    with pytest.raises(IntegrityError, match="Expected at most"):
        decode(file.getvalue(), "bomb.png", 8, "RGB")


# archives


@pytest.mark.parametrize("name", ["../up.png", "/etc/x.png", "a/../../x.png", "C:/x", "..\\x.png"])
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_paths_that_lead_outside(name: str, kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"x.{kind}"
    if kind == "zip":
        write_zip(path, {name: b"x"})
    else:
        with tarfile.open(path, "w") as file:
            file.addfile(tarfile.TarInfo(name))
    with pytest.raises(IntegrityError, match="leads outside"):
        open_archive(path)


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE]
)
def test_links_and_devices_in_tars(kind: bytes, tmp_path: Path) -> None:
    member = tarfile.TarInfo("x.png")
    member.type, member.linkname = kind, "target"
    with tarfile.open(tmp_path / "x.tar", "w") as file:
        file.addfile(member)
    with pytest.raises(IntegrityError, match="a link or a device"):
        open_archive(tmp_path / "x.tar")


def test_links_in_zips(tmp_path: Path) -> None:
    member = zipfile.ZipInfo("x.png")
    member.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as file:
        file.writestr(member, "target")
    with pytest.raises(IntegrityError, match="a link or a device"):
        open_archive(tmp_path / "x.zip")


def test_loops_and_broken_links_in_folders(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    with pytest.raises(IntegrityError, match="leads back up"):
        open_archive(tmp_path)
    (tmp_path / "a" / "loop").unlink()
    (tmp_path / "a" / "gone.png").symlink_to(tmp_path / "nowhere")
    with pytest.raises(IntegrityError, match=r"gone\.png"):
        open_archive(tmp_path)


@pytest.mark.parametrize(
    ("limits", "text"),
    [
        (Limits(members=2), "more than 2 files"),
        (Limits(member_bytes=50), "more than 50 bytes in 'c'"),
        (Limits(total_bytes=100), "more than 100 bytes in all"),
    ],
)
def test_archive_bombs(limits: Limits, text: str, tmp_path: Path) -> None:
    path = write_zip(tmp_path / "x.zip", {"a": b"x" * 40, "b": b"x" * 45, "c": b"x" * 60})
    with pytest.raises(IntegrityError, match=text):
        open_archive(path, limits=limits)


def test_damaged_archives(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "x.zip", {"a.png": encoded()})
    data = bytearray(path.read_bytes())
    data[200] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(IntegrityError, match=r"a\.png"), open_archive(path) as archive:
        archive.read("a.png")
    (tmp_path / "cut.zip").write_bytes(data[:500])
    with pytest.raises(DataError, match="or a truncated one"):
        open_archive(tmp_path / "cut.zip")
    with pytest.raises(DataError, match="there is nothing here"):
        open_archive(tmp_path / "none.zip")


def test_shortened_tar(tmp_path: Path) -> None:
    path = tmp_path / "x.tar.gz"
    with tarfile.open(path, "w:gz") as file:
        for row in range(5):
            member = tarfile.TarInfo(f"{row}.png")
            member.size = len(encoded())
            file.addfile(member, io.BytesIO(encoded()))
    path.write_bytes(path.read_bytes()[:-3000])
    with pytest.raises(IntegrityError, match="Expected readable files"):
        open_archive(path)


# contents


CIFAR = {
    "name": "cifar10lt",
    "classes": 10,
    "n_max": 5000,
    "imbalance": 100,
    "profile": "exponential",
    "subset": "ldam-seed0",
    "split_replicate": 0,
    "val": "none",
}


def prepare_cifar(path: Path, files: dict[str, bytes]) -> None:
    data = Cifar(parse(Cifar.Config, CIFAR, "dataset"))
    data.prepare(str(write_zip(path / "x.zip", files)), progress=False)


def test_wrong_counts_list_the_first_classes(tmp_path: Path, cache: Path) -> None:
    files = {f"train/{name}/{row}.png": b"" for name in CLASS_IDS[10] for row in range(2)}
    with pytest.raises(
        DataError,
        match="Expected 5000 images a class, but got airplane 2, automobile 2, bird 2 and 7 more",
    ):
        prepare_cifar(tmp_path, files)
    assert not (cache / "data" / "cifar10").exists()


def test_wrong_classes_are_named(tmp_path: Path) -> None:
    names = [name if name != "truck" else "trukc" for name in CLASS_IDS[10]]
    with pytest.raises(DataError, match="missing truck; is 'trukc' meant"):
        prepare_cifar(tmp_path, {f"train/{name}/0.png": b"" for name in names})
    with pytest.raises(DataError, match="but got 11: also tractor"):
        prepare_cifar(tmp_path, {f"train/{n}/0.png": b"" for n in (*CLASS_IDS[10], "tractor")})


def test_another_layout(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="Expected a folder 'train' of images, but got "):
        prepare_cifar(tmp_path, {"training/x/0.png": b""})


FOLDER: dict[str, Any] = {
    "name": "folder",
    "root_name": "mine",
    "size": 8,
    "colour": "RGB",
    "mean": (0.5, 0.5, 0.5),
    "std": (0.5, 0.5, 0.5),
    "test_share": 0.25,
    "profile": "natural",
    "n_max": None,
    "imbalance": None,
    "subset": "ldam-seed0",
    "split_replicate": 0,
    "val": "none",
}


def test_one_bad_image_stops_preparing_and_is_named(tmp_path: Path, cache: Path) -> None:
    files = {f"{name}/{row}.png": encoded(size=8) for name in "ab" for row in range(4)}
    data = Folder(parse(Folder.Config, FOLDER, "dataset"))
    bad = write_zip(tmp_path / "x.zip", files | {"b/2.png": encoded()[:100]})
    with pytest.raises(IntegrityError, match=r"x\.zip: b/2\.png"):
        data.prepare(str(bad), progress=False)
    with pytest.raises(DataError, match="Expected a prepared data set"):
        data.card()
    good = write_zip(tmp_path / "x.zip", files)
    assert data.prepare(str(good), progress=False).done
    assert data.card().counts == (3, 3)


def test_too_few_classes_or_images(tmp_path: Path) -> None:
    data = Folder(parse(Folder.Config, FOLDER, "dataset"))
    with pytest.raises(DataError, match="at least 2 class folders"):
        data.prepare(str(write_zip(tmp_path / "one.zip", {"a/0.png": encoded()})))
    files = {"a/0.png": encoded(), "a/1.png": encoded(), "b/0.png": encoded()}
    with pytest.raises(DataError, match="at least 2 images of 'b', but got 1"):
        data.prepare(str(write_zip(tmp_path / "two.zip", files)))
