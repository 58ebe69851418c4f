"""Grids: their files, their words, and the parts of them that can be asked for."""

from itertools import pairwise
from typing import Any

import pytest

from benchmark.config import parse
from benchmark.errors import UsageError
from benchmark.experiments.compose import check_overrides, settings
from benchmark.experiments.experiment import resolve
from benchmark.grid import grids
from benchmark.grid.grids import Cell, Grid, cells
from benchmark.registry import yaml_names
from tests.fixtures.grids import make_grid

NAMES = yaml_names("grid")
SHIPPED = [
    (name, dataset) for name in NAMES for dataset in grids.load_file(name).datasets or (None,)
]
EVERY = pytest.mark.parametrize(("name", "dataset"), SHIPPED)


def test_a_cell_is_a_row_followed_by_a_column() -> None:
    shared = ("dataset=digitslt",)
    assert list(cells(make_grid())) == [
        Cell("none", "plain", (*shared, "method=ce")),
        Cell("none", "margins", (*shared, "method=[ldam,drw]", "method.ldam.prior=train")),
        Cell("filled", "plain", (*shared, "method=t2i")),
        Cell("filled", "margins", (*shared, "method=[t2i,ldam,drw]", "method.ldam.prior=train")),
    ]


def test_without_columns_there_is_one() -> None:
    plain = parse(Grid, {"rows": {"A": ["ce"], "B": ["mixup"]}, "seeds": 1}, "grid")
    assert [cell.words for cell in cells(plain)] == [("method=ce",), ("method=mixup",)]
    assert [cell.name for cell in cells(plain)] == ["A", "B"]


def test_settings_of_the_command_line_are_told_from_those_of_components() -> None:
    entries = ["t2i", "t2i.modifiers=none", "budget.amount=5", "pool_seed=3", "generator.steps=2"]
    (cell,) = cells(make_grid(rows={"A": entries}, columns={"": []}, words=[]))
    assert cell.words == (
        "method=t2i", "method.t2i.modifiers=none", "budget.amount=5", "pool_seed=3",
        "generator.steps=2",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"seeds": 0}, "seeds"),
        ({"row": {}}, "did you mean rows"),
        ({"rows": ["a"]}, "rows"),
        ({"kind": "chart"}, "'table', 'matrix' or 'curves'"),
        ({"x": "epochs"}, "n_train"),
        ({"datasets": {"digitslt": {"seed": 3}}}, "did you mean seeds"),
        ({"datasets": {"digitslt": {"rows": ["a"]}}}, r"\[grid.datasets.digitslt.rows\]"),
        ({"datasets": {"digitslt": None}}, "Expected settings, but got None"),
        ({"datasets": ["digitslt"]}, "datasets"),
    ],
)
def test_a_file_that_is_no_grid_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make_grid(**values)


def test_an_empty_stack_needs_an_entry_of_its_own() -> None:
    with pytest.raises(UsageError, match="name one under 'empty'"):
        list(cells(make_grid(empty=[])))


def test_an_unknown_grid_gets_the_nearest_names() -> None:
    with pytest.raises(UsageError, match="did you mean table1"):
        grids.load("tabel1")


# variants


VARIED = {
    "words": ["protocol=iso_nfe"],
    "datasets": {
        "digitslt": {},
        "cifar10lt": {
            "seeds": 3,
            "words": ["generator=sd15_fast"],
            "columns": {"IF 10": ["dataset.imbalance=10"]},
            "skip": ["none"],
        },
        "cifar100lt": {"rows": {"other": ["mixup"]}},
    },
}


def test_a_grid_stands_for_the_first_data_set_it_names() -> None:
    found = grids.on(make_grid(**VARIED))
    assert (found.dataset, found.seeds, list(found.rows)) == ("digitslt", 2, ["none", "filled"])
    assert found.words == ("dataset=digitslt", "protocol=iso_nfe")


def test_a_variant_changes_what_it_says_and_no_more() -> None:
    found = grids.on(make_grid(**VARIED), "cifar10lt")
    assert (found.seeds, list(found.rows), list(found.columns)) == (3, ["filled"], ["IF 10"])
    assert [cell.words for cell in cells(found)] == [
        ("dataset=cifar10lt", "protocol=iso_nfe", "generator=sd15_fast", "method=t2i",
         "dataset.imbalance=10"),
    ]  # fmt: skip
    third = grids.on(make_grid(**VARIED), "cifar100lt")
    assert (third.seeds, list(third.rows), list(third.columns)) == (
        2, ["other"], ["plain", "margins"],
    )  # fmt: skip


def test_a_data_set_that_a_grid_does_not_name_takes_the_first_ones_words() -> None:
    found = grids.on(make_grid(**VARIED), "mine")
    assert (found.dataset, found.words[0], found.seeds) == ("mine", "dataset=mine", 2)


def test_a_grid_without_data_sets_is_as_it_is() -> None:
    assert grids.on(make_grid(), "cifar10lt") == make_grid()


# shipped files


@EVERY
def test_every_name_in_a_shipped_grid_exists(name: str, dataset: str | None) -> None:
    for cell in cells(grids.load(name, dataset)):
        check_overrides(cell.words)


@EVERY
def test_no_two_cells_have_the_same_words(name: str, dataset: str | None) -> None:
    found = [grids.canonical(cell.words) for cell in cells(grids.load(name, dataset))]
    assert len(set(found)) == len(found) > 0


@EVERY
def test_the_last_cell_of_a_shipped_grid_can_be_run(name: str, dataset: str | None) -> None:
    if dataset == "folder":
        pytest.skip("needs images: tests/faults/test_grid_faults.py")
    *_, last = cells(grids.load(name, dataset))
    assert resolve(settings(last.words)).label


@pytest.mark.slow
@EVERY
def test_no_two_cells_of_a_shipped_grid_are_one_experiment(name: str, dataset: str | None) -> None:
    if dataset == "folder":
        pytest.skip("needs images: tests/faults/test_grid_faults.py")
    hashes = [resolve(settings(cell.words)).hash for cell in cells(grids.load(name, dataset))]
    assert len(set(hashes)) == len(hashes)


@EVERY
def test_curves_and_skipped_rows_name_rows_of_their_grid(name: str, dataset: str | None) -> None:
    whole, part = grids.load_file(name), grids.load(name, dataset)
    own = whole.datasets[dataset].rows if dataset else {}
    assert set(whole.datasets[dataset].skip if dataset else ()) <= set(own or whole.rows)
    places = {f"{row}/{column}" for row in part.rows for column in part.columns}
    skipped = set(whole.datasets[dataset].skip) if dataset else set()
    for entries in part.curves.values():
        assert set(entries) <= set(part.rows) | places | skipped
    assert bool(part.x) == (part.kind == "curves")


@pytest.mark.parametrize("name", NAMES)
def test_the_rows_of_a_figure_are_in_the_order_of_its_axis(name: str) -> None:
    for entries in grids.load_file(name).curves.values():
        rows = list(grids.load(name).rows)
        places = [rows.index(entry) for entry in entries if entry in rows]
        ups = [first < second for first, second in pairwise(places)]
        assert all(ups) or not any(ups)


# words


def test_words_are_compared_without_what_holds_anyway() -> None:
    words = ["dataset=digitslt", "method=ce", "budget=auto", "generator=embedded", "pool_seed=seed"]
    assert grids.canonical(words) == {"method=[ce]"}
    words = ["dataset=cifar10lt", "method=ce"]
    assert grids.canonical(words) == {"dataset=cifar10lt", "method=[ce]"}


def test_words_are_compared_whatever_their_order_and_sign() -> None:
    first = ["method=ldam", "method.ldam.prior=train", "recipe.steps.amount=3"]
    second = ["recipe.steps.amount=3", "+method.ldam.prior=train", "method=ldam"]
    assert grids.canonical(first) == grids.canonical(second)
    assert grids.canonical(first) != grids.canonical(first[:2])


def test_a_preset_is_the_same_as_its_stack_with_its_settings() -> None:
    stack = ["method=[t2i,domain_mixup,retrain_head]"]
    assert grids.canonical(["method=synaug"]) == grids.canonical(stack)
    assert grids.canonical(["method=[synaug]"]) == grids.canonical(stack)
    assert grids.canonical(["method=[synaug,cmo]"]) == grids.canonical(
        ["method=[t2i,domain_mixup,retrain_head,cmo]"]
    )
    own = grids.canonical(["method=ldam_drw"])
    assert own != grids.canonical(["method=ldam"])
    assert grids.components(["seed=1", "method=[synaug,cmo]"]) == (
        "t2i", "domain_mixup", "retrain_head", "cmo",
    )  # fmt: skip


def test_rows_and_columns_can_be_chosen() -> None:
    part = grids.chosen(make_grid(), ["filled"], ["margins", "plain"])
    assert [cell.name for cell in cells(part)] == ["filled / plain", "filled / margins"]
    assert grids.chosen(make_grid(), None, None) == make_grid()


@pytest.mark.parametrize(
    ("rows", "columns", "message"),
    [
        (["filed"], None, r"Unknown row 'filed' \[rows\]; did you mean filled\?"),
        (None, ["plan"], r"Unknown column 'plan' \[columns\]; did you mean plain\?"),
        ([""], None, "Unknown row ''"),
    ],
)
def test_an_unknown_part_gets_the_nearest_names(
    rows: list[str] | None, columns: list[str] | None, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        grids.chosen(make_grid(), rows, columns)


@pytest.mark.parametrize(("text", "expected"), [("0/1", (0, 1)), ("2/3", (2, 3))])
def test_shards(text: str, expected: tuple[int, int]) -> None:
    assert grids.shard(text) == expected


@pytest.mark.parametrize("text", ["2/2", "x", "-1/2", "1/", "/2", "1", "", "0/0", "1.0/2"])
def test_a_shard_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="Expected i/n with i below n, but got"):
        grids.shard(text)
