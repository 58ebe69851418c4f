"""Whole pictures that are image files, listed and verified; torch comes with the first reading."""

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.data.cards import Colour
from benchmark.data.keeping import LISTED, Pixels
from benchmark.data.streaming.pictures import READERS, digest_of, sizes_of
from benchmark.errors import DataError, IntegrityError

PREPARED = "put the file back, or delete the prepared data set and prepare it again"


@dataclass(frozen=True)
class FilePictures:
    """Image files, decoded when they are read.

    Attributes:
        root: folder of the files.
        names: relative paths, str (n,).
        listing: ``LISTED`` (n,): sizes of the pictures as trained on, lengths and hashes of files.
        colour: "RGB" or "L".
        scaled: whether short sides above ``SHORT_SIDE`` are scaled down to it.
        todo: what to do about a file that is gone or changed.
        known: bool (n,), the rows whose bytes were hashed in this process, shared by selections.
    """

    root: Path
    names: NDArray[np.str_]
    listing: NDArray[Any]
    colour: Colour
    scaled: bool
    todo: str
    known: NDArray[np.bool_]
    rows: NDArray[np.int64]

    @classmethod
    def prepared(
        cls, root: Path, names: NDArray[np.str_], listing: NDArray[Any], colour: Colour
    ) -> "FilePictures":
        """Files that a prepared data set lists."""
        return cls.of(root, names, listing, colour, scaled=False, todo=PREPARED)

    @classmethod
    def of(
        cls,
        root: Path,
        names: NDArray[np.str_],
        listing: NDArray[Any],
        colour: Colour,
        *,
        scaled: bool,
        todo: str,
    ) -> "FilePictures":
        """All files of a listing."""
        known = np.zeros(len(names), bool)
        return cls(root, names, listing, colour, scaled, todo, known, np.arange(len(names)))

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Heights and widths, int64 (n, 2)."""
        return sizes_of(self.listing[self.rows])

    @property
    def digest(self) -> str:
        """A hash of the files' bytes in their order."""
        return digest_of(self.listing[self.rows], self.colour, self.scaled)

    def select(self, rows: NDArray[np.int64]) -> "FilePictures":
        """The given rows, int64 (m,)."""
        return FilePictures(
            self.root, self.names, self.listing, self.colour, self.scaled, self.todo, self.known,
            self.rows[rows],
        )  # fmt: skip

    def path(self, row: int) -> Path:
        """Where the file of a row is."""
        return self.root / str(self.names[self.rows[row]])

    def read(self, row: int) -> Pixels:
        """The picture of a row, uint8 (height, width, 3); bytes are hashed at the first reading.

        Raises:
            DataError: the file is gone.
            IntegrityError: it is not the file that was listed, or cannot be decoded.
        """
        from benchmark.data.streaming.decoding import decoded, scaled_down

        path, at = self.path(row), int(self.rows[row])
        data, expected = self._bytes(path), self.listing[at]
        self._check(data, path, at)
        picture = decoded(data, str(path), self.colour)
        picture = scaled_down(picture) if self.scaled else picture
        if picture.shape[:2] != (expected["height"], expected["width"]):
            wanted = f"{expected['width']} x {expected['height']} pixels"
            raise self._changed(path, wanted, f"{picture.shape[1]} x {picture.shape[0]}")
        return picture

    def verify(self) -> None:
        """Read every file and compare its hash.

        Raises:
            DataError: a file is gone.
            IntegrityError: it is not the file that was listed.
        """
        self.known[self.rows] = False
        for row, at in enumerate(self.rows.tolist()):
            path = self.path(row)
            self._check(self._bytes(path), path, at)

    def _check(self, data: bytes, path: Path, at: int) -> None:
        expected = self.listing[at]
        if len(data) != expected["bytes"]:
            raise self._changed(path, f"{expected['bytes']:,} bytes", f"{len(data):,}")
        if not self.known[at]:
            if hashlib.sha256(data).digest() != expected["sha256"].tobytes():
                raise self._changed(path, "the bytes of when it was listed", "others")
            self.known[at] = True

    def _bytes(self, path: Path) -> bytes:
        try:
            return path.read_bytes()
        except OSError as error:
            raise DataError(
                f"Expected an image, but it cannot be read ({error.strerror or error})",
                where=path,
                todo=self.todo,
            ) from error

    def _changed(self, path: Path, wanted: str, got: str) -> IntegrityError:
        return IntegrityError(f"Expected {wanted}, but got {got}", where=path, todo=self.todo)


def list_files(
    root: Path, names: Sequence[str], colour: Colour, scaled: bool, todo: str
) -> FilePictures:
    """Files of added images as pictures; their sizes and hashes are taken from the files.

    Args:
        root: folder of the files.
        names: relative paths, in the order of the rows.
        colour: "RGB" or "L".
        scaled: whether short sides above ``SHORT_SIDE`` are scaled down to it.
        todo: what to do about a file that is gone or changed.

    Raises:
        DataError: a file is gone.
        IntegrityError: a file is not an image.
    """
    listing = np.zeros(len(names), LISTED)
    found = FilePictures.of(root, np.asarray(names, np.str_), listing, colour,
                            scaled=scaled, todo=todo)  # fmt: skip

    def listed(row: int) -> tuple[Any, ...]:
        path = found.path(row)
        return _listed(path, found._bytes(path), colour, scaled)

    with ThreadPoolExecutor(READERS) as readers:
        for row, entry in enumerate(readers.map(listed, range(len(names)))):
            listing[row] = entry
    return found


def _listed(path: Path, data: bytes, colour: Colour, scaled: bool) -> tuple[Any, ...]:
    from benchmark.data.streaming.decoding import decoded, scaled_size

    size = decoded(data, str(path), colour).shape[:2]
    height, width = scaled_size(*size) if scaled else size
    return height, width, len(data), 0, tuple(hashlib.sha256(data).digest())
