"""Which cell of a matrix to take, and how sure that is.

Cells are chosen by one half of the scored rows and described by the other; see ``candidates``. That
takes away what the rows flatter, not what lucky seeds do: only runs at further seeds can.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from benchmark.grid.candidates import DECIMALS, Candidate
from benchmark.grid.cell_comparison import against, gap, row_error, spread, told_apart
from benchmark.statistics import effects, power, stats
from benchmark.statistics.all_pairs import Matrix, rank_ranges
from benchmark.statistics.effects import Improvement
from benchmark.statistics.power import Arms
from benchmark.statistics.stats import Difference

Verdict = Literal["too few seeds", "stay", "open", "clear"]
ORACLE = "oracle"


@dataclass(frozen=True, eq=False)
class Rival:
    """Another cell beside the best one.

    Attributes:
        candidate: the other cell.
        difference: the best less this one, on the reported rows, uncorrected.
        worse: whether it is told apart from the best as lower.
    """

    candidate: Candidate
    difference: Difference
    worse: bool


@dataclass(frozen=True, eq=False)
class Advice:
    """What the runs say.

    Whichever cell is best is told apart from the plain one by Holm's correction over all cells, and
    from the others by Holm's correction over all pairs.

    Attributes:
        verdict: "too few seeds" to say anything; "stay" with the plain cell, as the best one is
            not told apart from it; the best one is better, but which of several is best is "open";
            or it is "clear".
        plain: the cell that the others are compared with.
        best: the cell with the highest score on the rows of choice.
        rivals: all others that can be chosen, by descending score on the reported rows.
        ranks: range of ranks of each cell on the reported rows, by name.
        gain: the best less the plain one on the reported rows; None where they are the same.
        gain_p: p-value of that gain, corrected.
        gain_of_rows: half-width of the 95 % interval of that gain over test rows, not seeds.
        better: probability that a run of the best beats one of the plain cell.
        fresh: the gain at seeds that the choice has not seen; None without such runs.
        tail: the cell with the highest Few on the rows of choice.
        unsettled: the comparison that matters most of those that are open: with the plain cell, or
            else with the highest one that is not told apart from the best.
        seeds_needed: seeds a cell that would settle it, if both differ by as much as it looks and
            nothing else is compared; None where it does not look so.
        smallest: the difference that the present seeds find four times out of five.
    """

    verdict: Verdict
    plain: Candidate
    best: Candidate
    rivals: tuple[Rival, ...] = ()
    ranks: dict[str, tuple[int, int]] = field(default_factory=dict)
    gain: Difference | None = None
    gain_p: float = 1.0
    gain_of_rows: float | None = None
    better: Improvement | None = None
    fresh: Difference | None = None
    tail: Candidate | None = None
    unsettled: Rival | None = None
    seeds_needed: int | None = None
    smallest: float | None = None

    @property
    def tied(self) -> list[Candidate]:
        """The best cell and those not told apart from it as lower, by descending score."""
        same = [rival.candidate for rival in self.rivals if not rival.worse]
        return sorted([self.best, *same], key=_by_report)

    @property
    def cheapest(self) -> Candidate:
        """The one among them that costs least."""
        return min(self.tied, key=lambda each: each.price)

    @property
    def pick(self) -> Candidate:
        """What to take."""
        return self.best if self.verdict in ("open", "clear") else self.plain


def advise(candidates: Sequence[Candidate], plain: Candidate) -> Advice:
    """What to take of some cells.

    Args:
        candidates: cells with records, the plain one among them; an oracle is never chosen, and
            neither is a cell with fewer than three seeds.
        plain: the cell without any help.
    """
    able = [each for each in candidates if choosable(each)]
    if plain not in able:
        return Advice("too few seeds", plain, max(candidates, key=_by_choice))
    best = max(able, key=_by_choice)
    pooled = spread(able)
    higher = told_apart(able, pooled)
    rivals = _rivals(able, able.index(best), higher, pooled)
    gain = gap(best, plain, pooled) if best is not plain else None
    gain_p = against(able, plain, pooled).get(best.name, 1.0)
    fresh = _fresh(best, plain, able) if gain else None
    above = _is_gain(gain, gain_p) or (fresh is not None and _is_gain(fresh, fresh.p))
    rivals = tuple(
        replace(each, worse=True) if above and each.candidate is plain else each for each in rivals
    )
    unsettled = _unsettled(rivals, None if above else plain)
    arms = _arms(best, unsettled.candidate, pooled) if unsettled else None
    return Advice(
        verdict=_verdict(above, rivals),
        plain=plain,
        best=best,
        rivals=rivals,
        ranks=dict(zip([each.name for each in able], rank_ranges(higher), strict=True)),
        gain=gain,
        gain_p=gain_p,
        gain_of_rows=row_error(best, plain) if gain else None,
        better=effects.improvement(best.values, plain.values, best.design) if gain else None,
        fresh=fresh,
        tail=_tail(able),
        unsettled=unsettled,
        seeds_needed=_seeds_needed(unsettled, arms),
        smallest=power.smallest_difference(arms) if arms else None,
    )


def choosable(candidate: Candidate) -> bool:
    """Whether a cell may be chosen."""
    return candidate.row.track != ORACLE and len(candidate.runs) >= stats.MIN_SEEDS


def _by_choice(candidate: Candidate) -> tuple[float, list[float]]:
    """By score on the rows of choice; of equals the cheapest is highest."""
    return candidate.choice, [-float(each) for each in candidate.price]


def _by_report(candidate: Candidate) -> tuple[float, str]:
    return -round(candidate.estimate.mean, DECIMALS), candidate.name


def _tail(able: Sequence[Candidate]) -> Candidate | None:
    found = [(round(each.choice_few, DECIMALS), each.choice, each)
             for each in able if each.choice_few is not None]  # fmt: skip
    return max(found, key=lambda each: each[:2])[2] if found else None


def _rivals(
    able: Sequence[Candidate], best: int, higher: Matrix, pooled: tuple[float, int]
) -> tuple[Rival, ...]:
    first = able[best]
    rivals = [
        Rival(other, gap(first, other, pooled), higher[best][place])
        for place, other in enumerate(able)
        if place != best
    ]
    return tuple(sorted(rivals, key=lambda each: _by_report(each.candidate)))


def _fresh(best: Candidate, plain: Candidate, able: Sequence[Candidate]) -> Difference | None:
    """The gain at further seeds, of which nothing but this one comparison is asked."""
    if not best.fresh or not plain.fresh:
        return None
    if best.design == "blocked":
        return stats.paired(best.fresh, plain.fresh)
    rows = [*(each.values for each in able), best.fresh, plain.fresh]
    return stats.unpaired(best.fresh, plain.fresh, stats.pooled_variance(rows))


def _is_gain(found: Difference | None, p: float) -> bool:
    return found is not None and found.mean > 0 and p < stats.ALPHA


def _verdict(above: bool, rivals: Sequence[Rival]) -> Verdict:
    if not above:
        return "stay"
    return "clear" if all(rival.worse for rival in rivals) else "open"


def _unsettled(rivals: Sequence[Rival], plain: Candidate | None) -> Rival | None:
    """The open comparison with the plain cell where that is one, else with the highest rival."""
    tied = [rival for rival in rivals if not rival.worse]
    return next((rival for rival in tied if rival.candidate is plain), next(iter(tied), None))


def _arms(best: Candidate, other: Candidate, pooled: tuple[float, int]) -> Arms | None:
    """Two cells as a test sees them; None without any spread."""
    variance, df = pooled
    if not variance:
        return None
    n = stats.seeds_tested(best.values, other.values, best.design)
    if best.design == "blocked":
        # the residual of all cells lends its degrees of freedom, as in the test
        return Arms(n, math.sqrt(2 * variance), best.design, max(df - n + 1, 0)) if n > 1 else None
    others = max(df - len(best.values) - len(other.values) + 2, 0)
    return Arms(n, math.sqrt(variance), best.design, others)


def _seeds_needed(unsettled: Rival | None, arms: Arms | None) -> int | None:
    if unsettled is None or arms is None or unsettled.difference.mean <= 0:
        return None
    mean = unsettled.difference.mean
    return power.seeds_needed(mean, arms.sd, arms.design, other_df=arms.other_df)
