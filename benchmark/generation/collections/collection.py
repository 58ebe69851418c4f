"""A stored collection: read, checked against its hashes, and drawn from in a keyed order."""

import hashlib
import os
from collections.abc import Collection as Names
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.data.cards import Colour
from benchmark.data.images import decode as decode_image
from benchmark.errors import DataError, IntegrityError, UsageError
from benchmark.generation.collections.rows import Row, decode
from benchmark.generation.collections.store import FACTS_FILE, ROWS_FILE
from benchmark.system.files import content_hash, read_json

_READERS = min(os.cpu_count() or 1, 8)
_SHORT = 5
_COLLECT_AGAIN = "delete the collection's folder and collect again"


@dataclass(frozen=True)
class Collection:
    """Images that somebody else made or found.

    Attributes:
        folder: where it is kept; its name is the key.
        facts: what ``collection.json`` says.
        rows: one an image: kept, dropped and failed ones.
    """

    folder: Path
    facts: dict[str, Any]
    rows: tuple[Row, ...]

    @classmethod
    def read(cls, folder: Path) -> "Collection":
        """A finished collection.

        Raises:
            DataError: there is none.
            IntegrityError: its files were altered.
        """
        if not (folder / FACTS_FILE).is_file():
            raise DataError("Expected a finished collection", where=folder, todo="collect it again")
        facts = read_json(folder / FACTS_FILE)
        path = folder / ROWS_FILE
        data = path.read_bytes() if path.is_file() else b""
        if not isinstance(facts, dict) or facts.get("key") != folder.name:
            raise _altered(folder / FACTS_FILE, "the facts of this collection")
        if hashlib.sha256(data).hexdigest() != facts.get("rows_sha256"):
            raise _altered(path, "the rows that collection.json describes")
        if not all(_texts(facts.get(name)) for name in ("classes", "knowledge")):
            raise _altered(folder / FACTS_FILE, "classes and outside knowledge by name")
        rows = tuple(decode(data.decode("utf-8", "replace"), path))
        if not all(0 <= row.label < len(facts["classes"]) for row in rows):
            raise _altered(path, f"labels below {len(facts['classes'])}")
        return cls(folder, facts, rows)

    @classmethod
    def open(
        cls,
        location: str,
        classes: Sequence[str],
        root: Path | None = None,
        class_ids: Sequence[str] = (),
    ) -> "Collection":
        """The collection at ``location``; see ``location.open_collection``."""
        from benchmark.generation.collections.location import open_collection

        return open_collection(location, classes, root, class_ids)

    @property
    def key(self) -> str:
        """Content hash, 16 hex digits; the name of the folder."""
        return self.folder.name

    @property
    def classes(self) -> tuple[str, ...]:
        """Readable names in label order."""
        return tuple(self.facts["classes"])

    @property
    def knowledge(self) -> tuple[str, ...]:
        """Outside knowledge tags of all images."""
        return tuple(self.facts["knowledge"])

    @property
    def counts(self) -> tuple[int, ...]:
        """Kept images of each class."""
        return tuple(len(rows) for rows in self._by_label)

    @property
    def missing(self) -> tuple[str, ...]:
        """Classes without an image."""
        pairs = zip(self.classes, self.counts, strict=True)
        return tuple(name for name, count in pairs if not count)

    @cached_property
    def kept(self) -> tuple[Row, ...]:
        """The rows whose images can be used."""
        return tuple(row for row in self.rows if row.status == "ok")

    @cached_property
    def _by_label(self) -> tuple[tuple[Row, ...], ...]:
        found: list[list[Row]] = [[] for _ in self.classes]
        for row in self.kept:
            found[row.label].append(row)
        return tuple(map(tuple, found))

    def require_classes(self, classes: Sequence[str]) -> None:
        """Refuse a collection made for other classes.

        Raises:
            UsageError: the class lists differ.
        """
        if tuple(classes) != self.classes:
            raise UsageError(
                f"Expected a collection for {len(classes)} classes ({_few(classes)}), but got one "
                f"for {len(self.classes)} ({_few(self.classes)})",
                where=self.key,
                todo="import the images again for this data set",
            )

    def order(self, label: int, seed: int) -> list[Row]:
        """The kept images of a class in the order in which budgets take them.

        Each image has a place of its own, so one that is left out moves no other.
        """
        return sorted(self._by_label[label], key=lambda row: _place(seed, row))

    def pick(self, counts: Sequence[int], seed: int, without: Names[str] = ()) -> list[Row]:
        """The first ``counts[k]`` images of each class k, by place in the class, then label.

        Args:
            counts: images of each class.
            seed: of the order.
            without: ids of images to leave out.

        Raises:
            DataError: a class has fewer.
        """
        if len(counts) != len(self.classes):
            raise UsageError(f"Expected {len(self.classes)} counts, but got {len(counts)}")
        left = [
            [row for row in self.order(label, seed) if row.image_id not in without]
            for label in range(len(counts))
        ]
        short = {k: n - len(left[k]) for k, n in enumerate(counts) if n > len(left[k])}
        if short:
            raise self._too_few(short, [len(rows) for rows in left])
        return [
            rows[slot]
            for slot in range(max(counts, default=0))
            for rows, count in zip(left, counts, strict=True)
            if slot < count
        ]

    def _too_few(self, short: dict[int, int], left: Sequence[int]) -> DataError:
        words = [f"'{self.classes[k]}' lacks {n}" for k, n in list(short.items())[:_SHORT]]
        more = f" and {len(short) - _SHORT} more classes" if len(short) > _SHORT else ""
        return DataError(
            f"Expected enough images of every class, but {', '.join(words)}{more}",
            where=f"collection {self.key}",
            todo="collect more, or use a budget that adds fewer, such as budget=add "
            f"budget.amount={min(left)} or budget=list",
        )

    def take(
        self,
        counts: Sequence[int],
        size: int,
        colour: Colour,
        seed: int,
        without: Names[str] = (),
    ) -> tuple[NDArray[np.uint8], NDArray[np.int64], list[str]]:
        """Images of a budget, as they are trained on; a smaller budget is part of a larger one.

        Args:
            counts: images of each class.
            size: height and width in pixels.
            colour: "RGB" or "L".
            seed: of the order.
            without: ids of images to leave out, such as near-duplicates of test images.

        Returns:
            uint8 (n, size, size, 3), int64 labels (n,) and ids, by place in the class, then label.

        Raises:
            DataError: a class has too few images, or a file is missing.
            IntegrityError: a file was altered.
        """
        rows = self.pick(counts, seed, without)
        labels = np.asarray([row.label for row in rows], dtype=np.int64)
        return self.load(rows, size, colour), labels, [row.image_id for row in rows]

    def ids_hash(self, ids: Iterable[str]) -> str:
        """Hash of which images were taken, 16 hex digits; their order does not matter."""
        return content_hash(sorted(ids), 16)

    def load(self, rows: Sequence[Row], size: int, colour: Colour) -> NDArray[np.uint8]:
        """Pixels of rows, uint8 (n, size, size, 3)."""
        images = np.zeros((len(rows), size, size, 3), dtype=np.uint8)
        with ThreadPoolExecutor(_READERS) as readers:
            for index, pixels in enumerate(readers.map(lambda r: self._one(r, size, colour), rows)):
                images[index] = pixels
        return images

    def _one(self, row: Row, size: int, colour: Colour) -> NDArray[np.uint8]:
        return decode_image(self.bytes_of(row), str(self.folder / row.file_name), size, colour)

    def bytes_of(self, row: Row) -> bytes:
        """The file of an image, compared with its hash.

        Raises:
            DataError: it is missing.
            IntegrityError: it was altered.
        """
        path = self.folder / row.file_name
        try:
            data = path.read_bytes()
        except OSError as error:
            raise DataError(
                "Expected an image, but it cannot be read", where=path, todo=_COLLECT_AGAIN
            ) from error
        if hashlib.sha256(data).hexdigest() != row.sha256:
            raise _altered(path, f"an image with SHA-256 {row.sha256[:12]}...")
        return data


def _texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _place(seed: int, row: Row) -> bytes:
    return hashlib.blake2b(f"{seed}/{row.sha256}".encode(), digest_size=16).digest()


def _altered(path: Path, expected: str) -> IntegrityError:
    return IntegrityError(
        f"Expected {expected}, but got other content", where=path, todo=_COLLECT_AGAIN
    )


def _few(classes: Sequence[str]) -> str:
    return ", ".join(classes[:3]) + (", ..." if len(classes) > 3 else "")
