"""Dunnett's many-to-one test by Gauss-Legendre quadrature.

The differences of several means to one control share the control, so that their correlations are
products and the joint probability of Dunnett (1955) is an integral over two variables only: the
control's mean and the standard deviation. Own code since ``scipy.stats.dunnett`` integrates over as
many variables as there are rows, by random points: minutes for a hundred rows, and four decimals.
"""

import math
from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import special

Array = NDArray[np.float64]

# beyond it lies less than 1e-18 of a standard normal
_REACH = 9.0
_TAIL = 1e-14
_NODES = 96


def p_values(t: Sequence[float], sizes: Sequence[int], control: int, df: int) -> list[float]:
    """Two-sided p-values of many rows against one control.

    Exact to 1e-8, and to 1e-4 where rows have a hundred times the values of the control.

    Args:
        t: t statistic of each row's difference to the control.
        sizes: values of each row, at least 1.
        control: values of the control, at least 1.
        df: degrees of freedom of the pooled variance, at least 1.
    """
    counts = np.unique_counts(np.asarray(sizes))
    slopes = np.sqrt(counts.values / (counts.values + control))
    spread, weights = _spread(df)
    within = (_all_within(abs(each) * spread, slopes, counts.counts) for each in t)
    return [max(0.0, 1.0 - float(weights @ chances)) for chances in within]


def _all_within(bounds: Array, slopes: Array, counts: NDArray[np.intp]) -> Array:
    """Chance that all differences lie within each bound, the standard deviation being known.

    Args:
        bounds: (spread,), in standard errors.
        slopes: (sizes,), the correlation of a difference with the control's mean.
        counts: (sizes,), how many rows have that size.
    """
    nodes, weights = _nodes(0.0, _REACH)
    density = 2 * weights * np.exp(-(nodes**2) / 2) / math.sqrt(2 * math.pi)
    inside: Array = np.ones((len(bounds), len(nodes)))
    for slope, count in zip(slopes, counts, strict=True):
        centre, scale = slope * nodes, math.sqrt(1 - slope**2)
        high = special.ndtr((bounds[:, None] + centre) / scale)
        low = special.ndtr((centre - bounds[:, None]) / scale)
        inside *= (high - low) ** count
    chances: Array = inside @ density
    return chances


def _spread(df: int) -> tuple[Array, Array]:
    """Standard deviations, in units of the true one, and the weight of each."""
    low, high = (math.sqrt(special.chdtri(df, q) / df) for q in (1 - _TAIL, _TAIL))
    nodes, weights = _nodes(low, high)
    log_constant = math.log(2) + df / 2 * math.log(df / 2) - math.lgamma(df / 2)
    log_density = log_constant + (df - 1) * np.log(nodes) - df * nodes**2 / 2
    return nodes, weights * np.exp(log_density)


def _nodes(low: float, high: float) -> tuple[Array, Array]:
    places, weights = _legendre()
    return low + (places + 1) * (high - low) / 2, weights * (high - low) / 2


@cache
def _legendre() -> tuple[Array, Array]:
    return np.polynomial.legendre.leggauss(_NODES)
