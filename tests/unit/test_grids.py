"""Grids: their words, their runs, and the tables made of them."""

from pathlib import Path
from typing import Any

import pytest

from benchmark import cli, grids
from benchmark.compose import settings
from benchmark.config import parse
from benchmark.errors import UsageError
from benchmark.experiment import resolve
from benchmark.grid_run import points
from benchmark.grids import Cell, Grid, cells
from benchmark.record_models import Record
from benchmark.registry import yaml_names
from benchmark.report import matrix as matrices
from tests.fixtures.records import make_record

NAMES = pytest.mark.parametrize("name", yaml_names("grid"))


def grid(**values: Any) -> Grid:
    given: dict[str, Any] = {
        "words": ["dataset=digitslt"],
        "seeds": 2,
        "empty": ["ce"],
        "rows": {"none": [], "filled": ["t2i"]},
        "columns": {"plain": [], "margins": ["ldam", "ldam.prior=train", "drw"]},
    }
    return parse(Grid, given | values, "grid")


def test_a_cell_is_a_row_followed_by_a_column() -> None:
    shared = ("dataset=digitslt",)
    assert list(cells(grid())) == [
        Cell("none", "plain", (*shared, "method=ce")),
        Cell("none", "margins", (*shared, "method=[ldam,drw]", "method.ldam.prior=train")),
        Cell("filled", "plain", (*shared, "method=t2i")),
        Cell("filled", "margins", (*shared, "method=[t2i,ldam,drw]", "method.ldam.prior=train")),
    ]


def test_without_columns_there_is_one() -> None:
    plain = parse(Grid, {"rows": {"A": ["ce"], "B": ["mixup"]}, "seeds": 1}, "grid")
    assert [cell.words for cell in cells(plain)] == [("method=ce",), ("method=mixup",)]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"seeds": 0}, "seeds"),
        ({"row": {}}, "did you mean rows"),
        ({"rows": ["a"]}, "rows"),
    ],
)
def test_a_file_that_is_no_grid_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        grid(**values)


def test_an_empty_stack_needs_an_entry_of_its_own() -> None:
    with pytest.raises(UsageError, match="name one under 'empty'"):
        list(cells(grid(empty=[])))


def test_an_unknown_grid_gets_the_nearest_names() -> None:
    with pytest.raises(UsageError, match="did you mean table1"):
        grids.load("tabel1")


@NAMES
def test_no_two_cells_of_a_shipped_grid_are_one_experiment(name: str) -> None:
    hashes = [resolve(settings(cell.words)).hash for cell in cells(grids.load(name))]
    assert len(set(hashes)) == len(hashes)


def test_the_command_line_wins_over_the_words_of_a_grid() -> None:
    words = points(["grid=table1", "seeds=1", "dataset=digitslt100"])[0].words
    assert words == ("method=ce", "dataset=digitslt100", "seed=0")


def test_shards_split_the_runs_and_miss_none() -> None:
    words = ["grid=table1", "seeds=2", "recipe.steps.amount=3"]
    whole = points(words)
    parts = [points([*words, f"shard={number}/3"]) for number in range(3)]
    assert sorted(point.words for part in parts for point in part) == sorted(
        point.words for point in whole
    )
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
    assert all("recipe.steps.amount=3" in point.words for point in whole)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["shard=2/2"], "Expected i/n with i below n"),
        (["shard=x"], "Expected i/n"),
        (["seeds=none"], "Expected a number of seeds"),
        (["seed=3"], "choose seeds with seeds=N"),
        (["method=ce"], "a grid names its methods itself"),
        (["recipee=digits"], "did you mean recipe"),
    ],
)
def test_words_that_cannot_be_meant_are_refused(words: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        points(["grid=table1", *words])


def test_a_grid_runs_and_runs_nothing_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    small = grid(seeds=2, rows={"none": []}, columns={"plain": [], "mixing": ["mixup"]})
    monkeypatch.setattr(grids, "load", lambda name: small)
    words = ["run", "grid=small", "recipe.steps.amount=3", "progress=false"]
    assert cli.main(words) == 0
    found = sorted(tmp_path.rglob("record.json"))
    assert len(found) == 4
    assert "4 of 4: none / mixing, seed=1" in capsys.readouterr().err
    times = [path.stat().st_mtime_ns for path in found]
    assert cli.main(words) == 0
    assert [path.stat().st_mtime_ns for path in found] == times


def cell_records(made: Grid, hits: dict[tuple[str, str], list[int]]) -> list[Record]:
    """Records by cell and seed, with so many of the first class's 100 test rows right."""
    return [
        make_record(
            (correct, 60, 30, 20),
            seed,
            experiment__overrides=cell.words,
            experiment__hash=f"{number:012d}",
            experiment__label=f"{cell.row} {cell.column}",
            budget__add=(0, 0, 0, 0),
        )
        for number, cell in enumerate(cells(made))
        for seed, correct in enumerate(hits.get((cell.row, cell.column), []))
    ]


HITS = {
    ("none", "plain"): [50, 54, 52],
    ("none", "margins"): [58, 62, 60],
    ("filled", "plain"): [80, 82, 84],
    ("filled", "margins"): [80, 82, 84],
}


def test_gains_are_paired_by_seed_on_the_same_row() -> None:
    made = matrices.matrix(grid(), cell_records(grid(), HITS))
    gap = made.gain("none", "margins")
    assert gap is not None and (gap.n, gap.wins) == (3, 3)
    # eight of 400 test rows more at each seed
    assert gap.mean == pytest.approx(8 / 400) and gap.half_width == pytest.approx(0)
    assert made.gain("none", "plain") is None
    assert made.gain("filled", "margins").mean == 0  # type: ignore[union-attr]


def test_the_page_holds_every_cell_and_the_change_between_rows() -> None:
    text = matrices.render(matrices.matrix(grid(), cell_records(grid(), HITS)), "A grid", "x")
    short = next(line for line in text.splitlines() if line.startswith("| margins"))
    assert short == "| margins | +2.00 ± 0.00 | 0.00 ± 0.00 | -2.00 ± 0.00 |".replace(
        "| 0.00", "| +0.00"
    )
    assert "| plain | 40.50 ± " in text and "+2.00 ± 0.00\\*" in text


def test_cells_without_records_are_dashes_and_records_of_other_grids_are_ignored() -> None:
    some = {place: found for place, found in HITS.items() if place != ("none", "margins")}
    other = [make_record(seed=5)]
    made = matrices.matrix(grid(), [*cell_records(grid(), some), *other])
    assert set(made.found) == set(some)
    text = matrices.render(made, "A grid", "x")
    assert "| margins | - | 40.00" not in text
    assert any(line.startswith("| margins | - |") for line in text.splitlines())


def test_the_csv_file_has_one_line_a_cell_with_its_command() -> None:
    made = matrices.matrix(grid(), cell_records(grid(), HITS))
    header, *lines = matrices.render_csv(made).splitlines()
    assert header.split(",") == list(matrices.HEADER)
    assert len(lines) == 4 and all("python -m benchmark run" in line for line in lines)
