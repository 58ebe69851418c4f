"""Variances of experiments that lend each other strength without being made equal.

Pooling all experiments of a table takes them to scatter alike. They do not: on the digits the
deviations over seeds differ twentyfold, and a pooled one calls the noisy experiments worse too
often. Using the own variance above some multiple of the pooled one helps too little, and always
using the larger of both costs a third of the power where they do scatter alike. The moderated
variance of Smyth (2004), "Linear models and empirical Bayes methods for assessing differential
expression", estimates from all experiments how much they differ, and weighs own against common.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy import optimize, special

FEWEST = 3


@dataclass(frozen=True)
class Spread:
    """A variance and its degrees of freedom."""

    variance: float
    df: int


def moderated(rows: Sequence[Spread]) -> list[Spread]:
    """Each variance drawn towards the common one, as far as the rows bear out, in the order given.

    s~^2 = (d0 s0^2 + d s^2) / (d0 + d) with d0 + d degrees of freedom, at most those of all rows.
    Fewer than three rows say nothing of how much rows differ, and keep their own.

    Degrees of freedom are rounded down.

    Args:
        rows: variances above 0 with at least one degree of freedom.
    """
    if len(rows) < FEWEST:
        return list(rows)
    prior, every = _prior(rows), sum(row.df for row in rows)
    if math.isinf(prior.weight):
        return [Spread(prior.variance, every) for _ in rows]
    return [
        Spread(
            (prior.weight * prior.variance + row.df * row.variance) / (prior.weight + row.df),
            min(math.floor(prior.weight + row.df), every),
        )
        for row in rows
    ]


@dataclass(frozen=True)
class _Prior:
    """The common variance s0^2 and its weight d0."""

    variance: float
    weight: float


def _prior(rows: Sequence[Spread]) -> _Prior:
    """What the rows have in common; its weight is infinite where they differ by chance only.

    By the moments of log s^2, section 6.2 of the paper.
    """
    centred = [math.log(row.variance) - _log_bias(row.df) for row in rows]
    middle = math.fsum(centred) / len(rows)
    spread = math.fsum((value - middle) ** 2 for value in centred) / (len(rows) - 1)
    excess = spread - math.fsum(_trigamma(row.df / 2) for row in rows) / len(rows)
    if excess <= 0:
        every = sum(row.df for row in rows)
        return _Prior(math.fsum(row.df * row.variance for row in rows) / every, math.inf)
    weight = 2 * _inverse_trigamma(excess)
    return _Prior(math.exp(middle + _log_bias(weight)), weight)


def _log_bias(df: float) -> float:
    """The expectation of the logarithm of a variance of true value 1."""
    return float(special.digamma(df / 2)) - math.log(df / 2)


def _trigamma(value: float) -> float:
    return float(special.polygamma(1, value))


def _inverse_trigamma(value: float) -> float:
    """The x at which trigamma is ``value`` > 0."""
    # near 0 trigamma is 1 / x^2, far out 1 / x
    low, high = 0.5 / (value + math.sqrt(value)), 1 / value + 1 / math.sqrt(value) + 1
    return float(optimize.brentq(lambda x: _trigamma(x) - value, low, high, rtol=1e-10))
