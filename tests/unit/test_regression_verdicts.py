"""Verdicts on re-trained numbers: closed forms, edges, rates of error."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from benchmark.regression.policy import Margins, Policy
from benchmark.regression.verdicts import Arm, compare, overall, worsening

POLICY = Policy(margins=Margins(accuracy=1.0, few=2.5, ece=2.0, why="a test"))
A = (0.60, 0.61, 0.62, 0.61, 0.60)


def arm(old: Any, new: Any, first: int = 5, **changes: Any) -> Arm:
    values: dict[str, Any] = {
        "hash": "h", "label": "one", "dataset": "shapes", "table": "t", "metric": "accuracy",
        "design": "independent", "old": dict(enumerate(old)), "new": dict(enumerate(new, first)),
    } | changes  # fmt: skip
    return Arm(**values)


def paired(old: Any, new: Any, **changes: Any) -> Arm:
    return arm(old, new, first=0, design="blocked", **changes)


def moved(values: Any, points: float) -> list[float]:
    return [value + points / 100 for value in values]


def verdict(each: Arm) -> str:
    return compare([each], POLICY)[0].verdict


def test_bounds_are_those_of_the_t_test() -> None:
    old, new = A, (0.59, 0.60, 0.62, 0.60, 0.59)
    (found,) = compare([arm(old, new)], POLICY)
    expected = scipy_stats.ttest_ind(new, old).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx(expected)
    p = scipy_stats.ttest_ind(new, old, alternative="less").pvalue
    assert found.p_worse == pytest.approx(p, abs=1e-6)
    assert found.change == pytest.approx(np.mean(new) - np.mean(old))


def test_bounds_of_pairs_are_those_of_the_paired_test() -> None:
    old, new = A, (0.59, 0.60, 0.62, 0.60, 0.58)
    (found,) = compare([paired(old, new)], POLICY)
    expected = scipy_stats.ttest_rel(new, old).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx(expected)
    assert found.df == 4


@pytest.mark.parametrize(
    ("points", "spread", "expected"),
    [
        (0, 0.1, "equivalent"),
        (3, 0.1, "pass"),
        (-0.5, 0.1, "drift"),
        (-3, 0.1, "fail"),
        (0, 2.0, "inconclusive"),
        (-1, 2.0, "inconclusive"),
        (-9, 2.0, "fail"),
    ],
)
@pytest.mark.parametrize("design", [arm, paired], ids=["fresh seeds", "same seeds"])
def test_the_five_verdicts(points: float, spread: float, expected: str, design: Any) -> None:
    wave = [spread / 100 * x for x in (-1.1, 0.6, 0, 1.1, -0.6)]
    old = [0.6 + x for x in wave] if design is arm else [0.6] * 5
    new = [value + x for value, x in zip(moved([0.6] * 5, points), wave, strict=True)]
    assert verdict(design(old, new)) == expected


def test_a_lower_calibration_error_is_better() -> None:
    assert verdict(arm(A, moved(A, 9), metric="ece")) == "fail"
    (found,) = compare([arm(A, moved(A, -9), metric="ece")], POLICY)
    assert found.verdict == "pass" and found.better
    assert found.gain == pytest.approx(0.09) and found.change == pytest.approx(-0.09)


def test_runs_that_repeat_the_reference_are_equivalent() -> None:
    wild = (0.1, 0.9, 0.5)
    assert verdict(paired(wild, wild)) == "equivalent"
    assert verdict(arm(wild, wild, first=0)) == "equivalent"
    assert verdict(arm(wild, wild, first=3)) == "inconclusive"


def test_experiments_that_did_not_move_lend_no_variance() -> None:
    """Else the one that did would look surer than it is."""
    still = [paired(A, A, hash=f"h{n}") for n in range(8)]
    shaken = paired(A, [a + d for a, d in zip(A, (0.01, -0.02, 0.02, -0.01, -0.02), strict=True)])
    alone, together = compare([shaken], POLICY)[0], compare([*still, shaken], POLICY)[-1]
    assert together.error == alone.error > 0
    assert together.df == alone.df


def test_variance_is_lent_within_a_table_and_metric_only() -> None:
    quiet = [arm(A, A, hash=f"h{n}") for n in range(3)]
    assert [each.df for each in compare(quiet, POLICY)] == [24] * 3
    for other in ({"table": "u"}, {"metric": "few"}):
        assert compare([*quiet, arm(A, A, **other)], POLICY)[-1].df == 8
    assert compare([*quiet, paired(A, A[::-1])], POLICY)[-1].df == 4


def test_an_experiment_that_scatters_more_keeps_its_own_spread() -> None:
    quiet = [arm(A, A, hash=f"h{n}") for n in range(9)]
    noisy = arm((0.3, 0.6, 0.9), (0.6, 0.3, 0.9), hash="n")
    found = compare([*quiet, noisy], POLICY)
    assert found[-1].error == pytest.approx(compare([noisy], POLICY)[0].error, rel=0.15)
    assert found[0].error < found[-1].error / 10


def test_the_rest_of_the_reference_lends_its_variance() -> None:
    others = {("t", "accuracy"): [dict(enumerate(A))] * 3, ("t", "few"): [{0: 0.1, 1: 0.9}]}
    assert compare([arm(A, A)], POLICY, others)[0].df == 8 + 3 * 4  # type: ignore[arg-type]
    alone = compare([arm(A, A)], POLICY, {("t", "accuracy"): [{0: 0.5}, {0: 0.5, 1: 0.5}]})
    assert alone[0].df == 8


@pytest.mark.parametrize("design", ["independent", "blocked"])
def test_too_few_seeds_are_not_judged(design: str) -> None:
    (found,) = compare([arm(A, (0.1, 0.1), first=0, design=design)], POLICY)
    assert found.verdict == "inconclusive"
    assert found.note == "there are 2 of at least 3 seeds"
    (found,) = compare([arm((0.9,), A, design=design)], POLICY)
    assert found.note == "the reference has 1 of at least 3 seeds"


def test_two_common_seeds_are_too_few_for_pairs() -> None:
    each = arm(A, (0.6, 0.61, 0.62, 0.6), first=3, design="blocked")
    assert not each.paired
    assert compare([each], POLICY)[0].df == 7


def test_holm_over_the_run_spares_the_unlucky() -> None:
    worse = [-0.02, -0.021, -0.019, -0.0205, -0.018]
    unlucky = arm(A, [a + x for a, x in zip(A, worse, strict=True)])
    others = [arm(A, A, hash=f"h{n}", table=f"t{n}") for n in range(4000)]
    alone, among = compare([unlucky], POLICY)[0], compare([*others, unlucky], POLICY)[-1]
    assert alone.verdict == "fail"
    assert among.verdict == "inconclusive" and among.p_worse > alone.p_worse


def test_margins_of_a_data_set_take_the_place_of_the_general_ones() -> None:
    wide = Margins(accuracy=5.0, few=5.0, ece=5.0, why="a test")
    policy = Policy(margins=POLICY.margins, dataset_margins={"shapes": wide})
    each = arm(A, moved(A, -3))
    assert compare([each], POLICY)[0].verdict == "fail"
    assert compare([each], policy)[0].verdict == "drift"


@given(gain=st.floats(-0.1, 0.1), error=st.floats(1e-4, 0.1), df=st.integers(2, 50))
def test_a_worsening_and_its_opposite_share_one(gain: float, error: float, df: int) -> None:
    assert worsening(gain, error, df) + worsening(-gain, error, df) == pytest.approx(1, abs=3e-6)
    assert worsening(gain, error, df) == pytest.approx(
        scipy_stats.t.cdf(gain / error, df), abs=2e-6
    )


def test_the_worst_verdict_is_that_of_the_run() -> None:
    steady = (0.6, 0.601, 0.602, 0.601, 0.6)
    good = arm(steady, steady, table="a")
    open_ = arm((0.3, 0.6, 0.9), (0.6, 0.3, 0.9), table="b")
    bad = arm(A, moved(A, -9), table="c")
    assert overall(compare([good, open_, bad], POLICY)) == "fail"
    assert overall(compare([good, open_], POLICY)) == "inconclusive"
    assert overall(compare([good, arm(steady, moved(steady, 9), table="d")], POLICY)) == "pass"
    assert overall(compare([good], POLICY)) == "equivalent"
    assert overall([]) == "inconclusive"


def test_a_drop_of_the_margin_passes_as_often_as_the_level_says() -> None:
    rng = np.random.default_rng(3)
    passed = 0
    for _ in range(1000):
        old, new = (0.6 + 0.0034 * rng.normal(size=(2, 5))).tolist()
        found = compare([arm(old, moved(new, -1.0))], POLICY)[0]
        passed += found.verdict in ("pass", "equivalent", "drift")
    # four standard errors of a share of 0.025 over 1000 draws
    assert passed / 1000 == pytest.approx(POLICY.level, abs=0.02)
    assert math.isclose(POLICY.level, 0.025)
