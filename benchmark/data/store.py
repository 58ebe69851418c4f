"""Packed images: raw uint8 pixels in files that are memory-mapped, converted once.

A store is a folder. ``store.json`` is written last, and the folder takes its final name after
that, so a store that can be opened is whole. A conversion that was killed goes on where it was.
"""

import errno
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import IO, Any, BinaryIO

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from benchmark.data.rows import Images, ImageTable
from benchmark.errors import DataError, IntegrityError, StorageError
from benchmark.files import (
    content_hash,
    read_json,
    sha256_file,
    storage_error,
    write_atomic,
    write_json,
)
from benchmark.paths import data_dir
from benchmark.progress import Tracker

SCHEMA = 1
DIGEST_BYTES = 16
CHUNK = 1024
MARKER = "store.json"
PLAN = "plan.json"

Pixels = NDArray[np.uint8]
Produce = Callable[[NDArray[np.int64]], Iterator[tuple[int, Pixels]]]


@dataclass(frozen=True)
class PartPlan:
    """One part of a store, before it is converted.

    Attributes:
        name: "train", "test", ...
        ids: file name of each row.
        labels: int64 (n,).
        produce: yields (row, uint8 (size, size, 3)) of the wanted rows, in any order.
    """

    name: str
    ids: tuple[str, ...]
    labels: NDArray[np.int64]
    produce: Produce


@dataclass(frozen=True)
class StorePlan:
    """Everything that goes into a store.

    Attributes:
        name: folder below ``data_dir()``.
        size: height and width of every image.
        parts: what is converted.
        source: where the images come from, in words and hashes; kept in ``store.json``.
        processing: how pixels were made from files.
        facts: whatever else a data set needs to build its card without reading images.
        stamp: changes when the source changes; a half-done conversion of another is dropped.
    """

    name: str
    size: int
    parts: tuple[PartPlan, ...]
    source: dict[str, Any]
    processing: str
    facts: dict[str, Any] = field(default_factory=dict)
    stamp: str = ""

    @property
    def fingerprint(self) -> str:
        """Hash of what is converted; equal for a conversion that may be continued."""
        rows = [[part.name, list(part.ids), part.labels.tolist()] for part in self.parts]
        return content_hash([SCHEMA, self.size, self.processing, self.stamp, rows], 32)

    @property
    def bytes_needed(self) -> int:
        """Disk space of the pixels."""
        return sum(len(part.ids) for part in self.parts) * self.size**2 * 3


class Store:
    """A finished store, opened for reading.

    Args:
        folder: as returned by ``build`` or ``find``.

    Raises:
        IntegrityError: ``store.json`` or a part is damaged.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.meta: dict[str, Any] = read_json(folder / MARKER)
        if not isinstance(self.meta, dict) or self.meta.get("schema") != SCHEMA:
            raise self._damaged(f"schema {SCHEMA}", "another one", MARKER)
        try:
            self.size = int(self.meta["size"])
            for name, part in self.meta["parts"].items():
                self._check_sizes(name, part)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise self._damaged("a complete description", f"{error!r}", MARKER) from error

    def _check_sizes(self, name: str, part: dict[str, Any]) -> None:
        for file, facts in part["files"].items():
            path = self.folder / file
            got = path.stat().st_size if path.is_file() else -1
            if got != facts["bytes"]:
                text = f"{got:,} bytes" if got >= 0 else "none"
                raise self._damaged(f"{facts['bytes']:,} bytes of part '{name}'", text, file)

    def _damaged(self, wanted: str, got: str, file: str) -> IntegrityError:
        return IntegrityError(
            f"Expected {wanted}, but got {got}",
            where=self.folder / file,
            todo=f"delete {self.folder} and prepare the data set again",
        )

    @property
    def facts(self) -> dict[str, Any]:
        """What the data set stored beside the images."""
        return dict(self.meta["facts"])

    @cached_property
    def source_hash(self) -> str:
        """Hash of all pixels and labels in their order, whatever the files were called."""
        keep = {
            name: [part["files"][f"{name}.{what}"]["sha256"] for what in ("images", "labels")]
            for name, part in self.meta["parts"].items()
        }
        return content_hash(keep, 16)

    def rows(self, part: str) -> int:
        """How many images a part has."""
        return int(self.meta["parts"][part]["rows"])

    def images(self, part: str) -> Pixels:
        """All images of a part as a read-only memory map, uint8 (n, size, size, 3)."""
        shape = (self.rows(part), self.size, self.size, 3)
        if shape[0] == 0:
            return np.empty(shape, np.uint8)
        return np.memmap(self._path(part, "images"), np.uint8, "r", shape=shape)

    def labels(self, part: str) -> NDArray[np.int64]:
        """Labels of a part, int64 (n,)."""
        return np.fromfile(self._path(part, "labels"), "<i8").astype(np.int64, copy=False)

    def digests(self, part: str) -> Pixels:
        """A hash of each image's pixels, uint8 (n, 16)."""
        return np.fromfile(self._path(part, "digests"), np.uint8).reshape(-1, DIGEST_BYTES)

    def table(self, part: str, rows: NDArray[np.int64] | None = None) -> ImageTable:
        """Rows of a part, or all of them; pixels are read when they are used."""
        ids = np.asarray(json.loads(self._path(part, "ids").read_bytes()), dtype=np.str_)
        images: Images = Images(self.images(part), rows)
        labels = self.labels(part)
        if rows is None:
            return ImageTable(images, labels, ids)
        return ImageTable(images, labels[rows], ids[rows])

    def _path(self, part: str, what: str) -> Path:
        return self.folder / f"{part}.{what}"

    def verify(self) -> None:
        """Hash every file again.

        Raises:
            IntegrityError: a file differs from what was converted.
        """
        for part in self.meta["parts"].values():
            for file, facts in part["files"].items():
                got = sha256_file(self.folder / file)
                if got != facts["sha256"]:
                    raise self._damaged(f"SHA-256 {facts['sha256'][:12]}", got[:12], file)


def folder_of(name: str) -> Path:
    """Where the store ``name`` is kept."""
    return data_dir() / name


def find(name: str) -> Store | None:
    """The finished store ``name``, or None.

    Raises:
        IntegrityError: it is there, but damaged.
    """
    folder = folder_of(name)
    return Store(folder) if (folder / MARKER).is_file() else None


def require(name: str, command: str) -> Store:
    """The finished store ``name``.

    Raises:
        DataError: it was not prepared; ``command`` is what to run.
    """
    store = find(name)
    if store is None:
        raise DataError(
            "Expected a prepared data set, but there is none",
            where=folder_of(name),
            todo=f"run: {command}",
        )
    return store


def build(plan: StorePlan, *, progress: bool = True) -> Store:
    """Convert a plan, or return the store if it is there; another process is waited for.

    Raises:
        IntegrityError: an image is damaged.
        StorageError: the disk is full, or the cache cannot be written.
    """
    with locked(plan.name):
        found = find(plan.name)
        if found:
            return found
        begin, target = time.monotonic(), folder_of(plan.name)
        try:
            building = _building_folder(plan)
            for part in plan.parts:
                _convert(plan, part, building, progress)
            _seal(plan, building, time.monotonic() - begin)
            shutil.rmtree(target, ignore_errors=True)
            os.replace(building, target)
        except OSError as error:
            raise storage_error(target, error) from error
        return Store(target)


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Hold the store's lock; a second process waits here until the first is done."""
    path = data_dir() / f".{name}.lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path)
        lock.acquire()
    except (OSError, Timeout) as error:
        raise storage_error(path, error if isinstance(error, OSError) else OSError()) from error
    try:
        yield
    finally:
        lock.release()


def _building_folder(plan: StorePlan) -> Path:
    """The folder of a conversion under way: continued if it is of this plan, else begun anew."""
    folder = data_dir() / f".{plan.name}.building"
    mark = folder / PLAN
    if folder.exists() and not (mark.is_file() and mark.read_text() == plan.fingerprint):
        shutil.rmtree(folder)
    if not folder.exists():
        _check_space(plan)
        folder.mkdir(parents=True)
        write_atomic(mark, lambda file: file.write(plan.fingerprint.encode()))
    return folder


def _check_space(plan: StorePlan) -> None:
    free = shutil.disk_usage(data_dir()).free
    if free < plan.bytes_needed:
        raise StorageError(
            f"Expected {plan.bytes_needed / 1e9:.1f} GB of free disk, but got {free / 1e9:.1f} GB",
            where=data_dir(),
            todo="free some space, or move the cache (SYNAUG_BENCH_CACHE)",
        )


def _convert(plan: StorePlan, part: PartPlan, folder: Path, progress: bool) -> None:
    images = _open_sized(folder / f"{part.name}.images", len(part.ids) * plan.size**2 * 3)
    digests = _open_sized(folder / f"{part.name}.digests", len(part.ids) * DIGEST_BYTES)
    with images, digests, Tracker(part.name, len(part.ids), "images", enabled=progress) as bar:
        done = np.fromfile(digests, np.uint8).reshape(-1, DIGEST_BYTES).any(axis=1)
        bar.advance(int(done.sum()))
        missing = np.flatnonzero(~done).astype(np.int64)
        for batch in _chunks(part.produce(missing) if len(missing) else iter(())):
            _write_batch(batch, images, digests, plan.size)
            bar.advance(len(batch))
        _sync(digests)
    _write(folder / f"{part.name}.labels", part.labels.astype("<i8").tobytes())
    _write(folder / f"{part.name}.ids", json.dumps(part.ids).encode())


def _open_sized(path: Path, size: int) -> BinaryIO:
    """Open for reading and writing, grown to ``size`` with zeros."""
    path.touch()
    os.truncate(path, size)
    return path.open("r+b", buffering=0)


def _chunks(rows: Iterator[tuple[int, Pixels]]) -> Iterator[list[tuple[int, Pixels]]]:
    batch: list[tuple[int, Pixels]] = []
    for row in rows:
        batch.append(row)
        if len(batch) == CHUNK:
            yield batch
            batch = []
    yield batch


def _write_batch(
    batch: list[tuple[int, Pixels]], images: BinaryIO, digests: BinaryIO, size: int
) -> None:
    # a digest marks its row as done, so pixels must be on disk before it
    for row, pixels in batch:
        if pixels.shape != (size, size, 3) or pixels.dtype != np.uint8:
            raise ValueError(f"expected uint8 {(size, size, 3)}, got {pixels.dtype} {pixels.shape}")
        _write_at(images, np.ascontiguousarray(pixels).tobytes(), row * size**2 * 3)
    _sync(images)
    for row, pixels in batch:
        _write_at(digests, pixel_digest(pixels), row * DIGEST_BYTES)


def pixel_digest(pixels: Pixels) -> bytes:
    """The hash of one image's pixels, 16 bytes."""
    return hashlib.blake2b(pixels.tobytes(), digest_size=DIGEST_BYTES).digest()


def _write_at(file: BinaryIO, data: bytes, offset: int) -> None:
    written = os.pwrite(file.fileno(), data, offset)
    if written != len(data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _sync(file: IO[bytes]) -> None:
    os.fsync(file.fileno())


def _write(path: Path, data: bytes) -> None:
    write_atomic(path, lambda file: file.write(data))


def _seal(plan: StorePlan, folder: Path, seconds: float) -> None:
    meta = {
        "schema": SCHEMA,
        "name": plan.name,
        "size": plan.size,
        "processing": plan.processing,
        "source": plan.source,
        "facts": plan.facts,
        "seconds": round(seconds, 1),
        "parts": {part.name: _describe(part, folder) for part in plan.parts},
    }
    write_json(folder / MARKER, meta)
    (folder / PLAN).unlink()


def _describe(part: PartPlan, folder: Path) -> dict[str, Any]:
    files = {}
    for what in ("images", "labels", "ids", "digests"):
        path = folder / f"{part.name}.{what}"
        files[path.name] = {"bytes": path.stat().st_size, "sha256": sha256_file(path)}
    counts = np.bincount(part.labels).tolist() if len(part.labels) else []
    return {"rows": len(part.ids), "counts": counts, "files": files}
