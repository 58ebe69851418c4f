"""Two rows compared: outcomes, outlook, refusals, and how they are told."""

import dataclasses
import json
import math

import pytest

from benchmark.boards import comparison, leaderboard
from benchmark.boards.comparison import METRICS, compare, metric_values
from benchmark.boards.leaderboard import Row
from benchmark.errors import UsageError
from benchmark.recording.record_models import Record
from benchmark.report import compare_json, compare_text
from benchmark.statistics import effects, power, stats
from tests.fixtures.records import make_record

POOL = {"key": "k", "ids_hash": "i", "images": 10, "generator": {}}


def runs(name: str, *correct: tuple[int, ...], **changes: object) -> list[Record]:
    return [
        make_record(
            each, seed, experiment__label=name, experiment__hash=f"hash-{name[:5]}",
            experiment__overrides=(f"method={name}",),
            command=f"python -m benchmark run method={name} seed={seed}", **changes,
        )
        for seed, each in enumerate(correct)
    ]  # fmt: skip


def row(name: str, *correct: tuple[int, ...], **changes: object) -> Row:
    (found,) = leaderboard.rows_of(runs(name, *correct, **changes))
    return found


HIGH = [(90, 60, 30, 20), (92, 61, 30, 24), (91, 63, 33, 22), (93, 60, 31, 20)]
LOW = [(90, 50, 20, 10), (91, 50, 22, 14), (90, 53, 20, 11), (92, 52, 21, 10)]
OTHER = [(80, 50, 20, 10), (80, 55, 22, 14), (80, 51, 27, 11), (80, 52, 20, 10)]


def test_independent_rows_pool_the_variance_over_their_table() -> None:
    a, b, c = row("a", *HIGH), row("b", *LOW), row("c", *OTHER)
    elsewhere = row("d", *OTHER, recipe__name="long")
    found = compare(a, b, [a, b, c, elsewhere], margin=0.02)
    pooled = stats.pooled_variance([each.values for each in (a, b, c)])
    assert found.pooled_rows == 3
    assert found.chosen.difference == stats.unpaired(a.values, b.values, pooled)
    expected = effects.unpaired_equivalence(a.values, b.values, pooled, 0.02)
    assert found.chosen.equivalence == expected
    assert found.outlook.sd == pytest.approx(math.sqrt(pooled[0]))
    arms = power.Arms(4, math.sqrt(pooled[0]), "independent", other_df=3)
    assert arms.df == pooled[1]
    assert found.outlook.visible == power.smallest_difference(arms)


def test_blocked_rows_are_paired_on_common_seeds() -> None:
    a = row("a", *HIGH, dataset__design="blocked")
    b = row("b", *LOW[:3], dataset__design="blocked")
    found = compare(a, b)
    assert found.chosen.difference == stats.paired(a.values, b.values)
    assert (found.outlook.n, found.pooled_rows) == (3, 0)
    gaps = [a.values[seed] - b.values[seed] for seed in range(3)]
    assert found.outlook.sd == pytest.approx(math.sqrt(stats.variance(gaps)))


def test_order_of_outcomes_and_values_of_every_metric() -> None:
    a, b = row("a", *HIGH), row("b", *LOW)
    for metric in METRICS:
        found = compare(a, b, metric=metric)
        names = [each.metric for each in found.outcomes]
        assert names[0] == metric and len(set(names)) == len(names)
        assert {"accuracy", "many", "medium", "few"} <= set(names)
    values = metric_values(a.records, "few")
    assert values == pytest.approx({0: 0.25, 1: 0.27, 2: 0.275, 3: 0.255})


def test_lower_is_better_for_calibration_only() -> None:
    a, b = row("a", *HIGH), row("b", *LOW)
    found = compare(a, b, metric="ece").chosen
    lower = [a_ < b_ for a_ in metric_values(a.records, "ece").values()
             for b_ in metric_values(b.records, "ece").values()]  # fmt: skip
    assert found.improvement is not None
    assert found.improvement.share == pytest.approx(sum(lower) / len(lower))
    accuracy = compare(a, b).chosen.improvement
    assert accuracy is not None and accuracy.share == 1


def test_swapping_the_rows_turns_every_sign() -> None:
    a, b = row("a", *HIGH), row("b", *LOW)
    one, other = compare(a, b), compare(b, a)
    for x, y in zip(one.outcomes, other.outcomes, strict=True):
        assert x.difference is not None and y.difference is not None
        assert x.difference.mean == pytest.approx(-y.difference.mean)
        assert x.equivalence is not None and y.equivalence is not None
        assert x.equivalence.verdict == y.equivalence.verdict
        assert x.equivalence.low == pytest.approx(-y.equivalence.high)
    assert one.outlook == other.outlook


def test_below_three_seeds_nothing_is_tested_even_with_variance_of_others() -> None:
    a, b, c = row("a", *HIGH[:2]), row("b", *LOW), row("c", *OTHER)
    found = compare(a, b, [c])
    for each in found.outcomes:
        assert each.difference is None
        assert each.equivalence is not None and not each.equivalence.tested
        assert each.improvement is not None and each.improvement.p is None
    # other rows tell the spread, so power is known all the same
    assert found.outlook.for_seen is not None and found.outlook.n == 2
    text = compare_text.render(found)
    assert "Nothing is tested below 3 seeds" in text and "not tested" in text
    blocked = [row(n, *HIGH[:2], dataset__design="blocked") for n in "ab"]
    assert compare(*blocked).outlook.sd is None


def test_rows_of_different_tables_are_refused_with_what_differs() -> None:
    a = row("a", *HIGH)
    b = row("b", *LOW, recipe__name="long", backbone={"name": "wide", "parameters": 5})
    with pytest.raises(UsageError) as caught:
        compare(a, b)
    assert str(caught.value) == (
        "Expected two rows that may share a table, but 'a' and 'b' differ in: recipe (short, "
        "long); backbone (small, wide); choose rows of one data set, recipe and backbone"
    )
    newer = row("c", *LOW, experiment__config={"protocol": 2})
    with pytest.raises(UsageError, match=r"protocol of the harness \(1, 2\)"):
        compare(a, newer)
    with pytest.raises(UsageError, match=r"design \(independent, blocked\)"):
        compare(a, row("d", *LOW, dataset__design="blocked"))


def test_every_part_of_the_key_has_a_word() -> None:
    names = [field.name for field in dataclasses.fields(comparison.TableKey)]
    assert sorted(comparison._KEY_WORDS) == sorted(names)


def crossed(name: str, pools: int, seeds: int) -> list[Row]:
    records = [
        make_record(
            (90 - pool, 60 + seed, 30, 20), seed, experiment__label=name,
            experiment__hash=f"{name}-{pool}", experiment__config={"pool_seed": pool},
            experiment__overrides=(f"method={name}", f"pool_seed={pool}"),
            pool=POOL | {"pool_seed": pool, "replicated_with_seed": False},
        )
        for pool in range(pools)
        for seed in range(seeds)
    ]  # fmt: skip
    return leaderboard.rows_of(records)


def test_pools_and_seeds_are_told_apart_where_both_were_replicated() -> None:
    rows, plain = crossed("made", 3, 3), row("plain", *LOW)
    text = compare_text.render(compare(rows[0], plain, [*rows, plain]))
    # pool means differ by one image in 400, seeds likewise
    assert "A: the pool makes 50 % of the variance of a run (3 pools, 3 seeds)." in text
    one = crossed("made", 1, 3)
    text = compare_text.render(compare(one[0], plain, [*one, plain]))
    assert "A: only one pool. This would tell pool and seed apart:" in text
    assert "run -m method=made pool_seed=1,2 seed=0,1,2" in text
    assert "B:" not in text


def test_text_fits_eighty_columns_but_for_commands() -> None:
    name = "a_stack_of + many_components (setting=1, other.setting=0.25) @ uniform(max)"
    a = row(name, *HIGH, dataset__design="blocked")
    b = row("b", *LOW, dataset__design="blocked")
    for metric in METRICS:
        for margin in (0.01, 0.5):
            found = compare(a, b, metric=metric, margin=margin)
            for line in compare_text.render(found).splitlines():
                assert len(line) <= 80 or "python -m benchmark" in line
    assert name.split(" + ")[0] in compare_text.render(found)


def test_the_text_says_what_more_seeds_would_bring() -> None:
    a = row("a", *HIGH)
    b = row("b", (91, 60, 30, 21), (92, 61, 31, 23), (89, 62, 33, 21), (93, 61, 30, 20))
    found = compare(a, b, margin=0.001)
    assert found.chosen.equivalence is not None
    assert found.chosen.equivalence.verdict == "not told apart"
    text = compare_text.render(found)
    outlook = found.outlook
    assert (
        f"{outlook.for_margin} seeds ({outlook.for_margin - 4} more) if it is 0.10 points" in text
    )  # type: ignore[operator]
    assert f"{outlook.for_equal} seeds" in text and "to show equivalence if there is none" in text
    settled = compare_text.render(compare(a, row("b", *LOW)))
    assert (
        "To settle it" not in settled and "Verdict for All within 1.00 points: different" in settled
    )


def test_commands_make_every_seed_of_a_row() -> None:
    a = row("a", *HIGH)
    assert compare_text.making(a) == "python -m benchmark run -m method=a seed=0,1,2,3"
    given = row("b", *HIGH, pool=None)
    odd = dataclasses.replace(
        given, records=tuple(r.model_copy(update={"command": "other"}) for r in given.records)
    )
    assert compare_text.making(odd) == "other"


def test_json_has_finite_rounded_values_and_says_the_same() -> None:
    a, b = row("a", *HIGH[:2]), row("b", *LOW)
    value = compare_json.plain(compare(a, b))
    again = json.loads(json.dumps(value, allow_nan=False))
    assert again["schema"] == "comparison/1" and again["chosen"] == "accuracy"
    assert again["metrics"]["accuracy"]["equivalence"]["low"] is None
    assert again["rows"]["A"]["seeds"] == [0, 1]
    assert again["costs"]["images added"] == {"A": 0, "B": 0, "difference": 0}
    full = compare_json.plain(compare(row("a", *HIGH), b))
    # 820 against 696 of 1,600 test rows are right
    assert full["metrics"]["accuracy"]["difference"]["mean"] == 0.0775
