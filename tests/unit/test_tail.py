"""Profiles over classes, places along the tail, gains of classes."""

import pytest

from benchmark.boards import tail
from benchmark.recording.record_models import Record
from benchmark.statistics import stats
from tests.fixtures.records import CONVENTIONS, make_record


def seeds(*correct: tuple[int, ...], **changes: object) -> list[Record]:
    return [make_record(each, seed, **changes) for seed, each in enumerate(correct)]


def turned(correct: tuple[int, ...], seed: int) -> Record:
    """A record whose split makes the last class the largest one."""
    counts = (2, 8, 20, 100)
    groups = {name: tuple(reversed(each)) for name, each in CONVENTIONS.items()}
    # groups by convention enter the metrics, so these are those of the reversed classes
    made = make_record(tuple(reversed(correct)), seed)
    value = made.model_dump(by_alias=True)
    value["dataset"] |= {
        "counts_real": counts, "counts_train": counts, "conventions": groups,
        "classes": ("one", "two", "three", "four"), "design": "blocked",
    }  # fmt: skip
    value["metrics"]["per_class"]["correct"] = correct
    value["budget"] |= {"keep": counts}
    return Record.model_validate(value)


def test_share_above_is_strict_and_a_mean_over_seeds() -> None:
    found = tail.profile(seeds((90, 60, 30, 20), (90, 70, 60, 20)), (0.0, 0.3, 0.6, 0.9))
    assert [each.mean for each in found.shares] == [1.0, (0.5 + 0.75) / 2, (0.25 + 0.5) / 2, 0.0]
    expected = stats.estimate([0.5, 0.75])
    assert found.shares[1] == expected and found.shares[1].n == 2


def test_profile_falls_and_ends_below_the_best_class() -> None:
    found = tail.profile(seeds((90, 60, 30, 20), (80, 50, 40, 10)))
    shares = [each.mean for each in found.shares]
    assert found.thresholds == tail.THRESHOLDS and len(shares) == 20
    assert shares == sorted(shares, reverse=True) and shares[0] == 1 and shares[-1] == 0


def test_the_area_below_the_profile_is_the_macro_accuracy() -> None:
    record = make_record((93, 61, 30, 7))
    fine = [step / 1000 for step in range(1000)]
    area = sum(each.mean for each in tail.profile([record], fine).shares) / 1000
    assert area == pytest.approx(record.metrics.macro, abs=1e-3)


def test_places_follow_the_real_counts() -> None:
    places = tail.along_tail(seeds((90, 60, 30, 20), (80, 50, 40, 10)))
    assert [(p.rank, p.name, p.count) for p in places] == [
        (1, "one", 100), (2, "two", 20), (3, "three", 8), (4, "four", 2),
    ]  # fmt: skip
    assert places[3].accuracy == stats.estimate([0.2, 0.1])


def test_a_place_of_several_classes_has_no_name() -> None:
    one = make_record((90, 60, 30, 20), 0, dataset__design="blocked")
    places = tail.along_tail([one, turned((10, 40, 50, 80), 1)])
    assert [(p.rank, p.name, p.count) for p in places] == [
        (1, "", 100), (2, "", 20), (3, "", 8), (4, "", 2),
    ]  # fmt: skip
    assert [p.accuracy.mean for p in places] == pytest.approx([0.85, 0.55, 0.35, 0.15])


def test_equal_counts_keep_the_order_of_the_card() -> None:
    counts = (8, 20, 20, 2)
    record = make_record(
        dataset__counts_real=counts, dataset__counts_train=counts, budget__keep=counts,
        dataset__n_train=50,
    )  # fmt: skip
    assert tail.tail_order(record) == (1, 2, 0, 3)


def test_gains_are_paired_by_seed_in_a_blocked_design() -> None:
    first = [make_record((90, 60, 30, 25), 0), turned((20, 40, 50, 80), 1)]
    second = [make_record((90, 60, 30, 20), 0), turned((10, 40, 50, 80), 1)]
    found = tail.gains(first, second, "blocked")
    assert [round(each.difference.mean, 9) for each in found] == [0, 0, 0, 0.075]
    assert found[3].difference.n == 2 and found[3].difference.wins == 2
    assert found[3].count == 2
    assert tail.gains(first[:1], second[1:], "blocked") == []


def test_gains_of_independent_rows_pool_their_variance() -> None:
    first, second = seeds((90, 60, 30, 25), (90, 60, 30, 35)), seeds((90, 60, 30, 20))
    found = tail.gains(first, second, "independent")
    assert [each.name for each in found] == ["one", "two", "three", "four"]
    a, b = {0: 0.25, 1: 0.35}, {0: 0.2}
    assert found[3].difference == stats.unpaired(a, b, stats.pooled_variance([a, b]))
