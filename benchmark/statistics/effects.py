"""How often one row beats another, and whether two rows are practically equal.

Values are shares in [0, 1] keyed by seed, and so are margins: 0.01 is one point. P-values and
shares are rounded before anything is compared with them.
"""

import math
from dataclasses import dataclass
from itertools import product
from typing import Literal

import numpy as np

# not scipy.stats, whose import takes longer than most verbs run
from scipy import special

from benchmark.statistics import stats
from benchmark.statistics.stats import ALPHA, MIN_SEEDS, P_DECIMALS, Design, Values

MIN_SIGN_SEEDS = 6
_DECIMALS = 12

Verdict = Literal["equivalent", "different", "not told apart"]


@dataclass(frozen=True)
class Improvement:
    """The probability that a run of the first row is better than one of the second.

    Attributes:
        share: of pairs in which the first row is higher; a tie counts half.
        interval: the exact 95 % one, over common seeds; None where there is none.
        p: exact two-sided p-value of the share being one half; None where there are too few seeds.
        n: pairs that were compared.
        note: why a p-value or an interval is missing; "" if neither is.
    """

    share: float
    interval: tuple[float, float] | None
    p: float | None
    n: int
    note: str = ""


def improvement(first: Values, second: Values, design: Design) -> Improvement | None:
    """Probability of improvement: over common seeds in a blocked design, else over all pairs.

    Returns:
        None if there is no pair at all.
    """
    if design == "blocked":
        return paired_improvement(first, second)
    return unpaired_improvement(first, second)


def paired_improvement(first: Values, second: Values) -> Improvement | None:
    """Over common seeds: sign test, and the Clopper-Pearson interval from six seeds on.

    With ties the interval reaches from the lower bound of wins to the upper bound of wins and ties,
    so it covers at least as often as it says. None without common seeds.
    """
    gaps = [round(first[s] - second[s], _DECIMALS) for s in sorted(first.keys() & second.keys())]
    if not gaps:
        return None
    n, wins, ties = len(gaps), sum(g > 0 for g in gaps), sum(g == 0 for g in gaps)
    share = round((wins + ties / 2) / n, _DECIMALS)
    if n < MIN_SIGN_SEEDS:
        note = f"{_seeds(n)}: no exact test below {MIN_SIGN_SEEDS}, as p cannot be under {ALPHA:g}"
        return Improvement(share, None, None, n, note)
    low = _bounds(wins, n)[0]
    high = _bounds(wins + ties, n)[1]
    return Improvement(share, (low, high), _sign_test(wins, n - ties), n)


def _seeds(n: int) -> str:
    return f"{n} common seed{'' if n == 1 else 's'}"


def _bounds(wins: int, n: int) -> tuple[float, float]:
    """The exact interval (Clopper and Pearson 1934) of a share."""
    tail = (1 - stats.LEVEL) / 2
    low = special.betaincinv(wins, n - wins + 1, tail) if wins else 0.0
    high = special.betaincinv(wins + 1, n - wins, 1 - tail) if wins < n else 1.0
    return round(float(low), P_DECIMALS), round(float(high), P_DECIMALS)


def _sign_test(wins: int, decided: int) -> float:
    """Twice the smaller tail of a fair coin's wins, the outcome included."""
    fewer = min(wins, decided - wins)
    tail: float = sum(math.comb(decided, k) for k in range(fewer + 1)) / 2**decided
    return round(min(1.0, 2 * tail), P_DECIMALS)


def unpaired_improvement(first: Values, second: Values) -> Improvement | None:
    """Over all pairs of seeds: the exact test of Mann and Whitney (1947), ties allowed.

    No interval: pairs that share a seed are not independent, and there is none that holds for few
    seeds. None without values.
    """
    xs, ys = _rounded(first), _rounded(second)
    if not xs or not ys:
        return None
    n = len(xs) * len(ys)
    higher = sum((x > y) + (x == y) / 2 for x, y in product(xs, ys))
    share = round(higher / n, _DECIMALS)
    smallest = 2 / math.comb(len(xs) + len(ys), len(xs))
    if min(len(xs), len(ys)) < MIN_SEEDS or smallest >= ALPHA:
        why = f"as p cannot be under {ALPHA:g}"
        if smallest < ALPHA:
            why = f"which takes {MIN_SEEDS} seeds of each"
        note = f"{len(xs)} and {len(ys)} seeds: no exact test, {why}"
        return Improvement(share, None, None, n, note)
    note = "no interval: pairs that share a seed are not independent"
    return Improvement(share, None, _rank_test(xs, ys), n, note)


def _rounded(row: Values) -> list[float]:
    return [round(row[seed], _DECIMALS) for seed in sorted(row)]


def _rank_test(xs: list[float], ys: list[float]) -> float:
    """Twice the smaller tail of the first row's rank sum over all splits into two rows.

    Own code since ``scipy`` has exact p-values without ties only, and accuracies often tie.
    """
    ranks = np.rint(2 * stats.ranks([*xs, *ys])).astype(int)
    # ways[k, s]: sets of k values whose doubled ranks add up to s
    ways = np.zeros((len(xs) + 1, int(ranks.sum()) + 1))
    ways[0, 0] = 1
    for rank in ranks:
        ways[1:, rank:] += ways[:-1, :-rank]
    chances, seen = ways[-1] / ways[-1].sum(), int(ranks[: len(xs)].sum())
    smaller = min(chances[: seen + 1].sum(), chances[seen:].sum())
    return round(min(1.0, 2 * float(smaller)), P_DECIMALS)


@dataclass(frozen=True)
class Equivalence:
    """Two one-sided t tests of a difference against a margin on either side.

    Attributes:
        difference: the first row minus the second.
        margin: what counts as practically equal, above 0.
        low, high: the one-sided 95 % bounds, so together the 90 % interval.
        p_below: p-value of "the first row is lower by the margin or more"; small: non-inferior.
        p_above: p-value of "the first row is higher by the margin or more"; small: non-superior.
        p: two-sided p-value of "there is no difference".
        verdict: "equivalent" if both one-sided p-values are below 0.05, even if the difference is
            not zero; else "different" if ``p`` is; else "not told apart".
        tested: whether there were enough seeds; if not, p-values are 1 and bounds infinite.
    """

    difference: float
    margin: float
    low: float
    high: float
    p_below: float
    p_above: float
    p: float
    verdict: Verdict
    tested: bool = True

    @property
    def non_inferior(self) -> bool:
        """Whether the first row is lower by less than the margin."""
        return self.p_below < ALPHA


def tost(difference: float, error: float, df: int, margin: float) -> Equivalence:
    """Two one-sided tests (Schuirmann 1987) of a difference with a standard error.

    Args:
        difference: first minus second, a share.
        error: its standard error; with 0 every p-value is 0 or 1.
        df: degrees of freedom of ``error``; below 1 nothing is tested.
        margin: a share above 0.
    """
    if df < 1:
        return untested(difference, margin)
    reach = stats.t_quantile(df, 1 - 2 * ALPHA) * error
    below = _one_sided(difference + margin, error, df)
    above = _one_sided(margin - difference, error, df)
    p = stats.p_value(difference, error, df)
    verdict: Verdict = "not told apart"
    if max(below, above) < ALPHA:
        verdict = "equivalent"
    elif p < ALPHA:
        verdict = "different"
    bounds = difference - reach, difference + reach
    return Equivalence(difference, margin, *bounds, below, above, p, verdict)


def _one_sided(distance: float, error: float, df: int) -> float:
    if error == 0:
        return float(round(distance, _DECIMALS) <= 0)
    return round(float(special.stdtr(df, -distance / error)), P_DECIMALS)


def untested(difference: float, margin: float) -> Equivalence:
    """The outcome where there are too few seeds to test."""
    no = (-math.inf, math.inf, 1.0, 1.0, 1.0)
    return Equivalence(difference, margin, *no, "not told apart", tested=False)


def paired_equivalence(first: Values, second: Values, margin: float) -> Equivalence | None:
    """Equivalence by differences on common seeds, for a blocked design; None without any."""
    found = stats.paired(first, second)
    if found is None:
        return None
    if found.n < MIN_SEEDS:
        return untested(found.mean, margin)
    gaps = [first[seed] - second[seed] for seed in first.keys() & second.keys()]
    return tost(found.mean, math.sqrt(stats.variance(gaps) / found.n), found.n - 1, margin)


def unpaired_equivalence(
    first: Values, second: Values, pooled: tuple[float, int], margin: float
) -> Equivalence:
    """Equivalence of two independent rows.

    Args:
        first: values by seed, at least one.
        second: values by seed, at least one.
        pooled: variance and degrees of freedom of ``stats.pooled_variance``.
        margin: a share above 0.
    """
    gap = stats.mean(list(first.values())) - stats.mean(list(second.values()))
    spread, df = pooled
    if min(len(first), len(second)) < MIN_SEEDS:
        return untested(gap, margin)
    return tost(gap, math.sqrt(spread * (1 / len(first) + 1 / len(second))), df, margin)


def equivalence(
    first: Values, second: Values, design: Design, pooled: tuple[float, int], margin: float
) -> Equivalence | None:
    """Equivalence as the design asks for; ``pooled`` is not used in a blocked one.

    Returns:
        None if a blocked design has no common seed.
    """
    if design == "blocked":
        return paired_equivalence(first, second, margin)
    return unpaired_equivalence(first, second, pooled, margin)
