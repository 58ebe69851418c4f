"""Moderated variances: limits, published form, and what they are for."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from benchmark.regression.variance import Spread, _inverse_trigamma, _prior, moderated


def drawn(rng: np.random.Generator, truth: np.ndarray, df: int) -> list[Spread]:
    return [Spread(float(v), df) for v in truth * rng.chisquare(df, size=len(truth)) / df]


@given(st.floats(1e-3, 1e4))
def test_the_inverse_of_trigamma(x: float) -> None:
    assert _inverse_trigamma(float(special.polygamma(1, x))) == pytest.approx(x, rel=1e-6)


def test_experiments_that_scatter_alike_are_pooled() -> None:
    rows = [Spread(v, 4) for v in (1.0, 1.02, 0.98, 1.01)]
    found = moderated(rows)
    assert [row.variance for row in found] == pytest.approx([1.0025] * 4)
    assert [row.df for row in found] == [16] * 4


def test_between_own_and_common_with_the_weights_of_the_paper() -> None:
    rows = [Spread(v, 4) for v in (0.01, 0.1, 1.0, 10.0, 100.0, 3.0)]
    prior = _prior(rows)
    for row, found in zip(rows, moderated(rows), strict=True):
        weighed = (prior.weight * prior.variance + 4 * row.variance) / (prior.weight + 4)
        assert found.variance == pytest.approx(weighed)
        assert min(row.variance, prior.variance) <= found.variance
        assert found.variance <= max(row.variance, prior.variance)
        assert found.df == min(math.floor(prior.weight + 4), 24)


def test_the_prior_is_found_again() -> None:
    """Variances drawn from a scaled inverse chi-squared distribution of 6 degrees of freedom."""
    rng = np.random.default_rng(2)
    truth = 2.0 * 6 / rng.chisquare(6, size=20_000)
    prior = _prior(drawn(rng, truth, 5))
    assert prior.variance == pytest.approx(2.0, rel=0.05)
    assert prior.weight == pytest.approx(6, rel=0.1)


def test_two_experiments_keep_their_own() -> None:
    rows = [Spread(1.0, 4), Spread(9.0, 2)]
    assert moderated(rows) == rows
    assert moderated([]) == []


def test_t_tests_keep_their_level_where_deviations_differ() -> None:
    """The share of false alarms among the noisiest tenth, where pooling fails."""
    rng = np.random.default_rng(4)
    truth = np.geomspace(0.05, 4, 30) ** 2
    moderate = pool = 0
    for _ in range(200):
        rows, means = drawn(rng, truth, 4), rng.normal(size=30) * np.sqrt(truth / 5)
        pooled = math.fsum(row.variance for row in rows) / 30
        for mean, row in list(zip(means, moderated(rows), strict=True))[-3:]:
            bound = -special.stdtrit(row.df, 0.025)
            moderate += abs(mean) > bound * math.sqrt(row.variance / 5)
            pool += abs(mean) > 1.98 * math.sqrt(pooled / 5)
    assert moderate / 600 < 0.08 < 0.2 < pool / 600
