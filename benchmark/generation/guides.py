"""Which real training image a generated one starts from: chosen when the plan is written."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import UsageError
from benchmark.generation.sources import Guides
from benchmark.seeds import numpy_generator
from benchmark.system.files import content_hash


@dataclass(frozen=True)
class GuideSet:
    """The real training rows that may guide; test rows never get here.

    Attributes:
        labels: class of each row.
        hashes: SHA-256 of each row's pixels.
    """

    labels: tuple[int, ...]
    hashes: tuple[str, ...]

    @cached_property
    def hash(self) -> str:
        """Content hash of rows and labels, 16 hex digits."""
        return content_hash([self.labels, self.hashes], 16)

    def rows_of(self, label: int) -> NDArray[np.int64]:
        """Positions of a class's rows."""
        return np.flatnonzero(np.asarray(self.labels) == label)


def guide_set(images: Any, labels: Sequence[int] | NDArray[np.int64]) -> GuideSet:
    """The guide set of training rows: uint8 (n, h, w, 3) images and their labels."""
    hashes = (hashlib.sha256(np.asarray(image).tobytes()).hexdigest() for image in images)
    return GuideSet(tuple(int(label) for label in labels), tuple(hashes))


def choose(
    guides: Guides, rows: GuideSet, pool_seed: int, label: int, slots: NDArray[np.int64]
) -> NDArray[np.int64]:
    """The guide of each slot of one class, as a position in the guide set.

    Guides take turns in a shuffled order of the class's own, so that each is used equally often
    and a smaller budget uses the same guides as the start of a larger one.

    Args:
        guides: the rule.
        rows: what may guide.
        pool_seed: of the pool.
        label: class of the images to draw.
        slots: their numbers within the class, int64 (n,).

    Raises:
        UsageError: the class has no real row to start from.
    """
    rng = numpy_generator(pool_seed, "guides", guides.pairing, label)
    if guides.pairing == "intra" or guides.over == "images":
        able = rows.rows_of(label) if guides.pairing == "intra" else np.arange(len(rows.labels))
        if not len(able):
            raise UsageError(
                f"Expected real training images of class {label} to start from, but got none",
                where="method",
                todo="use inter_translation, or a budget that adds none to this class",
            )
        order = rng.permutation(able)
        return np.asarray(order[slots % len(order)])
    return _over_classes(rows, rng, slots)


def _over_classes(
    rows: GuideSet, rng: np.random.Generator, slots: NDArray[np.int64]
) -> NDArray[np.int64]:
    classes = rng.permutation(sorted(set(rows.labels)))
    orders = [rng.permutation(rows.rows_of(int(label))) for label in classes]
    turn, place = slots // len(classes), slots % len(classes)
    picked = [orders[p][t % len(orders[p])] for t, p in zip(turn, place, strict=True)]
    return np.asarray(picked, dtype=np.int64)
