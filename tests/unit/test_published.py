"""Published figures: true to the paper, tagged, beside our rows and never among them."""

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.boards.leaderboard import build
from benchmark.boards.published import Published, PublishedRow, PublishedTable, beside, load
from benchmark.errors import DataError, IntegrityError, UsageError
from benchmark.recording.record_models import TRACKS, Record
from benchmark.registry import COMPONENTS
from benchmark.report import published
from benchmark.report.cited import AUGMENTATIONS, cite, elsewhere, parse
from tests.conftest import ROOT
from tests.fixtures.boards import GENERATED, POOL, runs

FOLDER = ROOT / "leaderboards"
PAPER = load(FOLDER / "paper.json")
TABLES = {table.name: table for table in PAPER.tables}
ROWS = [(table, row) for table in PAPER.tables for row in table.rows]


def half_unit(value: float) -> float:
    """Half of the last decimal printed; figures of one decimal are coarser."""
    return 0.05 if round(value, 1) == value else 0.005


def sums(row: PublishedRow, sizes: tuple[int, ...]) -> list[bool]:
    """Whether "All" follows from the groups with these sizes, as far as rounding can tell."""
    found = []
    for each in row.numbers:
        groups = [each.many, each.medium, each.few]
        if each.few is not None:
            total = sum(n * value for n, value in zip(sizes, groups, strict=True) if value)
            slack = max(half_unit(value) for value in groups if value) + half_unit(each.all)
            found.append(abs(total / 100 - each.all) <= slack)
    return found


@pytest.mark.parametrize(
    ("table", "row", "numbers"),
    [
        ("Table 1", "CE", (37.96, 43.54, 59.50)),
        ("Table 1", "Weight Balancing", (53.35, 57.71, 68.67)),
        ("Table 1", "SYNAuG", (57.31, 60.34, 67.90)),
        ("Table 2", "(a) plain prompts", (52.41, 56.99, 66.34)),
        ("Figure 4", "SYNAuG, 50 diffusion steps", (46.56,)),
    ],
)
def test_figures_are_the_papers(table: str, row: str, numbers: tuple[float, ...]) -> None:
    (found,) = [each for each in TABLES[table].rows if each.method == row]
    assert tuple(each.all for each in found.numbers) == numbers


def test_the_last_row_of_table_2_is_the_last_row_of_table_1() -> None:
    first, second = TABLES["Table 1"].rows[-1], TABLES["Table 2"].rows[-1]
    assert [n.all for n in first.numbers] == [n.all for n in second.numbers]
    assert first.ours == second.ours


def test_tables_have_all_their_rows() -> None:
    assert {name: len(table.rows) for name, table in TABLES.items()} == {
        "Table 1": 13, "Table 2": 4, "Figure 4": 6,
    }  # fmt: skip


@pytest.mark.parametrize("row", [row for _, row in ROWS if row.groups], ids=lambda row: row.method)
def test_all_follows_from_the_groups_under_the_convention_named(row: PublishedRow) -> None:
    assert row.groups is not None
    assert sum(row.groups.sizes) == 100
    assert all(sums(row, row.groups.sizes))


def test_and_not_under_the_other_convention() -> None:
    other = {"le20": (35, 35, 30), "lt20": (35, 34, 31)}
    named = [row for row in TABLES["Table 1"].rows if row.groups]
    assert len(named) == 9
    assert not any(sums(row, other[row.groups.convention])[0] for row in named if row.groups)


def test_rows_without_groups_have_no_group_figures() -> None:
    assert all(
        (row.groups is not None) == any(each.few is not None for each in row.numbers)
        for _, row in ROWS
    )


@pytest.mark.parametrize("row", [row for _, row in ROWS], ids=lambda row: row.method)
def test_sources_tracks_and_tags_are_known(row: PublishedRow) -> None:
    assert row.source in COMPONENTS.entries and cite(row.source).startswith("[")
    assert row.track in TRACKS
    assert bool(row.knowledge) == (row.track != "real")


def test_what_was_found_about_the_paper_is_said() -> None:
    said = " ".join(TABLES["Table 1"].notes)
    for words in ("Two conventions", "ResNet-34", "not its citation's row", "Groups are missing"):
        assert words in said


@pytest.mark.parametrize(
    ("line", "factors", "epochs", "augmentation", "note"),
    [
        ("CIFAR-100-LT, ResNet-32, IF 100/50/10: 38.32/43.85/55.70 (LDAM, crop and flip, "
         "200 epochs)", [100, 50, 10], "200", "crop and flip", "LDAM"),
        ("CIFAR-10-LT, IF 100: 77.5", [100], None, None, ""),
        ("CIFAR-100-LT, ResNet-32, IF 100/50: 40.26/45.36 (Bag of Tricks, 30 epochs of "
         "re-training)", [100, 50], None, None, "Bag of Tricks, 30 epochs of re-training"),
    ],
)  # fmt: skip
def test_a_line_of_the_set_form(
    line: str, factors: list[int], epochs: str | None, augmentation: str | None, note: str
) -> None:
    found = parse("x", line)
    assert found is not None
    row = found[1]
    assert [each.imbalance for each in row.numbers] == factors
    assert (row.epochs, row.augmentation, row.note) == (epochs, augmentation, note)
    assert row.method == row.ours == row.source == "x"


@pytest.mark.parametrize(
    "line",
    [
        "none on CIFAR; its authors report it elsewhere",
        "CIFAR-100-LT, ResNet-32, IF 100/50/10: 38.32/43.85",
        "CIFAR-100-LT, ResNet-32, IF 100/10: 40.66/57.32, with another 42.04/58.71 (200 epochs)",
        "47.2/51.7/58.4 with a and b; 46.6 with c at IF 100",
        "    on top of another, row (c): 55.45/58.69/66.84",
        "CIFAR-100-LT, ResNet-34 with weight decay 5e-3, IF 100: 51.0 at tau 1",
    ],
)
def test_other_lines_are_left_alone(line: str) -> None:
    assert parse("x", line) is None


@given(st.text())
def test_any_text_is_parsed_or_left(line: str) -> None:
    assert parse("x", line) is None or line.count(":") >= 1


def test_lines_of_the_sources_enter_and_those_of_the_paper_do_not() -> None:
    tables = {table.data_set: table for table in elsewhere(PAPER.paper)}
    assert set(tables) == {"CIFAR-10-LT", "CIFAR-100-LT"}
    names = {row.method for table in tables.values() for row in table.rows}
    assert names.isdisjoint({row.ours for _, row in ROWS if row.track != "real"})
    (plain,) = [row for row in tables["CIFAR-100-LT"].rows if row.method == "ce"]
    assert [each.all for each in plain.numbers] == [38.32, 43.85, 55.70]
    assert {row.augmentation for table in tables.values() for row in table.rows} <= {
        None, *AUGMENTATIONS,
    }  # fmt: skip


def ours(label: str, seeds: int = 4, factor: float = 100.0, **changes: Any) -> list[Record]:
    data = {"dataset__name": "cifar100lt", "experiment__config": {"dataset": {"imbalance": factor}}}
    return runs(label, 60, seeds, **{**data, **changes})


def test_our_row_has_the_same_data_factor_and_label() -> None:
    tables = build([
        *ours("a"), *ours("b", experiment__hash="b"),
        *ours("a", factor=50.0, experiment__hash="c", dataset__split__rule_hash="r50"),
        *ours("a", dataset__name="cifar10lt", experiment__hash="d"),
        *ours("a", experiment__hash="e", budget__protocol="iso_nfe", budget__limit=5),
    ])  # fmt: skip
    assert [each.row.hash for each in beside(tables, "cifar100lt", "a", 100)] == ["h-a"]
    assert [each.row.hash for each in beside(tables, "cifar100lt", "a", 50)] == ["c"]
    assert beside(tables, "cifar100lt", None, 100) == []
    assert beside(tables, "cifar100lt", "a", None) == []


@pytest.mark.parametrize("change", [{"profile": "step"}, {"val": "carve"}, {"n_max": 100}], ids=str)
def test_a_tail_of_another_shape_is_not_ours(change: dict[str, Any]) -> None:
    data = {"imbalance": 100.0, **change}
    tables = build(ours("a", experiment__config={"dataset": data}))
    assert beside(tables, "cifar100lt", "a", 100) == []


def test_steps_of_the_generator_tell_rows_apart() -> None:
    pool = {**POOL, "generator": {"steps": 50}}
    tables = build(ours("a", **{**GENERATED, "pool": pool}))
    assert len(beside(tables, "cifar100lt", "a", 100, 50)) == 1
    assert beside(tables, "cifar100lt", "a", 100, 10) == []
    assert len(beside(tables, "cifar100lt", "a", 100)) == 1


def test_our_groups_follow_the_convention_of_the_published_row() -> None:
    (found,) = beside(build(ours("a")), "cifar100lt", "a", 100)
    assert found.group("medium", "lt20") == pytest.approx(0.5)
    assert found.group("medium", "le20") is None
    assert found.group("few", "le20") != found.group("few", "lt20")
    assert found.group("few", None) is None


@pytest.fixture(scope="module")
def shown() -> dict[str, str]:
    single = ours("ce", 1, experiment__hash="single", recipe__name="then one")
    boards = build([*ours("ce"), *single])
    return {path.name: text for path, text in published.pages(FOLDER, boards).items()}


def test_one_section_a_data_set_and_a_table_for_each_source(shown: dict[str, str]) -> None:
    heads = [line for line in shown["published.md"].splitlines() if line.startswith("##")]
    assert [head.partition(":")[0] for head in heads] == [
        "## CIFAR-100-LT", "### Table 1", "### Table 2", "### Elsewhere", "## CIFAR-10-LT",
        "### Elsewhere", "## ImageNet100-LT", "### Figure 4", "## Figures without numbers",
    ]  # fmt: skip


def test_ours_stands_in_a_column_of_its_own_with_seeds_recipe_and_network(
    shown: dict[str, str],
) -> None:
    lines = shown["published.md"].splitlines()
    cells = next(line for line in lines if line.startswith("| CE | [Cui")).split(" | ")
    four, single = cells[-1].split("; IF 100: ")
    assert re.match(r"IF 100: \d\d\.\d\d ± \d\.\d\d \(4 seeds; \[short\]\(tables/.*; small\)", four)
    assert re.match(r"\*\d\d\.\d\d\* \(1 seed; \[then one\]\(tables/", single)
    assert cells[-4:-1] == ["37.96", "43.54", "59.50"]
    assert "Rank" not in shown["published.md"]


def test_rows_of_a_table_have_as_many_cells(shown: dict[str, str]) -> None:
    parts = shown["published.md"].split("\n\n")
    bodies = [part.splitlines() for part in parts if part.startswith("|")]
    assert len(bodies) == 5
    assert all(len({line.replace("\\|", "").count("|") for line in body}) == 1 for body in bodies)


def test_csv_has_a_line_for_each_figure_and_row_of_ours(shown: dict[str, str]) -> None:
    lines = list(csv.DictReader(io.StringIO(shown["published.csv"])))
    assert all(None not in line and None not in line.values() for line in lines)
    first, second, third = lines[:3]
    assert (first["ours_seeds"], second["ours_seeds"], third["ours_seeds"]) == ("4", "1", "")
    assert first["all"] == "0.3796" and 0 <= float(first["ours_all"]) <= 1
    assert {line["table"] for line in lines} == {*TABLES, "Elsewhere"}


def test_json_has_tags_figures_ours_and_citations(shown: dict[str, str]) -> None:
    found = json.loads(shown["published.json"])
    assert found["unit"] == "share"
    table = next(each for each in found["tables"] if each["name"] == "Table 1")
    row = table["rows"][0]
    assert row["numbers"][0]["all"] == 0.3796 and len(row["numbers"][0]["ours"]) == 2
    assert {row["source"] for table in found["tables"] for row in table["rows"]} <= set(
        found["citations"]
    )
    assert table["notes"] == list(TABLES["Table 1"].notes)


def test_pages_do_not_depend_on_the_order_of_records() -> None:
    records = ours("ce")
    assert published.pages(FOLDER, build(records)) == published.pages(FOLDER, build(records[::-1]))


def test_without_published_figures_there_is_no_page(tmp_path: Path) -> None:
    assert published.pages(tmp_path, []) == {}
    with pytest.raises(DataError, match=r"Expected published figures, but got No such file"):
        load(tmp_path / "paper.json")


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        ('"all": 37.96', '"all": 137.96', "tables.0.rows.0.numbers.0.all: Input should be less"),
        ('"track": "real"', '"track": "unreal"', "tables.0.rows.0.track: Input should be 'real'"),
        ('"schema": "published/1"', '"schema": "x"', "schema: Input should be 'published/1'"),
        ('"unit"', '"units"', "unit: Field required"),
        ("{", "", "file: Invalid JSON"),
    ],
)
def test_damaged_figures_are_named(tmp_path: Path, old: str, new: str, match: str) -> None:
    path = tmp_path / "paper.json"
    text = (FOLDER / "paper.json").read_text(encoding="utf-8")
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(IntegrityError, match=match):
        published.pages(tmp_path, [])


def test_a_source_that_does_not_exist_gets_the_nearest_name(tmp_path: Path) -> None:
    text = (FOLDER / "paper.json").read_text(encoding="utf-8")
    path = tmp_path / "paper.json"
    path.write_text(text.replace('"source": "risda"', '"source": "risd"'), encoding="utf-8")
    with pytest.raises(UsageError, match=r"Unknown component 'risd'.*did you mean risda"):
        published.pages(tmp_path, [])


def test_labels_of_a_table_are_inert() -> None:
    row = TABLES["Table 2"].rows[0].model_copy(update={"method": "a|b <img>", "note": "`x`"})
    table = PublishedTable(name="T", what="w", data_set="D", rows=(row,), notes=("*n*",))
    found = Published.model_validate(
        {**PAPER.model_dump(by_alias=True), "tables": [table], "readings": ()}
    )
    line = published.Line(table, row, ((),) * len(row.numbers))
    page = published.markdown(found, [line])
    assert "a\\|b &lt;img&gt;" in page and "\\`x\\`" in page and "1. \\*n\\*" in page
