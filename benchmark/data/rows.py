"""Tables of images whose pixels are read from disk when they are used."""

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import IntegrityError

if TYPE_CHECKING:
    from benchmark.data.streaming.pictures import Fitted, PictureTable


class Images:
    """A read-only view of some rows of a memory map; what it returns are plain arrays.

    ``images[3]``, ``images[10:20]``, ``images[index]`` and ``np.asarray(images)`` work as on an
    array uint8 (n, h, w, 3), and ``np.concatenate`` takes it as one.

    Args:
        store: uint8 (N, h, w, 3), usually a memory map, or pictures fitted to a size.
        rows: int64 (n,), rows of the store in the view's order; None for all of them.
    """

    dtype = np.dtype(np.uint8)
    ndim = 4

    def __init__(
        self, store: "NDArray[np.uint8] | Fitted", rows: NDArray[np.int64] | None = None
    ) -> None:
        self._store, self._rows = store, rows

    def __len__(self) -> int:
        return len(self._store) if self._rows is None else len(self._rows)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(n, h, w, 3)."""
        _, height, width, channels = self._store.shape
        return len(self), height, width, channels

    @property
    def nbytes(self) -> int:
        """Memory the images take when all are read."""
        return int(np.prod(self.shape))

    def __getitem__(self, index: Any) -> NDArray[np.uint8]:
        where = index if self._rows is None else self._rows[index]
        return np.array(self._store[where], dtype=np.uint8)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[np.uint8]:
        if copy is False:
            raise ValueError("images on disk cannot be read without a copy")
        return np.asarray(self[:], dtype=dtype)


@dataclass(frozen=True)
class ImageTable:
    """Labelled images.

    Attributes:
        images: uint8 (n, h, w, 3), read from disk when indexed; ``np.asarray`` reads all.
        labels: int64 (n,).
        ids: file names, str (n,).
        pictures: the images whole, where training takes its crops from them; None where they are
            packed at one size.
    """

    images: Images
    labels: NDArray[np.int64]
    ids: NDArray[np.str_]
    pictures: "PictureTable | None" = None

    def __post_init__(self) -> None:
        if not len(self.images) == len(self.labels) == len(self.ids):
            raise IntegrityError(
                f"Expected one label and one id an image, but got {len(self.images)} images, "
                f"{len(self.labels)} labels and {len(self.ids)} ids"
            )

    def __len__(self) -> int:
        return len(self.labels)

    def select(self, rows: NDArray[np.int64]) -> "ImageTable":
        """The given rows, still unread: int64 (m,)."""
        source = np.arange(len(self)) if self.images._rows is None else self.images._rows
        images = Images(self.images._store, source[rows])
        pictures = self.pictures.select(rows) if self.pictures else None
        return ImageTable(images, self.labels[rows], self.ids[rows], pictures)

    def counts(self, n_classes: int) -> tuple[int, ...]:
        """Images of each class."""
        return tuple(np.bincount(self.labels, minlength=n_classes).tolist())


def pixels_hash(images: NDArray[np.uint8], labels: NDArray[np.int64]) -> str:
    """SHA-256 of uint8 (n, h, w, 3) images and int64 (n,) labels."""
    digest = hashlib.sha256(str(images.shape).encode())
    digest.update(np.ascontiguousarray(images).data)
    digest.update(np.ascontiguousarray(labels, dtype="<i8").data)
    return digest.hexdigest()
