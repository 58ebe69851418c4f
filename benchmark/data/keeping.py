"""How a part of a store keeps its rows: packed pixels, a listing of files, or whole pictures.

Writers are used in this order: ``write`` puts a few rows on disk and syncs them, and what it
returns is then marked as done. A conversion that was killed goes on behind the last mark.
"""

import errno
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, BinaryIO, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
PixelMode = Literal["packed", "files", "store256"]
SHORT_SIDE = 256
# what is known of each row whose pixels are not packed
LISTED = np.dtype(
    [
        ("height", "<i4"),
        ("width", "<i4"),
        ("bytes", "<i8"),
        ("offset", "<i8"),
        ("sha256", "u1", (32,)),
    ]
)


@dataclass(frozen=True)
class Seen:
    """An image file that was read once.

    Attributes:
        pixels: uint8 (size, size, 3), as a packed store would hold it; its hash names the row.
        height: of the picture as it is trained on, upright.
        width: of it.
        length: of the file, in bytes.
        sha256: of the file, 32 bytes.
        picture: uint8 (height, width, 3) where it is kept.
    """

    pixels: Pixels
    height: int
    width: int
    length: int
    sha256: bytes
    picture: Pixels | None = None


Rows = Sequence[tuple[int, Any]]


class Keeper(Protocol):
    """Writes rows of a part.

    Attributes:
        suffixes: of the files it writes, beside labels, ids and digests.
    """

    suffixes: tuple[str, ...]

    def write(self, rows: Rows) -> list[Pixels]:
        """Put rows on disk; returns the pixels that each is known by."""
        ...

    def close(self) -> None:
        """Release the files."""
        ...


class PackedRows:
    """All pixels at one size, one row after the other."""

    suffixes = ("images",)

    def __init__(self, stem: Path, size: int, done: NDArray[np.bool_]) -> None:
        self._size = size
        self._file = open_sized(beside(stem, "images"), len(done) * size**2 * 3)

    def write(self, rows: Rows) -> list[Pixels]:
        """Write each row at its place."""
        for row, pixels in rows:
            _check(pixels, self._size)
            write_at(self._file, np.ascontiguousarray(pixels).tobytes(), row * self._size**2 * 3)
        sync(self._file)
        return [pixels for _, pixels in rows]

    def close(self) -> None:
        """Release the file."""
        self._file.close()


class ListedRows:
    """What is known of files that stay where they are."""

    suffixes: tuple[str, ...] = ("listing",)

    def __init__(self, stem: Path, size: int, done: NDArray[np.bool_]) -> None:
        self._size = size
        self._listing = _Listing(stem, len(done))

    def write(self, rows: Rows) -> list[Pixels]:
        """Note each file."""
        for row, seen in rows:
            _check(seen.pixels, self._size)
            self._listing.put(row, seen, 0)
        self._listing.sync()
        return [seen.pixels for _, seen in rows]

    def close(self) -> None:
        """Release the file."""
        self._listing.close()


class WholeRows:
    """Whole pictures of various sizes, one behind the other in the order in which they came."""

    suffixes = ("listing", "pictures")

    def __init__(self, stem: Path, size: int, done: NDArray[np.bool_]) -> None:
        self._size = size
        self._listing = _Listing(stem, len(done))
        known = self._listing.read()[done]
        ends = known["offset"] + 3 * known["height"].astype(np.int64) * known["width"]
        self._end = int(ends.max(initial=0))
        self._file = open_sized(beside(stem, "pictures"), self._end)

    def write(self, rows: Rows) -> list[Pixels]:
        """Append each picture, then note where it is."""
        begun = self._end
        for _, seen in rows:
            _check(seen.pixels, self._size)
            write_at(self._file, seen.picture.tobytes(), self._end)
            self._end += seen.picture.nbytes
        sync(self._file)
        for row, seen in rows:
            self._listing.put(row, seen, begun)
            begun += seen.picture.nbytes
        self._listing.sync()
        return [seen.pixels for _, seen in rows]

    def close(self) -> None:
        """Release the files."""
        self._listing.close()
        self._file.close()


class _Listing:
    """The file of ``LISTED`` entries."""

    def __init__(self, stem: Path, n: int) -> None:
        self._n = n
        self._file = open_sized(beside(stem, "listing"), n * LISTED.itemsize)

    def read(self) -> NDArray[Any]:
        return np.fromfile(self._file, LISTED, self._n)

    def put(self, row: int, seen: Seen, offset: int) -> None:
        digest = tuple(seen.sha256)
        entry = np.array((seen.height, seen.width, seen.length, offset, digest), LISTED)
        write_at(self._file, entry.tobytes(), row * LISTED.itemsize)

    def sync(self) -> None:
        sync(self._file)

    def close(self) -> None:
        self._file.close()


KEEPERS: dict[PixelMode, type[PackedRows] | type[ListedRows] | type[WholeRows]] = {
    "packed": PackedRows,
    "files": ListedRows,
    "store256": WholeRows,
}


def row_bytes(mode: PixelMode, size: int) -> int:
    """Disk space of a row; for whole pictures what one of aspect 4 to 3 takes."""
    if mode == "packed":
        return size**2 * 3
    return LISTED.itemsize + (SHORT_SIDE**2 * 4 if mode == "store256" else 0)


def beside(stem: Path, suffix: str) -> Path:
    """The file of a part, such as ``train.labels``."""
    return stem.with_name(f"{stem.name}.{suffix}")


def open_sized(path: Path, size: int) -> BinaryIO:
    """Open for reading and writing, cut or grown with zeros to ``size`` bytes."""
    path.touch()
    os.truncate(path, size)
    return path.open("r+b", buffering=0)


def write_at(file: BinaryIO, data: bytes, offset: int) -> None:
    """Write all of ``data`` at ``offset``.

    Raises:
        OSError: also where only a part of it could be written.
    """
    written = os.pwrite(file.fileno(), data, offset)
    if written != len(data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def sync(file: IO[bytes]) -> None:
    """Have the disk hold what was written."""
    os.fsync(file.fileno())


def _check(pixels: Pixels, size: int) -> None:
    if pixels.shape != (size, size, 3) or pixels.dtype != np.uint8:
        raise ValueError(f"expected uint8 {(size, size, 3)}, got {pixels.dtype} {pixels.shape}")
