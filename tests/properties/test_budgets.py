"""Budgets: sums, caps, prefixes, limits, for any counts and any amount."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from benchmark.config import parse
from benchmark.errors import BenchError, UsageError
from benchmark.experiments.runner import _first_of_each
from benchmark.generation.budget import TAKES_AMOUNT, Budget, allocate, counts_only, label, resolve
from benchmark.generation.limits import (
    Meter,
    Predicted,
    Prices,
    check_limits,
    cost_of_slots,
    largest_amount,
    predict,
)
from benchmark.generation.seeding import image_seeds
from benchmark.identity import plain
from tests.properties.amount import examples

COUNTS = st.lists(st.integers(0, 1300), min_size=1, max_size=12)
AMOUNTS = st.integers(0, 3000)
SHARES = st.integers(0, 1000).map(lambda value: value / 1000)


@st.composite
def budgets(draw: st.DrawFn, classes: int) -> Budget:
    """Any budget whose counts follow from the real ones alone."""
    kind = draw(st.sampled_from(["none", "uniform", "add", "tail", "list", "replace"]))
    values: dict[str, Any] = {"kind": kind}
    if kind in TAKES_AMOUNT:
        values["amount"] = draw(AMOUNTS | st.none() if kind == "uniform" else AMOUNTS)
    if kind == "list":
        values["counts"] = tuple(draw(st.lists(AMOUNTS, min_size=classes, max_size=classes)))
    if kind == "replace":
        values |= {"share": draw(SHARES), "by": draw(st.sampled_from(["images", "classes"]))}
    elif draw(st.booleans()):
        values["keep_real"] = draw(AMOUNTS)
    return Budget(**values)


@examples(60)
@given(COUNTS, st.data())
def test_no_budget_keeps_more_than_there_is_or_adds_less_than_nothing(
    counts: list[int], data: st.DataObject
) -> None:
    budget = data.draw(budgets(len(counts)))
    found = allocate(budget, counts)
    assert len(found.keep) == len(found.add) == len(counts)
    assert all(0 <= kept <= real for kept, real in zip(found.keep, counts, strict=True))
    assert all(added >= 0 for added in found.add)
    if budget.keep_real is not None:
        assert max(found.keep) <= budget.keep_real
    assert found.counts_train == tuple(np.add(found.keep, found.add).tolist())
    assert allocate(budget, tuple(counts)) == found


@examples(50)
@given(COUNTS, st.data())
def test_what_each_kind_promises(counts: list[int], data: st.DataObject) -> None:
    budget = data.draw(budgets(len(counts)))
    found = allocate(budget, counts)
    if budget.kind == "uniform":
        beta = max(counts) if budget.amount is None else budget.amount
        assert set(found.counts_train) == {beta}
    elif budget.kind == "replace":
        assert found.counts_train == tuple(counts)
    elif budget.kind == "add":
        assert set(found.add) == {budget.amount}
    elif budget.kind == "list":
        assert found.add == budget.counts
    elif budget.kind == "none":
        assert not any(found.add)
    else:
        reached = [max(kept, budget.amount or 0) for kept in found.keep]
        filled = zip(counts, found.counts_train, found.keep, reached, strict=True)
        assert all(got == (kept if real > 100 else want) for real, got, kept, want in filled)


@examples(40)
@given(COUNTS, AMOUNTS, AMOUNTS, st.sampled_from(TAKES_AMOUNT), st.none() | AMOUNTS)
def test_a_smaller_amount_is_a_prefix_of_a_larger_one(
    counts: list[int], one: int, other: int, kind: str, keep_real: int | None
) -> None:
    budget = Budget(kind=kind, amount=min(one, other), keep_real=keep_real)  # type: ignore[arg-type]
    small, large = (
        allocate(each, counts) for each in (budget, replace(budget, amount=max(one, other)))
    )
    assert all(few <= many for few, many in zip(small.keep, large.keep, strict=True))
    # a larger uniform budget may keep more real images, but never adds fewer
    assert all(few <= many for few, many in zip(small.add, large.add, strict=True))


@examples(25)
@given(st.lists(st.integers(0, 40), min_size=1, max_size=6), st.integers(0, 50), st.data())
def test_the_rows_of_a_smaller_budget_are_rows_of_a_larger_one(
    counts: list[int], amount: int, data: st.DataObject
) -> None:
    order = data.draw(st.permutations([k for k, n in enumerate(counts) for _ in range(n)]))
    labels = np.asarray(order, dtype=np.int64)
    more = data.draw(st.integers(amount, 60))
    kept = [
        set(_first_of_each(labels, allocate(Budget(kind="uniform", amount=each), counts).keep))
        for each in (amount, more)
    ]
    assert kept[0] <= kept[1]


@examples(50)
@given(COUNTS, st.data())
def test_a_budget_is_its_own_configuration(counts: list[int], data: st.DataObject) -> None:
    budget = data.draw(budgets(len(counts)))
    values = plain(budget)
    assert parse(Budget, values, "budget") == budget
    assert allocate(counts_only(budget), counts) == allocate(budget, counts)
    assert label(budget).startswith(budget.kind) and label(budget).isprintable()


@examples(40)
@given(COUNTS, st.data())
def test_auto_is_whatever_the_method_asks_for(counts: list[int], data: st.DataObject) -> None:
    default = data.draw(budgets(len(counts)))
    assert allocate(resolve(Budget(kind="auto"), default), counts) == allocate(default, counts)
    with pytest.raises(UsageError, match="resolved budget"):
        allocate(Budget(kind="auto"), counts)


@examples(70)
@given(
    st.dictionaries(
        st.sampled_from(["kind", "amount", "counts", "keep_real", "share", "by", "limit_calls",
                         "limit_seconds", "acceptance", "kindd"]),
        st.sampled_from(["uniform", "level", "add", "list", "replace", "x", None, -1, 0, 1, 0.5,
                         10**30, float("nan"), float("inf"), [], [1], [-1], {}, True]),
    )
)  # fmt: skip
def test_any_setting_is_taken_or_refused_in_one_line(values: dict[str, Any]) -> None:
    try:
        budget = parse(Budget, {"kind": "uniform"} | values, "budget")
        allocate(budget, (3, 2, 1))
    except BenchError as error:
        assert "\n" not in str(error) and error.exit_code == 2  # noqa: PT017


@examples(60)
@given(
    st.integers(0, 200),
    st.lists(st.integers(1, 60), min_size=1, max_size=5),
    st.integers(0, 200),
)
def test_the_price_of_slots_is_the_sum_of_their_prices(
    count: int, of_slot: list[int], more: int
) -> None:
    by_hand = sum(of_slot[slot % len(of_slot)] for slot in range(count))
    assert cost_of_slots(count, of_slot) == by_hand
    assert cost_of_slots(count + more, of_slot) >= by_hand


@examples(60)
@given(COUNTS, st.integers(1, 10**6), st.integers(1, 40), st.sampled_from(TAKES_AMOUNT))
def test_the_largest_amount_within_a_limit_fits_and_one_more_does_not(
    counts: list[int], limit: int, calls: int, kind: str
) -> None:
    prices = Prices(calls_of_slot=(calls,))
    budget = Budget(kind=kind, amount=10**7, limit_calls=limit)  # type: ignore[arg-type]

    def price(tried: Budget) -> Predicted:
        return predict(allocate(tried, counts).add, prices, tried)

    def fits(tried: int) -> bool:
        try:
            check_limits(replace(budget, amount=tried), price(replace(budget, amount=tried)))
        except UsageError:
            return False
        return True

    assume(not fits(10**7))
    largest = largest_amount(budget, price)
    assert (fits(largest) and not fits(largest + 1)) or largest == 0


@examples(60)
@given(st.lists(st.integers(0, 30), max_size=20), st.integers(1, 200))
def test_a_meter_never_passes_its_limit_and_books_nothing_it_refuses(
    batches: list[int], limit: int
) -> None:
    meter, spent = Meter(Budget(kind="add", amount=1, limit_calls=limit)), 0
    for batch in batches:
        try:
            meter.spend(images=1, calls=batch)
            spent += batch
        except UsageError:
            assert spent + batch > limit
        assert meter.calls == spent <= limit


@examples(40)
@given(st.integers(0, 2**31 - 1), st.integers(1, 50), st.integers(1, 60), st.integers(1, 60))
def test_a_growing_pool_keeps_the_seeds_of_its_images(
    pool_seed: int, classes: int, few: int, more: int
) -> None:
    def seeds(slots: int) -> dict[tuple[int, int], int]:
        labels, places = np.divmod(np.arange(classes * slots), slots)
        found = image_seeds(pool_seed, labels, places, classes)
        return dict(zip(zip(labels.tolist(), places.tolist(), strict=True), found.tolist(),
                        strict=True))  # fmt: skip

    small, large = seeds(few), seeds(few + more)
    assert small.items() <= large.items()
    assert len(set(large.values())) == len(large)
    assert all(0 <= seed < 2**32 for seed in large.values())
