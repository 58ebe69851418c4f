"""Statistics over seeds, the unit of replication: intervals, tests, rank ranges, letters.

Every p-value is rounded before it is compared, so that tables are the same on every machine.
Values are keyed by seed. In a *blocked* design (the split follows the seed) rows are compared by
paired differences on common seeds; in an *independent* one by a t test whose variance is pooled
over all rows.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

# not scipy.stats, whose import takes longer than most verbs run
from scipy import special

from benchmark.statistics import dunnett

LEVEL = 0.95
ALPHA = 0.05
MIN_SEEDS = 3
P_DECIMALS = 6
DUNNETT_DECIMALS = 5
NOISE_DECIMALS = 12

Values = Mapping[int, float]
Design = Literal["independent", "blocked"]
Array = NDArray[np.float64]


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
    spread = [round(value - centre, NOISE_DECIMALS) for value in values]
    return math.fsum(value * value for value in spread) / (len(values) - 1)


@cache
def t_quantile(df: int, level: float = LEVEL) -> float:
    """The two-sided quantile of Student's t for a degree of freedom of at least 1."""
    return float(special.stdtrit(df, (1 + level) / 2))


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
        return float(round(difference, NOISE_DECIMALS) == 0)
    return round(float(2 * special.stdtr(df, -abs(difference) / error)), P_DECIMALS)


def paired(first: Values, second: Values) -> Difference | None:
    """Paired difference on common seeds; None if there are none."""
    seeds = sorted(first.keys() & second.keys())
    if not seeds:
        return None
    gaps = [first[seed] - second[seed] for seed in seeds]
    wins = sum(round(gap, NOISE_DECIMALS) > 0 for gap in gaps)
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


def table_variance(rows: Sequence[Values]) -> tuple[float, int]:
    """``pooled_variance`` of the rows of a table that tests can use, with three seeds or more.

    Of all rows where there is none such.
    """
    enough = [row for row in rows if len(row) >= MIN_SEEDS]
    return pooled_variance(enough or rows)


def unpaired(first: Values, second: Values, pooled: tuple[float, int]) -> Difference:
    """Difference of two independent rows by the pooled-variance t test.

    Args:
        first: values by seed, at least one.
        second: values by seed, at least one.
        pooled: variance and degrees of freedom of ``pooled_variance``.
    """
    gap = mean(list(first.values())) - mean(list(second.values()))
    common = first.keys() & second.keys()
    wins = sum(round(first[seed] - second[seed], NOISE_DECIMALS) > 0 for seed in common)
    spread, df = pooled
    if not df:
        return Difference(gap, None, wins, len(common), 1.0)
    error = math.sqrt(spread * (1 / len(first) + 1 / len(second)))
    enough = min(len(first), len(second)) >= MIN_SEEDS
    p = p_value(gap, error, df) if enough else 1.0
    return Difference(gap, t_quantile(df) * error, wins, len(common), p)


def seeds_tested(first: Values, second: Values, design: Design) -> int:
    """Seeds that a test of two rows has: common ones if blocked, else those of the shorter row."""
    both = first.keys() & second.keys()
    return len(both) if design == "blocked" else min(len(first), len(second))


def ranks(values: Sequence[float]) -> Array:
    """The rank of each value, 1 for the lowest; equal ones share the mean of theirs."""
    ordered = np.sort(values)
    below, through = (np.searchsorted(ordered, values, side) for side in ("left", "right"))
    return (below + through + 1) / 2


def holm(p_values: Sequence[float] | Array) -> list[float]:
    """Holm's step-down adjustment, in the order given; rounded to six decimals.

    NaN stands for what was not tested: it counts for no other and comes back as 1.
    """
    every = np.asarray(p_values, dtype=np.float64)
    tested = np.flatnonzero(~np.isnan(every))
    p = every[tested]
    order = np.argsort(p, kind="stable")
    raised = np.minimum(1.0, np.arange(len(p), 0, -1) * p[order])
    adjusted = np.ones(len(every))
    adjusted[tested[order]] = np.maximum.accumulate(raised).round(P_DECIMALS)
    found: list[float] = adjusted.tolist()
    return found


def against_reference(rows: Sequence[Values], reference: Values, design: Design) -> list[float]:
    """Adjusted two-sided p-values of every row against one reference.

    Dunnett's test in an independent design. It assumes independent samples, so a blocked design
    uses paired t tests with Holm's correction instead. Rows with fewer than three (common) seeds
    get 1 and count for no other row.
    """
    if design == "blocked":
        found = [paired(row, reference) for row in rows]
        return holm([each.p if each and each.n >= MIN_SEEDS else math.nan for each in found])
    usable = [i for i, row in enumerate(rows) if min(len(row), len(reference)) >= MIN_SEEDS]
    p_values = dict(zip(usable, _dunnett([rows[i] for i in usable], reference), strict=True))
    return [p_values.get(i, 1.0) for i in range(len(rows))]


def _dunnett(rows: Sequence[Values], reference: Values) -> list[float]:
    """Dunnett's many-to-one p-values, rounded to five decimals."""
    centre, n = mean(list(reference.values())), len(reference)
    gaps = [mean(list(row.values())) - centre for row in rows]
    spread, df = pooled_variance([*rows, reference])
    if spread == 0:
        return [p_value(gap, 0.0, 1) for gap in gaps]
    sizes = [len(row) for row in rows]
    t = [
        gap / math.sqrt(spread * (1 / size + 1 / n)) for gap, size in zip(gaps, sizes, strict=True)
    ]
    return [round(p, DUNNETT_DECIMALS) for p in dunnett.p_values(t, sizes, n, df)]
