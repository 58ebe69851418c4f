"""Power against published values and simulation."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.statistics import effects, power, stats
from benchmark.statistics.power import Arms


def test_seeds_needed_against_published_tables() -> None:
    # Cohen (1988), two-sided 5 %, power 0.8: d of 0.8, 0.5 and 0.2 take 26, 64 and 394 an arm
    assert [power.seeds_needed(d, 1, "independent") for d in (0.8, 0.5, 0.2)] == [26, 64, 394]
    # paired, d of 0.5: 34 pairs
    assert power.seeds_needed(0.5, 1, "blocked") == 34


def test_power_of_no_difference_is_the_level() -> None:
    for design in ("independent", "blocked"):
        assert power.power(0, Arms(7, 2.0, design)) == pytest.approx(0.05, abs=1e-5)
    at_margin = power.non_inferiority_power(-1.0, Arms(7, 2.0, "independent"), 1.0)
    assert at_margin == pytest.approx(0.05, abs=1e-5)


def test_power_against_simulated_t_tests() -> None:
    rng = np.random.default_rng(5)
    n, gap, sd = 5, 0.02, 0.01
    found = {"independent": 0, "blocked": 0}
    for _ in range(1500):
        first = dict(enumerate(rng.normal(gap, sd, n)))
        second = dict(enumerate(rng.normal(0, sd, n)))
        pooled = stats.pooled_variance([first, second])
        found["independent"] += stats.unpaired(first, second, pooled).p < 0.05
        difference = stats.paired(first, second)
        assert difference is not None
        found["blocked"] += difference.p < 0.05
    # four standard errors of a share over 1500 draws: below 0.052
    single = power.power(gap, Arms(n, sd, "independent"))
    pairs = power.power(gap, Arms(n, sd * math.sqrt(2), "blocked"))
    assert found["independent"] / 1500 == pytest.approx(single, abs=0.05)
    assert found["blocked"] / 1500 == pytest.approx(pairs, abs=0.05)
    assert single > pairs + 0.1


def test_pooled_degrees_of_freedom_against_simulation() -> None:
    rng = np.random.default_rng(6)
    n, gap, sd, others = 3, 0.02, 0.01, 10
    found = 0
    for _ in range(800):
        rows = [dict(enumerate(rng.normal(0, sd, n))) for _ in range(2 + others)]
        rows[0] = {seed: value + gap for seed, value in rows[0].items()}
        found += stats.unpaired(rows[0], rows[1], stats.pooled_variance(rows)).p < 0.05
    lent = power.power(gap, Arms(n, sd, "independent", other_df=others * (n - 1)))
    assert found / 800 == pytest.approx(lent, abs=0.07)
    assert lent > power.power(gap, Arms(n, sd, "independent")) + 0.1


def test_equivalence_and_non_inferiority_against_simulation() -> None:
    rng = np.random.default_rng(8)
    n, sd, margin, gap = 6, 0.01, 0.015, -0.003
    verdicts = []
    for _ in range(1500):
        first = dict(enumerate(rng.normal(gap, sd, n)))
        second = dict(enumerate(rng.normal(0, sd, n)))
        pooled = stats.pooled_variance([first, second])
        verdicts.append(effects.unpaired_equivalence(first, second, pooled, margin))
    arms = Arms(n, sd, "independent")
    equal = sum(each.verdict == "equivalent" for each in verdicts) / 1500
    assert equal == pytest.approx(power.equivalence_power(gap, arms, margin), abs=0.05)
    not_worse = sum(each.non_inferior for each in verdicts) / 1500
    expected = power.non_inferiority_power(gap, arms, margin)
    assert not_worse == pytest.approx(expected, abs=0.05)
    assert 0.2 < equal < not_worse < 0.95


def test_equivalence_power_at_the_margin_and_far_inside() -> None:
    arms = Arms(30, 1.0, "blocked")
    assert power.equivalence_power(1.0, arms, 1.0) == pytest.approx(0.05, abs=1e-3)
    assert power.equivalence_power(0.0, arms, 5.0) == pytest.approx(1.0, abs=1e-5)
    assert power.equivalence_power(0.0, Arms(2, 1.0, "blocked"), 1e-9) == pytest.approx(0, abs=1e-5)


@settings(max_examples=40, deadline=None)
@given(
    st.floats(0.2, 30), st.floats(0.05, 20), st.sampled_from(["independent", "blocked"]),
    st.integers(0, 60),
)  # fmt: skip
def test_seeds_needed_is_the_smallest_number(
    gap: float, sd: float, design: stats.Design, lent: int
) -> None:
    other_df = 0 if design == "blocked" else lent
    n = power.seeds_needed(gap, sd, design, other_df=other_df)
    if n is None:
        assert power.power(gap, Arms(power.MAX_SEEDS, sd, design, other_df)) < 0.8
        return
    assert power.power(gap, Arms(n, sd, design, other_df)) >= 0.8
    assert n == 3 or power.power(gap, Arms(n - 1, sd, design, other_df)) < 0.8


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 200), st.floats(1e-4, 50), st.sampled_from(["independent", "blocked"]))
def test_smallest_difference_has_the_power_asked_for(
    n: int, sd: float, design: stats.Design
) -> None:
    arms = Arms(n, sd, design)
    assert power.power(power.smallest_difference(arms), arms) == pytest.approx(0.8, abs=1e-4)


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 3000), st.floats(0, 500), st.sampled_from(["independent", "blocked"]))
def test_power_is_a_probability_that_grows(n: int, shift: float, design: stats.Design) -> None:
    arms = Arms(n, 1.0, design)
    low, high = power.power(shift * arms.error, arms), power.power(1.2 * shift * arms.error, arms)
    assert 0.05 - 1e-5 <= low <= high + 1e-6 <= 1 + 2e-6
    assert power.power(-shift * arms.error, arms) == low


def test_edges() -> None:
    assert power.seeds_needed(0.0, 1.0, "blocked") is None
    assert power.seeds_needed(0.001, 1.0, "blocked") is None
    assert power.seeds_needed(0.1, 0.0, "blocked") == stats.MIN_SEEDS
    assert power.smallest_difference(Arms(5, 0.0, "blocked")) == 0
    assert power.seeds_for_equivalence(0.01, 0.01, "blocked", difference=0.01) is None
    n = power.seeds_for_equivalence(0.01, 0.01, "independent")
    assert n is not None
    chance = [power.equivalence_power(0, Arms(k, 0.01, "independent"), 0.01) for k in (n - 1, n)]
    assert chance[0] < 0.8 <= chance[1]
