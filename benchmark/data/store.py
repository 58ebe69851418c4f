"""Packed images: raw uint8 pixels in files that are memory-mapped, converted once.

A store is a folder. ``store.json`` is written last, and the folder takes its final name after
that, so a store that can be opened is whole. A conversion that was killed goes on where it was.
"""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.data.keeping import (
    KEEPERS,
    LISTED,
    PixelMode,
    Pixels,
    beside,
    open_sized,
    row_bytes,
    sync,
    write_at,
)
from benchmark.data.rows import Images, ImageTable
from benchmark.data.streaming.files import FilePictures
from benchmark.data.streaming.pictures import Fitted, PictureTable, StoredPictures
from benchmark.errors import DataError, IntegrityError, StorageError
from benchmark.paths import data_dir
from benchmark.system.files import (
    content_hash,
    read_json,
    sha256_file,
    storage_error,
    write_bytes,
    write_json,
    write_text,
)
from benchmark.system.locks import held
from benchmark.system.progress import Tracker

SCHEMA = 1
DIGEST_BYTES = 16
CHUNK = 1024
MARKER = "store.json"
PLAN = "plan.json"
ROOT = "source.txt"

Produce = Callable[[NDArray[np.int64]], Iterator[tuple[int, Any]]]


@dataclass(frozen=True)
class PartPlan:
    """One part of a store, before it is converted.

    Attributes:
        name: "train", "test", ...
        ids: file name of each row.
        labels: int64 (n,).
        produce: yields (row, image) of the wanted rows, in any order: uint8 (size, size, 3), or
            ``keeping.Seen`` where the part is not packed.
        keep: how the part keeps its rows.
    """

    name: str
    ids: tuple[str, ...]
    labels: NDArray[np.int64]
    produce: Produce
    keep: PixelMode = "packed"


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
        root: where the files are, if any part only lists them; noted beside ``store.json``.
    """

    name: str
    size: int
    parts: tuple[PartPlan, ...]
    source: dict[str, Any]
    processing: str
    facts: dict[str, Any] = field(default_factory=dict)
    stamp: str = ""
    root: Path | None = None

    @property
    def fingerprint(self) -> str:
        """Hash of what is converted; equal for a conversion that may be continued."""
        rows = [[part.name, list(part.ids), part.labels.tolist()] for part in self.parts]
        return content_hash([SCHEMA, self.size, self.processing, self.stamp, rows], 32)

    @property
    def bytes_needed(self) -> int:
        """Disk space of the pixels."""
        return sum(len(part.ids) * row_bytes(part.keep, self.size) for part in self.parts)


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
            self.size, _ = int(self.meta["size"]), dict(self.meta["facts"])
            for name, part in self.meta["parts"].items():
                self._check_sizes(name, part)
                self._check_rows(name, part)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError, OSError) as error:
            raise self._damaged("a complete description", f"{error!r}", MARKER) from error

    def _check_sizes(self, name: str, part: dict[str, Any]) -> None:
        for file, facts in part["files"].items():
            path = self.folder / file
            got = path.stat().st_size if path.is_file() else -1
            if got != facts["bytes"]:
                text = f"{got:,} bytes" if got >= 0 else "none"
                raise self._damaged(f"{facts['bytes']:,} bytes of part '{name}'", text, file)

    def _check_rows(self, name: str, part: dict[str, Any]) -> None:
        """Whether the sizes of files go with the number of rows."""
        rows = int(part["rows"])
        sizes = {"labels": 8, "digests": DIGEST_BYTES}
        sizes |= {"images": self.size**2 * 3} if self.keep(name) == "packed" else {}
        for what, each in sizes.items():
            facts, file = part["files"][f"{name}.{what}"], f"{name}.{what}"
            if rows < 0 or facts["bytes"] != rows * each or not isinstance(facts["sha256"], str):
                raise self._damaged(f"{what} of {rows:,} rows", "another number", file)

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
            name: [part["files"][f"{name}.{what}"]["sha256"] for what in self._telling(name)]
            for name, part in self.meta["parts"].items()
        }
        return content_hash(keep, 16)

    def _telling(self, part: str) -> tuple[str, str]:
        """Files that tell a part from another: digests stand for images that are not packed."""
        return ("images" if self.keep(part) == "packed" else "digests", "labels")

    def keep(self, part: str) -> PixelMode:
        """How a part keeps its rows."""
        mode: PixelMode = self.meta["parts"][part].get("keep", "packed")
        return mode

    def rows(self, part: str) -> int:
        """How many images a part has."""
        return int(self.meta["parts"][part]["rows"])

    def images(self, part: str) -> Pixels:
        """Packed images of a part as a read-only memory map, uint8 (n, size, size, 3)."""
        shape = (self.rows(part), self.size, self.size, 3)
        if shape[0] == 0 or self.keep(part) != "packed":
            shape = (0, *shape[1:])
            return np.empty(shape, np.uint8)
        return np.memmap(self._path(part, "images"), np.uint8, "r", shape=shape)

    def labels(self, part: str) -> NDArray[np.int64]:
        """Labels of a part, int64 (n,)."""
        return np.fromfile(self._path(part, "labels"), "<i8").astype(np.int64, copy=False)

    def digests(self, part: str) -> Pixels:
        """A hash of each image's pixels, uint8 (n, 16)."""
        return np.fromfile(self._path(part, "digests"), np.uint8).reshape(-1, DIGEST_BYTES)

    def ids(self, part: str) -> NDArray[np.str_]:
        """File names of a part, str (n,)."""
        try:
            found = json.loads(self._path(part, "ids").read_bytes())
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
            raise self._damaged("a list of file names", "something else", f"{part}.ids")
        return np.asarray(found, dtype=np.str_)

    def listing(self, part: str) -> NDArray[Any]:
        """What is known of the pictures of a part that is not packed, ``LISTED`` (n,)."""
        return np.fromfile(self._path(part, "listing"), LISTED)

    def table(self, part: str, rows: NDArray[np.int64] | None = None) -> ImageTable:
        """Rows of a part, or all of them; pixels are read when they are used."""
        ids, labels = self.ids(part), self.labels(part)
        if self.keep(part) == "packed":
            found = ImageTable(Images(self.images(part)), labels, ids)
        else:
            pictures = self._pictures(part)
            found = ImageTable(Images(Fitted(pictures, self.size)), labels, ids, pictures)
        return found if rows is None else found.select(rows)

    def _pictures(self, part: str) -> PictureTable:
        if self.keep(part) == "store256":
            return StoredPictures.open(self._path(part, "pictures"), self.listing(part))
        return self._files(part)

    def _files(self, part: str) -> FilePictures:
        colour = self.facts["colour"]
        return FilePictures.prepared(self.root, self.ids(part), self.listing(part), colour)

    @property
    def root(self) -> Path:
        """Where listed files are.

        Raises:
            IntegrityError: the note of it is gone.
        """
        try:
            return Path((self.folder / ROOT).read_text(encoding="utf-8"))
        except OSError as error:
            raise self._damaged("the path of the images", "none", ROOT) from error

    def _path(self, part: str, what: str) -> Path:
        return self.folder / f"{part}.{what}"

    def verify(self) -> None:
        """Hash every file again, also those that are listed only.

        Raises:
            DataError: a listed file is gone.
            IntegrityError: a file differs from what was converted.
        """
        for name, part in self.meta["parts"].items():
            for file, facts in part["files"].items():
                got = sha256_file(self.folder / file)
                if got != facts["sha256"]:
                    raise self._damaged(f"SHA-256 {facts['sha256'][:12]}", got[:12], file)
            if self.keep(name) == "files":
                self._files(name).verify()


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
    with held(data_dir() / f".{name}.lock", f"prepares {name}"):
        yield


def _building_folder(plan: StorePlan) -> Path:
    """The folder of a conversion under way: continued if it is of this plan, else begun anew."""
    folder = data_dir() / f".{plan.name}.building"
    mark = folder / PLAN
    if folder.exists() and not (mark.is_file() and mark.read_text() == plan.fingerprint):
        shutil.rmtree(folder)
    if not folder.exists():
        _check_space(plan)
        folder.mkdir(parents=True)
        write_text(mark, plan.fingerprint)
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
    stem = folder / part.name
    digests = open_sized(beside(stem, "digests"), len(part.ids) * DIGEST_BYTES)
    with digests, Tracker(part.name, len(part.ids), "images", enabled=progress) as bar:
        done = np.asarray(np.fromfile(digests, np.uint8).reshape(-1, DIGEST_BYTES).any(axis=1))
        bar.advance(int(done.sum()))
        missing = np.flatnonzero(~done).astype(np.int64)
        with closing(KEEPERS[part.keep](stem, plan.size, done)) as keeper:
            for batch in _chunks(part.produce(missing) if len(missing) else iter(())):
                # a digest marks its row as done, so its pixels are on disk before it
                for (row, _), pixels in zip(batch, keeper.write(batch), strict=True):
                    write_at(digests, pixel_digest(pixels), row * DIGEST_BYTES)
                bar.advance(len(batch))
        sync(digests)
    write_bytes(beside(stem, "labels"), part.labels.astype("<i8").tobytes())
    write_text(beside(stem, "ids"), json.dumps(part.ids))


def _chunks(rows: Iterator[tuple[int, Any]]) -> Iterator[list[tuple[int, Any]]]:
    batch: list[tuple[int, Any]] = []
    for row in rows:
        batch.append(row)
        if len(batch) == CHUNK:
            yield batch
            batch = []
    yield batch


def pixel_digest(pixels: Pixels) -> bytes:
    """The hash of one image's pixels, 16 bytes."""
    return hashlib.blake2b(pixels.tobytes(), digest_size=DIGEST_BYTES).digest()


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
    if plan.root:
        write_text(folder / ROOT, str(plan.root.resolve()))
    write_json(folder / MARKER, meta)
    (folder / PLAN).unlink()


def _describe(part: PartPlan, folder: Path) -> dict[str, Any]:
    files = {}
    for what in (*KEEPERS[part.keep].suffixes, "labels", "ids", "digests"):
        path = folder / f"{part.name}.{what}"
        files[path.name] = {"bytes": path.stat().st_size, "sha256": sha256_file(path)}
    counts = np.bincount(part.labels).tolist() if len(part.labels) else []
    kept = {} if part.keep == "packed" else {"keep": part.keep}
    return {"rows": len(part.ids), "counts": counts, **kept, "files": files}
