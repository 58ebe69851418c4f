"""Protocols: counts that follow from a limit, and stages of equal steps."""

from dataclasses import replace
from itertools import cycle, islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.component import Component, Stage
from benchmark.config import StepsConfig
from benchmark.errors import UsageError
from benchmark.generation.budget import Allocation, Budget
from benchmark.generation.limits import Prices, predict
from benchmark.generation.protocols import (
    Affordable,
    Protocol,
    allocate_under,
    deciding,
    level,
    levelled,
    named,
)
from benchmark.stack import Stack
from benchmark.tiny import tiny_recipe, tiny_rows, tiny_task
from benchmark.training.job import plan_stages

COUNTS = st.lists(st.integers(0, 60), min_size=1, max_size=8)
OF_SLOT = st.lists(st.integers(1, 9), min_size=1, max_size=3).map(tuple)
SPEND = st.integers(0, 2000)
LEVEL = Budget(kind="level", limit_calls=1000)


def bought(counts: list[int], spend: int, of_slot: tuple[int, ...]) -> tuple[int, ...]:
    """One image after the other for the poorest class, as slowly as the rule is worded."""
    add = [0] * len(counts)
    while True:
        label = min(range(len(add)), key=lambda k: (counts[k] + add[k], counts[k], k))
        spend -= of_slot[add[label] % len(of_slot)]
        if spend < 0:
            return tuple(add)
        add[label] += 1


def paid(add: tuple[int, ...], of_slot: tuple[int, ...]) -> int:
    return sum(sum(islice(cycle(of_slot), count)) for count in add)


@given(COUNTS, st.integers(0, 300), OF_SLOT)
def test_levelling_is_buying_one_image_after_the_other(
    counts: list[int], spend: int, of_slot: tuple[int, ...]
) -> None:
    assert level(counts, Affordable(spend, of_slot)) == bought(counts, spend, of_slot)


@given(COUNTS, SPEND)
def test_equal_prices_are_spent_to_the_last(counts: list[int], spend: int) -> None:
    assert sum(level(counts, Affordable(spend, (1,)))) == spend


@given(COUNTS, SPEND, OF_SLOT)
def test_less_than_an_image_stays_unspent(
    counts: list[int], spend: int, of_slot: tuple[int, ...]
) -> None:
    left = spend - paid(level(counts, Affordable(spend, of_slot)), of_slot)
    assert 0 <= left < max(of_slot)


@given(COUNTS, SPEND, st.integers(0, 500), OF_SLOT)
def test_a_larger_sum_buys_what_a_smaller_one_buys(
    counts: list[int], spend: int, extra: int, of_slot: tuple[int, ...]
) -> None:
    small = level(counts, Affordable(spend, of_slot))
    large = level(counts, Affordable(spend + extra, of_slot))
    assert all(few <= many for few, many in zip(small, large, strict=True))


@given(COUNTS, SPEND)
def test_filled_classes_end_within_one_image_of_each_other(counts: list[int], spend: int) -> None:
    add = level(counts, Affordable(spend, (1,)))
    ends = [count + more for count, more in zip(counts, add, strict=True) if more]
    if ends:
        assert max(ends) - min(ends) <= 1
        untouched = [count for count, more in zip(counts, add, strict=True) if not more]
        assert all(count >= max(ends) - 1 for count in untouched)


def test_beyond_the_largest_class_all_grow_alike() -> None:
    assert level((50, 20, 5), Affordable(75 + 300, (1,))) == (100, 130, 145)


def test_the_remainder_goes_to_the_smallest_real_counts_then_by_label() -> None:
    assert level((5, 3, 3, 9), Affordable(4 + 2, (1,))) == (0, 3, 3, 0)
    assert level((4, 4, 3, 9), Affordable(1 + 1, (1,))) == (0, 0, 2, 0)
    assert level((4, 4, 3, 9), Affordable(1 + 2, (1,))) == (1, 0, 2, 0)


def under(protocol: Protocol, budget: Budget, prices: Prices) -> Allocation:
    return allocate_under(protocol, budget, (50, 20, 5), prices, many_above=20)


def test_methods_of_different_prices_spend_the_same() -> None:
    for prices in (Prices((2,)), Prices((16,)), Prices((25, 10)), Prices((16,), 300)):
        got = under("iso_nfe", LEVEL, prices)
        spent = predict(got.add, prices, LEVEL).calls
        assert got.keep == (50, 20, 5)
        assert 1000 - max(prices.calls_of_slot) < spent <= 1000


def test_rejected_candidates_are_planned_for() -> None:
    budget = replace(LEVEL, acceptance=0.31)
    got = under("iso_nfe", budget, Prices((10,)))
    assert sum(got.add) == 31
    assert predict(got.add, Prices((10,)), budget).calls == 1000


def test_real_images_are_cut_by_keep_real_only() -> None:
    got = under("iso_nfe", replace(LEVEL, keep_real=10), Prices((10,)))
    assert (got.keep, got.add) == ((10, 10, 5), (31, 32, 37))
    assert sum(got.add) == 100


def test_seconds_buy_images_to_the_last_tenth() -> None:
    # in floats 0.3 / 0.1 is less than 3
    budget = Budget(kind="level", limit_seconds=0.3, seconds_image=0.1)
    got = under("iso_seconds", budget, Prices((10,)))
    assert got.add == (0, 0, 3)
    assert predict(got.add, Prices((10,)), budget).seconds == 0.3


def test_fitting_is_paid_first() -> None:
    budget = Budget(kind="level", limit_seconds=100, seconds_image=1.0, seconds_fit=90.0)
    assert under("iso_seconds", budget, Prices((10,), 500)).add == (0, 0, 10)


SECONDS = Budget(kind="level", limit_seconds=60)


@pytest.mark.parametrize(
    ("protocol", "budget", "prices", "words"),
    [
        ("iso_nfe", Budget(kind="level"), Prices((1,)), "Expected budget.limit_calls under"),
        ("iso_nfe", LEVEL, Prices(supply="web images"), "but got web images, which take no"),
        ("iso_nfe", LEVEL, Prices((1,), 1500), r"takes 1,500 alone \(50 % more\)"),
        ("iso_nfe", LEVEL, Prices((100,), 950), "at least 1,050 network calls, which pay for one"),
        ("iso_seconds", Budget(kind="level"), Prices((1,)), "Expected budget.limit_seconds under"),
        ("iso_seconds", SECONDS, Prices((1,)), "Expected budget.seconds_image.*generate show"),
        ("iso_seconds", replace(SECONDS, seconds_image=1.0), Prices((1,), 9), "seconds_fit"),
        ("iso_seconds", replace(SECONDS, seconds_image=90.0), Prices((1,)), "at least 90 device"),
        ("iso_image", LEVEL, Prices((1,)), "budget kind 'level'.*protocol=iso_nfe"),
    ],
)
def test_what_a_derived_budget_needs(
    protocol: Protocol, budget: Budget, prices: Prices, words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        under(protocol, budget, prices)


def test_counts_of_ones_own_are_refused_where_they_follow_from_a_limit() -> None:
    assert levelled(Budget(kind="auto", limit_calls=9), "iso_nfe").kind == "level"
    with pytest.raises(UsageError, match="which derives them, but got budget kind 'uniform'"):
        levelled(Budget(kind="uniform"), "iso_nfe")


def test_only_what_decides_counts_is_kept() -> None:
    full = Budget(
        kind="level", limit_images=1, limit_calls=2, limit_seconds=3, limit_flops=4,
        acceptance=0.5, seconds_image=6, seconds_fit=7,
    )  # fmt: skip
    assert deciding(full, "iso_nfe") == Budget(kind="level", limit_calls=2, acceptance=0.5)
    assert deciding(full, "iso_seconds") == Budget(
        kind="level", limit_seconds=3, acceptance=0.5, seconds_image=6, seconds_fit=7
    )
    assert deciding(full, "iso_image") == deciding(full, "iso_training") == Budget(kind="level")


def test_a_protocol_that_does_not_exist_names_the_nearest() -> None:
    assert named("iso_nfe") == "iso_nfe"
    with pytest.raises(UsageError, match="Unknown protocol 'isonfe'"):
        named("isonfe")


class More(Component):
    """Two more stages."""

    def stages(self, base: list[Stage]) -> list[Stage]:
        """Shares that add up to 1.75 with the base."""
        return [*base, Stage("second", 0.5), Stage("third", 0.25)]


ROWS = tiny_rows(tiny_task((20, 10), added=30))
MORE = Stack((More(None, "more"),))
EPOCHS = replace(tiny_recipe(batch_size=8), steps=StepsConfig(unit="epochs", amount=7))


def test_equal_training_counts_epochs_on_the_plain_set() -> None:
    (base,) = plan_stages(Stack(()), ROWS, EPOCHS, 0, fixed_rows=30)
    assert base.steps == 7 * 4
    assert base.per_epoch == -(-len(ROWS) // 8) > 4


def test_equal_training_scales_the_shares_to_one() -> None:
    fixed = [plan.steps for plan in plan_stages(MORE, ROWS, EPOCHS, 0, fixed_rows=30)]
    free = [plan.steps for plan in plan_stages(MORE, ROWS, EPOCHS, 0)]
    # 30 rows are 4 batches of 8, 90 rows are 12
    assert (fixed, free) == ([16, 8, 4], [84, 42, 21])


@pytest.mark.parametrize("amount", [7, 10, 11, 600])
def test_no_step_is_lost_to_rounding(amount: int) -> None:
    recipe = replace(EPOCHS, steps=StepsConfig(unit="iterations", amount=amount))
    found = [plan.steps for plan in plan_stages(MORE, ROWS, recipe, 0, fixed_rows=30)]
    assert sum(found) == amount and min(found) >= 1
