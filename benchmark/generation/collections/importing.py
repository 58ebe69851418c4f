"""Reading images that somebody else made into a collection."""

import itertools
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmark.data.archives import Archive
from benchmark.errors import IntegrityError
from benchmark.generation.collections import store
from benchmark.generation.collections.collection import Collection
from benchmark.generation.collections.layouts import Listed, list_images, open_sources
from benchmark.generation.collections.naming import ClassNames
from benchmark.generation.collections.pixels import Sound, examine
from benchmark.generation.collections.rows import FACTS, Row
from benchmark.system.console import say
from benchmark.system.files import content_hash
from benchmark.system.progress import Tracker

_AHEAD = 64
File = tuple[Row, bytes]


def import_folder(
    source: Path,
    classes: Sequence[str],
    *,
    class_ids: Sequence[str] = (),
    root: Path | None = None,
    knowledge: Sequence[str] = (),
    licence: str = "",
    network_calls_per_image: int | None = None,
    progress: bool = True,
) -> Collection:
    """Store the images of a folder or archive as a collection; unchanged ones are not read twice.

    Args:
        source: class folders (or a zip or tar of them), with or without metadata; WebDataset
            shards; or the folder of a pool.
        classes: readable names in label order. Class folders are called by the class, its id,
            "000_name" or the label's number.
        class_ids: further names of the classes.
        root: where collections are kept; None is the cache.
        knowledge: outside knowledge tags of the images.
        licence: of images that do not state their own.
        network_calls_per_image: what one image took; None if nobody says.
        progress: show a bar on a terminal.

    Raises:
        UsageError: a folder that is no class.
        DataError: no images, or metadata with impossible values.
        IntegrityError: a damaged or unsafe archive.
        StorageError: the disk is full, or the cache cannot be written.
    """
    root = root or store.collection_dir()
    with ExitStack() as stack:
        archives = [stack.enter_context(archive) for archive in open_sources(source.expanduser())]
        declared = store.Declared(
            _describe(source, archives), tuple(classes), tuple(knowledge), licence,
            network_calls_per_image,
        )  # fmt: skip
        stamp = _stamp(archives, declared, class_ids)
        done = store.recall(root, stamp)
        if done is not None:
            return Collection.read(done)
        names = ClassNames(classes, class_ids)
        listed = [(archive, list_images(archive, names)) for archive in archives]
        with store.workroom(root, stamp, fresh=True) as work:
            rows = sorted(_store(work, listed, declared, progress), key=_order)
            folder = store.finish(work, root, rows, declared)
        store.remember(root, stamp, folder.name)
    return said(Collection.read(folder))


def _describe(source: Path, archives: Sequence[Archive]) -> dict[str, Any]:
    kind = "folder" if source.is_dir() else source.suffix.lstrip(".")
    return {"kind": kind, "name": source.name, "files": sum(len(one.sizes) for one in archives)}


def _stamp(archives: Sequence[Archive], declared: store.Declared, class_ids: Sequence[str]) -> str:
    files = [entry for archive in archives for entry in _entries(archive)]
    stated = [declared.classes, declared.knowledge, declared.licence,
              declared.network_calls_per_image, list(class_ids)]  # fmt: skip
    return content_hash([store.FORMAT, files, stated], 20)


def _entries(archive: Archive) -> Iterator[list[Any]]:
    """What changes when an archive does: paths, lengths and times of files."""
    if not archive.path.is_dir():
        found = archive.path.stat()
        yield [str(archive.path.resolve()), found.st_size, found.st_mtime_ns]
        return
    yield [str(archive.path.resolve())]
    for name, size in archive.sizes.items():
        yield [name, size, (archive.path / name).stat().st_mtime_ns]


def _store(
    work: Path,
    listed: Sequence[tuple[Archive, list[Listed]]],
    declared: store.Declared,
    progress: bool,
) -> Iterator[Row]:
    total = sum(len(found) for _, found in listed)
    with (
        Tracker("import", total, "images", enabled=progress) as tracker,
        ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool,
    ):
        for archive, found in listed:
            files = _files(archive, found, declared)
            while batch := list(itertools.islice(files, _AHEAD)):
                for (row, data), seen in zip(batch, pool.map(_look, batch), strict=True):
                    yield _kept(work, row, data, seen)
                    tracker.advance()


def _files(archive: Archive, found: Sequence[Listed], declared: store.Declared) -> Iterator[File]:
    by_name = {one.name: one for one in found}
    for name, data in archive.read_many(by_name):
        one = by_name[name]
        facts = {key: value for key, value in one.columns.items() if key in FACTS}
        facts.setdefault("licence", declared.licence)
        yield Row(
            label=one.label, class_name=declared.classes[one.label], source=name, **facts
        ), data  # fmt: skip


def _look(file: File) -> Sound | IntegrityError:
    row, data = file
    try:
        return examine(data, row.source)
    except IntegrityError as error:
        return error


def _kept(work: Path, row: Row, data: bytes, seen: Sound | IntegrityError) -> Row:
    if isinstance(seen, IntegrityError):
        return failed(row, seen.problem)
    return store.keep_image(work, row, seen, data)


def failed(row: Row, reason: str) -> Row:
    """The row with the reason why it has no image."""
    return replace(row, status="failed", reason=reason)


def _order(row: Row) -> tuple[int, str, str]:
    return row.label, row.source, row.sha256


def said(collection: Collection) -> Collection:
    """Print what is in a new collection and what is not; returns it."""
    facts, missing = collection.facts, collection.missing
    lost = [f"{facts[what]} {what}" for what in ("dropped", "failed") if facts[what]]
    if missing:
        lost.append(f"none of {', '.join(missing[:5])}{', ...' if len(missing) > 5 else ''}")
    note = f" ({'; '.join(lost)})" if lost else ""
    classes = len(collection.classes) - len(missing)
    say("images", f"{len(collection.kept):,} of {classes} classes in collection "
        f"{collection.key}{note}")  # fmt: skip
    return collection
