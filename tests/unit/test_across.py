"""Mean rank and mean gain over tables that share methods."""

import pytest

from benchmark.boards import leaderboard
from benchmark.boards.across import across, table_name
from benchmark.recording.record_models import Record
from tests.fixtures.records import make_record

CHANCE = (25, 25, 25, 25)


def runs(data: str, label: str, correct: int, n: int = 3, track: str = "real") -> list[Record]:
    """``n`` seeds of a row whose accuracy is about ``correct`` percent."""
    return [
        make_record(
            (correct + seed % 2, correct, correct, correct), seed, dataset__name=data,
            experiment__label=label, experiment__hash=f"{data}-{label}-{correct}",
            method__track=track,
        )
        for seed in range(n)
    ]  # fmt: skip


def tables(*parts: list[Record]) -> list[leaderboard.Table]:
    return leaderboard.build([record for part in parts for record in part], "plain")


def test_mean_rank_and_mean_gain_by_hand() -> None:
    found = across(
        tables(
            runs("a", "plain", 50), runs("a", "new", 60), runs("a", "old", 40),
            runs("b", "plain", 50), runs("b", "new", 52), runs("b", "old", 54),
        )
    )  # fmt: skip
    assert [(each.label, each.rank) for each in found.methods] == [
        ("new", 1.5), ("old", 2.0), ("plain", 2.5),
    ]  # fmt: skip
    gains = {each.label: each.gain for each in found.methods}
    assert gains == pytest.approx({"new": 0.06, "old": -0.03, "plain": 0.0})
    assert found.methods[0].gains == pytest.approx((0.1, 0.02))
    assert {each.n for each in found.methods} == {2} and found.data_sets == 2
    assert found.absent == ()


def test_methods_missing_somewhere_are_listed_and_do_not_move_ranks() -> None:
    found = across(
        tables(
            runs("a", "plain", 50), runs("a", "new", 60), runs("a", "lonely", 70),
            runs("a", "twice", 41), runs("a", "twice", 43),
            runs("b", "plain", 50), runs("b", "new", 60, n=2), runs("b", "twice", 40),
            runs("a", "late", 55), runs("b", "late", 56),
        )
    )  # fmt: skip
    assert [(each.label, each.rank) for each in found.methods] == [("late", 1.0), ("plain", 2.0)]
    assert {each.label: each.lacks for each in found.absent} == {
        "lonely": ("not in b, short, small",),
        "new": ("2 of 3 seeds in b, short, small",),
        "twice": ("2 rows of this label in a, short, small",),
    }


def test_ranks_hold_within_a_track_and_ties_share() -> None:
    found = across(
        tables(
            runs("a", "plain", 50), runs("a", "same", 50),
            runs("a", "made", 80, track="synthetic"), runs("a", "oracle", 90, track="oracle"),
        )
    )  # fmt: skip
    assert [(each.label, each.track, each.rank) for each in found.methods[:2]] == [
        ("plain", "real", 1.5), ("same", "real", 1.5),
    ]  # fmt: skip
    assert {each.rank for each in found.methods[2:]} == {1.0}
    assert {each.label: each.gain for each in found.methods} == pytest.approx(
        {"plain": 0, "same": 0, "made": 0.3, "oracle": 0.4}
    )


def test_no_gain_without_a_reference_of_three_seeds() -> None:
    short = across(tables(runs("a", "plain", 50, n=2), runs("a", "new", 60)))
    assert [(each.label, each.gain) for each in short.methods] == [("new", None)]
    board = leaderboard.build(runs("a", "new", 60), "nothing of this name")
    assert across(board).methods[0].gain is None


def test_tables_of_one_data_set_count_once_as_data() -> None:
    other = [
        make_record(
            record.metrics.per_class.correct, record.seed, recipe__name="long",
            experiment__label="plain", experiment__hash="other",
        )
        for record in runs("shapes", "plain", 50)
    ]  # fmt: skip
    found = across(tables(runs("shapes", "plain", 50), other))
    assert (found.data_sets, len(found.tables)) == (1, 2)
    assert found.tables == ("shapes, long, small", "shapes, short, small")
    assert table_name(tables(other)[0]) == "shapes, long, small"
