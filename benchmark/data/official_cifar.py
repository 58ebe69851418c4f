"""The official CIFAR python archives, read through torchvision after their MD5 is verified."""

import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.data.store import PartPlan, Produce
from benchmark.errors import DataError, IntegrityError
from benchmark.paths import data_dir

FORMS = "a folder, zip or tar laid out {train,test}/<class>/<file>, or the official python archive"

# torchvision's own names, repeated so that other sources need no torch
OFFICIAL_NAMES = {
    10: {"cifar-10-python.tar.gz", "cifar-10-batches-py"},
    100: {"cifar-100-python.tar.gz", "cifar-100-python"},
}


@dataclass(frozen=True)
class Official:
    """Arrays of the official release in their original order.

    Attributes:
        parts: images uint8 (n, 32, 32, 3), labels int64 (n,) and file names of train and test.
        classes: folder-style class names in label order.
    """

    parts: dict[str, tuple[NDArray[np.uint8], NDArray[np.int64], tuple[str, ...]]]
    classes: tuple[str, ...]

    def plans(self) -> tuple[PartPlan, ...]:
        """The parts, ready for a store."""
        return tuple(
            PartPlan(name, ids, labels, _rows_of(images))
            for name, (images, labels, ids) in self.parts.items()
        )


def _rows_of(images: NDArray[np.uint8]) -> Produce:
    def produce(rows: NDArray[np.int64]) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        for row in rows:
            yield int(row), images[row]

    return produce


def dataset_class(n_classes: int) -> Any:
    """The torchvision class for CIFAR-10 or CIFAR-100."""
    from torchvision.datasets import CIFAR10, CIFAR100

    return CIFAR100 if n_classes == 100 else CIFAR10


def is_official(source: Path, n_classes: int) -> bool:
    """Whether a path is the official archive, its extracted folder, or a folder holding either."""
    names = (source.name, *((p.name for p in source.iterdir()) if source.is_dir() else ()))
    return bool(OFFICIAL_NAMES[n_classes] & set(names))


def read_official(source: Path, n_classes: int) -> Official:
    """Read the official archive, or the folder made from it.

    Raises:
        IntegrityError: its MD5 is not the published one; nothing of it was unpickled.
    """
    cls = dataset_class(n_classes)
    archive = source / cls.filename if source.is_dir() else source
    if archive.is_file():
        return _from_archive(archive, cls)
    root = source.parent if source.name == cls.base_folder else source
    return _read(root, cls)


def download(n_classes: int) -> Official:
    """Fetch the official archive through torchvision.

    Raises:
        DataError: it cannot be fetched; says how to do without.
    """
    cls = dataset_class(n_classes)
    folder = data_dir() / ".downloads"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        cls(str(folder), download=True)
    except (OSError, RuntimeError) as error:
        text = " ".join(str(error).split())
        raise DataError(
            f"Expected to download {cls.filename}, but got: {text}",
            where=cls.url,
            todo=f"fetch it elsewhere and prepare with source=PATH: {FORMS}",
        ) from error
    found = _read(folder, cls)
    shutil.rmtree(folder, ignore_errors=True)
    return found


def _from_archive(archive: Path, cls: Any) -> Official:
    with archive.open("rb") as file:
        digest = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if digest != cls.tgz_md5:
        raise IntegrityError(
            f"Expected the official {cls.filename} (MD5 {cls.tgz_md5}), but got MD5 {digest}",
            where=archive,
            todo="fetch it again; it holds pickles, so no other file is opened",
        )
    data_dir().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=data_dir(), prefix=".cifar-") as folder:
        shutil.copyfile(archive, Path(folder) / cls.filename)
        cls(folder, download=True)
        return _read(Path(folder), cls)


def _read(root: Path, cls: Any) -> Official:
    parts, classes = {}, ()
    for name in ("train", "test"):
        try:
            found = cls(str(root), train=name == "train", download=False)
        except RuntimeError as error:
            raise IntegrityError(
                f"Expected the official files of {cls.base_folder}, but got: {error}",
                where=root,
                todo="extract the official archive again",
            ) from error
        labels = np.asarray(found.targets, np.int64)
        ids = tuple(f"{name}/{row:05d}" for row in range(len(labels)))
        parts[name], classes = (found.data, labels, ids), tuple(found.classes)
    return Official(parts, classes)
