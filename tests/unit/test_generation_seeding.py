"""Seeds: a permutation of 32-bit integers."""

import numpy as np
import pytest

from benchmark.errors import UsageError
from benchmark.generation.seeding import MAX_ATTEMPTS, image_seed, image_seeds, permute


def test_a_million_seeds_do_not_collide() -> None:
    seeds = permute(np.arange(1_000_000), pool_seed=3)
    assert len(np.unique(seeds)) == 1_000_000
    assert seeds.max() < 2**32


def test_slots_classes_and_attempts_never_share_a_seed() -> None:
    labels, slots = np.meshgrid(np.arange(7), np.arange(50))
    seeds = [image_seeds(1, labels, slots, 7, attempt) for attempt in range(MAX_ATTEMPTS)]
    assert len(np.unique(np.stack(seeds))) == 7 * 50 * MAX_ATTEMPTS


def test_arrays_and_scalars_agree_and_more_slots_change_nothing() -> None:
    few = image_seeds(5, np.full(10, 2), np.arange(10), 4)
    many = image_seeds(5, np.full(99, 2), np.arange(99), 4)
    assert many[:10].tolist() == few.tolist()
    assert [image_seed(5, 2, slot, 4) for slot in range(10)] == few.tolist()


def test_every_input_bit_flips_half_of_the_output_bits() -> None:
    index = np.arange(4096)
    base = permute(index, 0).astype(np.uint32)
    for bit in range(32):
        flipped = permute(index ^ (1 << bit), 0).astype(np.uint32)
        assert 0.47 < np.unpackbits((base ^ flipped).view(np.uint8)).mean() < 0.53


def test_values_are_spread_evenly_and_pools_differ() -> None:
    first, second = permute(np.arange(64_000), 1), permute(np.arange(64_000), 2)
    filled = np.bincount((first >> np.uint64(26)).astype(np.int64), minlength=64)
    assert 800 < filled.min() <= filled.max() < 1200
    assert (first == second).sum() < 5


def test_seeds_are_fixed_for_ever() -> None:
    assert [image_seed(7, 3, slot, 10) for slot in (5, 6)] == GOLDEN


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(UsageError, match="Expected at most 1073741 images a class"):
        image_seed(0, 0, 1_073_741, 1000)
    with pytest.raises(UsageError, match="attempt below 4"):
        image_seed(0, 0, 0, 10, attempt=4)


GOLDEN = [3261049977, 1527134181]
