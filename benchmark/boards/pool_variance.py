"""How much of the spread comes from the images drawn and how much from training.

Runs of one experiment with several pool seeds crossed with several run seeds are a two-way layout
with random effects and one value a cell. Its mean squares give the components of variance (method
of moments, Searle, Casella and McCulloch 1992, section 4.4); what is neither pool nor seed, their
interaction included, is the rest.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from benchmark.recording.record_models import Record
from benchmark.recording.table_key import TableKey, key_of
from benchmark.statistics import stats
from benchmark.system.files import content_hash

Cells = Mapping[tuple[int, int], float]
_DECIMALS = 12
# beyond, looking at every set of pools for the largest complete part takes too long
_MAX_POOLS = 12


@dataclass(frozen=True)
class Components:
    """Variances of one value of one run, and the mean over all runs.

    Attributes:
        pool: variance between pools; 0 if the estimate was negative.
        seed: variance between run seeds; 0 if the estimate was negative.
        rest: variance of what is left.
        negative: the components whose estimate was below 0, of "pool" and "seed".
        mean: over all runs used, with the interval that counts pools as well as seeds.
        pools, seeds: those used, ascending.
        dropped: runs left out since their row or column is not complete.
    """

    pool: float
    seed: float
    rest: float
    negative: tuple[str, ...]
    mean: stats.Estimate
    pools: tuple[int, ...]
    seeds: tuple[int, ...]
    dropped: int = 0

    @property
    def pool_share(self) -> float:
        """Share of the variance of one run that the pool makes, in [0, 1]."""
        total = self.pool + self.seed + self.rest
        return round(self.pool / total, _DECIMALS) if total else 0.0


@dataclass(frozen=True)
class Missing:
    """Why the two cannot be told apart, and (pool seed, run seed) of runs that would do it."""

    reason: str
    runs: tuple[tuple[int, int], ...]


def components(values: Cells) -> Components | Missing:
    """Variance components of values by (pool seed, run seed).

    Incomplete layouts are cut to their largest complete part with two pools and two seeds.

    Raises:
        ValueError: there are no values.
    """
    if not values:
        raise ValueError("expected at least one value")
    pools, seeds = _largest(values)
    if len(pools) < 2 or len(seeds) < 2:
        return _missing(values)
    return _moments(values, pools, seeds)


def _largest(values: Cells) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The complete part with the most runs; the first in order of pools among equal ones."""
    by_pool: dict[int, set[int]] = {}
    for pool, seed in sorted(values):
        by_pool.setdefault(pool, set()).add(seed)
    best: tuple[tuple[int, ...], tuple[int, ...]] = ((), ())
    names = list(by_pool)[:_MAX_POOLS]
    for size in range(2, len(names) + 1):
        for pools in combinations(names, size):
            seeds = set.intersection(*(by_pool[pool] for pool in pools))
            if len(seeds) > 1 and size * len(seeds) > len(best[0]) * len(best[1]):
                best = (pools, tuple(sorted(seeds)))
    return best


def _missing(values: Cells) -> Missing:
    pools, seeds = sorted({p for p, _ in values}), sorted({s for _, s in values})
    if len(pools) > 1 and len(seeds) > 1:
        reason = "no two pools share two seeds"
        if all(pool == seed for pool, seed in values):
            reason = "every pool follows its run's seed, so pool and seed are confounded"
    else:
        once = "pool" if len(pools) < 2 else "run seed"
        reason = f"only one {once}"
    wanted_pools, wanted_seeds = _at_least(pools), _at_least(seeds)
    runs = ((p, s) for p in wanted_pools for s in wanted_seeds if (p, s) not in values)
    return Missing(reason, tuple(runs))


def _at_least(found: Sequence[int]) -> list[int]:
    """The first three numbers that were used, filled up with new ones."""
    fresh = (number for number in range(len(found) + stats.MIN_SEEDS) if number not in found)
    wanted = list(found[: stats.MIN_SEEDS])
    while len(wanted) < stats.MIN_SEEDS:
        wanted.append(next(fresh))
    return sorted(wanted)


def _moments(values: Cells, pools: tuple[int, ...], seeds: tuple[int, ...]) -> Components:
    grid = [[values[pool, seed] for seed in seeds] for pool in pools]
    n_pools, n_seeds = len(pools), len(seeds)
    centre = stats.mean([value for row in grid for value in row])
    row_means = [stats.mean(row) for row in grid]
    column_means = [stats.mean(column) for column in zip(*grid, strict=True)]
    left = math.fsum(
        (value - row_means[i] - column_means[j] + centre) ** 2
        for i, row in enumerate(grid)
        for j, value in enumerate(row)
    )
    rest = left / ((n_pools - 1) * (n_seeds - 1))
    pool_square = n_seeds * stats.variance(row_means)
    seed_square = n_pools * stats.variance(column_means)
    raw = {"pool": (pool_square - rest) / n_seeds, "seed": (seed_square - rest) / n_pools}
    return Components(
        pool=max(0.0, raw["pool"]),
        seed=max(0.0, raw["seed"]),
        rest=rest,
        negative=tuple(name for name, value in raw.items() if round(value, _DECIMALS) < 0),
        mean=_grand_mean(centre, (pool_square, seed_square, rest), n_pools, n_seeds),
        pools=pools,
        seeds=seeds,
        dropped=len(values) - n_pools * n_seeds,
    )


def _grand_mean(
    centre: float, squares: tuple[float, float, float], n_pools: int, n_seeds: int
) -> stats.Estimate:
    """The mean with an interval by Satterthwaite's degrees of freedom.

    Its variance is (pool square + seed square - rest square) / runs; where that is below the
    larger of the first two, the larger is taken, which is on the safe side.
    """
    pool, seed, rest = squares
    n, dfs = n_pools * n_seeds, (n_pools - 1, n_seeds - 1, (n_pools - 1) * (n_seeds - 1))
    total = pool + seed - rest
    if total <= max(pool, seed):
        total, df = max((pool, float(dfs[0])), (seed, float(dfs[1])))
    else:
        df = total**2 / sum(square**2 / each for square, each in zip(squares, dfs, strict=True))
    reach = stats.t_quantile(max(1, math.floor(df))) * math.sqrt(total / n)
    return stats.Estimate(centre, reach, n)


@dataclass(frozen=True)
class Family:
    """Records that differ in the seeds of run and pool only.

    Attributes:
        key: their table.
        label: of the method.
        hashes: of the experiments, one for each way of choosing the pool's seed.
        records: by (pool seed, run seed).
    """

    key: TableKey
    label: str
    hashes: frozenset[str]
    records: Mapping[tuple[int, int], Record]

    @property
    def follows(self) -> bool:
        """Whether every pool follows the run's seed, so that the two are confounded."""
        return all(
            r.pool is not None and r.pool.replicated_with_seed for r in self.records.values()
        )

    def components(self) -> Components | Missing:
        """Variance components of the accuracy."""
        return components({key: r.metrics.accuracy for key, r in self.records.items()})


def families(records: Iterable[Record]) -> list[Family]:
    """Records with a pool, by experiment whatever the pool's seed, in order of table and label.

    Of two records with the same seeds, one of a fixed pool and one of a pool that follows the seed,
    the runs are the same and the first in order of hashes stands.
    """
    found: dict[tuple[TableKey, str, str], list[Record]] = {}
    for record in sorted(records, key=lambda record: (record.experiment.hash, record.seed)):
        if record.pool is not None:
            science = {k: v for k, v in record.experiment.config.items() if k != "pool_seed"}
            key = (key_of(record), record.experiment.label, content_hash(science))
            found.setdefault(key, []).append(record)
    return [_family(key, label, found[key, label, rest]) for key, label, rest in sorted(found)]


def _family(key: TableKey, label: str, records: Sequence[Record]) -> Family:
    cells: dict[tuple[int, int], Record] = {}
    for record in records:
        if record.pool is not None:
            cells.setdefault((record.pool.pool_seed, record.seed), record)
    return Family(key, label, frozenset(record.experiment.hash for record in records), cells)
