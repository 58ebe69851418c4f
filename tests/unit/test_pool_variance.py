"""Components of variance of pools and seeds against an analysis of variance and simulation."""

import math

import numpy as np
import pytest

from benchmark.boards import pool_variance
from benchmark.boards.pool_variance import Components, Missing, components
from benchmark.recording.record_models import Record
from tests.fixtures.records import make_record

POOL = {"key": "k", "ids_hash": "i", "images": 10, "generator": {}}


def drawn(
    pools: int, seeds: int, sds: tuple[float, float, float], rng: np.random.Generator
) -> dict[tuple[int, int], float]:
    pool, seed = rng.normal(0, sds[0], pools), rng.normal(0, sds[1], seeds)
    rest = rng.normal(0, sds[2], (pools, seeds))
    return {
        (i, j): 0.8 + pool[i] + seed[j] + rest[i, j] for i in range(pools) for j in range(seeds)
    }


def test_mean_squares_by_hand() -> None:
    found = components({(0, 0): 1.0, (0, 1): 3.0, (1, 0): 5.0, (1, 1): 11.0})
    assert isinstance(found, Components)
    # means of rows 2 and 8, of columns 3 and 7, of all 5; left over: 1, -1, -1, 1
    assert found.rest == pytest.approx(4)
    assert found.pool == pytest.approx((2 * 18 - 4) / 2)
    assert found.seed == pytest.approx((2 * 8 - 4) / 2)
    assert found.pool_share == pytest.approx(16 / 26)
    assert found.mean.mean == 5 and found.negative == ()


def test_components_are_unbiased_over_simulated_layouts() -> None:
    rng = np.random.default_rng(2)
    sds = (0.004, 0.006, 0.003)
    found = [components(drawn(5, 6, sds, rng)) for _ in range(400)]
    done = [each for each in found if isinstance(each, Components)]
    assert len(done) == 400
    for name, sd in zip(("pool", "seed", "rest"), sds, strict=True):
        values = [getattr(each, name) for each in done]
        error = float(np.std(values)) / math.sqrt(len(values))
        assert np.mean(values) == pytest.approx(sd**2, abs=4 * error)
        assert 4 * error < sd**2 / 2


def test_interval_of_the_mean_counts_pools_as_well_as_seeds() -> None:
    rng = np.random.default_rng(3)
    covered = naive = 0
    for _ in range(400):
        values = drawn(4, 5, (0.01, 0.004, 0.002), rng)
        found = components(values)
        assert isinstance(found, Components) and found.mean.half_width is not None
        covered += abs(found.mean.mean - 0.8) <= found.mean.half_width
        # what a Student interval over all runs as if independent would cover
        spread = float(np.std(list(values.values()), ddof=1)) / math.sqrt(20)
        naive += abs(found.mean.mean - 0.8) <= 2.093 * spread
    assert covered / 400 >= 0.90
    assert naive / 400 < 0.75


def test_negative_estimates_are_zero_and_said() -> None:
    found = components({(0, 0): 0.0, (0, 1): 1.0, (1, 0): 1.0, (1, 1): 0.0})
    assert isinstance(found, Components)
    assert (found.pool, found.seed, found.negative) == (0.0, 0.0, ("pool", "seed"))
    assert found.rest == pytest.approx(1.0) and found.pool_share == 0


def test_an_incomplete_layout_is_cut_to_its_largest_complete_part() -> None:
    rng = np.random.default_rng(4)
    full = drawn(3, 4, (0.1, 0.1, 0.1), rng)
    extra = full | {(7, 0): 0.5, (8, 3): 0.1}
    one, other = components(full), components(extra)
    assert isinstance(one, Components) and isinstance(other, Components)
    assert (other.pool, other.seed, other.rest) == (one.pool, one.seed, one.rest)
    assert other.dropped == 2 and other.pools == (0, 1, 2) and other.seeds == (0, 1, 2, 3)


def test_pools_that_follow_the_seed_are_confounded_with_it() -> None:
    found = components({(0, 0): 0.1, (1, 1): 0.2, (2, 2): 0.3, (3, 3): 0.3})
    assert isinstance(found, Missing)
    assert found.reason == "every pool follows its run's seed, so pool and seed are confounded"
    assert found.runs == ((0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1))


def test_what_one_replicated_factor_lacks() -> None:
    one_pool = components({(4, 0): 0.1, (4, 1): 0.2})
    assert isinstance(one_pool, Missing) and one_pool.reason == "only one pool"
    assert one_pool.runs == (
        (0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (4, 2),
    )  # fmt: skip
    one_seed = components({(0, 5): 0.1, (1, 5): 0.2, (2, 5): 0.2})
    assert isinstance(one_seed, Missing) and one_seed.reason == "only one run seed"
    apart = components({(0, 0): 0.1, (1, 0): 0.1, (1, 1): 0.2, (2, 1): 0.1})
    assert isinstance(apart, Missing) and apart.reason == "no two pools share two seeds"
    with pytest.raises(ValueError, match="at least one value"):
        components({})


def record(pool_seed: int, seed: int, follows: bool = False, **changes: object) -> Record:
    hashed = "follows" if follows else f"pool{pool_seed}"
    return make_record(
        (90 - pool_seed, 60 + seed, 30, 20), seed, experiment__hash=hashed,
        experiment__config={"a": 1, "pool_seed": "seed" if follows else pool_seed},
        pool=POOL | {"pool_seed": pool_seed, "replicated_with_seed": follows},
        method__track="synthetic", **changes,
    )  # fmt: skip


def test_families_join_what_differs_in_the_seeds_only() -> None:
    crossed = [record(pool, seed) for pool in range(3) for seed in range(2)]
    other = [record(0, 0, experiment__label="another"), make_record()]
    found = pool_variance.families([*crossed, *other])
    assert [(each.label, len(each.records)) for each in found] == [("another", 1), ("plain", 6)]
    done = found[1].components()
    assert isinstance(done, Components)
    assert done.pools == (0, 1, 2) and done.seeds == (0, 1)
    # accuracy is additive here: nothing is left over
    assert done.rest == pytest.approx(0, abs=1e-15) and done.pool == pytest.approx(0.0025**2)
    assert not found[1].follows


def test_a_family_whose_pools_follow_the_seed_says_so() -> None:
    found = pool_variance.families([record(seed, seed, follows=True) for seed in range(3)])
    assert len(found) == 1 and found[0].follows
    assert isinstance(found[0].components(), Missing)
    mixed = pool_variance.families(
        [record(s, s, follows=True) for s in range(2)] + [record(0, 1), record(1, 0)]
    )
    assert len(mixed) == 1 and not mixed[0].follows
    assert isinstance(mixed[0].components(), Components)
