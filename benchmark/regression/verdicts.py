"""Whether new runs of experiments are as good as the reference: statistics without files.

Every comparison is of one metric of one experiment. Values are shares keyed by seed. Changes are
counted upwards: a positive change of ``Compared.gain`` is an improvement, whatever the metric.

Non-inferiority and equivalence within a margin are two one-sided t tests (Schuirmann 1987), with
variances that experiments of the same table and metric lend each other (``variance``). A worsening
has to survive Holm's correction over all comparisons of the run before it is called a failure.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from benchmark.regression.policy import SIGNS, Metric, Policy
from benchmark.regression.variance import Spread, moderated
from benchmark.statistics import effects, stats
from benchmark.statistics.stats import MIN_SEEDS, P_DECIMALS, Design, Values

Verdict = Literal["equivalent", "pass", "drift", "fail", "inconclusive"]
Pool = tuple[str, Metric]


@dataclass(frozen=True)
class Arm:
    """One metric of one experiment, before and now.

    Attributes:
        hash: of the experiment.
        label: of its method.
        dataset: its name, which decides the margin.
        table: what pools variance: experiments that share a leaderboard.
        metric: one of ``METRICS``.
        design: "blocked" if the split follows the seed.
        old: the reference, by seed.
        new: the new runs, by seed.
    """

    hash: str
    label: str
    dataset: str
    table: str
    metric: Metric
    design: Design
    old: Values
    new: Values

    @property
    def common(self) -> list[int]:
        """Seeds of both."""
        return sorted(self.old.keys() & self.new.keys())

    @property
    def untouched(self) -> bool:
        """Whether every new run repeats the reference's value at its seed."""
        return self.new.keys() <= self.old.keys() and not any(self.gains.values())

    @property
    def paired(self) -> bool:
        """Whether differences at common seeds are compared, in place of means."""
        able = self.design == "blocked" or self.untouched
        return able and len(self.common) >= MIN_SEEDS

    @property
    def gains(self) -> Values:
        """Improvements at common seeds."""
        sign = SIGNS[self.metric]
        return {seed: sign * (self.new[seed] - self.old[seed]) for seed in self.common}

    @property
    def gain(self) -> float:
        """Mean improvement: of the pairs, or of the means; 0 where one has no values."""
        if self.paired:
            return stats.mean(list(self.gains.values()))
        old, new = list(self.old.values()), list(self.new.values())
        return SIGNS[self.metric] * (stats.mean(new) - stats.mean(old)) if old and new else 0.0

    @property
    def change(self) -> float:
        """New minus old of the metric itself."""
        return SIGNS[self.metric] * self.gain


@dataclass(frozen=True)
class Compared:
    """What became of one metric of one experiment.

    Attributes:
        arm: the values.
        margin: how much worse is still as good, a share.
        gain: mean improvement; negative is worse.
        error: its standard error.
        df: degrees of freedom of the error; 0 where nothing could be tested.
        low, high: one-sided bounds of the gain at the look's level.
        p_worse: one-sided p-value of "not worse", after Holm over the run.
        equivalent: whether the gain lies within the margin on both sides.
        verdict: what follows.
        note: why nothing could be tested; else "".
    """

    arm: Arm
    margin: float
    gain: float
    error: float
    df: int
    low: float
    high: float
    p_worse: float
    equivalent: bool
    verdict: Verdict
    note: str = ""

    @property
    def better(self) -> bool:
        """Whether the gain is more than chance and not shown to lie within the margin."""
        return self.low > 0 and not self.equivalent

    @property
    def change(self) -> float:
        """New minus old of the metric itself."""
        return self.arm.change


def compare(
    arms: Sequence[Arm], policy: Policy, others: Mapping[Pool, Sequence[Values]] | None = None
) -> list[Compared]:
    """Compare every arm, in the order given.

    Args:
        arms: one for each metric of each experiment of the run.
        policy: margins and levels.
        others: further rows of the reference that lend their variance to unpaired comparisons.
    """
    spreads = _spreads(arms, others or {})
    found = [_tested(arm, policy, spread) for arm, spread in zip(arms, spreads, strict=True)]
    tried = [index for index, each in enumerate(found) if each.df]
    adjusted = stats.holm([found[index].p_worse for index in tried])
    for index, p in zip(tried, adjusted, strict=True):
        found[index] = _judged(found[index], p, policy.level)
    return found


def _spreads(arms: Sequence[Arm], others: Mapping[Pool, Sequence[Values]]) -> list[Spread]:
    """The variance that each comparison uses.

    What is the same at every seed keeps its variance of 0 and lends none: that some experiments
    did not move says nothing of the noise of those that did.
    """
    own = [_own(arm) for arm in arms]
    groups: dict[tuple[Pool, bool], list[int]] = {}
    for index, arm in enumerate(arms):
        if own[index].variance > 0:
            groups.setdefault(((arm.table, arm.metric), arm.paired), []).append(index)
    for (pool, paired), members in groups.items():
        lent = () if paired else others.get(pool, ())
        rows = [own[index] for index in members] + [each for each in map(spread_of, lent) if each]
        for index, spread in zip(members, moderated(rows), strict=False):
            own[index] = spread
    return own


def _own(arm: Arm) -> Spread:
    return Spread(*stats.pooled_variance([arm.gains] if arm.paired else [arm.old, arm.new]))


def spread_of(row: Values) -> Spread | None:
    """The variance of values by seed; None where it says nothing of others."""
    found = Spread(*stats.pooled_variance([row]))
    return found if found.variance > 0 else None


def _tested(arm: Arm, policy: Policy, spread: Spread) -> Compared:
    """The comparison with its raw p-value and no verdict yet."""
    gain, margin, note = arm.gain, policy.margin(arm.dataset, arm.metric), _note(arm)
    if note:
        unknown = (math.inf, 0, -math.inf, math.inf, 1.0, False)
        return Compared(arm, margin, gain, *unknown, "inconclusive", note)
    share = 1 / len(arm.common) if arm.paired else 1 / len(arm.old) + 1 / len(arm.new)
    error = math.sqrt(spread.variance * share)
    reach = stats.t_quantile(spread.df, 1 - 2 * policy.level) * error
    worse = worsening(gain, error, spread.df)
    both = gain - reach, gain + reach
    return Compared(arm, margin, gain, error, spread.df, *both, worse, False, "inconclusive")


def _note(arm: Arm) -> str:
    for name, values in (("the reference has", arm.old), ("there are", arm.new)):
        if len(values) < MIN_SEEDS:
            return f"{name} {len(values)} of at least {MIN_SEEDS} seeds"
    return ""


def worsening(gain: float, error: float, df: int) -> float:
    """One-sided p-value of "the true gain is not negative", rounded."""
    both = stats.p_value(gain, error, df)
    return round(both / 2 if gain < 0 else 1 - both / 2, P_DECIMALS)


def _judged(found: Compared, p_worse: float, level: float) -> Compared:
    tests = effects.tost(found.gain, found.error, found.df, found.margin)
    inside = tests.p_above < level and tests.p_below < level
    verdict = _verdict(found, tests.p_below < level, inside, p_worse, level)
    return replace(found, p_worse=p_worse, equivalent=inside, verdict=verdict)


def _verdict(
    found: Compared, non_inferior: bool, inside: bool, p_worse: float, level: float
) -> Verdict:
    if not non_inferior:
        return "fail" if p_worse < level else "inconclusive"
    if found.p_worse < level:
        return "drift"
    return "equivalent" if inside else "pass"


def overall(found: Iterable[Compared]) -> Verdict:
    """The verdict of a run: the worst of its comparisons."""
    verdicts = {each.verdict for each in found}
    if "fail" in verdicts:
        return "fail"
    if "inconclusive" in verdicts or not verdicts:
        return "inconclusive"
    return "equivalent" if verdicts == {"equivalent"} else "pass"
