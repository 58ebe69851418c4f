"""Near-duplicates inside a pool: colliding seeds, web images that came twice."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from benchmark.generation.quality.leaks import Threshold
from benchmark.generation.quality.matching import Index, nearest


@dataclass(frozen=True)
class Duplicates:
    """What a pool holds more than once.

    Attributes:
        identical: images whose pixels equal those of an earlier image.
        groups: rows of images that show the same picture, each ascending, in order of their first
            row; the first of each group is the one to keep.
    """

    identical: int
    groups: tuple[tuple[int, ...], ...]

    @property
    def surplus(self) -> int:
        """Images that could go: all but one of each group."""
        return sum(len(group) - 1 for group in self.groups)


def find_duplicates(images: NDArray[np.uint8], threshold: Threshold) -> Duplicates:
    """Groups of images of which each one's nearest neighbour reaches the threshold.

    Args:
        images: uint8 (n, h, h, 3).
        threshold: from ``leaks.calibrate``: what sets copies of real images apart.

    Raises:
        DataError: images of another type or too small.
    """
    if len(images) < 2:
        return Duplicates(0, ())
    rows = np.arange(len(images))
    found = nearest(images, Index(images, shifted=False), own=rows)
    linked = np.flatnonzero(found.score >= threshold.value)
    return Duplicates(_identical(images), _groups(linked, found.reference[linked], len(images)))


def _identical(images: NDArray[np.uint8]) -> int:
    return len(images) - len({image.tobytes() for image in images})


def _groups(
    left: NDArray[np.int64], right: NDArray[np.int64], n: int
) -> tuple[tuple[int, ...], ...]:
    """Connected components of at least two of ``n`` rows, linked in pairs."""
    links = coo_array((np.ones(len(left)), (left, right)), shape=(n, n))
    _, component = connected_components(links, directed=False)
    order = np.argsort(component, kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(component[order])) + 1)
    groups = [tuple(int(row) for row in part) for part in parts if len(part) > 1]
    return tuple(sorted(groups))
