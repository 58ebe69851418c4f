"""Seeds and rows: streams apart, permutations that are some, parts that share no row."""

import random

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from benchmark.data import splits
from benchmark.generation.seeding import MAX_ATTEMPTS, image_seeds, permute
from benchmark.seeds import derive, numpy_generator, torch_generator
from tests.properties.amount import examples

SEEDS = st.integers(0, 2**31 - 1)
NAMES = st.lists(st.text(max_size=5) | st.integers(), max_size=4)
LABELS = st.lists(st.integers(0, 5), min_size=1, max_size=120).map(np.asarray)


def _global_state() -> tuple[object, ...]:
    return (random.getstate(), str(np.random.get_state()), torch.get_rng_state().sum().item())


@examples(60)
@given(SEEDS, NAMES, NAMES)
def test_streams_of_other_names_differ_and_none_touches_global_state(
    seed: int, first: list[str | int], second: list[str | int]
) -> None:
    before = _global_state()
    one, other = (numpy_generator(seed, *names).integers(2**62) for names in (first, second))
    torch_generator(seed, *first)
    # a name is its text, and names are joined by a slash
    same = "/".join(map(str, first)) == "/".join(map(str, second)) and bool(first) == bool(second)
    assert (one == other) == same
    assert _global_state() == before


@examples(60)
@given(st.lists(st.tuples(SEEDS, st.integers(0, 100)), unique=True, max_size=300))
def test_no_two_streams_share_a_seed(pairs: list[tuple[int, int]]) -> None:
    assert len({derive(seed, "order", step) for seed, step in pairs}) == len(pairs)


@examples(60)
@given(SEEDS, st.lists(st.integers(0, 2**32 - 1), unique=True, min_size=1, max_size=400))
def test_the_permutation_of_32_bits_is_one(pool_seed: int, index: list[int]) -> None:
    found = permute(index, pool_seed)
    assert found.shape == (len(index),) and found.max() < 2**32
    assert len(set(found.tolist())) == len(index)
    assert permute(index[0], pool_seed).shape == ()


@examples(30)
@given(SEEDS, st.integers(1, 40), st.integers(1, 40))
def test_attempts_never_meet_another_images_seed(pool_seed: int, classes: int, slots: int) -> None:
    labels, places = np.divmod(np.arange(classes * slots), slots)
    found = [image_seeds(pool_seed, labels, places, classes, n) for n in range(MAX_ATTEMPTS)]
    assert len(np.unique(np.concatenate(found))) == classes * slots * MAX_ATTEMPTS


@st.composite
def wanted(draw: st.DrawFn) -> tuple[np.ndarray, list[int], splits.Rule, int]:
    """Labels, counts that they can give, a rule and a replicate."""
    labels = draw(LABELS).astype(np.int64)
    counts = [draw(st.integers(0, n)) for n in np.bincount(labels, minlength=6).tolist()]
    return labels, counts, draw(st.sampled_from(list(splits.RULES))), draw(st.integers(0, 99))  # type: ignore[return-value]


@examples(40)
@given(wanted())
def test_parts_share_no_row_and_together_are_all_rows(
    given_: tuple[np.ndarray, list[int], splits.Rule, int],
) -> None:
    labels, counts, rule, replicate = given_
    before = _global_state()
    chosen = splits.choose(rule, labels, counts, replicate)
    train, val = splits.carve(chosen, replicate)
    heldout = splits.rest(len(labels), chosen)
    assert _global_state() == before
    assert [len(rows) for rows in chosen] == counts
    assert tuple(len(rows) for rows in val) == splits.carved_counts(counts)
    assert all((labels[rows] == label).all() for label, rows in enumerate(chosen))
    everything = np.concatenate([*train, *val, heldout])
    assert np.array_equal(np.sort(everything), np.arange(len(labels)))
    again = splits.choose(rule, labels, counts, replicate)
    assert all(np.array_equal(a, b) for a, b in zip(chosen, again, strict=True))


@examples(40)
@given(wanted(), st.integers(0, 5))
def test_a_class_keeps_its_rows_whatever_other_classes_ask_for(
    given_: tuple[np.ndarray, list[int], splits.Rule, int], other: int
) -> None:
    labels, counts, rule, replicate = given_
    fewer = [0 if label == other else n for label, n in enumerate(counts)]
    first = splits.choose(rule, labels, counts, replicate)
    second = splits.choose(rule, labels, fewer, replicate)
    for label in set(range(6)) - {other}:
        assert np.array_equal(first[label], second[label])


@examples(40)
@given(LABELS, st.integers(0, 50))
def test_fewer_rows_of_a_class_are_its_first_ones(labels: np.ndarray, replicate: int) -> None:
    labels = labels.astype(np.int64)
    counts = np.bincount(labels, minlength=6).tolist()
    for rule in splits.RULES:
        full = splits.choose(rule, labels, counts, replicate)  # type: ignore[arg-type]
        half = splits.choose(rule, labels, [n // 2 for n in counts], replicate)  # type: ignore[arg-type]
        assert all(
            np.array_equal(many[: len(few)], few) for many, few in zip(full, half, strict=True)
        )


@examples(30)
@given(LABELS, st.permutations(range(6)))
def test_a_hash_of_rows_follows_their_order(labels: np.ndarray, order: list[int]) -> None:
    digests = np.arange(len(labels) * 4, dtype=np.uint8).reshape(-1, 4)
    rows = np.asarray([row for row in order if row < len(labels)])
    first = splits.rows_hash(digests, labels)
    assert splits.rows_hash(digests.copy(order="F"), labels.astype(np.int32)) == first
    if not np.array_equal(rows, np.arange(len(rows))):
        moved = np.arange(len(labels))
        moved[: len(rows)] = rows
        assert splits.rows_hash(digests[moved], labels[moved]) != first
