"""Bands: the file is sound and names what there is; verdicts follow from means and intervals."""

import csv
import io
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from benchmark import identity
from benchmark.boards.leaderboard import Row, build
from benchmark.errors import DataError, IntegrityError
from benchmark.experiments.compose import hydra_session, settings
from benchmark.experiments.experiment import resolve
from benchmark.recording.record_models import Record
from benchmark.report import reproduction
from benchmark.report.reproduction_bands import Bands, Verdict, judge, load, ours
from benchmark.statistics.stats import Estimate
from tests.conftest import ROOT
from tests.fixtures.boards import runs

FOLDER = ROOT / "leaderboards"
FILE = FOLDER / "bands.json"
BANDS = load(FILE)
HUNDRED = BANDS.tables[0]


@cache
def resolved(*words: str) -> Any:
    return resolve(settings(list(words)))


def band(method: str) -> Any:
    (found,) = [each for each in HUNDRED.rows if each.method == method]
    return found


@pytest.fixture(scope="module", autouse=True)
def _session() -> Iterator[None]:
    # composing is faster where it need not begin anew
    with hydra_session():
        yield


# the file


@pytest.mark.parametrize("key", BANDS.recipes)
def test_a_recipe_is_the_one_that_is_shipped(key: str) -> None:
    wanted = BANDS.recipes[key]
    found = resolved("method=ce", *HUNDRED.words, *wanted.words)
    config = identity.plain(found.settings.recipe)
    assert config.pop("name") == wanted.name
    assert config.pop("precision") in BANDS.precisions
    assert config == wanted.settings
    assert found.settings.backbone.name == wanted.backbone


@pytest.mark.parametrize("row", HUNDRED.rows, ids=lambda row: row.method)
def test_the_words_of_a_method_give_a_label_of_ours(row: Any) -> None:
    found = resolved(*row.words, *HUNDRED.words)
    assert found.label in row.ours
    assert set(row.recipes) <= set(BANDS.recipes)


@pytest.mark.parametrize("table", BANDS.tables, ids=lambda table: table.data_set)
def test_the_words_of_a_data_set_give_its_settings(table: Any) -> None:
    data = resolved("method=ce", *table.words).science["dataset"]
    assert {key: data[key] for key in table.settings} == table.settings


def test_methods_are_the_same_on_every_data_set() -> None:
    first = {row.method: (row.words, row.ours, row.recipes) for row in HUNDRED.rows}
    for table in BANDS.tables[1:]:
        for row in table.rows:
            assert first[row.method] == (row.words, row.ours, row.recipes)


def test_published_figures_lie_near_their_bands() -> None:
    for table in BANDS.tables:
        for row in table.rows:
            found = BANDS.range_of(row)
            if found:
                low, high = found[0] - BANDS.shift, found[1] - BANDS.shift
                assert low < high
                assert any(low <= each.value <= high for each in row.published)


def test_bands_are_shifted_to_the_last_epoch() -> None:
    assert BANDS.range_of(band("CE")) == (37.0, 39.5)
    assert BANDS.range_of(band("LDAM + DRW")) == (40.5, 43.0)
    assert BANDS.range_of(band("SSD")) is None
    # by the rule: 43.78 - 1.5 - 0.5 to 43.85 + 1.5 - 0.5; the unverified 44.0 sets nothing
    assert BANDS.range_of(BANDS.tables[1].rows[0]) == (41.78, 44.85)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"low": None}, "Expected low and high of a judged band only"),
        ({"low": 41.0}, "Expected low below high"),
        ({"low": 137.0}, "less than or equal to 100"),
        ({"recipes": ["nothing"]}, "Expected a recipe of this file, but got nothing"),
        ({"published": []}, "at least 1 item"),
        ({"extra": 1}, "Extra inputs"),
        ({"band": "rule"}, "Expected low and high of a judged band only"),
    ],
)
def test_a_broken_file_names_its_first_problem(
    change: dict[str, Any], message: str, tmp_path: Path
) -> None:
    values = json.loads(FILE.read_text())
    values["tables"][0]["rows"][0] |= change
    path = tmp_path / "bands.json"
    path.write_text(json.dumps(values))
    with pytest.raises(IntegrityError, match=message):
        load(path)


def test_without_bands_there_is_no_page(tmp_path: Path) -> None:
    assert reproduction.pages(tmp_path, []) == {}
    assert reproduction.link(tmp_path, tmp_path / "tables") == ""
    with pytest.raises(DataError, match="Expected bands, but got No such file"):
        load(tmp_path / "bands.json")


# verdicts


def at(mean: float, half: float | None = None, n: int = 3) -> Row:
    return Row((), Estimate(mean / 100, half and half / 100, n), (None, None, None), 0.0)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (at(37.0), Verdict("inside")),
        (at(39.5), Verdict("inside")),
        (at(36.996), Verdict("inside")),
        (at(36.99), Verdict("below")),
        (at(36.99, 0.01), Verdict("below", reaches=True)),
        (at(36.5, 0.4), Verdict("below")),
        (at(39.51), Verdict("above")),
        (at(41.0, 1.5), Verdict("above", reaches=True)),
        (at(41.0, 1.49), Verdict("above")),
        (at(41.0, 9.0, 2), Verdict("above", reaches=True)),
    ],
)
def test_the_verdict_is_the_means(row: Row, expected: Verdict) -> None:
    assert judge(row, (37.0, 39.5)) == expected
    assert judge(row, None) == Verdict("no band")


# pages


def full(label: str = "ce", base: int = 38, seeds: int = 3, **changes: Any) -> list[Record]:
    """Runs of the published recipe; their accuracy is ``base`` - 15 and a little."""
    wanted = BANDS.recipes["standard"]
    given = {
        "dataset__name": "cifar100lt", "backbone__name": wanted.backbone,
        "recipe__name": wanted.name, "recipe__steps_rule": "epochs",
        "recipe__config": {"name": wanted.name, "precision": "bf16", **wanted.settings},
        "experiment__config": {"dataset": HUNDRED.settings},
        "experiment__overrides": (f"method={label}", "dataset=cifar100lt", "seed=0"),
    }  # fmt: skip
    return runs(label, base + 15, seeds, **given | changes)


def lines_of(records: list[Record]) -> list[dict[str, str]]:
    texts = reproduction.pages(FOLDER, build(records))
    found = list(csv.DictReader(io.StringIO(texts[FOLDER / "reproduction.csv"])))
    assert all(None not in line and None not in line.values() for line in found)
    return [line for line in found if line["experiment"]]


def verdicts(records: list[Record]) -> list[str]:
    return [line["verdict"] for line in lines_of(records)]


def test_full_runs_get_a_verdict() -> None:
    assert verdicts(full()) == ["inside"]
    assert verdicts(full(base=30)) == ["below"]
    assert verdicts(full(base=50)) == ["above"]
    assert verdicts(full("ssd")) == ["no band"]


def recipe(**changes: Any) -> dict[str, Any]:
    config = full()[0].recipe.config
    return {"recipe__config": {**config, **changes}}


@pytest.mark.parametrize(
    "changes",
    [
        recipe(steps={"unit": "epochs", "amount": 30}),
        recipe(batch_size=64),
        recipe(precision="fp16"),
        recipe(augmentation={"pad": 4, "flip": 0.5, "cutout": 16}),
        recipe(name="other"),
        {"backbone__name": "cifar_resnet56"},
        {
            "experiment__config": {
                "dataset": HUNDRED.settings,
                "backbone": {"options": {"width": 64}},
            }
        },
        {"experiment__config": {"dataset": HUNDRED.settings, "protocol": identity.PROTOCOL + 1}},
    ],
    ids=str,
)
def test_a_run_that_differs_in_anything_gets_none(changes: dict[str, Any]) -> None:
    (line,) = lines_of(full(**changes))
    assert (line["verdict"], line["as_published"]) == ("", "0")


def test_other_data_and_other_budgets_are_not_looked_at() -> None:
    others = [{"val": "carve"}, {"n_max": 100}, {"profile": "step"}]
    datas = [{**HUNDRED.settings, **changed} for changed in others]
    records = [
        *(
            each
            for data in datas
            for each in full(experiment__config={"dataset": data}, experiment__hash=str(data))
        ),
        *full(dataset__name="cifar100lt@heldout", experiment__hash="d"),
        *full(experiment__hash="a", budget__protocol="iso_nfe", budget__limit=5),
        *full(experiment__hash="b", selection="val"),
        *full("ce @ uniform(9)", experiment__hash="c"),
    ]
    assert lines_of(records) == []


def test_imbalance_chooses_the_table() -> None:
    data = {**HUNDRED.settings, "imbalance": 50.0}
    (line,) = lines_of(full(base=43, experiment__config={"dataset": data}))
    assert (line["data_set"], line["verdict"]) == ("CIFAR-100-LT, IF 50", "inside")


def page_of(records: list[Record]) -> str:
    return reproduction.pages(FOLDER, build(records))[FOLDER / "reproduction.md"]


def row_of(page: str, start: str) -> list[str]:
    (found,) = [line for line in page.splitlines() if line.startswith(f"| {start} | *")
                or line.startswith(f"| {start} | 3")]  # fmt: skip
    return [cell.strip() for cell in found.strip("| ").split(" | ")]


def test_few_seeds_are_marked_and_grey() -> None:
    one, two = row_of(page_of(full(seeds=1)), "CE"), row_of(page_of(full(seeds=2)), "CE")
    assert one[1].startswith("*3") and one[2] == "1" and one[4] == "inside (one seed)"
    assert two[2] == "2" and two[4].endswith("(2 seeds)")
    three = row_of(page_of(full()), "CE")
    assert three[1].startswith("38.") and three[4] == "inside"


def test_a_line_says_how_it_was_made_and_what_was_published() -> None:
    cells = row_of(page_of(full()), "CE")
    assert cells[3] == "37.0 to 39.5" and "38.32 (LDAM paper)" in cells[5]
    assert cells[6] == "ResNet-32, 200 epochs, crop and flip; bf16"
    assert cells[8].startswith("`method=ce dataset=cifar100lt` ([table](tables/cifar100lt-")
    assert cells[9] == "`h-ce`"


def test_what_was_not_run_says_how_to() -> None:
    page = page_of(full())
    line = next(each for each in page.splitlines() if each.startswith("| Weight balancing | -"))
    assert "not run" in line and "51.0 to 53.0" in line
    assert "recipe=r_wb backbone=cifar_stem_resnet34" in line


def test_runs_of_other_recipes_stand_apart_without_a_verdict() -> None:
    short = full("mixup", experiment__hash="s", **recipe(steps={"unit": "epochs", "amount": 30}))
    first, _, second = page_of([*full(), *short]).partition("## The same methods on other recipes")
    assert "h-ce" in first and "`s`" not in first
    assert "`s`" in second and "h-ce" not in second
    assert "inside" not in second and "30 epochs; bf16" in second
    assert "None yet" in page_of(full())


def test_the_summary_counts() -> None:
    page = page_of([*full(), *full("mixup", base=20)])
    assert f"| CIFAR-100-LT, IF 100 | {len(HUNDRED.rows)} | 2 | 1 | 1 | 0 | 0 |" in page


def test_a_method_in_two_precisions_is_one_that_was_run() -> None:
    page = page_of([*full(), *full(experiment__hash="f", **recipe(precision="fp32"))])
    assert f"| CIFAR-100-LT, IF 100 | {len(HUNDRED.rows)} | 1 | 2 | 0 | 0 | 0 |" in page
    assert f"**1 of {sum(len(table.rows) for table in BANDS.tables)} rows" in page


def test_rows_of_a_table_have_as_many_cells() -> None:
    short = full("mixup", experiment__hash="s", **recipe(batch_size=64))
    parts = page_of([*full(), *short]).split("\n\n")
    bodies = [part.splitlines() for part in parts if part.startswith("|")]
    assert len(bodies) == 1 + len(BANDS.tables) + 1
    assert all(len({line.count("|") for line in body}) == 1 for body in bodies)


def test_json_has_every_line_and_the_rules() -> None:
    found = json.loads(reproduction.pages(FOLDER, build(full()))[FOLDER / "reproduction.json"])
    assert (found["schema"], found["shift"], found["margin"]) == ("reproduction/1", -0.005, 0.015)
    assert len(found["rows"]) == sum(len(table.rows) for table in BANDS.tables)
    first = found["rows"][0]
    assert (first["band_low"], first["band_high"], first["verdict"]) == (0.37, 0.395, "inside")


def test_pages_do_not_depend_on_the_order_of_records() -> None:
    records = [*full(), *full("mixup")]
    assert page_of(records) == page_of(records[::-1])


def test_ours_names_only_rows_with_a_label_of_the_method() -> None:
    tables = build([*full(), *full("drw"), *full("ce + drw", experiment__hash="x")])
    found = ours(BANDS, HUNDRED, band("CE + DRW"), tables)
    assert {each.row.label for each in found} == {"drw", "ce + drw"}
    assert all(each.as_published for each in found)


def test_the_index_of_tables_links_the_page() -> None:
    line = reproduction.link(FOLDER, FOLDER / "tables")
    assert "(../reproduction.md)" in line
    assert reproduction.link(FOLDER, Path("elsewhere")) == ""
    assert isinstance(BANDS, Bands)
