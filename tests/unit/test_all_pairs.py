"""All pairs at once against the tests of single pairs, and letters where there are too many."""

import math
from itertools import combinations

import numpy as np
import pytest

from benchmark.statistics import all_pairs, stats
from benchmark.statistics.stats import Design, Values


def _board(rng: np.random.Generator, rows: int) -> list[Values]:
    """Rows of different means, some seeds missing, some constant, two of them alike."""
    found = []
    for _ in range(rows):
        centre, seeds = rng.normal(0.8, 0.02), rng.permutation(8)[: rng.integers(1, 9)]
        found.append({int(seed): float(centre + rng.normal(0, 0.005)) for seed in sorted(seeds)})
    constant = dict.fromkeys(range(5), 0.75)
    return [*found, constant, constant, dict.fromkeys(range(5), 0.75 + 1e-15), {}]


def _one_by_one(rows: list[Values], design: Design) -> list[list[bool]]:
    pooled, pairs, found = stats.pooled_variance(rows), list(combinations(range(len(rows)), 2)), []
    for i, j in pairs:
        gap = (
            stats.paired(rows[i], rows[j]) if design == "blocked"
            else stats.unpaired(rows[i], rows[j], pooled)
        )  # fmt: skip
        enough = stats.seeds_tested(rows[i], rows[j], design) >= stats.MIN_SEEDS
        found.append(gap if gap and enough else None)
    higher = [[False] * len(rows) for _ in rows]
    adjusted = stats.holm([gap.p if gap else math.nan for gap in found])
    for (i, j), gap, p in zip(pairs, found, adjusted, strict=True):
        if gap and p < stats.ALPHA:
            better, worse = (i, j) if gap.mean > 0 else (j, i)
            higher[better][worse] = True
    return higher


@pytest.mark.parametrize("design", ["blocked", "independent"])
def test_all_at_once_is_one_by_one(design: Design) -> None:
    rng, apart = np.random.default_rng(11), 0
    for _ in range(4):
        rows = [row for row in _board(rng, 12) if row or design == "blocked"]
        higher = all_pairs.compare_all(rows, design)
        assert higher == _one_by_one(rows, design)
        apart += sum(map(sum, higher))
    assert apart > 10


@pytest.mark.parametrize("design", ["blocked", "independent"])
def test_none_and_one_row(design: Design) -> None:
    assert all_pairs.compare_all([], design) == []
    assert all_pairs.compare_all([{0: 1.0, 1: 0.5}], design) == [[False]]


def test_letters_of_fifty_two_groups_and_of_one_more() -> None:
    for k in (52, 53):
        clear = [[j > i for j in range(k)] for i in range(k)]
        found = all_pairs.letters(clear)
        assert found == (list(all_pairs.LETTERS) if k == 52 else [""] * 53)


def test_letters_give_up_soon_where_groups_are_countless() -> None:
    # 40 pairs that differ within only: 2 ** 40 maximal groups
    higher = [[j == i + 1 and i % 2 == 0 for j in range(80)] for i in range(80)]
    assert all_pairs.letters(higher) == [""] * 80


def test_ranks_share_the_mean_of_theirs() -> None:
    assert stats.ranks([0.3, 0.1, 0.3, 0.2]).tolist() == [3.5, 1.0, 3.5, 2.0]
