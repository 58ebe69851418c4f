"""Subset rules: published streams, prefixes, validation rows, hashes."""

import numpy as np
import pytest

from benchmark.data import profiles, splits
from benchmark.data.groups import LT20
from benchmark.errors import DataError, UsageError

LABELS = np.random.default_rng(3).permutation(np.repeat(np.arange(10), 50)).astype(np.int64)
COUNTS = profiles.exponential(50, 10, 10)


def published_rows() -> list[np.ndarray]:
    """The published code, on NumPy's global state, which is put back."""
    state = np.random.get_state()
    np.random.seed(0)
    rows = []
    for label, wanted in enumerate(COUNTS):
        index = np.where(label == LABELS)[0]
        np.random.shuffle(index)
        rows.append(index[:wanted])
    np.random.set_state(state)
    return rows


def test_ldam_rule_is_the_published_stream() -> None:
    got = splits.choose("ldam-seed0", LABELS, COUNTS, 0)
    for rows, expected in zip(got, published_rows(), strict=True):
        np.testing.assert_array_equal(rows, expected)


@pytest.mark.parametrize("rule", splits.RULES)
def test_rows_have_the_wanted_counts_and_leave_global_state_alone(rule: splits.Rule) -> None:
    before = np.random.get_state()[1].tolist()
    rows = splits.choose(rule, LABELS, COUNTS, 0)
    assert np.random.get_state()[1].tolist() == before
    assert tuple(map(len, rows)) == COUNTS
    assert all((LABELS[own] == label).all() for label, own in enumerate(rows))
    assert len(np.unique(np.concatenate(rows))) == sum(COUNTS)


def test_first_n_and_replicates() -> None:
    first = splits.choose("first-n", LABELS, COUNTS, 0)
    np.testing.assert_array_equal(first[3], np.flatnonzero(LABELS == 3)[: COUNTS[3]])
    one, two = (splits.choose("replicate", LABELS, COUNTS, r) for r in (1, 2))
    assert not np.array_equal(one[0], two[0])
    smaller = splits.choose("replicate", LABELS, [5] * 10, 1)
    np.testing.assert_array_equal(smaller[4], one[4][:5])


def test_too_few_rows() -> None:
    with pytest.raises(DataError, match="Expected 51 rows of class 0, but got 50"):
        splits.choose("first-n", LABELS, [51] * 10, 0)


def test_carving_partitions_the_rows() -> None:
    chosen = splits.choose("replicate", LABELS, COUNTS, 1)
    train, val = splits.carve(chosen, 1)
    assert tuple(map(len, val)) == splits.carved_counts(COUNTS)
    for rows, kept, taken in zip(chosen, train, val, strict=True):
        assert set(rows) == set(kept) | set(taken)
        assert not set(kept) & set(taken)
    free = splits.rest(len(LABELS), chosen)
    assert len(free) + sum(COUNTS) == len(LABELS)
    assert not set(free) & set(np.concatenate(chosen))


def test_carving_is_refused_where_few_has_none() -> None:
    splits.check_carvable(profiles.exponential(500, 100, 100), LT20)
    splits.check_carvable(profiles.exponential(5000, 100, 10), LT20)
    with pytest.raises(UsageError, match="validation rows in the 2 few-shot classes, but got none"):
        splits.check_carvable([500, 9, 5], LT20)


def test_hashes_follow_rows_and_rules() -> None:
    digests, labels = np.arange(32, dtype=np.uint8).reshape(2, 16), np.array([0, 1])
    first = splits.rows_hash(digests, labels)
    assert first == splits.rows_hash(digests.copy(), labels.astype(np.int64))
    assert first != splits.rows_hash(digests[::-1], labels)
    assert first != splits.rows_hash(digests, labels[::-1])
    assert splits.rule_hash("a", n=1) != splits.rule_hash("a", n=2)
