"""Comparisons of a grid's cells on the rows that are reported of them.

Few seeds of many cells say more about their spread together than each for itself, so it is pooled
over all cells; where the split follows the seed, what it does to all of them is taken off first.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from benchmark.grid.candidates import DECIMALS, Candidate
from benchmark.statistics import stats
from benchmark.statistics.all_pairs import Matrix
from benchmark.statistics.stats import Difference


def spread(cells: Sequence[Candidate]) -> tuple[float, int]:
    """Variance over seeds that all cells share, and its degrees of freedom; (0, 0) without any.

    In a blocked design that of randomised blocks: what is left of the seeds that all cells have
    once the mean of each cell and of each seed is taken off.
    """
    if cells[0].design == "independent":
        return stats.pooled_variance([each.values for each in cells])
    seeds = sorted(set.intersection(*(set(each.values) for each in cells)))
    df = (len(cells) - 1) * (len(seeds) - 1)
    if df < 1:
        return 0.0, 0
    table = np.array([[each.values[seed] for seed in seeds] for each in cells])
    rest = table - table.mean(axis=1, keepdims=True) - table.mean(axis=0) + table.mean()
    return round(float(np.sum(rest**2)) / df, 2 * DECIMALS), df


def gap(first: Candidate, second: Candidate, pooled: tuple[float, int]) -> Difference:
    """The first less the second: at common seeds in a blocked design."""
    if first.design == "independent":
        return stats.unpaired(first.values, second.values, pooled)
    own = stats.paired(first.values, second.values)
    if own is None or not pooled[1]:
        return own or Difference(0.0, None, 0, 0, 1.0)
    error = math.sqrt(2 * pooled[0] / own.n)
    width = stats.t_quantile(pooled[1]) * error
    return replace(own, half_width=width, p=stats.p_value(own.mean, error, pooled[1]))


def told_apart(able: Sequence[Candidate], pooled: tuple[float, int]) -> Matrix:
    """[i][j] is true if cell i is higher than cell j, by Holm's correction over all pairs."""
    places = list(combinations(range(len(able)), 2))
    gaps, adjusted = _compared([(able[i], able[j]) for i, j in places], pooled)
    higher = [[False] * len(able) for _ in able]
    for (i, j), found, p in zip(places, gaps, adjusted, strict=True):
        if p < stats.ALPHA:
            better, worse = (i, j) if found.mean > 0 else (j, i)
            higher[better][worse] = True
    return higher


def _compared(
    pairs: Sequence[tuple[Candidate, Candidate]], pooled: tuple[float, int]
) -> tuple[list[Difference], list[float]]:
    """Differences, and p-values by Holm: 1 where seeds are too few, which counts for no other."""
    gaps = [gap(*pair, pooled) for pair in pairs]
    seeds = [stats.seeds_tested(a.values, b.values, a.design) for a, b in pairs]
    tested = [found.p if n >= stats.MIN_SEEDS else math.nan
              for found, n in zip(gaps, seeds, strict=True)]  # fmt: skip
    return gaps, stats.holm(tested)


def against(
    able: Sequence[Candidate], plain: Candidate, pooled: tuple[float, int]
) -> dict[str, float]:
    """P-values of all cells against the plain one, by name.

    Not Dunnett's: its integral takes many minutes for a hundred cells.
    """
    others = [each for each in able if each is not plain]
    _, adjusted = _compared([(each, plain) for each in others], pooled)
    return {each.name: p for each, p in zip(others, adjusted, strict=True)}


def row_error(first: Candidate, second: Candidate) -> float | None:
    """Half-width of the 95 % interval of a gain over the reported rows, seeds held fixed.

    Rows are drawn anew within each class, as a stratified sample of pairs; by the normal quantile.
    None where runs have different rows.
    """
    runs = [*first.runs.values(), *second.runs.values()]
    labels = runs[0].labels
    if any(not np.array_equal(run.labels, labels) for run in runs):
        return None
    gaps = _share(first) - _share(second)
    classes, place, counts = np.unique(labels, return_inverse=True, return_counts=True)
    means = np.bincount(place, weights=gaps) / counts
    # the only row of a class says nothing of its spread: its distance to all classes' mean does
    centre = np.where(counts > 1, means, means.mean())[place]
    weight = counts / np.maximum(counts - 1, 1) / (counts * len(classes)) ** 2
    variance = float(np.sum(weight[place] * (gaps - centre) ** 2))
    return NormalDist().inv_cdf((1 + stats.LEVEL) / 2) * math.sqrt(variance)


def _share(candidate: Candidate) -> NDArray[np.float64]:
    """float64 (rows,): share of seeds at which each reported row is right."""
    found: NDArray[np.float64] = np.mean([run.hits for run in candidate.runs.values()], axis=0)
    return found
