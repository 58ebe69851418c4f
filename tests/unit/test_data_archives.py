"""Folders, zips and tars are read alike."""

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from benchmark.data.archives import open_archive

FILES = {"train/a/1.png": b"one", "train/b/2.png": b"two", "words.txt": b"w"}


def folder(at: Path) -> Path:
    for name, data in FILES.items():
        (at / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
        (at / "tree" / name).write_bytes(data)
    return at / "tree"


def zipped(at: Path) -> Path:
    with zipfile.ZipFile(at / "x.zip", "w") as file:
        file.writestr("train/", b"")
        for name, data in FILES.items():
            file.writestr(name, data)
    return at / "x.zip"


def tarred(at: Path, kind: str = "") -> Path:
    path = at / f"x.tar{kind}"
    with tarfile.open(path, f"w:{kind.lstrip('.')}") as file:
        for name, data in reversed(FILES.items()):
            member = tarfile.TarInfo("./" + name)
            member.size = len(data)
            file.addfile(member, io.BytesIO(data))
    return path


MAKERS = {
    "folder": folder,
    "zip": zipped,
    "tar": tarred,
    "tar.gz": lambda at: tarred(at, ".gz"),
}


@pytest.mark.parametrize("kind", MAKERS)
def test_all_kinds_hold_the_same_files(kind: str, tmp_path: Path) -> None:
    with open_archive(MAKERS[kind](tmp_path)) as archive:
        assert archive.sizes == {name: len(data) for name, data in FILES.items()}
        assert archive.names == tuple(sorted(FILES))
        assert dict(archive.read_many(["words.txt", "train/b/2.png"])) == {
            "words.txt": b"w",
            "train/b/2.png": b"two",
        }
        assert archive.read("train/a/1.png") == b"one"


def test_folders_can_be_skipped(tmp_path: Path) -> None:
    with open_archive(folder(tmp_path), skip_folder=lambda name: name == "train/b") as archive:
        assert archive.names == ("train/a/1.png", "words.txt")
