"""Tables of whole pictures on disk: what they share, and a store of pictures scaled once."""

import hashlib
from bisect import bisect_right
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from benchmark.data.keeping import SHORT_SIDE, Pixels
from benchmark.system.files import content_hash

READERS = 8


class Pictures(Protocol):
    """Whole pictures of rows, each of its own size; safe to read from several threads."""

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Heights and widths, int64 (n, 2)."""
        ...

    @property
    def digest(self) -> str:
        """A hash of what is read."""
        ...

    def __len__(self) -> int: ...

    def read(self, row: int) -> Pixels:
        """The picture of a row, uint8 (height, width, 3)."""
        ...


class PictureTable(Pictures, Protocol):
    """Pictures of which some can be chosen."""

    @property
    def scaled(self) -> bool:
        """Whether short sides above ``SHORT_SIDE`` were scaled down to it."""
        ...

    def select(self, rows: NDArray[np.int64]) -> "PictureTable":
        """The given rows, int64 (m,)."""
        ...


@dataclass(frozen=True)
class StoredPictures:
    """Pictures scaled once, in one file that is memory-mapped.

    Attributes:
        flat: uint8 (bytes,), all pictures behind one another.
        listing: ``LISTED`` (n,), with the offset of each picture.
    """

    flat: Pixels
    listing: NDArray[Any]
    scaled: bool = True

    @classmethod
    def open(cls, path: Path, listing: NDArray[Any]) -> "StoredPictures":
        """The pictures of a part of a store."""
        flat = np.memmap(path, np.uint8, "r") if len(listing) else np.empty(0, np.uint8)
        return cls(flat, listing)

    def __len__(self) -> int:
        return len(self.listing)

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Heights and widths, int64 (n, 2)."""
        return sizes_of(self.listing)

    @property
    def digest(self) -> str:
        """A hash of the bytes of the files that the pictures were made from."""
        return digest_of(self.listing, "", self.scaled)

    def read(self, row: int) -> Pixels:
        """The picture of a row, uint8 (height, width, 3), still on disk."""
        entry = self.listing[row]
        shape = (int(entry["height"]), int(entry["width"]), 3)
        begin = int(entry["offset"])
        return np.asarray(self.flat[begin : begin + shape[0] * shape[1] * 3]).reshape(shape)

    def select(self, rows: NDArray[np.int64]) -> "StoredPictures":
        """The given rows, int64 (m,)."""
        return StoredPictures(self.flat, self.listing[rows])


@dataclass(frozen=True)
class JoinedPictures:
    """Pictures of several tables behind one another, such as real and added ones."""

    parts: tuple[Pictures, ...]

    @cached_property
    def _ends(self) -> list[int]:
        return list(accumulate(len(part) for part in self.parts))

    def __len__(self) -> int:
        return self._ends[-1]

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Heights and widths, int64 (n, 2)."""
        return np.concatenate([part.sizes for part in self.parts])

    @property
    def digest(self) -> str:
        """A hash of what is read."""
        return content_hash([part.digest for part in self.parts], 32)

    def read(self, row: int) -> Pixels:
        """The picture of a row, uint8 (height, width, 3)."""
        number = bisect_right(self._ends, row)
        return self.parts[number].read(row - ([0, *self._ends][number]))


@dataclass(frozen=True)
class Fitted:
    """Pictures as a store of one size: scaled and cropped about the centre when indexed.

    The pixels are those that a packed store holds, if the pictures are files.

    Attributes:
        pictures: what is shown.
        size: height and width in pixels.
    """

    pictures: Pictures
    size: int

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(n, size, size, 3)."""
        return len(self.pictures), self.size, self.size, 3

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, index: Any) -> Pixels:
        rows = np.arange(len(self))[index]
        if np.ndim(rows) == 0:
            return self._one(int(rows))
        images = np.empty((len(rows), *self.shape[1:]), np.uint8)
        with ThreadPoolExecutor(READERS) as readers:
            for place, pixels in enumerate(readers.map(self._one, rows.tolist())):
                images[place] = pixels
        return images

    def _one(self, row: int) -> Pixels:
        from benchmark.data.streaming.decoding import fitted

        return fitted(self.pictures.read(row), self.size)


def sizes_of(listing: NDArray[Any]) -> NDArray[np.int64]:
    """Heights and widths of listed pictures, int64 (n, 2)."""
    return np.stack([listing["height"], listing["width"]], 1).astype(np.int64)


def digest_of(listing: NDArray[Any], colour: str, scaled: bool) -> str:
    """A hash of the files' bytes in their order, and of what is made of them."""
    mode = [colour, SHORT_SIDE if scaled else 0]
    return content_hash([mode, hashlib.sha256(listing["sha256"].tobytes()).hexdigest()], 32)
