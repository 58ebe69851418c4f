"""Ratios as a table, in a file, and compared with those of a file."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.perf import numerics
from tests.perf.ratio import Ratio, of_rounds, table
from tests.perf.ratios import SAVED, Baseline, comparison, load, merged, save, saved_at

FAST = of_rounds("loop, fp32", [1.4, 1.2, 1.5], 1.3, note="3 rounds")
SHARE = of_rounds("making batches", [0.5, 0.6], 0.5, "%", at_most=True)


def test_a_ratio_is_the_median_and_the_range_of_its_rounds() -> None:
    assert (FAST.value, FAST.low, FAST.high) == (1.4, 1.2, 1.5)
    assert FAST.met
    assert SHARE.met is False
    assert replace(FAST, goal=None).met is None


def test_a_table_says_which_goals_are_not_met() -> None:
    first, second = table([FAST, SHARE]).splitlines()[2:]
    assert first == "| loop, fp32 | 1.40 x | 1.20 to 1.50 | >= 1.30 x | 3 rounds |"
    assert "<= 0.5 % (no)" in second


@pytest.mark.parametrize(("value", "worse"), [(1.15, False), (1.05, True), (1.9, False)])
def test_a_ratio_is_worse_when_it_falls_by_more_than_rounds_differ(
    value: float, worse: bool
) -> None:
    now = Ratio("loop, fp32", value, value - 0.1, value + 0.1, 1.3, "x", "")
    assert now.worse_than(FAST) is worse


def test_a_share_is_worse_when_it_grows() -> None:
    assert replace(SHARE, value=0.8).worse_than(SHARE)
    assert not replace(SHARE, value=0.2).worse_than(SHARE)


def test_what_is_saved_is_read_again_and_compared(tmp_path: Path) -> None:
    before = Baseline("2026-01-01", "a processor", "2.0", (FAST, SHARE))
    save(tmp_path / "speed.json", before)
    assert load(tmp_path / "speed.json") == before
    slower = Ratio("loop, fp32", 0.9, 0.8, 1.0, 1.3, "x", "")
    other = Ratio("something else", 1.0, 1.0, 1.0, None, "x", "")
    text = comparison([slower, other], before)
    assert "| loop, fp32 | 1.40 | 0.90 | worse |" in text
    assert "something else" not in text


def test_saving_keeps_what_was_not_measured_again_on_this_machine_only() -> None:
    before = Baseline("2026-01-01", "a processor", "2.0", (FAST, SHARE))
    now = Baseline("2026-01-02", "a processor", "2.0", (replace(FAST, value=1.45),))
    assert [row.value for row in merged(now, before).rows] == [1.45, SHARE.value]
    assert merged(replace(now, torch="2.1"), before).rows == now.rows


@pytest.mark.parametrize("path", sorted(SAVED.iterdir()), ids=lambda path: path.stem)
def test_committed_ratios_can_be_read_and_lie_under_their_processor(path: Path) -> None:
    found = load(path)
    names = [row.name for row in found.rows]
    assert len(set(names)) == len(names) > 0
    assert saved_at(found.hardware) == path


def test_numerics_are_compared_by_seed() -> None:
    problem = numerics.Problem("digits", (), 3)
    exact = {0: 0.90, 1: 0.80, 2: 0.85}
    half = {0: 0.91, 1: 0.80, 2: 0.86}
    reference, other = numerics.rows(problem, {"fp32": exact, "bf16": half})
    assert reference[1:] == ["fp32", "85.00 ± 12.42", "-", "3", "-"]
    assert other[3].startswith("+0.67 ± ")
    assert other[4] == "3"


def test_zero_seeds_leave_a_problem_out() -> None:
    assert [each.name for each in numerics.problems(0, 2)] == [
        "CIFAR-100-LT, ce, ResNet-8, 5 epochs"
    ]
