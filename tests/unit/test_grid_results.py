"""Grids with their records: which belong to a cell, what is missing, curves, homes of records."""

import shlex
from pathlib import Path

import pytest

from benchmark import api
from benchmark.grid import grid_results, grids
from benchmark.grid.grid_results import GridResult, curves, home, result
from benchmark.grid.grids import Grid, cells
from benchmark.recording import records
from benchmark.recording.record_models import Record
from benchmark.report import grid_page, grid_pages, matrix
from tests.conftest import ROOT
from tests.fixtures.grids import Places, cell_records, make_grid
from tests.fixtures.records import make_record

HITS = {
    ("none", "plain"): [50, 54, 52],
    ("none", "margins"): [58, 62, 60],
    ("filled", "plain"): [80, 82, 84],
    ("filled", "margins"): [80, 82, 84],
}
THREE = make_grid(seeds=3, kind="matrix")


def made_of(made: Grid = THREE, hits: Places | None = None) -> GridResult:
    return result("table2", made, cell_records(made, HITS if hits is None else hits))


# which records belong to a cell


def test_every_cell_finds_its_records() -> None:
    found = made_of()
    assert set(found.found) == set(HITS)
    assert found.missing == ()
    assert [r.seed for r in found.found["none", "plain"].records] == [0, 1, 2]
    assert found.found["filled", "plain"].accuracy.mean == pytest.approx((82 + 110) / 400)


@pytest.mark.parametrize(
    "words",
    [
        ("dataset=digitslt", "method=[ldam,drw]", "method.ldam.prior=train"),
        ("method.ldam.prior=train", "method=[ldam,drw]"),
        ("+method.ldam.prior=train", "method=[ldam,drw]", "budget=auto", "generator=embedded"),
    ],
)
def test_a_record_is_found_whatever_the_form_of_its_words(words: tuple[str, ...]) -> None:
    record = make_record(seed=1, experiment__overrides=words)
    assert list(result("table2", THREE, [record]).found) == [("none", "margins")]


def test_records_of_an_experiment_count_under_any_words_once_one_has_the_cells() -> None:
    others = ("method=[ldam,drw]", "method.ldam.prior=train", "method.drw.prior=real")
    known = make_record(seed=0, experiment__overrides=("method=[ldam,drw]",
                                                        "method.ldam.prior=train"))  # fmt: skip
    more = make_record(seed=1, experiment__overrides=others)
    alone = result("table2", THREE, [more])
    both = result("table2", THREE, [more, known])
    assert alone.found == {}
    assert [r.seed for r in both.found["none", "margins"].records] == [0, 1]


def test_records_of_other_experiments_and_seeds_beyond_the_grid_are_ignored() -> None:
    own = cell_records(make_grid(), HITS)  # seeds 0 to 2 for a grid of two
    other = make_record(seed=0, experiment__overrides=("method=mixup",))
    found = result("table2", make_grid(), [*own, other])
    assert set(found.found) == set(HITS)
    assert [r.seed for r in found.found["none", "plain"].records] == [0, 1]
    assert found.missing == ()


def test_what_is_missing_comes_with_its_command() -> None:
    hits = {("none", "plain"): [50, 54, 52], ("filled", "plain"): [80]}
    found = made_of(hits=hits)
    assert [(each.cell.name, each.seeds) for each in found.missing] == [
        ("none / margins", (0, 1, 2)), ("filled / plain", (1, 2)), ("filled / margins", (0, 1, 2)),
    ]  # fmt: skip
    words = shlex.split(found.missing[1].command)
    assert words == ["python", "-m", "benchmark", "run", "-m", "dataset=digitslt", "method=t2i",
                     "seed=1,2"]  # fmt: skip


def test_the_command_of_a_grid_names_its_data_set_unless_it_is_the_first() -> None:
    for dataset, tail in (("digitslt", ""), ("cifar100lt", " dataset=cifar100lt")):
        found = result("table2", grids.load("table2", dataset), [])
        assert found.command == f"python -m benchmark run grid=table2{tail}"
        assert found.key == f"table2-{dataset}"
    assert found.title


def test_committed_grids_are_found_in_the_committed_records(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(ROOT)
    table = next(
        each
        for each in grid_results.results(api.read_records())
        if (each.name, each.grid.dataset) == ("table2", "digitslt")
    )
    assert set(table.found) == {(cell.row, cell.column) for cell in cells(table.grid)}
    assert table.missing == ()


# curves


def test_curves_are_in_the_order_of_their_axis() -> None:
    made = make_grid(
        kind="curves", x="n_train", rows={"c": ["ce"], "a": ["mixup"], "b": ["ldam"]},
        columns={"": []}, curves={"up": ["c", "a", "b"], "none": []},
    )  # fmt: skip
    added = {"c": 200, "a": 0, "b": 100}
    kept = [
        make_record(seed=seed, experiment__overrides=cell.words, experiment__hash=f"{row:012d}",
                    dataset__n_train=130 + more, dataset__counts_train=(100 + more, 20, 8, 2),
                    budget__add=(more, 0, 0, 0))
        for row, cell in enumerate(cells(made)) for seed in range(2)
        for more in [added[cell.row] + seed]
    ]  # fmt: skip
    (curve,) = curves(result("figure3", made, kept))
    assert (curve.name, curve.x_label) == ("up", "training images")
    assert [(point.name, point.x) for point in curve.points] == [
        ("a", 130.5), ("b", 230.5), ("c", 330.5),
    ]  # fmt: skip


def test_rows_become_curves_over_the_columns() -> None:
    made = make_grid(kind="curves", x="calls", seeds=1)
    kept = cell_records(made, {place: hits[:1] for place, hits in HITS.items()})
    found = curves(result("budget", made, kept))
    assert [(curve.name, [p.row.label for p in curve.points]) for curve in found] == [
        ("none", ["none plain", "none margins"]), ("filled", ["filled plain", "filled margins"]),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("axis", "expected"), [("n_train", 130), ("real_percent", 100.0), ("steps", 0), ("calls", 0)]
)
def test_what_is_on_an_axis(axis: str, expected: float) -> None:
    made = make_grid(kind="curves", x=axis, rows={"a": ["ce"]}, columns={"": []}, seeds=1)
    record = make_record(experiment__overrides=("method=ce",))
    ((point,),) = (curve.points for curve in curves(result("figure3", made, [record])))
    assert point.x == expected


# where collected records go


BOARD = Path("leaderboards/records")


def run_of(words: tuple[str, ...], digest: str = "abc123def456") -> Record:
    return make_record(experiment__overrides=words, experiment__hash=digest)


@pytest.mark.parametrize(
    ("words", "folder"),
    [
        (("method=ce",), None),  # a row of the leaderboards
        (("method=synaug",), None),
        (("method=t2i", "budget=add", "budget.amount=5"), "leaderboards/ablations/figure3"),
        (("method=[t2i,focal]", "dataset=digitslt"), "leaderboards/ablations/matrix"),
        (("method=t2i", "pool_seed=3"), "leaderboards/ablations/pools"),
        (("method=[t2i,focal]", "recipe.steps.amount=3"), None),  # of no grid
    ],
)
def test_records_of_a_grid_have_a_home(
    words: tuple[str, ...], folder: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert home(run_of(words), BOARD) == (Path(folder) if folder else None)


def test_what_is_on_the_leaderboards_stays_there(tmp_path: Path) -> None:
    words = ("method=[t2i,focal]",)
    assert home(run_of(words), tmp_path) is not None
    (tmp_path / "digitslt" / "t2i_focal" / "abc123def456").mkdir(parents=True)
    assert home(run_of(words), tmp_path) is None


def test_collecting_sorts_runs_into_their_homes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    kinds = {
        "shapes/ce/aaaaaaaaaaaa/s0": run_of(("method=ce",), "a" * 12),
        "shapes/t2i/bbbbbbbbbbbb/s0": run_of(("method=t2i", "pool_seed=3"), "b" * 12),
    }
    for place, record in kinds.items():
        records.save(tmp_path / "runs" / place / "record.json", record)
        (tmp_path / "runs" / place / "preds.npz").write_bytes(b"predictions")
    copied = api.collect(Path("runs"))
    assert sorted(map(str, copied)) == [
        "leaderboards/ablations/pools/shapes/t2i/bbbbbbbbbbbb/s0/record.json",
        "leaderboards/records/shapes/ce/aaaaaaaaaaaa/s0/record.json",
    ]
    assert all((path.parent / "preds.npz").read_bytes() == b"predictions" for path in copied)
    assert {r.experiment.hash for r in api.all_records()} == {"a" * 12, "b" * 12}
    # into a folder of one's own everything goes
    assert len(api.collect(Path("runs"), Path("mine"))) == 2
    assert len(list(Path("mine").rglob("record.json"))) == 2
    assert {r.experiment.hash for r in api.all_records(Path("mine"))} == {"a" * 12, "b" * 12}


# pages


def test_gains_are_paired_by_seed_on_the_same_row() -> None:
    gap = matrix.gain(made_of(), "none", "margins")
    assert gap is not None and (gap.n, gap.wins) == (3, 3)
    # eight of 400 test rows more at each seed
    assert gap.mean == pytest.approx(8 / 400) and gap.half_width == pytest.approx(0)
    assert matrix.gain(made_of(), "none", "plain") is None
    assert matrix.gain(made_of(), "filled", "margins").mean == 0  # type: ignore[union-attr]


def test_the_page_holds_every_cell_and_the_change_between_rows() -> None:
    text = grid_page.render(made_of())
    assert "| margins | +2.00 ± 0.00 | 0.00 ± 0.00 | -2.00 ± 0.00 |" in text.splitlines()
    assert "| plain | 40.50 ± " in text and "+2.00 ± 0.00\\*" in text
    assert "## Missing" not in text


def test_two_seeds_tell_nothing_apart() -> None:
    found = made_of(make_grid(kind="matrix"))
    assert matrix.significant(found) == set()
    assert matrix.significant(made_of()) == {("none", "margins")}


def test_cells_without_records_are_dashes_and_named_with_their_command() -> None:
    some = {place: found for place, found in HITS.items() if place != ("none", "margins")}
    text = grid_page.render(made_of(hits=some))
    assert any(line.startswith("| margins | - |") for line in text.splitlines())
    assert "- none / margins, 3 of 3 seeds: `python -m benchmark run -m dataset=digitslt" in text


def test_the_csv_file_has_one_line_a_cell_with_its_command() -> None:
    header, *lines = grid_page.render_csv(made_of()).splitlines()
    assert header.split(",") == list(grid_page.HEADER)
    assert len(lines) == 4 and all("python -m benchmark run" in line for line in lines)


def test_each_column_of_a_table_is_compared_with_its_own_first_row() -> None:
    hits = {("none", "plain"): [50] * 3, ("filled", "plain"): [70] * 3,
            ("none", "margins"): [10] * 3, ("filled", "margins"): [40] * 3}  # fmt: skip
    found = made_of(make_grid(seeds=3, kind="table"), hits)
    _, *lines = grid_page.render_csv(found).splitlines()
    place = list(grid_page.HEADER).index("difference")
    shown = {tuple(line.split(",")[2:4]): line.split(",")[place] for line in lines}
    assert shown == {("none", "plain"): "", ("none", "margins"): "",
                     ("filled", "plain"): "0.050000",
                     ("filled", "margins"): "0.075000"}  # fmt: skip
    text = grid_page.render(found)
    assert "+5.00" in text and "+7.50" in text and "-10.00" not in text


def test_names_from_a_grid_are_inert_on_its_page() -> None:
    made = make_grid(rows={"<b>|x": ["ce"], "y": ["mixup"]}, columns={"": []}, seeds=1)
    text = grid_page.render(result("table2", made, cell_records(made, {("<b>|x", ""): [5]})))
    assert "<b>" not in text and "&lt;b&gt;\\|x" in text


def test_pages_are_written_for_grids_with_records_only() -> None:
    assert grid_pages.pages([]) == {}
    files = grid_pages.pages([made_of()], Path("there"))
    assert set(files) == {Path("there/README.md"), Path("there/table2/cells.md"),
                          Path("there/table2/cells.csv")}  # fmt: skip
    assert "4 of 4" in files[Path("there/README.md")]
