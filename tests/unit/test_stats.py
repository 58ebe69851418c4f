"""Statistics against scipy, hand values and simulation."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from benchmark.statistics import all_pairs, stats
from benchmark.statistics.stats import Values

A = {0: 0.80, 1: 0.82, 2: 0.81, 3: 0.79}
B = {0: 0.78, 1: 0.80, 2: 0.80, 3: 0.76}


def row(*values: float) -> Values:
    return dict(enumerate(values))


def test_half_width_against_scipy() -> None:
    values = list(A.values())
    low, high = scipy_stats.t.interval(0.95, 3, loc=np.mean(values), scale=scipy_stats.sem(values))
    found = stats.estimate(values)
    assert found.mean == pytest.approx((low + high) / 2)
    assert found.half_width == pytest.approx((high - low) / 2)


def test_one_seed_has_no_interval() -> None:
    assert stats.estimate([0.5]) == stats.Estimate(0.5, None, 1)


def test_interval_covers_as_often_as_it_says() -> None:
    rng = np.random.default_rng(7)
    for n in (3, 5):
        samples = rng.normal(0.5, 0.003, size=(2000, n))
        found = [stats.estimate(list(sample)) for sample in samples]
        covered = sum(abs(e.mean - 0.5) <= (e.half_width or 0) for e in found) / 2000
        # Four standard errors of a share of 0.95 over 2000 draws.
        assert covered == pytest.approx(0.95, abs=0.02)


def test_paired_against_scipy() -> None:
    found = stats.paired(A, B)
    assert found is not None
    expected = scipy_stats.ttest_rel(list(A.values()), list(B.values()))
    assert found.p == pytest.approx(expected.pvalue, abs=1e-6)
    assert found.mean == pytest.approx(0.02)
    low, high = expected.confidence_interval()
    assert found.half_width == pytest.approx((high - low) / 2)
    assert (found.wins, found.n) == (4, 4)


def test_pairing_uses_common_seeds_only() -> None:
    found = stats.paired({1: 0.5, 2: 0.6, 9: 0.0}, {2: 0.5, 1: 0.5, 7: 1.0})
    assert found is not None and found.n == 2 and found.wins == 1
    assert found.mean == pytest.approx(0.05)
    assert stats.paired({0: 1.0}, {1: 1.0}) is None


def test_equal_differences_are_certain_and_ties_are_not() -> None:
    shifted = stats.paired({s: v + 0.01 for s, v in A.items()}, A)
    assert shifted is not None and shifted.p == 0 and shifted.half_width == 0
    same = stats.paired(A, A)
    assert same is not None and same.p == 1 and same.wins == 0


def test_unpaired_two_rows_is_students_t_test() -> None:
    found = stats.unpaired(A, B, stats.pooled_variance([A, B]))
    expected = scipy_stats.ttest_ind(list(A.values()), list(B.values()))
    assert found.p == pytest.approx(expected.pvalue, abs=1e-6)


def test_pooled_variance_by_hand() -> None:
    spread, df = stats.pooled_variance([row(0.0, 2.0), row(1.0, 2.0, 3.0), row(5.0)])
    assert df == 3 and spread == pytest.approx((1 * 2 + 2 * 1) / 3)
    assert stats.pooled_variance([row(5.0)]) == (0.0, 0)


def test_holm_by_hand() -> None:
    assert stats.holm([0.01, 0.04, 0.03]) == [0.03, 0.06, 0.06]
    assert stats.holm([0.5, 0.9]) == [1.0, 1.0]
    assert stats.holm([]) == []
    assert stats.holm([math.nan, 0.01, math.nan, 0.04, 0.03]) == [1.0, 0.03, 1.0, 0.06, 0.06]


def test_rows_of_one_seed_take_nothing_from_others() -> None:
    base, good = {0: 0.5, 1: 0.51, 2: 0.49}, {0: 0.6, 1: 0.615, 2: 0.59}
    (alone,) = stats.against_reference([good], base, "blocked")
    first, *rest = stats.against_reference([good, *[{0: 0.7}] * 20], base, "blocked")
    assert first == alone < 0.05 and rest == [1.0] * 20


@given(st.lists(st.floats(0, 1), max_size=8))
def test_holm_is_monotone_and_never_lowers(p_values: list[float]) -> None:
    adjusted = stats.holm(p_values)
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    in_order = [adjusted[i] for i in order]
    assert in_order == sorted(in_order)
    assert all(p - 1e-6 <= a <= 1 for p, a in zip(p_values, adjusted, strict=True))


def test_holm_keeps_the_family_wise_error() -> None:
    rng = np.random.default_rng(3)
    errors = sum(
        any(
            any(r)
            for r in all_pairs.compare_all([row(*v) for v in rng.normal(size=(4, 4))], design)
        )
        for design in ("independent", "blocked")
        for _ in range(150)
    )
    # 300 null boards at 5 %: four standard errors above 15.
    assert errors <= 30


def test_dunnett_against_scipy_and_repeatable() -> None:
    rows = [row(1.0, 1.1, 0.9), row(2.0, 2.1, 1.8), row(1.0, 1.2, 1.3)]
    reference = row(1.0, 0.9, 1.2)
    first = stats.against_reference(rows, reference, "independent")
    assert first == stats.against_reference(rows, reference, "independent")
    expected = scipy_stats.dunnett(
        *[list(r.values()) for r in rows], control=list(reference.values()),
        rng=np.random.default_rng(99),
    )  # fmt: skip
    assert first == pytest.approx(list(expected.pvalue), abs=2e-3)


def test_against_reference_leaves_short_rows_alone() -> None:
    rows = [row(1.0), row(5.0, 5.1, 5.2)]
    for design in ("independent", "blocked"):
        found = stats.against_reference(rows, row(1.0, 1.1, 1.2), design)
        assert found[0] == 1.0 and found[1] < 0.05
    assert stats.against_reference([], row(1.0, 1.1, 1.2), "independent") == []


def test_dunnett_without_any_spread() -> None:
    rows = [row(1.0, 1.0, 1.0), row(2.0, 2.0, 2.0)]
    assert stats.against_reference(rows, row(1.0, 1.0, 1.0), "independent") == [1.0, 0.0]


def test_nothing_is_tested_below_three_seeds() -> None:
    two = {0: 1.0, 1: 1.0}
    assert stats.unpaired(two, B, (1e-6, 30)).p == 1
    assert stats.unpaired(B, two, (1e-6, 30)).p == 1
    found = stats.paired(two, {0: 0.0, 1: 0.1})
    assert found is not None and found.p == 1 and found.half_width is not None
    for design in ("independent", "blocked"):
        assert all_pairs.compare_all([two, B], design) == [[False, False], [False, False]]


def test_blocked_design_needs_three_common_seeds() -> None:
    higher = all_pairs.compare_all([{0: 1.0, 1: 1.0, 2: 1.0}, {1: 0.0, 2: 0.0, 3: 0.0}], "blocked")
    assert higher == [[False, False], [False, False]]


def test_pairing_finds_what_a_blocked_design_hides() -> None:
    base = np.random.default_rng(5).normal(0.8, 0.05, 5)
    noise = np.random.default_rng(6).normal(0.02, 0.002, 5)
    rows = [row(*(base + noise)), row(*base)]
    assert all_pairs.compare_all(rows, "blocked")[0][1]
    assert not all_pairs.compare_all(rows, "independent")[0][1]


def test_rank_ranges_of_an_intransitive_triple() -> None:
    higher = [[False, False, True], [False] * 3, [False] * 3]
    assert all_pairs.rank_ranges(higher) == [(1, 2), (1, 3), (2, 3)]
    assert all_pairs.letters(higher) == ["a", "ab", "b"]


def test_letters_of_separate_and_equal_rows() -> None:
    clear = [[j > i for j in range(3)] for i in range(3)]
    assert all_pairs.letters(clear) == ["a", "b", "c"]
    assert all_pairs.rank_ranges(clear) == [(1, 1), (2, 2), (3, 3)]
    assert all_pairs.letters([[False] * 2] * 2) == ["a", "a"]
    assert all_pairs.letters([]) == [] and all_pairs.rank_ranges([]) == []


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 7), st.data())
def test_rows_share_a_letter_unless_they_differ(k: int, data: st.DataObject) -> None:
    higher = [[j > i and data.draw(st.booleans()) for j in range(k)] for i in range(k)]
    letters = all_pairs.letters(higher)
    assert all(letters)
    for i in range(k):
        for j in range(i + 1, k):
            assert bool(set(letters[i]) & set(letters[j])) is not higher[i][j]


def test_p_values_are_rounded() -> None:
    assert stats.p_value(1.0, 0.5, 4) == round(stats.p_value(1.0, 0.5, 4), 6)
    assert stats.p_value(0.0, 0.0, 4) == 1 and stats.p_value(1e-15, 0.0, 4) == 1
    assert stats.p_value(0.1, 0.0, 4) == 0
    assert math.isclose(stats.t_quantile(4), 2.7764, abs_tol=1e-4)
