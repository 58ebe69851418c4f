"""Leaks: candidate images that are copies of test or training images.

The threshold is calibrated on real images: training rows are searched for among the test rows as
candidates will be. Data sets hold genuine near-duplicates across that border, so the threshold is
not a quantile of the extreme scores: a Gumbel distribution, which the best of many unrelated
scores follows, is fitted to the median and the 90 % quantile and carried on to the wanted rate.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import DataError, UsageError
from benchmark.generation.quality.matching import Index, Nearest, nearest

VERSION = 1
"""Raised with every change of method that may change what counts as a copy."""

RATE = 0.001
CALIBRATION_ROWS = 2000
MIN_ROWS = 20
_BULK = (0.5, 0.9)
_ALMOST_ONE = 1 - 1e-6


@dataclass(frozen=True)
class Threshold:
    """The score from which a pair counts as a near-duplicate.

    Attributes:
        value: the score, in (-1, 1).
        rate: share of unrelated images that may be taken for copies, in (0, 0.1).
        rows: training rows it was calibrated on.
        flagged: training rows among them that reach it: false alarms and the data set's own
            near-duplicates.
    """

    value: float
    rate: float
    rows: int
    flagged: int


@dataclass(frozen=True)
class Match:
    """A candidate image that is a near-duplicate of a reference image.

    Attributes:
        candidate: its index among the candidates.
        reference: index of the reference image it copies.
        score: their similarity, at most 1.
        threshold: the score from which a pair counts as a near-duplicate.
        transform: what was done to the reference, as far as it was looked for.
    """

    candidate: int
    reference: int
    score: float
    threshold: float
    transform: str = "in place"


def near_duplicates(
    candidates: NDArray[np.uint8], test: NDArray[np.uint8], train: NDArray[np.uint8]
) -> list[Match]:
    """Candidates that are near-duplicates of test images, in candidate order.

    Args:
        candidates: uint8 (n, h, h, 3).
        test: uint8 (m, h, h, 3), what they must not show.
        train: uint8 (k, h, h, 3), real training images; they calibrate the threshold.

    Raises:
        DataError: images of another size or type, or too few training images.
    """
    index = Index(test)
    return find_leaks(candidates, index, calibrate(train, index))


def calibrate(
    train: NDArray[np.uint8], test: NDArray[np.uint8] | Index, *, rate: float = RATE
) -> Threshold:
    """The threshold that a share ``rate`` of unrelated images reaches.

    Args:
        train: uint8 (n, h, h, 3), n of at least ``MIN_ROWS``; ``CALIBRATION_ROWS`` evenly spaced
            ones are used.
        test: uint8 (m, h, h, 3), or an index of them.
        rate: in (0, 0.1).

    Raises:
        DataError: too few rows, or images of another size or type.
        UsageError: a rate out of range.
    """
    if not 0 < rate < 0.1:
        raise UsageError(f"Expected a rate in (0, 0.1), but got {rate}", where="leak check")
    if len(train) < MIN_ROWS:
        raise DataError(
            f"Expected at least {MIN_ROWS} training images to calibrate on, but got {len(train)}",
            where="leak check",
            todo="add real images from outside the subset (heldout rows)",
        )
    spaced = np.linspace(0, len(train) - 1, min(len(train), CALIBRATION_ROWS)).round()
    found = nearest(train[spaced.astype(np.int64)], _indexed(test))
    value = _gumbel_quantile(found.score, rate)
    return Threshold(value, rate, len(spaced), int((found.score >= value).sum()))


def _gumbel_quantile(scores: NDArray[np.float32], rate: float) -> float:
    """The score that a share ``rate`` exceeds, from the bulk of the scores."""
    stretched = np.arctanh(scores.astype(np.float64).clip(-_ALMOST_ONE, _ALMOST_ONE))
    low, high = np.quantile(stretched, _BULK)
    at_low, at_high, wanted = (-np.log(-np.log(share)) for share in (*_BULK, 1 - rate))
    return float(np.tanh(low + (high - low) * (wanted - at_low) / (at_high - at_low)))


def _indexed(reference: NDArray[np.uint8] | Index) -> Index:
    return reference if isinstance(reference, Index) else Index(reference)


def find_leaks(
    candidates: NDArray[np.uint8], reference: NDArray[np.uint8] | Index, threshold: Threshold
) -> list[Match]:
    """Candidates whose nearest reference reaches the threshold, in candidate order.

    Args:
        candidates: uint8 (n, h, h, 3); there may be none.
        reference: uint8 (m, h, h, 3), or an index of them.
        threshold: from ``calibrate``.

    Raises:
        DataError: images of another size or type.
    """
    if not len(candidates):
        return []
    return matches(nearest(candidates, _indexed(reference)), threshold)


def matches(found: Nearest, threshold: Threshold) -> list[Match]:
    """The pairs of a search that reach the threshold, in candidate order."""
    return [
        Match(
            candidate=int(row),
            reference=int(found.reference[row]),
            score=float(found.score[row]),
            threshold=threshold.value,
            transform=found.transform(int(row)),
        )
        for row in np.flatnonzero(found.score >= threshold.value)
    ]
