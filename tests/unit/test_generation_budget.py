"""Budgets: the paper's fill rules, and clear errors for what cannot be meant."""

import pytest

from benchmark.config import parse
from benchmark.errors import UsageError
from benchmark.generation.budget import Budget, allocate, label, resolve

CIFAR100_IF100 = [int(500 * 0.01 ** (k / 99)) for k in range(100)]
COUNTS = (150, 60, 5)


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
    ],
)
def test_labels(budget: Budget, text: str) -> None:
    assert label(budget) == text
