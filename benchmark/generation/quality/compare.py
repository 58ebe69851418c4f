"""Scores of synthetic against real images, overall and by shot group."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmark.data.groups import Group
from benchmark.generation.quality import scores
from benchmark.seeds import numpy_generator
from benchmark.statistics.metrics import GROUPS

ALL = "all"

Set = tuple[NDArray[np.float32], NDArray[np.int64]]


@dataclass(frozen=True)
class SetScores:
    """Scores of a set of synthetic images against as many real ones of each class.

    Attributes:
        images: on each side; all scores are None below ``scores.MIN_ROWS``.
        kid: kernel inception distance on the extractor's features.
        prdc: precision, recall, density and coverage.
        probe_auc: of a linear probe, real against synthetic.
    """

    images: int
    kid: scores.Kid | None
    prdc: scores.Prdc | None
    probe_auc: float | None


def compare(
    real: Set, synthetic: Set, groups: Sequence[Group] | None, seed: int
) -> dict[str, SetScores]:
    """Scores for all classes and each shot group, on sets with the same mix of classes.

    Args:
        real: features (n, d) and labels (n,).
        synthetic: features (m, d) and labels (m,).
        groups: shot group of each class, or None.
        seed: of every draw.
    """
    rng = numpy_generator(seed, "quality", "matched")
    rows = matched(real[1], synthetic[1], rng)
    found = {ALL: _set_scores(real[0][rows[0]], synthetic[0][rows[1]], seed, ALL)}
    for name in present(groups):
        inside = np.array([group == name for group in groups or ()])
        left, right = rows[0][inside[real[1][rows[0]]]], rows[1][inside[synthetic[1][rows[1]]]]
        found[name] = _set_scores(real[0][left], synthetic[0][right], seed, name)
    return found


def present(groups: Sequence[Group] | None) -> tuple[Group, ...]:
    """The shot groups that have a class, from Many to Few; none for None."""
    return tuple(name for name in GROUPS if name in (groups or ()))


def matched(
    real: NDArray[np.int64], synthetic: NDArray[np.int64], rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of both sets, as many of each class on either side as the smaller one has.

    Without it a long-tailed set and its complement differ by their classes before anything else.
    """
    left, right = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for label in np.intersect1d(real, synthetic):
        own, other = (rng.permutation(np.flatnonzero(each == label)) for each in (real, synthetic))
        n = min(len(own), len(other))
        left.append(own[:n])
        right.append(other[:n])
    return np.concatenate(left), np.concatenate(right)


def _set_scores(
    real: NDArray[np.float32], synthetic: NDArray[np.float32], seed: int, name: str
) -> SetScores:
    streams = [numpy_generator(seed, "quality", score, name) for score in ("kid", "prdc", "auc")]
    return SetScores(
        images=len(real),
        kid=scores.kid(real, synthetic, streams[0]),
        prdc=scores.prdc(real, synthetic, streams[1]),
        probe_auc=scores.probe_auc(real, synthetic, streams[2]),
    )
