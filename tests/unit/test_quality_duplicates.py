"""Near-duplicates inside a pool."""

import numpy as np

from benchmark.generation.quality.duplicates import find_duplicates
from benchmark.generation.quality.leaks import Threshold
from tests.unit.test_leaks import scenes

SURE = Threshold(0.9, 0.001, 20, 0)


def test_copies_are_grouped() -> None:
    images = scenes(20, 12)
    images[4] = images[1]
    images[9] = (images[1] * 0.7 + 20).astype(np.uint8)
    images[7] = images[3][:, ::-1]
    found = find_duplicates(images, SURE)
    assert found.groups == ((1, 4, 9), (3, 7))
    assert (found.identical, found.surplus) == (1, 3)


def test_a_pool_without_copies() -> None:
    found = find_duplicates(scenes(21, 50), SURE)
    assert (found.identical, found.groups, found.surplus) == (0, (), 0)


def test_tiny_pools() -> None:
    assert find_duplicates(scenes(22, 0), SURE).groups == ()
    assert find_duplicates(scenes(22, 1), SURE).groups == ()
    assert find_duplicates(np.repeat(scenes(22, 1), 2, axis=0), SURE).groups == ((0, 1),)
