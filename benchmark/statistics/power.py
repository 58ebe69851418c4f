"""How many seeds it takes to see a difference, and which difference a number of seeds can show.

All functions are about a t test at 5 %, and none advises fewer than three seeds. ``sd`` is the
standard deviation over seeds: of single runs in an independent design, of the differences at common
seeds in a blocked one. In an independent design the variance may be pooled with other rows, whose
degrees of freedom are ``other_df``. Differences, margins and ``sd`` share one unit. Probabilities
are rounded before they are compared.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from scipy import integrate, optimize
from scipy import stats as scipy_stats

from benchmark.statistics.stats import ALPHA, MIN_SEEDS, Design

POWER = 0.8
MAX_SEEDS = 10_000
_DECIMALS = 6


@dataclass(frozen=True)
class Arms:
    """Two rows with equally many seeds.

    Attributes:
        n: seeds of each row, at least 2.
        sd: standard deviation, above 0.
        design: "blocked": ``sd`` is that of paired differences.
        other_df: degrees of freedom that further rows lend; those of a blocked design lend them
            only where the residual of all rows is the error.
    """

    n: int
    sd: float
    design: Design
    other_df: int = 0

    @property
    def df(self) -> int:
        """Degrees of freedom of the test."""
        return (1 if self.design == "blocked" else 2) * (self.n - 1) + self.other_df

    @property
    def error(self) -> float:
        """Standard error of the difference of means."""
        return self.sd * math.sqrt((1 if self.design == "blocked" else 2) / self.n)


def power(difference: float, arms: Arms) -> float:
    """Probability that the two-sided test finds a true difference (noncentral t)."""
    if arms.sd == 0:
        return float(difference != 0)
    shift = abs(difference) / arms.error
    bound = scipy_stats.t.ppf(1 - ALPHA / 2, arms.df)
    # the other tail is below 1e-6 where scipy's noncentral t is least exact
    lower = scipy_stats.nct.cdf(-bound, arms.df, shift) if shift < 5 else 0.0
    upper = 1.0 if shift > 30 + bound else scipy_stats.nct.sf(bound, arms.df, shift)
    return round(float(upper + lower), _DECIMALS)


def non_inferiority_power(difference: float, arms: Arms, margin: float) -> float:
    """Probability of showing that the first row is lower by less than the margin.

    Args:
        difference: the true one, first minus second.
        arms: rows, spread and design.
        margin: above 0; at ``difference = -margin`` the probability is 0.05.
    """
    if arms.sd == 0:
        return float(difference > -margin)
    shift = (difference + margin) / arms.error
    bound = scipy_stats.t.ppf(1 - ALPHA, arms.df)
    return round(float(scipy_stats.nct.sf(bound, arms.df, shift)), _DECIMALS)


def equivalence_power(difference: float, arms: Arms, margin: float) -> float:
    """Probability that two one-sided tests call the rows equivalent.

    By integration over the estimated spread s: given s, the estimate of the difference, which is
    normal, has to fall within the margin less t times its estimated standard error.
    """
    if arms.sd == 0:
        return float(abs(difference) < margin)
    bound, error, df = scipy_stats.t.ppf(1 - ALPHA, arms.df), arms.error, arms.df

    def inside(ratio: float) -> float:
        reach = (margin - bound * ratio * error) / error
        shift = difference / error
        chance = scipy_stats.norm.cdf(reach - shift) - scipy_stats.norm.cdf(-reach - shift)
        return float(chance * 2 * df * ratio * scipy_stats.chi2.pdf(df * ratio**2, df))

    largest = margin / (bound * error)
    low, high = (math.sqrt(scipy_stats.chi2.ppf(q, df) / df) for q in (1e-9, 1 - 1e-9))
    if largest <= low:
        return 0.0
    found, _ = integrate.quad(inside, low, min(high, largest), epsabs=1e-9, limit=200)
    return round(min(1.0, max(0.0, float(found))), _DECIMALS)


def seeds_needed(
    difference: float, sd: float, design: Design, *, wanted: float = POWER, other_df: int = 0
) -> int | None:
    """The fewest seeds of each row that find a true difference with probability ``wanted``.

    Returns:
        None if the difference is 0 or takes more than 10,000 seeds.
    """
    return _fewest(lambda n: power(difference, Arms(n, sd, design, other_df)), wanted)


def seeds_for_equivalence(
    margin: float,
    sd: float,
    design: Design,
    *,
    difference: float = 0.0,
    wanted: float = POWER,
    other_df: int = 0,
) -> int | None:
    """The fewest seeds of each row that call rows equivalent with probability ``wanted``.

    Returns:
        None if the true difference reaches the margin or it takes more than 10,000 seeds.
    """
    if abs(difference) >= margin:
        return None
    chance = equivalence_power
    return _fewest(lambda n: chance(difference, Arms(n, sd, design, other_df), margin), wanted)


def _fewest(chance: Callable[[int], float], wanted: float) -> int | None:
    """The smallest n from 3 on at which a chance that grows with n reaches ``wanted``."""
    high = MIN_SEEDS
    while chance(high) < wanted:
        if high >= MAX_SEEDS:
            return None
        high = min(2 * high, MAX_SEEDS)
    low = max(MIN_SEEDS, high // 2)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if chance(middle) >= wanted else (middle + 1, high)
    return high


def smallest_difference(arms: Arms, wanted: float = POWER) -> float:
    """The smallest true difference that the seeds find with probability ``wanted``.

    Rounded to six significant digits.
    """
    if arms.sd == 0:
        return 0.0

    def missing(shift: float) -> float:
        return power(shift * arms.error, arms) - wanted

    high = 1.0
    while missing(high) < 0:
        high *= 2
    shift = optimize.brentq(missing, 0.0, high, xtol=1e-7)
    return float(f"{shift * arms.error:.6g}")
