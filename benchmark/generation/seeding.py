"""A seed for every image that can ever be asked for: 32 bits, collision-free by construction.

Torch's CPU generators use 32 bits of a seed only, and random 32-bit numbers collide after some
ten thousand draws. A keyed permutation of the 32-bit integers cannot: different images get
different seeds, and a seed depends on neither the budget nor the order of drawing. Steps,
guidance and scheduler stay out, so the arms of an ablation share their noise.
"""

import hashlib

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmark.errors import UsageError

MAX_ATTEMPTS = 4
_ROUNDS = 6
_HALF = np.uint64(0xFFFF)
_SHIFT = np.uint64(16)
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)


def _round_keys(pool_seed: int) -> tuple[np.uint64, ...]:
    digest = hashlib.blake2b(f"pool-seed/{pool_seed}".encode(), digest_size=8 * _ROUNDS).digest()
    words = np.frombuffer(digest, dtype=">u8")
    return tuple(np.uint64(word) for word in words)


def _mix(half: NDArray[np.uint64], key: np.uint64) -> NDArray[np.uint64]:
    mixed = (half ^ (key & _HALF)) * (key | np.uint64(1))
    mixed ^= mixed >> np.uint64(29)
    mixed *= _MULTIPLIER
    return (mixed >> np.uint64(32)) & _HALF


def permute(index: ArrayLike, pool_seed: int) -> NDArray[np.uint64]:
    """A permutation of the integers 0 .. 2**32 - 1, chosen by ``pool_seed``.

    Args:
        index: integers in [0, 2**32), any shape.
        pool_seed: the key.

    Returns:
        uint64 array of the same shape, values in [0, 2**32).
    """
    value = np.atleast_1d(np.asarray(index, dtype=np.uint64))
    left, right = value >> _SHIFT, value & _HALF
    for key in _round_keys(pool_seed):
        left, right = right, left ^ _mix(right, key)
    return ((left << _SHIFT) | right).reshape(np.shape(index))


def image_seeds(
    pool_seed: int, labels: ArrayLike, slots: ArrayLike, n_classes: int, attempt: int = 0
) -> NDArray[np.uint64]:
    """Seeds of the images (label, slot, attempt), unique over all three.

    Args:
        pool_seed: the pool's seed.
        labels: class labels, in [0, n_classes).
        slots: the image's number within its class, from 0; shaped like ``labels``.
        n_classes: how many classes the pool has.
        attempt: 0, or the number of rejected draws before this one; below ``MAX_ATTEMPTS``.

    Raises:
        UsageError: the slots do not fit 32 bits, or the attempt is out of range.
    """
    if not 0 <= attempt < MAX_ATTEMPTS:
        raise UsageError(f"Expected an attempt below {MAX_ATTEMPTS}, but got {attempt}")
    slot, label = np.asarray(slots, dtype=np.uint64), np.asarray(labels, dtype=np.uint64)
    top = int(slot.max(initial=0)) + 1
    if top * n_classes * MAX_ATTEMPTS >= 2**32:
        allowed = (2**32 - 1) // (n_classes * MAX_ATTEMPTS)
        raise UsageError(
            f"Expected at most {allowed} images a class for {n_classes} classes, but got {top}",
            where="budget",
            todo="use a second pool seed for the rest",
        )
    index = (slot * np.uint64(n_classes) + label) * np.uint64(MAX_ATTEMPTS) + np.uint64(attempt)
    return permute(index, pool_seed)


def image_seed(pool_seed: int, label: int, slot: int, n_classes: int, attempt: int = 0) -> int:
    """The seed of one image; see ``image_seeds``."""
    return int(image_seeds(pool_seed, label, slot, n_classes, attempt))
