"""Budgets: the paper's fill rules, and clear errors for what cannot be meant."""

from itertools import pairwise

import numpy as np
import pytest

from benchmark.config import parse
from benchmark.errors import UsageError
from benchmark.generation.budget import Budget, allocate, counts_only, label, resolve
from benchmark.runner import _first_of_each

COUNTS = (150, 60, 5)


def _profile(n_max: int, factor: int, classes: int) -> list[int]:
    """The exponential profile of Cui et al."""
    return [int(n_max * (1 / factor) ** (k / (classes - 1))) for k in range(classes)]


CIFAR100_IF100 = _profile(500, 100, 100)


@pytest.mark.parametrize(
    ("beta", "kept", "added"),
    [
        (50, 3446, 1554),
        (100, 5523, 4477),
        (200, 8194, 11806),
        (300, 9745, 20255),
        (400, 10566, 29434),
        (500, 10847, 39153),
        (1000, 10847, 89153),
    ],
)
def test_uniform_sizes_of_cifar100_lt(beta: int, kept: int, added: int) -> None:
    got = allocate(Budget(kind="uniform", amount=beta), CIFAR100_IF100)
    assert (sum(got.keep), sum(got.add)) == (kept, added)
    assert set(got.counts_train) == {beta}


@pytest.mark.parametrize(
    ("n_max", "factor", "classes", "real", "smallest", "added"),
    [
        (500, 100, 100, 10_847, 5, 39_153),
        (500, 50, 100, 12_608, 10, 37_392),
        (500, 10, 100, 19_573, 50, 30_427),
        (5000, 100, 10, 12_406, 50, 37_594),
    ],
)
def test_uniform_totals_of_other_imbalance_factors(
    n_max: int, factor: int, classes: int, real: int, smallest: int, added: int
) -> None:
    counts = _profile(n_max, factor, classes)
    got = allocate(Budget(kind="uniform"), counts)
    assert (sum(counts), min(counts), sum(got.keep), sum(got.add)) == (real, smallest, real, added)


def test_a_larger_beta_keeps_and_adds_all_that_a_smaller_one_does() -> None:
    betas = (50, 100, 200, 300, 400, 500, 1000)
    found = [allocate(Budget(kind="uniform", amount=beta), CIFAR100_IF100) for beta in betas]
    for small, large in pairwise(found):
        assert all(few <= many for few, many in zip(small.keep, large.keep, strict=True))
        assert all(few <= many for few, many in zip(small.add, large.add, strict=True))
        assert small.cut_rule == large.cut_rule == "subset_order"


def test_the_rows_of_a_smaller_beta_are_rows_of_a_larger_one() -> None:
    labels = np.random.default_rng(0).permutation(np.repeat([0, 1, 2], COUNTS))
    kept = [
        set(_first_of_each(labels, allocate(Budget(kind="uniform", amount=beta), COUNTS).keep))
        for beta in (10, 80, 150)
    ]
    assert kept[0] < kept[1] < kept[2] == set(range(sum(COUNTS)))


def test_uniform_without_amount_fills_to_the_largest_class() -> None:
    got = allocate(Budget(kind="uniform"), CIFAR100_IF100)
    assert sum(got.add) == 39153
    assert got.notes == ()


def test_a_cut_is_noted() -> None:
    got = allocate(Budget(kind="uniform", amount=100), COUNTS)
    assert got.notes == ("1 of 3 classes lose 50 real images to uniform(100)",)


@pytest.mark.parametrize(
    ("budget", "keep", "add"),
    [
        (Budget(kind="none"), COUNTS, (0, 0, 0)),
        (Budget(kind="none", keep_real=10), (10, 10, 5), (0, 0, 0)),
        (Budget(kind="add", amount=20), COUNTS, (20, 20, 20)),
        (Budget(kind="tail", amount=80), COUNTS, (0, 20, 75)),
        (Budget(kind="tail", amount=50), COUNTS, (0, 0, 45)),
        (Budget(kind="list", counts=(1, 2, 3)), COUNTS, (1, 2, 3)),
        (Budget(kind="uniform", amount=100, keep_real=0), (0, 0, 0), (100, 100, 100)),
        (Budget(kind="uniform", keep_real=10), (10, 10, 5), (140, 140, 145)),
    ],
)
def test_kinds(budget: Budget, keep: tuple[int, ...], add: tuple[int, ...]) -> None:
    got = allocate(budget, COUNTS)
    assert (got.keep, got.add) == (keep, add)


def test_tail_uses_the_convention_it_is_given() -> None:
    got = allocate(Budget(kind="tail", amount=100), (50, 30, 3), many_above=40)
    assert got.add == (0, 70, 97)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"kind": "add"}, "Expected an amount"),
        ({"kind": "tail"}, "Expected an amount"),
        ({"kind": "none", "amount": 3}, "budget=uniform budget.amount=3"),
        ({"kind": "add", "amount": -1}, "greater than or equal to 0"),
        ({"kind": "list"}, "one count a class"),
        ({"kind": "add", "amount": 1, "counts": (1,)}, "Expected no counts"),
        ({"kind": "unifrom"}, "uniform"),
        ({"kind": "add", "amout": 3}, "did you mean amount"),
    ],
)
def test_impossible_settings_are_refused(values: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        parse(Budget, values, "budget")


def test_negative_amounts_are_refused_without_a_parser() -> None:
    with pytest.raises(UsageError, match="at least 0, but got -1"):
        Budget(kind="add", amount=-1)


def test_counts_have_to_match_the_classes() -> None:
    with pytest.raises(UsageError, match="Expected 3 counts, one a class, but got 2"):
        allocate(Budget(kind="list", counts=(1, 2)), COUNTS)


def test_auto_has_to_be_resolved() -> None:
    with pytest.raises(UsageError, match="resolved budget"):
        allocate(Budget(kind="auto"), COUNTS)
    default = Budget(kind="uniform")
    assert resolve(Budget(kind="auto"), default) == default
    assert resolve(Budget(kind="auto", keep_real=0), default).keep_real == 0
    limited = resolve(Budget(kind="auto", limit_calls=7, acceptance=0.5), default)
    assert limited == Budget(kind="uniform", limit_calls=7, acceptance=0.5)
    assert counts_only(limited) == default
    assert resolve(Budget(kind="none"), default).kind == "none"


@pytest.mark.parametrize(
    ("budget", "text"),
    [
        (Budget(kind="none"), "none"),
        (Budget(kind="uniform", amount=50), "uniform(50)"),
        (Budget(kind="uniform"), "uniform(max)"),
        (Budget(kind="add", amount=20), "add(20)"),
        (Budget(kind="list", counts=(1, 2)), "list(3)"),
        (Budget(kind="uniform", amount=50, keep_real=0), "uniform(50, keep_real=0)"),
        (Budget(kind="uniform", amount=50, limit_calls=9), "uniform(50)"),
        (Budget(kind="level", limit_calls=50_000), "level(50000 calls)"),
        (Budget(kind="level", limit_seconds=90.5, keep_real=0), "level(90.5 s, keep_real=0)"),
    ],
)
def test_labels(budget: Budget, text: str) -> None:
    assert label(budget) == text
