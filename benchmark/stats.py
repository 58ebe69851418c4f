"""Statistics over seeds, the unit of replication: intervals, tests, rank ranges, letters.

Every p-value is rounded before it is compared, so that tables are the same on every machine.
Values are keyed by seed. In a *blocked* design (the split follows the seed) rows are compared by
paired differences on common seeds; in an *independent* one by a t test whose variance is pooled
over all rows.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

LEVEL = 0.95
ALPHA = 0.05
MIN_SEEDS = 3
P_DECIMALS = 6
# Dunnett's p-value comes from a numerical integral that is good to about four decimals.
DUNNETT_DECIMALS = 3
_NOISE_DECIMALS = 12

Values = Mapping[int, float]
Design = Literal["independent", "blocked"]
Matrix = list[list[bool]]


@dataclass(frozen=True)
class Estimate:
    """A mean over n seeds and the half-width of its 95 % interval (None for n of 1)."""

    mean: float
    half_width: float | None
    n: int


@dataclass(frozen=True)
class Difference:
    """A difference of two rows.

    Attributes:
        mean: the first row minus the second.
        half_width: of the 95 % interval; None if the seeds do not allow one.
        wins: common seeds at which the first row is higher.
        n: common seeds.
        p: two-sided p-value, uncorrected; 1 below three seeds, where nothing is tested.
    """

    mean: float
    half_width: float | None
    wins: int
    n: int
    p: float


def mean(values: Sequence[float]) -> float:
    """The exactly summed mean of at least one value."""
    return math.fsum(values) / len(values)


def variance(values: Sequence[float]) -> float:
    """The unbiased variance of at least two values; rounding noise counts as 0."""
    centre = mean(values)
    spread = [round(value - centre, _NOISE_DECIMALS) for value in values]
    return math.fsum(value * value for value in spread) / (len(values) - 1)


def t_quantile(df: int, level: float = LEVEL) -> float:
    """The two-sided quantile of Student's t for a degree of freedom of at least 1."""
    return float(stats.t.ppf((1 + level) / 2, df))


def half_width(values: Sequence[float], level: float = LEVEL) -> float | None:
    """Half-width of the Student-t interval of the mean; None below two values."""
    if len(values) < 2:
        return None
    return t_quantile(len(values) - 1, level) * math.sqrt(variance(values) / len(values))


def estimate(values: Sequence[float], level: float = LEVEL) -> Estimate:
    """Mean and interval of at least one value."""
    return Estimate(mean(values), half_width(values, level), len(values))


def p_value(difference: float, error: float, df: int) -> float:
    """Two-sided p-value of a difference with a standard error, rounded to six decimals.

    Without any spread, an exact tie gives 1 and anything else 0.
    """
    if error == 0:
        return float(round(difference, _NOISE_DECIMALS) == 0)
    return round(float(2 * stats.t.sf(abs(difference) / error, df)), P_DECIMALS)


def paired(first: Values, second: Values) -> Difference | None:
    """Paired difference on common seeds; None if there are none."""
    seeds = sorted(first.keys() & second.keys())
    if not seeds:
        return None
    gaps = [first[seed] - second[seed] for seed in seeds]
    wins = sum(round(gap, _NOISE_DECIMALS) > 0 for gap in gaps)
    if len(gaps) < MIN_SEEDS:
        return Difference(mean(gaps), half_width(gaps), wins, len(gaps), 1.0)
    error = math.sqrt(variance(gaps) / len(gaps))
    p = p_value(mean(gaps), error, len(gaps) - 1)
    return Difference(mean(gaps), half_width(gaps), wins, len(gaps), p)


def pooled_variance(rows: Sequence[Values]) -> tuple[float, int]:
    """Variance pooled over rows and its degrees of freedom; (0, 0) if no row has two seeds."""
    parts = [(len(row) - 1, variance(list(row.values()))) for row in rows if len(row) > 1]
    df = sum(part for part, _ in parts)
    return (math.fsum(n * v for n, v in parts) / df, df) if df else (0.0, 0)


def unpaired(first: Values, second: Values, pooled: tuple[float, int]) -> Difference:
    """Difference of two independent rows by the pooled-variance t test.

    Args:
        first: values by seed, at least one.
        second: values by seed, at least one.
        pooled: variance and degrees of freedom of ``pooled_variance``.
    """
    gap = mean(list(first.values())) - mean(list(second.values()))
    common = first.keys() & second.keys()
    wins = sum(round(first[seed] - second[seed], _NOISE_DECIMALS) > 0 for seed in common)
    spread, df = pooled
    if not df:
        return Difference(gap, None, wins, len(common), 1.0)
    error = math.sqrt(spread * (1 / len(first) + 1 / len(second)))
    enough = min(len(first), len(second)) >= MIN_SEEDS
    p = p_value(gap, error, df) if enough else 1.0
    return Difference(gap, t_quantile(df) * error, wins, len(common), p)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjustment, in the order given; rounded to six decimals."""
    adjusted, highest = [1.0] * len(p_values), 0.0
    for done, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        highest = max(highest, min(1.0, (len(p_values) - done) * p_values[index]))
        adjusted[index] = round(highest, P_DECIMALS)
    return adjusted


def compare_all(rows: Sequence[Values], design: Design) -> Matrix:
    """Which rows of k differ, by Holm over all pairs.

    Returns:
        k lists of k booleans; [i][j] is true if row i is significantly higher than row j. A pair
        with fewer than three common seeds in a blocked design is never told apart.
    """
    pairs = [(i, j) for i in range(len(rows)) for j in range(i + 1, len(rows))]
    pooled = pooled_variance(rows)
    found = [_compare(rows[i], rows[j], design, pooled) for i, j in pairs]
    adjusted = holm([difference.p for difference in found])
    higher = [[False] * len(rows) for _ in rows]
    for (i, j), difference, p in zip(pairs, found, adjusted, strict=True):
        if p < ALPHA:
            better, worse = (i, j) if difference.mean > 0 else (j, i)
            higher[better][worse] = True
    return higher


def _compare(
    first: Values, second: Values, design: Design, pooled: tuple[float, int]
) -> Difference:
    if design == "independent":
        return unpaired(first, second, pooled)
    found = paired(first, second)
    return found if found and found.n >= MIN_SEEDS else Difference(0.0, None, 0, 0, 1.0)


def rank_ranges(higher: Matrix) -> list[tuple[int, int]]:
    """The ranks each row may have: 1 + rows significantly higher, to k - rows lower."""
    k = len(higher)
    return [(1 + sum(row[i] for row in higher), k - sum(higher[i])) for i in range(k)]


def letters(higher: Matrix) -> list[str]:
    """Compact letter display: rows share a letter unless they differ significantly.

    By insertion and absorption; "a" belongs to the first row. After 26 letters come "A" to "Z",
    then numbered ones.
    """
    k = len(higher)
    groups: list[frozenset[int]] = [frozenset(range(k))] if k else []
    for i in range(k):
        for j in range(k):
            if higher[i][j]:
                groups = _absorb(_split(groups, i, j))
    ordered = sorted(groups, key=sorted)
    return [
        "".join(_letter(g) for g, rows in enumerate(ordered) if row in rows) for row in range(k)
    ]


def _split(groups: list[frozenset[int]], i: int, j: int) -> list[frozenset[int]]:
    found: list[frozenset[int]] = []
    for group in groups:
        found += [group - {i}, group - {j}] if {i, j} <= group else [group]
    return found


def _absorb(groups: list[frozenset[int]]) -> list[frozenset[int]]:
    distinct = list(dict.fromkeys(groups))
    return [group for group in distinct if not any(group < other for other in distinct)]


def _letter(index: int) -> str:
    if index < 52:
        return "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"[index]
    return f"({index})"


def against_reference(rows: Sequence[Values], reference: Values, design: Design) -> list[float]:
    """Adjusted two-sided p-values of every row against one reference.

    Dunnett's test in an independent design. It assumes independent samples, so a blocked design
    uses paired t tests with Holm's correction instead. Rows with fewer than three (common) seeds
    get 1.
    """
    if design == "blocked":
        return holm([_compare(row, reference, design, (0.0, 0)).p for row in rows])
    usable = [i for i, row in enumerate(rows) if min(len(row), len(reference)) >= MIN_SEEDS]
    found = dict(zip(usable, dunnett([rows[i] for i in usable], reference), strict=True))
    return [found.get(i, 1.0) for i in range(len(rows))]


def dunnett(rows: Sequence[Values], reference: Values) -> list[float]:
    """Dunnett's many-to-one p-values, rounded to three decimals."""
    samples = [list(row.values()) for row in rows]
    control = list(reference.values())
    if not samples:
        return []
    if pooled_variance([*rows, reference])[0] == 0:
        return [p_value(mean(sample) - mean(control), 0.0, 1) for sample in samples]
    # A fixed generator: the integral is a quasi-Monte-Carlo one, and tables must repeat.
    result = stats.dunnett(*samples, control=control, rng=np.random.default_rng(0))
    return [round(float(p), DUNNETT_DECIMALS) for p in result.pvalue]
