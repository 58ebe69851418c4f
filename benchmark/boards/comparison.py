"""Two rows of one table, compared in everything that the suite measures.

Accuracies and calibration errors are shares in [0, 1]; so are margins. The first row is called A
and the second B; every difference is A minus B. P-values stand for this one comparison and are not
corrected for others.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from benchmark.boards import tail
from benchmark.boards.leaderboard import Row
from benchmark.boards.pool_variance import Components, Missing, families
from benchmark.errors import UsageError
from benchmark.recording.record_models import Design, Record
from benchmark.recording.table_key import TableKey, key_of
from benchmark.statistics import effects, power, stats
from benchmark.statistics.effects import Equivalence, Improvement
from benchmark.statistics.metrics import GROUPS
from benchmark.statistics.power import Arms
from benchmark.statistics.stats import MIN_SEEDS, Difference, Estimate, Values

Metric = Literal["accuracy", "macro", "worst", "harmonic", "many", "medium", "few", "ece"]
METRICS: tuple[Metric, ...] = (
    "accuracy", "macro", "worst", "harmonic", "many", "medium", "few", "ece",
)  # fmt: skip
LOWER_IS_BETTER = ("ece",)


@dataclass(frozen=True)
class Outcome:
    """One metric of the two rows.

    Attributes:
        metric: which.
        first, second: mean of each row over all its seeds, with interval and n; None where no seed
            has a value, as for an empty shot group.
        difference: paired on common seeds or with pooled variance; None below three seeds or
            without values.
        improvement: probability that A is better, which is lower for a calibration error.
        equivalence: within the margin; its ``tested`` is False below three seeds.
    """

    metric: Metric
    first: Estimate | None
    second: Estimate | None
    difference: Difference | None
    improvement: Improvement | None
    equivalence: Equivalence | None


@dataclass(frozen=True)
class Outlook:
    """What more seeds would bring for one metric; all None where the spread is not known.

    Attributes:
        n: seeds that the test has now, of the row with fewer.
        sd: standard deviation over seeds; of paired differences in a blocked design.
        visible: smallest true difference that n seeds find with probability 0.8.
        for_seen: seeds of each row that find a true difference as large as the one seen.
        for_margin: seeds of each row that find a true difference of the margin.
        for_equal: seeds of each row that show equivalence if there is no difference.
    """

    n: int
    sd: float | None
    visible: float | None
    for_seen: int | None
    for_margin: int | None
    for_equal: int | None


@dataclass(frozen=True)
class Comparison:
    """Everything about two rows.

    Attributes:
        first, second: the rows.
        key: of their table.
        design: how they are compared.
        margin: what counts as practically equal.
        pooled_rows: rows whose variance was pooled; 0 in a blocked design.
        outcomes: the metric asked for first, then "accuracy" and the shot groups.
        outlook: for the metric asked for.
        gains: of A over B along the tail.
        pools: what is known of pool and seed variance, of A and B; None for a row without a pool.
    """

    first: Row
    second: Row
    key: TableKey
    design: Design
    margin: float
    pooled_rows: int
    outcomes: tuple[Outcome, ...]
    outlook: Outlook
    gains: tuple[tail.Gain, ...]
    pools: tuple[Components | Missing | None, Components | Missing | None]

    @property
    def chosen(self) -> Outcome:
        """The metric asked for."""
        return self.outcomes[0]


def compare(
    first: Row,
    second: Row,
    table: Sequence[Row] = (),
    *,
    metric: Metric = "accuracy",
    margin: float = 0.01,
) -> Comparison:
    """Compare two rows.

    Args:
        first: A.
        second: B.
        table: further rows of their table, whose variance is pooled in an independent design;
            those of other tables are left out.
        metric: the one the outlook is about.
        margin: a share above 0.

    Raises:
        UsageError: the rows may not share a table; names what differs.
    """
    check_same_table(first, second)
    key, design = key_of(first.first), first.first.dataset.design
    rows = [first, second, *_others(first, second, table)]
    names = dict.fromkeys((metric, "accuracy", *GROUPS))
    outcomes = tuple(_outcome(name, rows, design, margin) for name in METRICS if name in names)
    outcomes = tuple(sorted(outcomes, key=lambda each: list(names).index(each.metric)))
    return Comparison(
        first=first,
        second=second,
        key=key,
        design=design,
        margin=margin,
        pooled_rows=0 if design == "blocked" else len(rows),
        outcomes=outcomes,
        outlook=_outlook(outcomes[0], rows, design, margin),
        gains=tuple(tail.gains(first.records, second.records, design)),
        pools=(_pools(first, rows), _pools(second, rows)),
    )


_KEY_WORDS: Mapping[str, str] = {
    "dataset": "data set", "protocol": "protocol of the data set", "split_rule": "split rule",
    "recipe": "recipe", "recipe_hash": "settings of the recipe", "steps_rule": "step rule",
    "backbone": "backbone", "selection": "choice of weights",
    "budget_rule": "what is equal across methods", "harness": "protocol of the harness",
    "images": "size and source of the images",
}  # fmt: skip


def check_same_table(first: Row, second: Row) -> None:
    """Refuse rows that may not share a table.

    Raises:
        UsageError: names each part of the key that differs, with both values.
    """
    one, other = key_of(first.first), key_of(second.first)
    differing = [
        f"{_KEY_WORDS[name]} ({getattr(one, name) or 'images'}, {getattr(other, name) or 'images'})"
        for name in _KEY_WORDS
        if getattr(one, name) != getattr(other, name)
    ]
    designs = first.first.dataset.design, second.first.dataset.design
    if not differing and designs[0] != designs[1]:
        differing = [f"design ({designs[0]}, {designs[1]})"]
    if differing:
        raise UsageError(
            f"Expected two rows that may share a table, but '{first.label}' and '{second.label}' "
            f"differ in: {'; '.join(differing)}",
            todo="choose rows of one data set, recipe and backbone",
        )


def _others(first: Row, second: Row, table: Sequence[Row]) -> list[Row]:
    """Rows of the table beside the two."""
    key, own = key_of(first.first), {first.hash, second.hash}
    return [row for row in table if row.hash not in own and key_of(row.first) == key]


def metric_values(records: Sequence[Record], metric: Metric) -> Values:
    """A metric by seed; seeds without one, as of an empty shot group, are left out."""
    found = {record.seed: _value(record, metric) for record in records}
    return {seed: value for seed, value in sorted(found.items()) if value is not None}


def _value(record: Record, metric: Metric) -> float | None:
    if metric in GROUPS:
        convention = next(iter(record.dataset.conventions))
        found = getattr(record.metrics.groups[convention], metric)
    else:
        found = getattr(record.metrics, metric)
    return None if found is None else float(found)


def _outcome(metric: Metric, rows: Sequence[Row], design: Design, margin: float) -> Outcome:
    values = [metric_values(row.records, metric) for row in rows]
    a, b = values[0], values[1]
    pooled = stats.table_variance(values)
    better = (b, a) if metric in LOWER_IS_BETTER else (a, b)
    tested = stats.seeds_tested(a, b, design) >= MIN_SEEDS
    both = bool(a and b)
    return Outcome(
        metric=metric,
        first=stats.estimate(list(a.values())) if a else None,
        second=stats.estimate(list(b.values())) if b else None,
        difference=_difference(a, b, design, pooled) if tested else None,
        improvement=effects.improvement(*better, design),
        equivalence=effects.equivalence(a, b, design, pooled, margin) if both else None,
    )


def _difference(
    a: Values, b: Values, design: Design, pooled: tuple[float, int]
) -> Difference | None:
    return stats.paired(a, b) if design == "blocked" else stats.unpaired(a, b, pooled)


def _outlook(seen: Outcome, rows: Sequence[Row], design: Design, margin: float) -> Outlook:
    values = [metric_values(row.records, seen.metric) for row in rows]
    n = stats.seeds_tested(values[0], values[1], design)
    sd, lent = _spread(values, design)
    if sd is None:
        return Outlook(n, None, None, None, None, None)
    gap = abs(_gap(values[0], values[1], design))
    return Outlook(
        n=n,
        sd=sd,
        visible=power.smallest_difference(Arms(n, sd, design, lent)) if n > 1 else None,
        for_seen=power.seeds_needed(gap, sd, design, other_df=lent),
        for_margin=power.seeds_needed(margin, sd, design, other_df=lent),
        for_equal=power.seeds_for_equivalence(margin, sd, design, other_df=lent),
    )


def _gap(a: Values, b: Values, design: Design) -> float:
    if design == "blocked":
        found = stats.paired(a, b)
        return found.mean if found else 0.0
    return stats.mean(list(a.values())) - stats.mean(list(b.values())) if a and b else 0.0


def _spread(values: Sequence[Values], design: Design) -> tuple[float | None, int]:
    """Standard deviation over seeds, and the degrees of freedom that other rows lend."""
    a, b = values[0], values[1]
    if design == "blocked":
        gaps = [a[seed] - b[seed] for seed in sorted(a.keys() & b.keys())]
        return (math.sqrt(stats.variance(gaps)) if len(gaps) >= MIN_SEEDS else None), 0
    variance, df = stats.table_variance(values)
    # of the rows that `table_variance` took
    least = MIN_SEEDS if any(len(row) >= MIN_SEEDS for row in values) else 1
    own = sum(len(row) - 1 for row in (a, b) if len(row) >= least)
    return (math.sqrt(variance) if df >= MIN_SEEDS - 1 else None), df - own


def _pools(row: Row, rows: Sequence[Row]) -> Components | Missing | None:
    """Of the family of a row: the same experiment with any seed of the pool."""
    every = [record for each in rows for record in each.records]
    for family in families(every):
        if row.hash in family.hashes:
            return family.components()
    return None
