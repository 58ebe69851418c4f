"""Scores of a pool against real images, as pure functions of features, logits and labels.

Every score is None where there are too few images for it to mean anything; the minimum is
``MIN_ROWS`` a side.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

MIN_ROWS = 50
MAX_ROWS = 2000
SUBSETS = 50
SUBSET_SIZE = 500
RESAMPLES = 200
NEIGHBOURS = 5
PAIRS = 200
FOLDS = 5

Floats = NDArray[np.float32] | NDArray[np.float64]
Double = NDArray[np.float64]
Labels = NDArray[np.int64]


@dataclass(frozen=True)
class Kid:
    """Kernel inception distance: how far apart two sets of images are; 0 for one distribution.

    Attributes:
        value: mean over subsets; unbiased, so it may be negative.
        low: 2.5 % quantile of the bootstrap over images.
        high: 97.5 % quantile.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Prdc:
    """How two sets of images cover each other, in the balls of k nearest neighbours.

    Attributes:
        precision: share of synthetic images inside a ball of a real one.
        recall: share of real images inside a ball of a synthetic one.
        density: balls of real images round a synthetic one, over k; may exceed 1.
        coverage: share of real images whose ball holds a synthetic one.
        n: images used of each set.
        k: neighbours that make a ball.
    """

    precision: float
    recall: float
    density: float
    coverage: float
    n: int
    k: int


def enough(*sets: Floats) -> bool:
    """Whether each set holds ``MIN_ROWS`` images."""
    return min(len(rows) for rows in sets) >= MIN_ROWS


def at_most(features: Floats, limit: int, rng: np.random.Generator) -> Floats:
    """``limit`` rows drawn without replacement, or all of them."""
    if len(features) <= limit:
        return features
    return features[rng.permutation(len(features))[:limit]]


def kid(real: Floats, synthetic: Floats, rng: np.random.Generator) -> Kid | None:
    """The unbiased squared MMD of two sets of features under a cubic kernel.

    Args:
        real: (n, d); ``MAX_ROWS`` of them are drawn.
        synthetic: (m, d), likewise.
        rng: draws rows, subsets and resamples.
    """
    if not enough(real, synthetic):
        return None
    left, right = (_double(at_most(rows, MAX_ROWS, rng)) for rows in (real, synthetic))
    kernels = (_kernel(left, left), _kernel(right, right), _kernel(left, right))
    n, m = len(left), len(right)
    subsets = mmd(kernels, _subsets(n, rng), _subsets(m, rng))
    resampled = mmd(kernels, _resamples(n, rng), _resamples(m, rng))
    low, high = np.quantile(resampled, (0.025, 0.975))
    return Kid(float(subsets.mean()), float(low), float(high))


def _double(features: Floats) -> Double:
    return np.asarray(features, dtype=np.float64)


def _kernel(left: Double, right: Double) -> Double:
    return np.asarray((left @ right.T / left.shape[1] + 1) ** 3)


def mmd(kernels: tuple[Double, Double, Double], left: Double, right: Double) -> Double:
    """Unbiased squared MMDs, one for each row of weights.

    A pair of one image with itself never counts, however often a resample holds the image.

    Args:
        kernels: (n, n) within real, (m, m) within synthetic, (n, m) across.
        left: (s, n), how often each real image is taken.
        right: (s, m), how often each synthetic image is taken.
    """
    within = [_within(kernels[0], left), _within(kernels[1], right)]
    totals = left.sum(1) * right.sum(1)
    across = np.einsum("sm,sm->s", left @ kernels[2], right) / totals
    return np.asarray(within[0] + within[1] - 2 * across)


def _within(kernel: Double, weights: Double) -> Double:
    squares = weights**2
    pairs = weights.sum(1) ** 2 - squares.sum(1)
    sums = np.einsum("sn,sn->s", weights @ kernel, weights) - squares @ np.diagonal(kernel)
    return np.asarray(sums / pairs)


def _subsets(n: int, rng: np.random.Generator) -> Double:
    weights = np.zeros((SUBSETS, n))
    for row in weights:
        row[rng.permutation(n)[:SUBSET_SIZE]] = 1
    return weights


def _resamples(n: int, rng: np.random.Generator) -> Double:
    return rng.multinomial(n, np.full(n, 1 / n), size=RESAMPLES).astype(np.float64)


def prdc(
    real: Floats, synthetic: Floats, rng: np.random.Generator, k: int = NEIGHBOURS
) -> Prdc | None:
    """Improved precision and recall, density and coverage.

    All four depend on the number of images, so the same number of each set is used: the smaller
    one's, at most ``MAX_ROWS``.

    Args:
        real: (n, d).
        synthetic: (m, d).
        rng: draws rows.
        k: neighbours that make a ball, below ``MIN_ROWS``.
    """
    if not enough(real, synthetic):
        return None
    n = min(len(real), len(synthetic), MAX_ROWS)
    left, right = (_double(at_most(rows, n, rng)) for rows in (real, synthetic))
    across = cdist(left, right)
    real_radius, synthetic_radius = _radii(left, k)[:, None], _radii(right, k)[None]
    inside = across < real_radius
    return Prdc(
        precision=float(inside.any(0).mean()),
        recall=float((across < synthetic_radius).any(1).mean()),
        density=float(inside.sum(0).mean() / k),
        coverage=float((across.min(1) < real_radius[:, 0]).mean()),
        n=n,
        k=k,
    )


def _radii(features: Double, k: int) -> Double:
    """Distance of each row to its k-th nearest other row."""
    return np.asarray(np.partition(cdist(features, features), k, axis=1)[:, k])


def agreement(logits: Floats, labels: Labels) -> NDArray[np.bool_]:
    """Bool (n,): whether the classifier names the class that an image was made for."""
    return np.asarray(logits.argmax(1) == labels)


def class_means(values: NDArray[np.bool_] | Floats, labels: Labels, n: int) -> list[float | None]:
    """The mean of each of ``n`` classes; None for a class without rows."""
    sums, counts = np.bincount(labels, values, n), np.bincount(labels, minlength=n)
    return [float(s / c) if c else None for s, c in zip(sums, counts, strict=True)]


def diversity(
    features: Floats, labels: Labels, n: int, rng: np.random.Generator
) -> list[float | None]:
    """Mean cosine distance of two different images of a class, in [0, 2], over ``PAIRS`` pairs.

    Args:
        features: (m, d).
        labels: int64 (m,) in [0, n).
        n: number of classes.
        rng: draws the pairs of classes that have more.

    Returns:
        One value a class; None for a class with fewer than two images.
    """
    return [_class_diversity(_double(features[labels == label]), rng) for label in range(n)]


def _class_diversity(features: Double, rng: np.random.Generator) -> float | None:
    if len(features) < 2:
        return None
    length = np.linalg.norm(features, axis=1, keepdims=True)
    unit = features / np.maximum(length, 1e-12)
    left, right = np.triu_indices(len(unit), 1) if len(unit) <= 20 else _pairs(len(unit), rng)
    return float(1 - (unit[left] * unit[right]).sum(1).mean())


def _pairs(n: int, rng: np.random.Generator) -> tuple[Labels, Labels]:
    """Pairs of two different rows of ``n``, drawn independently."""
    left = rng.integers(n, size=PAIRS)
    return left, (left + rng.integers(1, n, size=PAIRS)) % n


def probe_auc(real: Floats, synthetic: Floats, rng: np.random.Generator) -> float | None:
    """How well a linear probe tells real from synthetic: 0.5 for not at all, 1 for always.

    Logistic regression on standardised features, cross-validated; at most ``MAX_ROWS`` a side.

    Args:
        real: (n, d).
        synthetic: (m, d).
        rng: draws rows and folds.
    """
    if not enough(real, synthetic):
        return None
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    left, right = (at_most(rows, MAX_ROWS, rng) for rows in (real, synthetic))
    truth = np.repeat([0, 1], [len(left), len(right)])
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=int(rng.integers(2**31)))
    probe = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1000))
    found = cross_val_predict(
        probe, np.concatenate([left, right]), truth, cv=folds, method="decision_function"
    )
    return float(roc_auc_score(truth, found))
