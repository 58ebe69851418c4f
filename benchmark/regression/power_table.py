"""``check regression --power``: what re-runs of each experiment of the reference could show."""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path

from benchmark.boards.text import percent
from benchmark.regression.policy import METRICS, Metric, Policy
from benchmark.regression.samples import Runs, pick, read_runs
from benchmark.regression.variance import Spread, moderated
from benchmark.regression.verdicts import spread_of
from benchmark.statistics import power
from benchmark.statistics.power import Arms
from benchmark.vocabulary.listing import table

HEAD = ("experiment", "data", "metric", "n", "seeds are", "SD", "finds a drop of", "margin",
        "seeds for the margin")  # fmt: skip


def power_table(
    records_dir: Path, policy: Policy, names: tuple[str, ...], width: int | None
) -> str:
    """SD over seeds, the smallest drop found with 80 %, and the seeds that the margin takes.

    Both arms have n seeds; tests are one-sided at 2.5 %, and no correction for the number of
    experiments is counted. Seeds for the margin find a drop of that size with 80 %, and as often
    pass a re-run that changed nothing.

    Raises:
        DataError: there are no records.
        UsageError: no such experiment.
    """
    every = read_runs(records_dir)
    spreads = _spreads(every)
    rows = [
        cells
        for runs in pick(every, names).values()
        for metric in METRICS
        for cells in _rows(runs, metric, policy, spreads.get((runs.hash, metric)))
    ]
    told = "SD, drop and margin in points; a drop is found with 80 % at a one-sided level of 2.5 %"
    return "\n".join([*table([HEAD, *rows], width), told])


def _spreads(every: Mapping[str, Runs]) -> dict[tuple[str, Metric], Spread]:
    """The moderated variance of each experiment and metric that has a spread."""
    groups: dict[tuple[str, Metric], dict[str, Spread]] = {}
    for name, runs in every.items():
        for metric in METRICS:
            spread = spread_of(runs.values(metric))
            if spread:
                groups.setdefault((runs.table, metric), {})[name] = spread
    return {
        (name, metric): spread
        for (_, metric), rows in groups.items()
        for name, spread in zip(rows, moderated(list(rows.values())), strict=True)
    }


def _rows(
    runs: Runs, metric: Metric, policy: Policy, spread: Spread | None
) -> Iterator[tuple[str, ...]]:
    n = len(runs.values(metric))
    margin = policy.margin(runs.dataset, metric)
    head = (runs.label, runs.dataset, metric, str(n))
    yield (*head, "fresh", *_found(_fresh(n, spread), margin))
    noise = policy.noise.get(runs.dataset)
    if noise and n > 1:
        same = Arms(n, getattr(noise, metric) / 100, "blocked")
        yield (*head, "the same", *_found(same, margin))


def _fresh(n: int, spread: Spread | None) -> Arms | None:
    """New seeds on either side, with what the other experiments lend."""
    if spread is None:
        return None
    lent = spread.df - (n - 1)
    return Arms(n, math.sqrt(spread.variance), "independent", other_df=lent)


def _found(arms: Arms | None, margin: float) -> tuple[str, ...]:
    if arms is None:
        return ("-", "-", f"{100 * margin:g}", "needs two seeds or more")
    needed = power.seeds_needed(margin, arms.sd, arms.design, other_df=arms.other_df)
    seeds = f"over {power.MAX_SEEDS}" if needed is None else str(needed)
    drop = power.smallest_difference(arms)
    return (percent(arms.sd), percent(drop), f"{100 * margin:g}", seeds)
