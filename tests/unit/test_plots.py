"""Static plots: tidy rows, and what is drawn of them."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from scipy import stats as scipy_stats

from benchmark.boards.leaderboard import Table, rows_of
from benchmark.grid.grid_results import GridResult
from benchmark.recording.record_models import Record
from benchmark.report.plotting import board, captions, cost, heat, lines, names, style, tail
from tests.fixtures import boards
from tests.fixtures.boards import GENERATED, one, runs
from tests.fixtures.plots import crossed, curved
from tests.fixtures.records import make_record

WEB: dict[str, Any] = {"method__track": "web", "cost__generation": replace(
    boards.COST, network_calls_measured=0, network_calls_predicted=0, web_images=40)}  # fmt: skip


@pytest.fixture
def table() -> Table:
    return one(boards.board())


@pytest.fixture
def curves() -> GridResult:
    return curved()


@pytest.fixture
def matrix() -> GridResult:
    return crossed()


def interval(values: list[float]) -> tuple[float, float]:
    """Mean and half-width of the Student interval, by scipy."""
    mean = float(np.mean(values))
    _, high = scipy_stats.t.interval(0.95, len(values) - 1, mean, scipy_stats.sem(values))
    return mean, float(high) - mean


def test_dots_are_the_rows_of_the_table_in_percent(table: Table) -> None:
    dots = board.rows(table)
    assert [dot.label for dot in dots] == ["single", "better", "close", "plain", "drawn"]
    assert [dot.track for dot in dots] == ["real"] * 4 + ["synthetic"]
    assert [dot.reference for dot in dots] == [False, False, False, True, False]
    plain = next(dot for dot in dots if dot.label == "plain")
    values = [100 * record.metrics.accuracy for record in runs("plain", 60)]
    assert (plain.mean, plain.half_width) == pytest.approx(interval(values))
    assert (plain.n, plain.ranks) == (4, "3")


def test_a_row_of_few_seeds_has_no_interval_and_no_rank(table: Table) -> None:
    (single,) = [dot for dot in board.rows(table) if dot.label == "single"]
    assert (single.half_width, single.ranks, single.n) == (None, "", 1)
    two = one([*runs("plain", 60), *runs("pair", 70, seeds=2)])
    assert board.rows(two)[0].half_width is None


def test_a_long_table_keeps_the_reference_and_every_track() -> None:
    many = [record for base in range(60, 70) for record in runs(f"row {base}", base, seeds=3)]
    found = one([*many, *runs("plain", 40), *runs("drawn", 45, **GENERATED)], reference="plain")
    dots = board.rows(found, most=5)
    assert [dot.label for dot in dots] == ["row 69", "row 68", "row 67", "plain", "drawn"]
    assert "5 of 12 rows" in captions.leaderboard("x", found, dots)


def test_rows_of_one_label_are_told_apart_by_their_words() -> None:
    words = {"plain": ("a=1",), "h1": ("a=1", "steps=3"), "h2": ("a=1", "steps=9")}
    rows = rows_of(
        make_record(experiment__label="same", experiment__hash=key, experiment__overrides=given)
        for key, given in words.items()
    )
    assert names.names(rows) == {
        "plain": "same", "h1": "same (steps=3)", "h2": "same (steps=9)",
    }  # fmt: skip


def test_rows_of_one_label_and_the_same_words_show_their_hash() -> None:
    rows = rows_of(make_record(experiment__label="x", experiment__hash=key) for key in ("h1", "h2"))
    assert names.names(rows) == {"h1": "x (h1)", "h2": "x (h2)"}


def priced(label: str, base: int, calls: int, **changes: Any) -> list[Record]:
    paid = replace(boards.COST, network_calls_measured=calls, network_calls_predicted=calls)
    return runs(label, base, **{**GENERATED, "cost__generation": paid, **changes})


def test_the_front_is_what_nothing_as_cheap_exceeds() -> None:
    found = cost.rows(one([
        *runs("free", 60), *runs("worse", 50), *runs("found", 95, **GENERATED | WEB),
        *priced("dear", 80, 900), *priced("beaten", 55, 500), *priced("cheap", 70, 100),
        *priced("same price", 75, 900), *priced("cheap", 70, 300, experiment__hash="tied"),
    ]))  # fmt: skip
    assert [(point.label, point.calls) for point in found] == [
        ("found", 0), ("free", 0), ("worse", 0), ("cheap (h-cheap)", 100), ("cheap (tied)", 300),
        ("beaten", 500), ("dear", 900), ("same price", 900),
    ]  # fmt: skip
    assert [point.label for point in found if point.front] == ["free", "cheap (h-cheap)", "dear"]


def test_a_price_that_was_not_stated_is_left_out_and_said() -> None:
    silent = {**GENERATED, "cost__generation": replace(boards.COST, known=False)}
    found = one([*runs("free", 60), *priced("cheap", 70, 100), *runs("silent", 99, **silent)])
    points = cost.rows(found)
    assert [point.label for point in points] == ["free", "cheap"]
    assert "left out, their cost was not stated: 1." in captions.cost("x", found, points)


def test_places_stand_in_order_of_real_images(table: Table) -> None:
    found = tail.places(table, [row for row in table.rows if row.label == "plain"])
    assert [place.rank for place in found] == [1, 2, 3, 4]
    assert [place.count for place in found] == [100, 20, 8, 2]
    assert [place.mean for place in found[:3]] == pytest.approx([60, 50, 40])
    last = [record.metrics.per_class.correct[3] for record in runs("plain", 60)]
    assert (found[3].mean, found[3].half_width) == pytest.approx(interval([float(n) for n in last]))


def test_bars_are_means_of_the_groups(table: Table) -> None:
    bars = tail.bars(table, [row for row in table.rows if row.label == "plain"])
    assert [bar.group for bar in bars] == ["many", "medium", "few"]
    assert [bar.mean for bar in bars[:2]] == pytest.approx([60, 50])
    few = [(40 + r.metrics.per_class.correct[3]) / 2 for r in runs("plain", 60)]
    assert bars[2].mean == pytest.approx(float(np.mean(few)))


def test_the_reference_and_the_leaders_are_chosen(table: Table) -> None:
    assert [row.label for row in tail.chosen(table)] == ["plain", "better", "drawn"]


def test_points_follow_their_curve_and_the_rest_stands_across(curves: GridResult) -> None:
    points = lines.rows([curves])
    assert [(point.curve, point.name, point.x, point.n) for point in points] == [
        ("first", "plain", 130, 4), ("first", "some", 170, 4), ("second", "one", 130, 1),
        ("across", "across", None, 4),
    ]  # fmt: skip
    assert {point.x_label for point in points} == {"training images"}
    values = [100 * record.metrics.accuracy for record in runs("some", 80)]
    assert (points[1].mean, points[1].half_width) == pytest.approx(interval(values))


def test_gains_are_to_the_first_column(matrix: GridResult) -> None:
    cells = {(cell.row, cell.column): cell for cell in heat.rows(matrix, "gain")}
    assert cells["none", "other"].value == pytest.approx(5)
    assert cells["added", "other"].value == pytest.approx(-2)
    assert cells["none", "base"].value is None and cells["none", "more"].value is None
    # the same wobble in both rows: a paired difference without any spread
    assert cells["none", "other"].differs and cells["none", "other"].n == 4


def test_a_cell_without_records_has_no_accuracy(matrix: GridResult) -> None:
    cells = heat.rows(matrix, "accuracy")
    assert [cell.n for cell in cells] == [4, 4, 0, 4, 4, 0]
    assert cells[0].value == pytest.approx(
        np.mean([100 * r.metrics.accuracy for r in runs("plain", 60)])
    )


def test_a_caption_says_what_is_missing_in_one_line(matrix: GridResult) -> None:
    caption = captions.heat("matrix-shapes-gain", matrix, "gain")
    assert caption.count("\n") == 1 and caption.endswith("report plots matrix-shapes-gain\n")
    assert "without records 2 of 6 experiments (none / more, added / more)" in caption
    assert "python -m benchmark run grid=matrix" in caption
    assert captions.missing(replace(matrix, missing=())) == ""


def words(axes: Any) -> list[str]:
    return [text.get_text() for text in axes.texts]


def test_a_board_has_a_dot_a_row_and_a_line(table: Table) -> None:
    _, axes = board.draw(board.rows(table))
    assert len(axes.containers) == 5
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels == ["real", "single", "better", "close", "plain", "synthetic", "drawn"]
    assert axes.get_xlabel() == "accuracy, percent (n = 1 to 4 seeds)"
    # the ranks beside the axes, and their head
    assert words(axes) == ["n = 1", "1-2", "1-2", "3", "1", "rank"]
    (reference,) = [line for line in axes.lines if len(set(line.get_xdata())) == 1
                    and len(line.get_xdata()) == 2]  # fmt: skip
    assert reference.get_xdata()[0] == board.rows(table)[3].mean
    assert axes.get_ylim()[0] > axes.get_ylim()[1]


def test_wide_names_do_not_collide() -> None:
    long = [f"method + {'another_component + ' * 3}variant {n} (a.b=train)" for n in range(6)]
    found = one(
        [*runs("plain", 60), *(r for n, name in enumerate(long) for r in runs(name, 65 + n))]
    )
    drawn, axes = board.draw(board.rows(found))
    drawn.draw_without_rendering()
    boxes = sorted((label.get_window_extent() for label in axes.get_yticklabels()),
                   key=lambda box: box.y0)  # fmt: skip
    assert all(low.y1 <= high.y0 + 1 for low, high in pairwise(boxes))
    assert min(box.x0 for box in boxes) >= 0


def test_the_front_is_numbered_and_named(table: Table) -> None:
    points = cost.rows(table)
    _, axes = cost.draw(points)
    front = [point.label for point in points if point.front]
    assert words(axes) == [str(n) for n in range(1, len(front) + 1)]
    assert axes.get_xlabel().split("\n") == [
        "network calls for the added images", *(f"{n} {name}" for n, name in enumerate(front, 1)),
    ]  # fmt: skip
    assert axes.get_xscale() == "log"
    assert [tick.get_text() for tick in axes.get_xticklabels()][:2] == ["none", "100"]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["real", "synthetic"]


def test_a_board_without_any_cost_can_be_drawn() -> None:
    _, axes = cost.draw(cost.rows(one([*runs("plain", 60), *runs("other", 70)])))
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["none"]


def test_the_tail_has_a_line_a_row_and_names_its_places(table: Table) -> None:
    found = tail.places(table, tail.chosen(table))
    _, axes = tail.draw_places(found)
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        "plain", "better", "drawn",
    ]  # fmt: skip
    assert len(axes.collections) == 3  # bands
    assert [tick.get_text() for tick in axes.get_xticklabels()] == [
        "1\n100",
        "2\n20",
        "3\n8",
        "4\n2",
    ]
    assert 0 <= axes.get_ylim()[0] < 30 and axes.get_ylim()[1] <= 101


def test_bars_begin_at_zero(table: Table) -> None:
    _, axes = tail.draw_bars(tail.bars(table, tail.chosen(table)))
    assert axes.get_ylim() == (0, 100)
    assert len(axes.patches) == 9
    assert len({patch.get_hatch() for patch in axes.patches}) == 3
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["Many", "Medium", "Few"]


def test_curves_have_bands_and_hollow_points(curves: GridResult) -> None:
    _, axes = lines.draw(lines.rows([curves]))
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        "first", "second", "across",
    ]  # fmt: skip
    hollow = [line for line in axes.lines if line.get_markerfacecolor() == "white"]
    assert len(hollow) == 1 and hollow[0].get_xdata() == [130]
    assert axes.get_xlabel() == "training images" and axes.get_xscale() == "linear"
    assert axes.get_ylabel() == "accuracy, percent (n = 1 to 4 seeds)"


def test_many_curves_over_calls_stand_side_by_side() -> None:
    point = lines.Point("a", "network calls", 1000.0, "x", 80.0, 2.0, 4)
    points = [replace(point, curve=name) for name in "abcde"]
    _, axes = lines.draw(points)
    assert lines.moved(points) and not lines.moved(points[:3])
    places = [line.get_xdata()[0] for line in axes.lines if line.get_label() in "abcde"]
    assert len(set(places)) == 5 and np.mean(places) == pytest.approx(1000)
    assert axes.get_xscale() == "log" and list(axes.get_xticks()) == [1000]
    assert len(axes.collections) >= 5  # bars


def test_no_interval_is_drawn_above_what_an_accuracy_can_be() -> None:
    point = lines.Point("a", "training images", 1.0, "x", 99.0, 5.0, 3)
    _, axes = lines.draw([point, replace(point, x=2.0)])
    assert axes.get_ylim()[1] == 101


def test_a_heat_map_writes_every_value(matrix: GridResult) -> None:
    _, axes = heat.draw(heat.rows(matrix, "accuracy"))
    assert len(words(axes)) == 4
    hatched = [p for p in axes.patches if isinstance(p, Rectangle) and p.get_hatch()]
    assert len(hatched) == 2
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["base", "other", "more"]


def test_a_heat_map_of_gains_has_signs_and_no_plain_column(matrix: GridResult) -> None:
    _, axes = heat.draw(heat.rows(matrix, "gain"), what="gain")
    assert words(axes) == ["+5.0", "\N{MINUS SIGN}2.0"]
    assert {text.get_fontweight() for text in axes.texts} == {"bold"}
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["other"]


def test_no_gain_anywhere_can_be_drawn() -> None:
    _, axes = heat.draw([heat.Cell("a", "b", 0.0, False, 3)], what="gain")
    assert words(axes) == ["+0.0"]


def test_given_axes_are_drawn_in_as_they_are(curves: GridResult) -> None:
    own = Figure(figsize=(8, 3))
    left, right = own.subplots(1, 2)
    found, axes = lines.draw(lines.rows([curves]), ax=right)
    assert found is own and axes is right
    assert not left.lines and right.lines
    assert right.spines["top"].get_visible()  # the caller's style, not the paper's


def test_the_looks_differ_without_colour() -> None:
    for part in ("marker", "dash", "hatch", "colour"):
        assert len({getattr(look, part) for look in style.MARKS}) == len(style.MARKS)
