"""Where collections are kept, and how one is finished: whole, or not at all."""

import datetime
import hashlib
import os
import re
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmark.errors import DataError, IntegrityError
from benchmark.generation.collections.naming import class_folder
from benchmark.generation.collections.pixels import Sound
from benchmark.generation.collections.rows import ID_DIGITS, Row, encode
from benchmark.paths import cache_root
from benchmark.system.files import content_hash, read_json, storage_error, write_bytes, write_json
from benchmark.system.locks import held

FORMAT = 1
KEY_DIGITS = 16
FACTS_FILE = "collection.json"
ROWS_FILE = "rows.jsonl"


def collection_dir() -> Path:
    """Where collections are kept."""
    return cache_root() / "collections"


@dataclass(frozen=True)
class Declared:
    """What whoever brings images states about all of them.

    Attributes:
        source: facts of the origin for people: kind, name, number of files.
        classes: readable names in label order.
        knowledge: outside knowledge tags.
        licence: of images that do not state their own.
        network_calls_per_image: what one image took; None if nobody says.
    """

    source: dict[str, Any]
    classes: tuple[str, ...]
    knowledge: tuple[str, ...] = ()
    licence: str = ""
    network_calls_per_image: int | None = None


def image_path(row: Row, sound: Sound) -> str:
    """The path of an image within its collection."""
    folder = class_folder(row.label, row.class_name)
    return f"images/{folder}/{sound.sha256[:ID_DIGITS]}{sound.suffix}"


def keep_image(work: Path, row: Row, sound: Sound, data: bytes) -> Row:
    """Write an image into the unfinished collection ``work`` and return its row, with hashes.

    Raises:
        StorageError: the disk is full, or the folder cannot be written.
    """
    known = replace(row, sha256=sound.sha256, pixel_sha256=sound.pixel_sha256, status="ok")
    return keep_bytes(work, replace(known, file_name=image_path(row, sound)), data)


def keep_bytes(work: Path, row: Row, data: bytes) -> Row:
    """Write the image of a row that has a file name, and return the row.

    Raises:
        StorageError: the disk is full, or the folder cannot be written.
    """
    path = work / row.file_name
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # the folder is unfinished: what a crash cuts short is written again
        path.write_bytes(data)
    except OSError as error:
        raise storage_error(path, error) from error
    return row


def without_copies(rows: Iterable[Row]) -> list[Row]:
    """Rows in which images of equal bytes or pixels are kept once; the others are "dropped"."""
    first: dict[str, Row] = {}
    result = []
    for row in rows:
        held = first.setdefault(row.pixel_sha256, row) if row.status == "ok" else row
        if held is not row:
            what = "bytes" if held.sha256 == row.sha256 else "pixels"
            where = held.source or held.url or held.file_name
            other = "" if held.label == row.label else f" of class '{held.class_name}'"
            reason = f"same {what} as {where}{other}"
            row = replace(row, status="dropped", reason=reason, file_name="")
        result.append(row)
    return result


def finish(work: Path, root: Path, rows: Sequence[Row], declared: Declared) -> Path:
    """Turn the unfinished collection ``work`` into a stored one and return its folder.

    Args:
        work: a folder under ``root`` with the images.
        root: where collections are kept.
        rows: every row, in the order in which copies give way.
        declared: what is stated about all of them.

    Raises:
        DataError: no image is left.
        StorageError: the disk is full, or the folder cannot be written.
    """
    rows = without_copies(rows)
    if not any(row.status == "ok" for row in rows):
        raise _nothing(rows, declared)
    _remove_others(work, {row.file_name for row in rows if row.file_name})
    text = encode(rows).encode()
    facts = _facts(rows, declared, hashlib.sha256(text).hexdigest())
    write_bytes(work / ROWS_FILE, text)
    write_json(work / FACTS_FILE, facts)
    return _into_place(work, root / str(facts["key"]))


def _nothing(rows: Sequence[Row], declared: Declared) -> DataError:
    reasons = Counter(row.reason for row in rows)
    most = f": {reasons.most_common(1)[0][0]}" if reasons else ""
    return DataError(
        f"Expected at least one sound image, but all {len(rows)} failed{most}",
        where=declared.source.get("name"),
        todo="check the source",
    )


def _identity(rows: Sequence[Row], declared: Declared) -> dict[str, Any]:
    kept = sorted(
        [row.label, row.sha256, row.knowledge, row.network_calls or 0]
        for row in rows
        if row.status == "ok"
    )
    return {
        "format": FORMAT,
        "classes": list(declared.classes),
        "images": content_hash(kept, 32),
        "knowledge": list(declared.knowledge),
        "network_calls_per_image": declared.network_calls_per_image,
    }


def _facts(rows: Sequence[Row], declared: Declared, rows_sha256: str) -> dict[str, Any]:
    identity = _identity(rows, declared)
    kept = [row for row in rows if row.status == "ok"]
    counts = Counter(row.label for row in kept)
    tags = {tag for row in kept for tag in row.knowledge.split()}
    dates = sorted({row.date for row in kept if row.date})
    return {
        "key": content_hash(identity, KEY_DIGITS),
        "identity": identity,
        "classes": list(declared.classes),
        "counts": [counts[label] for label in range(len(declared.classes))],
        "candidates": len(rows),
        "dropped": sum(row.status == "dropped" for row in rows),
        "failed": sum(row.status == "failed" for row in rows),
        "source": declared.source,
        "licences": dict(sorted(Counter(row.licence or declared.licence for row in kept).items())),
        "dates": [dates[0], dates[-1]] if dates else [],
        "finished": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "knowledge": sorted({*declared.knowledge, *tags}),
        "network_calls_per_image": declared.network_calls_per_image,
        "rows_sha256": rows_sha256,
    }


def _remove_others(work: Path, names: set[str]) -> None:
    for path in sorted(work.rglob("*"), reverse=True):
        if path.is_dir():
            if not any(path.iterdir()):
                path.rmdir()
        elif path.relative_to(work).as_posix() not in names:
            path.unlink()


def _into_place(work: Path, folder: Path) -> Path:
    try:
        if not (folder / FACTS_FILE).is_file():
            os.replace(work, folder)
    except OSError as error:
        raise storage_error(folder, error) from error
    shutil.rmtree(work, ignore_errors=True)
    return folder


@contextmanager
def workroom(root: Path, stamp: str, *, fresh: bool) -> Iterator[Path]:
    """A folder for the unfinished collection of one source, held by one process at a time.

    Args:
        root: where collections are kept.
        stamp: names the source.
        fresh: begin with an empty folder; else what an earlier process left is kept.

    Raises:
        StorageError: the folder cannot be written.
    """
    work = root / ".work" / stamp
    with held(work.with_name(f"{stamp}.lock"), "collects the same images"):
        if fresh:
            shutil.rmtree(work, ignore_errors=True)
        work.mkdir(exist_ok=True)
        yield work


def remember(root: Path, stamp: str, key: str) -> None:
    """Note which collection a source became, so that it is not read again."""
    write_json(root / "sources" / f"{stamp}.json", {"key": key})


def recall(root: Path, stamp: str) -> Path | None:
    """The folder of the collection that a source became; None if it has not."""
    path = root / "sources" / f"{stamp}.json"
    if not path.is_file():
        return None
    found = read_json(path)
    key = found.get("key") if isinstance(found, dict) else None
    if not isinstance(key, str) or not re.fullmatch(r"\w{1,64}", key, re.ASCII):
        raise IntegrityError(
            "Expected the key of a collection", where=path, todo="delete the file and run again"
        )
    folder = root / key
    return folder if (folder / FACTS_FILE).is_file() else None
