"""Statistics: what a shift, a scale and another order of seeds may change, and what not."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from benchmark.boards.pool_variance import Components, components
from benchmark.statistics import all_pairs, effects, stats
from benchmark.statistics.power import Arms, power, seeds_needed
from tests.properties.amount import examples

# shares as accuracies are: thousandths, so that neither ties nor spread are lost to rounding
SHARE = st.integers(0, 1000).map(lambda value: value / 1000)
ROW = st.dictionaries(st.integers(0, 9), SHARE, min_size=1, max_size=8)
ROWS = st.lists(ROW, min_size=1, max_size=6)
DESIGN = st.sampled_from(["independent", "blocked"])


def _moved(row: dict[int, float], shift: float) -> dict[int, float]:
    return {seed: value + shift for seed, value in row.items()}


@examples(40)
@given(st.lists(SHARE, min_size=2, max_size=12), st.floats(0.5, 0.999))
def test_the_interval_is_students(values: list[float], level: float) -> None:
    found = stats.estimate(values, level)
    low, high = scipy_stats.t.interval(
        level, len(values) - 1, np.mean(values), scipy_stats.sem(values) or 1e-300
    )
    assert found.half_width is not None and found.n == len(values)
    assert found.mean == pytest.approx(np.mean(values))
    assert found.half_width == pytest.approx((high - low) / 2, rel=1e-6, abs=1e-10)


@examples(30)
@given(st.lists(SHARE, min_size=1, max_size=12), st.randoms(use_true_random=False))
def test_the_order_of_values_does_not_matter_to_the_last_bit(values: list[float], rng: Any) -> None:
    shuffled = list(values)
    rng.shuffle(shuffled)
    assert stats.estimate(shuffled) == stats.estimate(values)


@examples(30)
@given(st.lists(SHARE, min_size=1, max_size=8), st.sampled_from([1e-3, 0.5, 2.0, 100.0]))
def test_scaling_scales_and_shifting_moves(values: list[float], scale: float) -> None:
    found, scaled = stats.estimate(values), stats.estimate([scale * v for v in values])
    shifted = stats.estimate([value + 3 for value in values])
    assert scaled.mean == pytest.approx(scale * found.mean, abs=1e-12)
    assert shifted.mean == pytest.approx(found.mean + 3)
    if found.half_width is not None:
        assert scaled.half_width == pytest.approx(scale * found.half_width, rel=1e-4, abs=1e-9)
        assert shifted.half_width == pytest.approx(found.half_width, rel=1e-4, abs=1e-9)


@examples(30)
@given(st.integers(1, 10), st.floats(-1e100, 1e100))
def test_equal_values_have_no_spread_however_large(n: int, value: float) -> None:
    found = stats.estimate([value] * n)
    assert found.mean == pytest.approx(value)
    assert found.half_width in (None, 0.0) or found.half_width <= abs(value) * 1e-9


@examples(40)
@given(ROW, ROW, DESIGN)
def test_a_difference_turns_around_with_its_rows(
    first: dict[int, float], second: dict[int, float], design: stats.Design
) -> None:
    pooled = stats.pooled_variance([first, second])
    pair = [(first, second), (second, first)]
    there, back = (
        stats.paired(a, b) if design == "blocked" else stats.unpaired(a, b, pooled) for a, b in pair
    )
    if there is None or back is None:
        assert there is back and not first.keys() & second.keys()
        return
    assert there.mean == pytest.approx(-back.mean, abs=1e-12)
    assert there.p == back.p and 0 <= there.p <= 1
    assert there.half_width == back.half_width or there.half_width == pytest.approx(back.half_width)
    assert there.wins + back.wins <= there.n == len(first.keys() & second.keys())


@examples(30)
@given(ROWS, DESIGN, st.permutations(range(10)))
def test_which_rows_differ_does_not_hang_on_names_of_seeds_or_a_common_shift(
    rows: list[dict[int, float]], design: stats.Design, names: list[int]
) -> None:
    higher = all_pairs.compare_all(rows, design)
    renamed = [{names[seed]: value for seed, value in row.items()} for row in rows]
    assert all_pairs.compare_all(renamed, design) == higher
    assert all_pairs.compare_all([_moved(row, 0.25) for row in rows], design) == higher
    turned = all_pairs.compare_all(rows[::-1], design)
    assert [row[::-1] for row in turned[::-1]] == higher


@examples(30)
@given(ROWS, DESIGN)
def test_ranks_and_letters_say_what_the_pairs_say(
    rows: list[dict[int, float]], design: stats.Design
) -> None:
    higher = all_pairs.compare_all(rows, design)
    k, means = len(rows), [stats.mean(list(row.values())) for row in rows]
    for i in range(k):
        assert not higher[i][i]
        for j in range(k):
            assert not (higher[i][j] and higher[j][i])
            if higher[i][j] and design == "independent":
                assert means[i] > means[j]
    shown = all_pairs.letters(higher)
    for i in range(k):
        for j in range(k):
            apart = higher[i][j] or higher[j][i]
            assert apart == (not set(shown[i]) & set(shown[j])) or k > 52
    if design == "independent":
        for i, (low, high) in enumerate(all_pairs.rank_ranges(higher)):
            rank = 1 + sum(other > means[i] for other in means)
            last = k - sum(other < means[i] for other in means)
            assert 1 <= low <= rank <= last <= high <= k


@examples(40)
@given(st.lists(st.floats(0, 1), max_size=10), st.randoms(use_true_random=False))
def test_holm_does_not_hang_on_the_order(p_values: list[float], rng: Any) -> None:
    order = list(range(len(p_values)))
    rng.shuffle(order)
    shuffled = stats.holm([p_values[index] for index in order])
    found = stats.holm(p_values)
    assert [found[index] for index in order] == shuffled
    assert all(p <= adjusted + 1e-6 for p, adjusted in zip(p_values, found, strict=True))
    assert not p_values or max(found) <= 1


@examples(30)
@given(ROW, ROW, DESIGN)
def test_improvement_is_about_order_alone(
    first: dict[int, float], second: dict[int, float], design: stats.Design
) -> None:
    found = effects.improvement(first, second, design)
    assume(found is not None)
    assert found is not None

    def bent(row: dict[int, float]) -> dict[int, float]:
        return {seed: math.exp(3 * value) for seed, value in row.items()}

    again = effects.improvement(bent(first), bent(second), design)
    assert again == found
    assert 0 <= found.probability <= 1 if hasattr(found, "probability") else True
    if found.interval:
        assert 0 <= found.interval[0] <= found.interval[1] <= 1


@examples(50)
@given(ROW, ROW, DESIGN, st.integers(1, 300).map(lambda value: value / 1000))
def test_rows_within_a_margin_are_within_a_larger_one(
    first: dict[int, float], second: dict[int, float], design: stats.Design, margin: float
) -> None:
    pooled = stats.pooled_variance([first, second])
    call = effects.paired_equivalence if design == "blocked" else effects.unpaired_equivalence
    extra = () if design == "blocked" else (pooled,)
    small, large = (call(first, second, *extra, each) for each in (margin, 2 * margin))
    if small is None or large is None:
        assert small is large
        return
    assert large.p <= small.p and small.tested == large.tested


@examples(40)
@given(st.integers(2, 60), st.integers(1, 300), st.integers(1, 300), DESIGN)
def test_power_grows_with_the_difference_and_does_not_know_units(
    n: int, thousandths: int, spread: int, design: stats.Design
) -> None:
    difference, sd = thousandths / 1000, spread / 1000
    arms = Arms(n, sd, design)
    found = power(difference, arms)
    assert 0 <= found <= 1 and power(2 * difference, arms) >= found - 1e-9
    assert power(-difference, arms) == found
    assert power(100 * difference, Arms(n, 100 * sd, design)) == pytest.approx(found, abs=1e-6)
    needed = seeds_needed(difference, sd, design)
    assert needed is None or needed >= 2


LAYOUT = st.dictionaries(st.tuples(st.integers(0, 4), st.integers(0, 4)), SHARE, min_size=1)


@examples(30)
@given(LAYOUT)
def test_components_of_variance_do_not_hang_on_shift_or_names(
    values: dict[tuple[int, int], float],
) -> None:
    found = components(values)
    shifted = components({key: value + 0.5 for key, value in values.items()})
    if not isinstance(found, Components):
        assert found == shifted
        for run in found.runs:
            assert run not in values
        return
    assert isinstance(shifted, Components)
    for name in ("pool", "seed", "rest"):
        assert getattr(found, name) >= 0
        assert getattr(shifted, name) == pytest.approx(getattr(found, name), abs=1e-10)
    assert (found.pools, found.seeds) == (shifted.pools, shifted.seeds)
    assert 0 <= found.pool_share <= 1
    turned = components({(seed, pool): value for (pool, seed), value in values.items()})
    assert isinstance(turned, Components)
    if len(values) == len(found.pools) * len(found.seeds):
        assert turned.pool == pytest.approx(found.seed, abs=1e-10)
        assert turned.rest == pytest.approx(found.rest, abs=1e-10)
