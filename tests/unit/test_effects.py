"""Probability of improvement and equivalence against scipy, hand values and simulation."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from benchmark.statistics import effects, stats
from benchmark.statistics.stats import Values

ACCURACIES = st.lists(st.integers(0, 20).map(lambda n: n / 20), min_size=2, max_size=7)


def row(*values: float) -> Values:
    return dict(enumerate(values))


def test_blocked_share_is_over_common_seeds() -> None:
    first = {0: 0.9, 1: 0.8, 2: 0.7, 9: 0.1}
    second = {0: 0.8, 1: 0.8, 2: 0.8, 8: 0.9}
    found = effects.improvement(first, second, "blocked")
    assert found is not None
    assert (found.share, found.n) == (0.5, 3)
    assert effects.improvement({0: 1.0}, {1: 1.0}, "blocked") is None


def test_independent_share_is_over_all_pairs() -> None:
    found = effects.improvement(row(3, 1), row(2, 1), "independent")
    # 3 > 2, 3 > 1, 1 < 2, 1 = 1
    assert found is not None and (found.share, found.n) == (2.5 / 4, 4)
    assert effects.improvement({}, row(1), "independent") is None


@settings(deadline=None)
@given(ACCURACIES, ACCURACIES)
def test_shares_of_both_directions_add_up_to_one(xs: list[float], ys: list[float]) -> None:
    for design in ("blocked", "independent"):
        one = effects.improvement(row(*xs), row(*ys), design)
        other = effects.improvement(row(*ys), row(*xs), design)
        assert one is not None and other is not None
        assert one.share + other.share == pytest.approx(1)
        assert one.p == other.p


def test_rounding_noise_is_a_tie() -> None:
    first, second = row(0.1 + 0.2, 0.5), row(0.3, 0.5)
    for design in ("blocked", "independent"):
        found = effects.improvement(first, second, design)
        assert found is not None and found.share == 0.5


def test_no_exact_p_below_six_common_seeds_and_it_says_why() -> None:
    five = effects.paired_improvement(row(*range(1, 6)), row(0, 0, 0, 0, 0))
    six = effects.paired_improvement(row(*range(1, 7)), row(0, 0, 0, 0, 0, 0))
    assert five is not None and six is not None
    assert five.p is None and five.interval is None
    assert five.note == "5 common seeds: no exact test below 6, as p cannot be under 0.05"
    # the smallest p of the sign test: 2 ** -4 at five seeds, 2 ** -5 at six
    assert six.p == 0.03125 and six.note == ""
    assert six.interval == pytest.approx((0.025 ** (1 / 6), 1.0), abs=1e-6)


def test_sign_test_leaves_ties_out_and_the_interval_counts_them_both_ways() -> None:
    found = effects.paired_improvement(row(1, 1, 1, 1, 1, 0, 0, 0), row(0, 0, 0, 0, 0, 0, 0, 1))
    assert found is not None and found.interval is not None
    assert found.p == pytest.approx(scipy_stats.binomtest(5, 6).pvalue, abs=1e-6)
    wins = scipy_stats.binomtest(5, 8).proportion_ci(method="exact")
    both = scipy_stats.binomtest(7, 8).proportion_ci(method="exact")
    assert found.interval == pytest.approx((wins.low, both.high), abs=1e-6)
    same = effects.paired_improvement(row(*[1] * 6), row(*[1] * 6))
    assert same is not None and same.p == 1 and same.share == 0.5


@settings(max_examples=25, deadline=None)
@given(ACCURACIES, ACCURACIES)
def test_rank_test_is_exact_with_ties_too(xs: list[float], ys: list[float]) -> None:
    found = effects.unpaired_improvement(row(*xs), row(*ys))
    every = scipy_stats.PermutationMethod(n_resamples=20_000)
    expected = scipy_stats.mannwhitneyu(xs, ys, method=every).pvalue
    assert found is not None
    assert found.p is None or found.p == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("sizes", [(4, 4), (3, 9), (10, 10), (25, 30)])
def test_rank_test_without_ties_is_scipys(sizes: tuple[int, int]) -> None:
    rng = np.random.default_rng(sum(sizes))
    xs, ys = rng.normal(0.6, 1, sizes[0]), rng.normal(0, 1, sizes[1])
    found = effects.unpaired_improvement(row(*xs), row(*ys))
    expected = scipy_stats.mannwhitneyu(xs, ys, method="exact")
    assert found is not None
    assert found.p == pytest.approx(expected.pvalue, abs=1e-6)
    assert found.share == pytest.approx(expected.statistic / (sizes[0] * sizes[1]))


def test_rank_test_without_ties_and_where_it_cannot_tell() -> None:
    found = effects.unpaired_improvement(row(5, 6, 7, 8), row(1, 2, 3, 4))
    assert found is not None and found.p == pytest.approx(2 / math.comb(8, 4), abs=1e-6)
    small = effects.unpaired_improvement(row(5, 6, 7), row(1, 2, 3))
    assert small is not None and small.p is None and small.share == 1
    assert small.note == "3 and 3 seeds: no exact test, as p cannot be under 0.05"
    two = effects.unpaired_improvement(row(5, 6), row(*range(-20, 0)))
    assert two is not None and two.p is None, "fewer than three seeds are never tested"


def test_interval_of_the_share_covers_at_least_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    for truth, ties in ((0.5, 0.0), (0.8, 0.0), (0.6, 0.3)):
        covered = 0
        for _ in range(200):
            kind = rng.random(8)
            gaps = np.where(kind < ties, 0, np.where(kind < ties + (truth - ties / 2), 1, -1))
            found = effects.paired_improvement(row(*gaps), row(*[0] * 8))
            assert found is not None and found.interval is not None
            covered += found.interval[0] <= truth <= found.interval[1]
        # nominally 0.95 or more: four standard errors below
        assert covered / 200 >= 0.89


def test_tost_against_one_sided_t_tests_of_scipy() -> None:
    first = row(0.801, 0.812, 0.805, 0.799, 0.808)
    second = row(0.803, 0.808, 0.806, 0.797, 0.803)
    gaps = [first[s] - second[s] for s in first]
    found = effects.paired_equivalence(first, second, 0.01)
    assert found is not None
    below = scipy_stats.ttest_1samp(gaps, -0.01, alternative="greater").pvalue
    above = scipy_stats.ttest_1samp(gaps, 0.01, alternative="less").pvalue
    assert (found.p_below, found.p_above) == pytest.approx((below, above), abs=1e-6)
    assert found.p == pytest.approx(scipy_stats.ttest_1samp(gaps, 0).pvalue, abs=1e-6)
    interval = scipy_stats.ttest_1samp(gaps, 0).confidence_interval(0.9)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    assert found.verdict == "equivalent" and found.non_inferior


def test_unpaired_tost_against_scipy() -> None:
    first, second = row(0.80, 0.82, 0.81, 0.79), row(0.78, 0.80, 0.80)
    pooled = stats.pooled_variance([first, second])
    found = effects.unpaired_equivalence(first, second, pooled, 0.05)
    shifted = [value + 0.05 for value in first.values()]
    expected = scipy_stats.ttest_ind(shifted, list(second.values()), alternative="greater")
    assert found.p_below == pytest.approx(expected.pvalue, abs=1e-6)


def test_the_three_verdicts() -> None:
    cases = {
        (0.001, 0.001): "equivalent",
        (0.05, 0.001): "different",
        (0.005, 0.02): "not told apart",
        # significantly higher, but by less than the margin: practically equal
        (0.004, 0.0005): "equivalent",
    }
    for (gap, error), verdict in cases.items():
        assert effects.tost(gap, error, 8, 0.01).verdict == verdict
    higher = effects.tost(0.004, 0.0005, 8, 0.01)
    assert higher.p < 0.05


def test_without_spread_every_p_is_zero_or_one() -> None:
    assert effects.tost(0.0, 0.0, 3, 0.01).verdict == "equivalent"
    assert effects.tost(0.02, 0.0, 3, 0.01).verdict == "different"
    on_the_margin = effects.tost(0.01, 0.0, 3, 0.01)
    assert on_the_margin.p_above == 1 and on_the_margin.verdict == "different"


def test_fewer_than_three_seeds_are_never_tested() -> None:
    two, three = row(0.5, 0.5), row(0.5, 0.5, 0.5)
    found = [
        effects.paired_equivalence(two, three, 0.1),
        effects.unpaired_equivalence(three, two, (0.0001, 20), 0.1),
        effects.tost(0.0, 1.0, 0, 0.1),
    ]
    for each in found:
        assert each is not None and not each.tested
        assert each.verdict == "not told apart" and each.p_below == 1
    assert effects.paired_equivalence({0: 1.0}, {1: 1.0}, 0.1) is None


def test_rows_that_differ_by_the_margin_pass_as_equivalent_in_five_percent() -> None:
    rng = np.random.default_rng(11)
    passed = 0
    for _ in range(600):
        first = row(*rng.normal(0.81, 0.003, 5))
        second = row(*rng.normal(0.80, 0.003, 5))
        pooled = stats.pooled_variance([first, second])
        found = effects.equivalence(first, second, "independent", pooled, 0.01)
        assert found is not None
        passed += found.verdict == "equivalent"
    # 0.05 with four standard errors of 600 draws
    assert passed / 600 == pytest.approx(0.05, abs=0.036)
