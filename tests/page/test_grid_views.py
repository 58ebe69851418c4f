"""Grids as the page shows them: gains, what they come to, curves, what is missing."""

from typing import Any

from benchmark.boards import text
from benchmark.boards.leaderboard import Row, rows_of
from benchmark.grid.grid_results import GridResult, Missing
from benchmark.grid.grids import Cell, Grid
from benchmark.report.page import from_grid
from benchmark.report.page.payload import payload
from tests.page import sample


def row(label: str, **changes: Any) -> Row:
    (found,) = rows_of(sample.runs(label, **changes))
    return found


def made(kind: Any, cells: dict[tuple[str, str], Row], **settings: Any) -> GridResult:
    rows = dict.fromkeys(place[0] for place in cells)
    columns = dict.fromkeys(place[1] for place in cells)
    grid = Grid(
        rows=dict.fromkeys(rows, ()), columns=dict.fromkeys(columns, ()), seeds=4,
        kind=kind, dataset="shapes", **settings,
    )  # fmt: skip
    lacking = Missing(Cell("some", "other", ("method=x",)), (2, 3), "python -m benchmark run x")
    return GridResult("sample", "A question", grid, cells, (lacking,))


MATRIX = {
    ("none", "base"): row("plain"),
    ("none", "other"): row("better"),
    ("some", "base"): row("drawn"),
    ("some", "other"): row("dear"),
}


def test_a_matrix_has_gains_over_its_first_column() -> None:
    view = from_grid.view(made("matrix", MATRIX))
    gains = {(cell.row, cell.column): cell.gain for cell in view.cells}
    assert view.plain == "base" and view.name == "sample-shapes"
    assert gains["none", "base"] is None
    gain = gains["none", "other"]
    expected = MATRIX["none", "other"].accuracy.mean - MATRIX["none", "base"].accuracy.mean
    assert gain is not None and round(gain.mean - expected, 12) == 0 and gain.n == 4


def test_a_matrix_says_in_short_what_balancing_changes() -> None:
    view = from_grid.view(made("matrix", MATRIX))
    assert view.short is not None
    ((column, alone, others, change),) = view.short.rows
    gains = {(cell.row, cell.column): cell.gain for cell in view.cells}
    assert column == "other"
    assert alone == text.difference(gains["none", "other"])
    assert others == text.difference(gains["some", "other"])
    assert change.startswith("-")


def test_a_list_is_compared_with_its_first_row() -> None:
    cells = {("first", ""): row("plain"), ("second", ""): row("better")}
    view = from_grid.view(made("table", cells))
    first, second = view.cells
    assert (view.plain, first.gain, view.short, view.curves) == ("first", None, None, ())
    assert second.gain is not None and second.gain.mean > 0.2


def test_curves_stand_in_the_order_of_their_axis() -> None:
    small = {"dataset__counts_train": (100, 20, 8, 2), "dataset__n_train": 130}
    cells = {("b", ""): row("drawn", **sample.ADDED), ("a", ""): row("plain", **small)}
    view = from_grid.view(made("curves", cells, x="n_train", curves={"more": ("b", "a")}))
    (curve,) = view.curves
    assert [(point.name, point.x) for point in curve.points] == [("a", 130.0), ("b", 170.0)]
    assert curve.x_label == "training images" and view.plain == ""


def test_missing_runs_keep_their_command() -> None:
    (main, _) = payload([], [from_grid.view(made("matrix", MATRIX))])
    (grid,) = main["grids"]
    assert grid["missing"] == [["some / other", 2, "python -m benchmark run x"]]
    assert len(grid["entries"]) == 4 and len(grid["cells"]) == 4


def test_an_experiment_in_several_places_is_stored_once() -> None:
    cells = {("first", ""): row("plain"), ("again", ""): row("plain")}
    (main, details) = payload(sample.tables(), [from_grid.view(made("table", cells))])
    assert len(main["grids"][0]["entries"]) == 1
    at = main["fields"].index("detail")
    entry = main["grids"][0]["entries"][0]
    board = next(
        each for table in main["tables"] for each in table["rows"] if each[:2] == entry[:2]
    )
    assert entry[at] == board[at]
    assert len(details["details"]) == sum(len(table["rows"]) for table in main["tables"])
