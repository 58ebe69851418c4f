"""Budgets: the paper's fill rules, and clear errors for what cannot be meant."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.config import parse
from benchmark.errors import UsageError
from benchmark.experiments.compose import settings
from benchmark.experiments.experiment import resolve as resolve_experiment
from benchmark.experiments.runner import _first_of_each
from benchmark.generation.budget import Budget, allocate, counts_only, label, resolve

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
        ({"kind": "replace"}, "Expected a share for budget kind 'replace'"),
        ({"kind": "none", "share": 0.5}, "Expected no share for budget kind 'none', but got 0.5"),
        ({"kind": "replace", "share": 1.5}, "less than or equal to 1"),
        ({"kind": "replace", "share": -0.1}, "greater than or equal to 0"),
        ({"kind": "replace", "share": 0.5, "keep_real": 3}, "Expected no keep_real"),
        ({"kind": "replace", "share": 0.5, "amount": 3}, "Expected no amount"),
        ({"kind": "replace", "share": 0.5, "by": "rows"}, "'images' or 'classes'"),
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
        (Budget(kind="replace", share=0.125), "replace(12.5 % of images)"),
        (Budget(kind="replace", share=1, by="classes"), "replace(100 % of classes)"),
        (Budget(kind="level", limit_seconds=90.5, keep_real=0), "level(90.5 s, keep_real=0)"),
    ],
)
def test_labels(budget: Budget, text: str) -> None:
    assert label(budget) == text


# replacement


def replaced(share: float, by: str = "images", counts=(100, 7, 1), order=None) -> list[int]:
    """Images of each class that are replaced."""
    budget = Budget(kind="replace", share=share, by=by)  # type: ignore[arg-type]
    got = allocate(budget, counts, order=order)
    assert got.counts_train == tuple(counts)
    assert not any("lose" in note for note in got.notes)
    return list(got.add)


@pytest.mark.parametrize(
    ("share", "gone"),
    [
        (0, [0, 0, 0]),
        (0.01, [1, 0, 0]),
        (0.1, [10, 1, 0]),  # 6.3 of 7 stay
        (0.5, [50, 3, 0]),  # 3.5 and 0.5 stay, halves up
        (0.51, [51, 4, 1]),
        (0.99, [99, 7, 1]),
        (1, [100, 7, 1]),
    ],
)
def test_a_share_of_every_class_is_replaced(share: float, gone: list[int]) -> None:
    assert replaced(share) == gone


def test_a_share_is_the_number_as_it_is_written() -> None:
    # as binary fractions 0.1 * 5 and 0.7 * 50 may fall on the wrong side of a half
    assert replaced(0.9, counts=(5,)) == [4]
    assert [replaced(0.3, counts=(n,))[0] for n in (10, 20, 50, 1000)] == [3, 6, 15, 300]


@pytest.mark.parametrize(
    # a tenth of four classes is less than half of one
    ("share", "gone"),
    [(0, []), (0.1, []), (0.5, [2, 0]), (0.9, [2, 0, 1, 3]), (1, [2, 0, 1, 3])],
)
def test_whole_classes_are_replaced_in_the_given_order(share: float, gone: list[int]) -> None:
    got = replaced(share, "classes", (9, 8, 7, 6), order=(2, 0, 1, 3))
    assert got == [count if label in gone else 0 for label, count in enumerate((9, 8, 7, 6))]


def test_without_an_order_classes_go_by_label() -> None:
    assert replaced(0.5, "classes", (9, 8, 7, 6)) == [9, 8, 0, 0]


@given(
    counts=st.lists(st.integers(0, 300), min_size=1, max_size=12),
    shares=st.lists(st.integers(0, 100), min_size=2, max_size=2).map(sorted),
    by=st.sampled_from(["images", "classes"]),
)
def test_a_larger_share_replaces_what_a_smaller_one_does(
    counts: list[int], shares: list[int], by: str
) -> None:
    order = np.random.default_rng(sum(counts)).permutation(len(counts)).tolist()
    small, large = (replaced(share / 100, by, counts, order) for share in shares)
    # the first keep_k rows of a class stay, so fewer kept rows are some of more kept ones
    assert all(few <= many for few, many in zip(small, large, strict=True))
    assert sum(replaced(0, by, counts, order)) == 0
    assert replaced(1, by, counts, order) == counts


def test_the_order_of_classes_follows_the_seed() -> None:
    words = ["method=t2i", "budget=replace", "budget.by=classes", "budget.share=0.3"]
    gone = [
        tuple(np.flatnonzero(resolve_experiment(settings([*words, f"seed={seed}"])).allocation.add))
        for seed in (0, 1, 2, 0)
    ]
    assert [len(labels) for labels in gone] == [3, 3, 3, 3]
    assert gone[0] == gone[3]
    assert len(set(gone)) > 1


def test_seeds_do_not_move_the_hash() -> None:
    words = ["method=t2i", "budget=replace", "budget.by=classes"]
    first, second = (resolve_experiment(settings([*words, f"seed={s}"])).hash for s in (0, 1))
    assert first == second
