"""The official CIFAR python archives, read through torchvision after their hash is verified."""

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.data.downloads import Source, fetch
from benchmark.data.store import PartPlan, Produce
from benchmark.errors import IntegrityError
from benchmark.paths import data_dir
from benchmark.system.files import sha256_file

FORMS = "a folder, zip or tar laid out {train,test}/<class>/<file>, or the official python archive"

# torchvision's own names, repeated so that other sources need no torch
OFFICIAL_NAMES = {
    10: {"cifar-10-python.tar.gz", "cifar-10-batches-py"},
    100: {"cifar-100-python.tar.gz", "cifar-100-python"},
}
_AT = "https://www.cs.toronto.edu/~kriz/"
# the archives hold pickles: torchvision's MD5 would not tell a forged one
SOURCES = {
    10: Source(
        f"{_AT}cifar-10-python.tar.gz", 170_498_071,
        "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
    ),
    100: Source(
        f"{_AT}cifar-100-python.tar.gz", 169_001_437,
        "85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7",
    ),
}  # fmt: skip


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
        IntegrityError: its hash is not the published one; nothing of it was unpickled.
    """
    cls = dataset_class(n_classes)
    archive = source / cls.filename if source.is_dir() else source
    if archive.is_file():
        return _from_archive(archive, n_classes)
    root = source.parent if source.name == cls.base_folder else source
    return _read(root, cls)


def download(n_classes: int) -> Official:
    """Fetch the official archive.

    Raises:
        DataError: it cannot be fetched; says how to do without.
        IntegrityError: what arrived is not the published archive.
        StorageError: the disk is full or the cache cannot be written.
    """
    source, folder = SOURCES[n_classes], data_dir() / ".downloads"
    folder.mkdir(parents=True, exist_ok=True)
    archive = folder / source.name
    fetch(source, archive, f"fetch it elsewhere and prepare with source=PATH: {FORMS}")
    found = _from_archive(archive, n_classes)
    shutil.rmtree(folder, ignore_errors=True)
    return found


def _from_archive(archive: Path, n_classes: int) -> Official:
    cls, published = dataset_class(n_classes), SOURCES[n_classes].sha256
    digest = sha256_file(archive)
    if digest != published:
        raise IntegrityError(
            f"Expected the official {cls.filename} (SHA-256 {published}), but got {digest}",
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
