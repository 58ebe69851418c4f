"""A comparison of two rows as text for an 80-column terminal, and as plain values for JSON."""

import textwrap
from collections.abc import Iterable, Iterator, Sequence

from benchmark.boards import text
from benchmark.boards.comparison import LOWER_IS_BETTER, Comparison, Metric, Outcome, Outlook
from benchmark.boards.leaderboard import Row
from benchmark.boards.pool_variance import Components, Missing
from benchmark.boards.tail import Gain
from benchmark.grid.grid_status import command
from benchmark.statistics import stats
from benchmark.statistics.effects import Improvement
from benchmark.statistics.power import POWER
from benchmark.vocabulary.listing import table

WIDTH = 80
_SHOWN_CLASSES = 3
NAMES: dict[Metric, str] = {
    "accuracy": "All", "macro": "Macro", "worst": "Worst", "harmonic": "Harmonic", "many": "Many",
    "medium": "Medium", "few": "Few", "ece": "ECE",
}  # fmt: skip


def render(found: Comparison) -> str:
    """The whole text; only commands may be wider than 80 columns."""
    parts = [
        [*_heads(found), *_wrapped(_design(found))],
        _outcomes(found),
        _wrapped(_improvements(found)),
        _wrapped(_verdict(found)),
        _classes(found),
        _costs(found),
        list(_pool_lines(found)),
        _commands(found),
    ]
    return "\n\n".join("\n".join(lines) for lines in parts if lines)


def _wrapped(lines: Iterable[str]) -> list[str]:
    """Sentences in lines of at most 80 columns; those that begin with spaces keep them."""
    found: list[str] = []
    for line in lines:
        indent = " " * (len(line) - len(line.lstrip()))
        found += textwrap.wrap(line, WIDTH, subsequent_indent=indent) or [""]
    return found


def _heads(found: Comparison) -> list[str]:
    key, convention = found.key, next(iter(found.first.first.dataset.conventions))
    place = ", ".join(filter(None, (key.dataset, key.recipe, key.backbone, key.budget_rule)))
    rows = [
        (name, f"{row.accuracy.n} seed{'s' if row.accuracy.n > 1 else ''}", row.hash, row.label)
        for name, row in _named(found)
    ]
    return [*_wrapped([f"{place}; shot groups by {convention}"]), *table(rows, WIDTH, wrap=True)]


def _named(found: Comparison) -> tuple[tuple[str, Row], tuple[str, Row]]:
    return ("A", found.first), ("B", found.second)


def _design(found: Comparison) -> list[str]:
    n = found.outlook.n
    if found.design == "blocked":
        seeds = f"{n} common seed{'' if n == 1 else 's'}"
        said = f"Differences are paired on {seeds}, since the split follows the seed."
    else:
        said = f"Differences use the variance pooled over {found.pooled_rows} rows of the table."
    if n < stats.MIN_SEEDS:
        said += f"\nNothing is tested below {stats.MIN_SEEDS} seeds."
    if found.first.hash == found.second.hash:
        said += "\nBoth are runs of the same experiment."
    return said.split("\n")


def _outcomes(found: Comparison) -> list[str]:
    points = text.percent(found.margin)
    header = ("", "A", "B", "A - B", "p", f"within {points}")
    return table([header, *map(_outcome, found.outcomes)], WIDTH)


def _outcome(each: Outcome) -> tuple[str, ...]:
    gap = each.difference
    if gap is None and each.first and each.second:
        plain = stats.Difference(each.first.mean - each.second.mean, None, 0, 0, 1.0)
        shown = text.difference(plain)
    else:
        shown = text.difference(gap)
    tested = each.equivalence is not None and each.equivalence.tested
    return (
        NAMES[each.metric],
        *(text.estimate(row) if row else text.NOT_AVAILABLE for row in (each.first, each.second)),
        shown,
        p_text(gap.p) if gap else text.NONE,
        each.equivalence.verdict if tested and each.equivalence else "not tested",
    )


def p_text(value: float) -> str:
    """A p-value with four decimals."""
    shown = round(value, 4)
    return "<0.0001" if shown == 0 else f"{shown:.4f}"


def _improvements(found: Comparison) -> Iterator[str]:
    chosen = found.chosen
    better = "lower" if chosen.metric in LOWER_IS_BETTER else "higher"
    unit = "common seed{}" if found.design == "blocked" else "pair{} of runs"
    if chosen.improvement:
        n = chosen.improvement.n
        pairs = f"{n} {unit.format('' if n == 1 else 's')}"
        share = f"{text.percent(chosen.improvement.share, 0)} % of {pairs}"
        yield f"{NAMES[chosen.metric]} is {better} with A in {share}."
        yield from _exact(chosen.improvement)
    others = [
        f"{NAMES[each.metric]} {text.percent(each.improvement.share, 0)} %"
        for each in found.outcomes[1:]
        if each.improvement
    ]
    if others:
        yield f"The same for {', '.join(others)}."


def _exact(found: Improvement) -> Iterator[str]:
    if found.interval:
        low, high = (text.percent(bound, 0) for bound in found.interval)
        yield f"Its 95 % interval is {low} to {high} %; exact p {p_text(found.p or 0.0)}."
    elif found.p is not None:
        yield f"Its exact p is {p_text(found.p)}."
    else:
        yield f"{found.note[:1].upper()}{found.note[1:]}."


def _verdict(found: Comparison) -> list[str]:
    chosen, points = found.chosen, text.percent(found.margin)
    equal = chosen.equivalence
    if equal is None:
        return ["A and B have no seed in common." if found.design == "blocked" else "No values."]
    if not equal.tested:
        lines = [f"Verdict for {NAMES[chosen.metric]}: not told apart, as nothing can be tested."]
    else:
        bounds = f"{_signed(equal.low)} to {_signed(equal.high)}"
        lines = [
            f"Verdict for {NAMES[chosen.metric]} within {points} points: {equal.verdict} "
            f"(90 % interval {bounds})."
        ]
        if equal.verdict == "equivalent" and equal.p < stats.ALPHA:
            lines.append("There is a difference, but it is smaller than the margin.")
    return [*lines, *_outlook(found.outlook, points, equal.verdict == "not told apart")]


def _signed(value: float) -> str:
    shown = text.percent(value)
    return shown if shown.startswith("-") else f"+{shown}"


def _outlook(found: Outlook, points: str, open_: bool) -> Iterator[str]:
    """What the seeds can show, and how many would settle an open question."""
    if found.sd is None:
        if open_:
            yield f"Power is not known below {stats.MIN_SEEDS} seeds: run more of both."
        return
    if found.visible is not None:
        seen = f"a true difference of {text.percent(found.visible)} points"
        yield f"Power: {found.n} seeds find {seen} with probability {POWER:g}."
    if open_:
        yield f"To settle it with probability {POWER:g} takes, for each row,"
        yield f"  {_more(found.for_seen, found.n)} if the difference is as large as the one seen,"
        yield f"  {_more(found.for_margin, found.n)} if it is {points} points,"
        yield f"  {_more(found.for_equal, found.n)} to show equivalence if there is none."


def _more(needed: int | None, n: int) -> str:
    if needed is None:
        return "more than 10,000 seeds"
    return (
        f"{needed} seeds ({needed - n} more)" if needed > n else f"{needed} seeds (there are {n})"
    )


def _classes(found: Comparison) -> list[str]:
    ordered = sorted(found.gains, key=lambda each: (-round(each.difference.mean, 9), each.rank))
    ups = [each for each in ordered if round(each.difference.mean, 9) > 0][:_SHOWN_CLASSES]
    downs = [each for each in reversed(ordered) if round(each.difference.mean, 9) < 0]
    rows = [
        *_class_rows("A is better", ups),
        *_class_rows("A is worse", downs[:_SHOWN_CLASSES]),
    ]
    if not rows:
        return ["No class differs."] if found.gains else []
    named = all(each.name for each in found.gains)
    head = "Classes:" if named else "Places along the tail, other classes at other seeds:"
    return [head, *table(rows, WIDTH, "  ")]


def _class_rows(title: str, gains: Sequence[Gain]) -> Iterator[tuple[str, ...]]:
    for index, each in enumerate(gains):
        images = f"{each.count:g} image{'' if each.count == 1 else 's'}"
        name = each.name or f"place {each.rank}"
        yield (title if index == 0 else "", text.difference(each.difference), images, name)


def _costs(found: Comparison) -> list[str]:
    rows = [("Mean of a run", "A", "B", "A - B")]
    rows += [
        (name, text.number(a, decimals), text.number(b, decimals), text.number(a - b, decimals))
        for name, a, b, decimals in costs(found)
    ]
    return table(rows, WIDTH)


def costs(found: Comparison) -> list[tuple[str, float, float, int]]:
    """Name, value of A and of B, decimals to show: means over the seeds of each row."""
    a, b = found.first, found.second
    return [
        ("images added", a.added, b.added, 0),
        ("network calls", a.spent.calls, b.spent.calls, 0),
        ("seconds of generation", a.spent.seconds, b.spent.seconds, 1),
        ("seconds of training", a.train_seconds, b.train_seconds, 1),
    ]


def _pool_lines(found: Comparison) -> Iterator[str]:
    for (name, row), pools in zip(_named(found), found.pools, strict=True):
        if isinstance(pools, Components):
            size = f"{len(pools.pools)} pools, {len(pools.seeds)} seeds"
            share = text.percent(pools.pool_share, 0)
            yield f"{name}: the pool makes {share} % of the variance of a run ({size})."
            for component in pools.negative:
                yield f"   The estimate for the {component} was negative and counts as 0."
        elif isinstance(pools, Missing):
            # a seed of the pool that is not among the hashed settings cannot be varied by itself
            able = "pool_seed" in row.first.experiment.config
            said = f"{name}: {pools.reason}.{' This would tell pool and seed apart:' * able}"
            yield from textwrap.wrap(said, WIDTH, subsequent_indent="   ")
            yield from [f"   {crossed(row, pools)}"] * able


def crossed(row: Row, missing: Missing) -> str:
    """The command that crosses pool seeds with run seeds."""
    pools, seeds = ({run[at] for run in missing.runs} for at in (0, 1))
    words = [word for word in row.first.experiment.overrides if not word.startswith("pool_seed=")]
    listed = ",".join(map(str, sorted(pools)))
    return command([*words, f"pool_seed={listed}"], sorted(seeds))


def _commands(found: Comparison) -> list[str]:
    return [f"{name}  {making(row)}" for name, row in _named(found)]


def making(row: Row) -> str:
    """The command that makes all seeds of a row; that of the first seed if words do not tell."""
    first, words = row.first, row.first.experiment.overrides
    if first.command != command(words, [first.seed]):
        return first.command
    return command(words, [record.seed for record in row.records])
