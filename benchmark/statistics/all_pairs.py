"""All pairs of rows at once: which differ, the ranks that leaves, and letters.

A thousand rows have half a million pairs, so nothing here takes them one by one. Values and designs
are those of ``stats``.
"""

import math
import string
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import special

from benchmark.statistics.stats import (
    ALPHA,
    MIN_SEEDS,
    NOISE_DECIMALS,
    P_DECIMALS,
    Design,
    Values,
    holm,
    mean,
    pooled_variance,
)

Matrix = list[list[bool]]
Array = NDArray[np.float64]
Places = NDArray[np.intp]
LETTERS = string.ascii_letters


def compare_all(
    rows: Sequence[Values], design: Design, pooled: tuple[float, int] | None = None
) -> Matrix:
    """Which rows of k differ, by Holm over all pairs.

    Args:
        rows: values by seed.
        design: "independent" or "blocked".
        pooled: variance and degrees of freedom of an independent design; by default of these rows.

    Returns:
        k lists of k booleans; [i][j] is true if row i is significantly higher than row j. A pair
        with fewer than three common seeds in a blocked design is never told apart.
    """
    if len(rows) < 2:
        return [[False] * len(rows) for _ in rows]
    first, second = np.triu_indices(len(rows), 1)
    if design == "independent":
        gaps, p = _unpaired_pairs(rows, first, second, pooled or pooled_variance(rows))
    else:
        gaps, p = _paired_pairs(rows, first, second)
    differs = np.array(holm(p)) < ALPHA
    higher = np.zeros((len(rows), len(rows)), dtype=bool)
    higher[first, second] = differs & (gaps > 0)
    higher[second, first] = differs & (gaps <= 0)
    found: Matrix = higher.tolist()
    return found


def _paired_pairs(rows: Sequence[Values], first: Places, second: Places) -> tuple[Array, Array]:
    """Means of the differences on common seeds and their p-values; see ``paired``."""
    seeds = sorted({seed for row in rows for seed in row})
    values = np.array([[row.get(seed, math.nan) for row in rows] for seed in seeds])
    gaps = values[:, first] - values[:, second]
    common = ~np.isnan(gaps)
    n = common.sum(axis=0)
    # added up seed by seed, so that every machine rounds alike
    centre = sum(np.where(common, gaps, 0.0)) / np.maximum(n, 1)
    spread = sum(np.where(common, gaps - centre, 0.0).round(NOISE_DECIMALS) ** 2)
    error = np.sqrt(spread / (np.maximum(n - 1, 1) * np.maximum(n, 1)))
    return centre, np.where(n >= MIN_SEEDS, _p_values(centre, error, n - 1), math.nan)


def _unpaired_pairs(
    rows: Sequence[Values], first: Places, second: Places, pooled: tuple[float, int]
) -> tuple[Array, Array]:
    """Differences of the means and their p-values with the pooled variance; see ``unpaired``."""
    spread, df = pooled
    means = np.array([mean(list(row.values())) for row in rows])
    n = np.array([len(row) for row in rows])
    gaps = means[first] - means[second]
    error = np.sqrt(spread * (1 / n[first] + 1 / n[second]))
    enough = (np.minimum(n[first], n[second]) >= MIN_SEEDS) & bool(df)
    return gaps, np.where(enough, _p_values(gaps, error, np.full(len(gaps), df)), math.nan)


def _p_values(differences: Array, errors: Array, df: Places) -> Array:
    """``p_value`` of many differences; any number where ``df`` is below 1."""
    exact = (differences.round(NOISE_DECIMALS) == 0).astype(np.float64)
    t = np.abs(differences) / np.where(errors == 0, 1.0, errors)
    tails = 2 * special.stdtr(np.maximum(df, 1), -t)
    return np.asarray(np.where(errors == 0, exact, tails.round(P_DECIMALS)), dtype=np.float64)


def rank_ranges(higher: Matrix) -> list[tuple[int, int]]:
    """The ranks each row may have: 1 + rows significantly higher, to k - rows lower."""
    k = len(higher)
    above = map(sum, zip(*higher, strict=True))
    return [(1 + n, k - sum(row)) for n, row in zip(above, higher, strict=True)]


def letters(higher: Matrix) -> list[str]:
    """Compact letter display: rows share a letter unless they differ significantly.

    "a" belongs to the first row; after 26 letters come "A" to "Z". Where that is not enough, as
    among hundreds of rows, no row gets any.
    """
    k = len(higher)
    alike = [
        sum(1 << j for j in range(k) if j != i and not higher[i][j] and not higher[j][i])
        for i in range(k)
    ]
    groups: list[list[int]] = []
    for group in _cliques(alike, 0, (1 << k) - 1, 0):
        groups.append(_members(group))
        if len(groups) > len(LETTERS):
            return [""] * k
    named = list(zip(LETTERS, sorted(groups), strict=False))
    return ["".join(letter for letter, rows in named if row in rows) for row in range(k)]


def _cliques(alike: Sequence[int], chosen: int, able: int, done: int) -> Iterator[int]:
    """Maximal sets of rows that are all alike (Bron and Kerbosch 1973, with a pivot).

    Sets are integers with a bit for each row.

    Args:
        alike: the rows like each row, without itself.
        chosen: rows of the set so far.
        able: rows that may still join.
        done: rows that could join, but whose sets were all found before.
    """
    if not able | done:
        if chosen:
            yield chosen
        return
    pivot = max(_members(able | done), key=lambda row: (able & alike[row]).bit_count())
    for row in _members(able & ~alike[pivot]):
        yield from _cliques(alike, chosen | 1 << row, able & alike[row], done & alike[row])
        able, done = able & ~(1 << row), done | 1 << row


def _members(group: int) -> list[int]:
    return [row for row in range(group.bit_length()) if group >> row & 1]
