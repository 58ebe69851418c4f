"""Profiles and shot groups against the published vectors and sizes."""

import pytest

from benchmark.data import profiles
from benchmark.data.groups import GE100, LE20, LT20, assign, scaled
from benchmark.data.imagenet100_lists import COUNTS, NAMES, WNIDS
from benchmark.errors import UsageError

C100_100 = """500 477 455 434 415 396 378 361 344 328 314 299 286 273 260 248 237 226 216 206 197
188 179 171 163 156 149 142 135 129 123 118 112 107 102 98 93 89 85 81 77 74 70 67 64 61 58 56 53 51
48 46 44 42 40 38 36 35 33 32 30 29 27 26 25 24 23 22 21 20 19 18 17 16 15 15 14 13 13 12 12 11 11
10 10 9 9 8 8 7 7 7 6 6 6 6 5 5 5 5"""
C100_50 = """500 480 462 444 426 410 394 379 364 350 336 323 311 299 287 276 265 255 245 235 226 218
209 201 193 186 178 172 165 158 152 146 141 135 130 125 120 115 111 107 102 98 95 91 87 84 81 78 75
72 69 66 64 61 59 56 54 52 50 48 46 44 43 41 39 38 36 35 34 32 31 30 29 27 26 25 24 23 22 22 21 20
19 18 18 17 16 16 15 14 14 13 13 12 12 11 11 10 10 10"""
VECTORS = {
    (5000, 100, 10): "5000 2997 1796 1077 645 387 232 139 83 50",
    (5000, 50, 10): "5000 3237 2096 1357 878 568 368 238 154 100",
    (5000, 10, 10): "5000 3871 2997 2320 1796 1391 1077 834 645 500",
    (500, 100, 100): C100_100,
    (500, 50, 100): C100_50,
    (50, 50, 10): "50 32 20 13 8 5 3 2 1 1",
}
FACTORS = (10, 20, 50, 100, 200, 256)
TOTALS = {
    (5000, 10): (20431, 17023, 13996, 12406, 11203, 10844),
    (500, 100): (19573, 15907, 12608, 10847, 9502, 9098),
    (500, 200): (39072, 31711, 25082, 21549, 18836, 18030),
    (1300, 100): (50973, 41454, 32858, 28281, 24784, 23731),
    (1280, 100): (50194, 40811, 32354, 27846, 24398, 23364),
}


@pytest.mark.parametrize("setting", VECTORS)
def test_exponential_vector(setting: tuple[int, int, int]) -> None:
    assert profiles.exponential(*setting) == tuple(map(int, VECTORS[setting].split()))


@pytest.mark.parametrize(("n_max", "n_classes"), TOTALS)
def test_exponential_totals(n_max: int, n_classes: int) -> None:
    got = tuple(sum(profiles.exponential(n_max, factor, n_classes)) for factor in FACTORS)
    assert got == TOTALS[n_max, n_classes]


def test_exponential_c100_10_and_truncated_tail() -> None:
    counts = profiles.exponential(500, 10, 100)
    assert counts[:5] == (500, 488, 477, 466, 455)
    assert (counts[68], counts[69], counts[-1]) == (102, 100, 50)
    assert profiles.exponential(500, 200, 100)[-1] == 2


@pytest.mark.parametrize(
    ("n_max", "n_classes", "factor", "total"),
    [
        (5000, 10, 100, 25250),
        (500, 100, 100, 25250),
        (500, 100, 50, 25500),
        (500, 100, 10, 27500),
        (500, 200, 100, 50500),
        (500, 200, 50, 51000),
        (500, 200, 10, 55000),
    ],
)
def test_step_totals(n_max: int, n_classes: int, factor: float, total: int) -> None:
    assert sum(profiles.step(n_max, factor, n_classes)) == total


def test_natural_keeps_counts() -> None:
    assert profiles.induced("natural", None, None, [3, 9, 1]) == (3, 9, 1)


@pytest.mark.parametrize(
    ("n_max", "imbalance", "natural", "text"),
    [
        (None, None, [5, 5], "Expected n_max and imbalance"),
        (5, 10.0, [5, 5], "Expected at least 1 image a class, but class 1 gets 0"),
        (6, 2.0, [5, 5], "Expected at most 5 images of class 0, but got 6"),
    ],
)
def test_impossible_profiles(
    n_max: int | None, imbalance: float | None, natural: list[int], text: str
) -> None:
    with pytest.raises(UsageError, match=text):
        profiles.induced("exponential", n_max, imbalance, natural)


def sizes(counts: tuple[int, ...], convention: object = LT20) -> tuple[int, ...]:
    groups = assign(counts, convention)  # type: ignore[arg-type]
    return tuple(groups.count(name) for name in ("many", "medium", "few"))


@pytest.mark.parametrize(
    ("n_max", "factor", "n_classes", "expected"),
    [
        (500, 100, 100, (35, 35, 30)),
        (500, 50, 100, (41, 41, 18)),
        (500, 20, 100, (53, 47, 0)),
        (500, 10, 100, (69, 31, 0)),
        (500, 200, 100, (30, 31, 39)),
        (5000, 100, 10, (8, 2, 0)),
        (5000, 50, 10, (9, 1, 0)),
        (5000, 10, 10, (10, 0, 0)),
        (500, 100, 200, (70, 70, 60)),
        (500, 50, 200, (82, 82, 36)),
        (500, 10, 200, (139, 61, 0)),
    ],
)
def test_group_sizes(n_max: int, factor: float, n_classes: int, expected: tuple[int, ...]) -> None:
    assert sizes(profiles.exponential(n_max, factor, n_classes)) == expected


def test_le20_moves_the_border_class() -> None:
    assert sizes(profiles.exponential(500, 100, 100), LE20) == (35, 34, 31)


def test_imagenet100_facts() -> None:
    assert sum(COUNTS) == 12205
    assert (max(COUNTS), min(COUNTS)) == (1280, 6)
    assert sizes(COUNTS) == (39, 48, 13)
    assert sizes(COUNTS, GE100) == (40, 46, 14)
    assert len(set(WNIDS)) == len(set(NAMES)) == len(COUNTS) == 100


def test_scaled_conventions_are_named_after_their_border() -> None:
    below, at = scaled(50)
    assert (below.name, at.name, below.many, below.few) == ("lt5", "le5", 20, 5)
    assert sizes(profiles.exponential(50, 50, 10), below) == (2, 4, 4)
    assert sizes(profiles.exponential(50, 50, 10), at) == (2, 3, 5)
    assert [convention.name for convention in scaled(100)] == ["lt10", "le10"]
