"""Images reduced to what survives a copy: grey, small, a band of spatial frequencies.

Re-encoding and resampling disturb the finest details, recolouring the coarsest; what lies between
differs from picture to picture.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from benchmark.errors import DataError

SIDE = 32
MIN_SIDE = 8
ZOOMS = (1.0, 0.93, 1.07)
_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
_CELLS = 8

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Geometry:
    """Sizes in pixels of the reduced pictures.

    Attributes:
        side: of a picture; larger images are shrunk to ``SIDE``.
        margin: the largest shift that is looked for, in each direction.
        cell: side of a cell of the coarse versions.
        window: side of the central part that is compared.
        offsets: shifts, from 0 to twice the margin, at which coarse versions are made.
        zooms: scales that are looked for.
    """

    side: int
    margin: int
    cell: int
    window: int
    offsets: tuple[int, ...]
    zooms: tuple[float, ...]


def geometry(side: int) -> Geometry:
    """The sizes for images of ``side`` pixels, at least ``MIN_SIDE``."""
    side = min(side, SIDE)
    margin, step = side // 8, max(1, 3 * side // 32)
    cell = max(1, (side - 2 * margin) // _CELLS)
    window = (side - 2 * margin) // cell * cell
    spread = side - window
    offsets = tuple(range(spread % step // 2, spread + 1, step))
    # the next size of a tiny picture is too far from its own to be the same picture
    return Geometry(side, margin, cell, window, offsets, ZOOMS if side >= 16 else ZOOMS[:1])


def pictures(images: NDArray[np.uint8], sizes: Geometry) -> Floats:
    """Band-passed grey pictures float32 (n, side, side) of images uint8 (n, h, w, 3)."""
    grey = np.asarray(images, dtype=np.float32) @ _LUMA
    small = _shrink(grey, sizes.side)
    fine, coarse = 0.7 * sizes.side / SIDE, max(2.0, 3.0 * sizes.side / SIDE)
    return _blur(small, fine) - _blur(small, coarse)


def _blur(grey: Floats, sigma: float) -> Floats:
    return np.asarray(ndimage.gaussian_filter(grey, (0, sigma, sigma), mode="nearest"))


def _shrink(grey: Floats, side: int) -> Floats:
    """Means over equal areas; the weights of a pixel are its overlaps with each target pixel."""
    if grey.shape[1] == side:
        return grey
    edges = np.linspace(0, grey.shape[1], side + 1)
    pixels = np.arange(grey.shape[1])
    overlap = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    weight = (overlap.clip(0) * side / grey.shape[1]).astype(np.float32)
    return np.asarray(weight @ grey @ weight.T)


def check_images(
    images: NDArray[np.uint8], what: str, shape: tuple[int, ...] | None = None
) -> None:
    """Refuse what is not a stack of square colour images.

    Args:
        images: should be uint8 (n, h, h, 3), n >= 1, h >= ``MIN_SIDE``.
        what: names them in errors.
        shape: (h, h, 3) that they must have; None for any.

    Raises:
        DataError: says what was got instead.
    """
    found = images.shape
    square = len(found) == 4 and found[1] == found[2] and found[3] == 3
    fits = square and found[0] > 0 and found[1] >= MIN_SIDE and shape in (None, found[1:])
    if images.dtype != np.uint8 or not fits:
        side = f"{shape[0]}" if shape else f"h >= {MIN_SIDE}"
        raise DataError(
            f"Expected uint8 images (n >= 1, h, h, 3) with {side} pixels a side, "
            f"but got {images.dtype} {found}",
            where=what,
            todo="bring them to the size of the data set first (benchmark.data.images.harmonise)",
        )
