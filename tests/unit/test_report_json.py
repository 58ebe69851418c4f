"""Leaderboards as JSON: everything that the other formats show, complete, in fixed decimals."""

import csv
import io
import json
import random
import subprocess
import sys
from typing import Any

import pytest

from benchmark.boards.leaderboard import Table, build
from benchmark.report import csv_table, json_table
from benchmark.report.columns import COLUMNS
from benchmark.report.json_table import payload
from benchmark.statistics import metrics
from tests.conftest import ROOT
from tests.fixtures.boards import GENERATED, POOL, board, one, runs
from tests.fixtures.records import make_predictions, make_record


@pytest.fixture(scope="module")
def table() -> Table:
    return one(board())


@pytest.fixture(scope="module")
def rows(table: Table) -> dict[str, Any]:
    return {row["method"]: row for row in payload(table)["rows"]}


def test_the_text_is_the_payload(table: Table) -> None:
    shown = json_table.render(table)
    assert shown.endswith("}\n")
    assert json.loads(shown) == payload(table)


def test_every_key_of_a_row_is_a_column_and_in_its_order(rows: dict[str, Any]) -> None:
    assert {tuple(row) for row in rows.values()} == {tuple(column.name for column in COLUMNS)}


def test_every_column_is_explained_in_the_docs() -> None:
    page = (ROOT / "docs" / "leaderboards.md").read_text(encoding="utf-8")
    assert [column.name for column in COLUMNS if f"| `{column.name}` |" not in page] == []
    assert [name for name in csv_table.HEADER if f"`{name}`" not in page] == []


def test_order_of_records_does_not_matter(table: Table) -> None:
    records = board()
    shuffled = random.Random(3).sample(records, len(records))
    assert json_table.render(one(shuffled)) == json_table.render(table)


def test_seeds_and_accuracies_go_together(rows: dict[str, Any]) -> None:
    plain = rows["plain"]
    assert plain["seeds"] == [0, 1, 2, 3]
    found = {record.seed: record.metrics.accuracy for record in runs("plain", 60)}
    assert plain["accuracies"] == [round(found[seed], 6) for seed in plain["seeds"]]
    assert plain["accuracy"]["mean"] == pytest.approx(sum(found.values()) / 4, abs=1e-6)
    assert [run["seed"] for run in plain["runs"]] == plain["seeds"]
    assert [run["command"] for run in plain["runs"]][1] == "python -m benchmark run seed=1"


def test_ranks_are_those_of_the_track_and_null_below_three_seeds(rows: dict[str, Any]) -> None:
    assert rows["better"]["rank"] == {"low": 1, "high": 2, "of": 3}
    assert rows["drawn"]["rank"] == {"low": 1, "high": 1, "of": 1}
    assert rows["single"]["rank"] is None and rows["single"]["letters"] == ""
    assert rows["single"]["accuracy"]["half_width"] is None


def test_three_seeds_are_ranked_and_two_are_not() -> None:
    found = payload(one([*runs("three", 60, seeds=3), *runs("two", 60, seeds=2)]))
    assert found["min_seeds"] == 3
    ranks = {row["method"]: row["rank"] for row in found["rows"]}
    assert ranks == {"three": {"low": 1, "high": 1, "of": 1}, "two": None}


def test_numbers_are_those_of_the_csv(table: Table, rows: dict[str, Any]) -> None:
    for line in csv.DictReader(io.StringIO(csv_table.render(table))):
        row = rows[line["method"]]
        groups = row["groups"][line["convention"]]
        assert f"{row['accuracy']['mean']:.6f}" == line["accuracy"]
        assert [f"{groups[name]:.6f}" for name in groups] == [line[name] for name in groups]
        assert f"{row['ece']:.6f}" == line["ece"]
        if row["difference"]:
            assert f"{row['difference']['mean']:.6f}" == line["difference"]
            assert str(int(row["difference"]["differs"])) == line["differs"]


def test_the_reference_has_no_difference(table: Table, rows: dict[str, Any]) -> None:
    reference = payload(table)["reference"]
    assert rows["plain"]["experiment"] == reference
    assert rows["plain"]["difference"] is rows["plain"]["improvement"] is None
    assert rows["drawn"]["difference"]["wins"] == rows["drawn"]["difference"]["pairs"] == 4
    assert rows["drawn"]["improvement"]["share"] == 1.0
    assert payload(one(board(), reference="absent"))["reference"] is None


def test_classes_stand_along_the_tail_not_by_label() -> None:
    correct = (20, 90, 60, 40)
    groups: dict[str, Any] = {"lt20": ("few", "many", "medium", "few")}
    turned = [
        make_record(
            correct,
            seed,
            dataset__counts_real=(2, 100, 20, 8),
            dataset__conventions=groups,
            metrics=metrics.compute(make_predictions(correct, 100, seed), 4, groups),
        )
        for seed in range(3)
    ]
    found = payload(one(turned))
    assert found["tail"]["counts"] == [100, 20, 8, 2]
    assert found["tail"]["groups"] == ["many", "medium", "few", "few"]
    assert found["rows"][0]["per_class"] == [0.9, 0.6, 0.4, 0.2]


def test_costs_pools_and_knowledge(rows: dict[str, Any]) -> None:
    drawn, plain = rows["drawn"], rows["plain"]
    assert drawn["costs"]["network_calls"] == 800 and drawn["costs"]["device_seconds"] == 3.0
    assert drawn["costs"]["flops"] == 2e9 and drawn["costs"]["devices"] == ["card"]
    assert drawn["pool"] == {"one_pool": True, "keys": ["p"]} and plain["pool"] is None
    assert drawn["knowledge"] == ["outside images"] and drawn["images_added"] == 40
    replicated = {**GENERATED, "pool": {**POOL, "replicated_with_seed": True}}
    (row,) = payload(one(runs("drawn", 90, **replicated)))["rows"]
    assert row["pool"]["one_pool"] is False


def test_the_table_says_what_its_rows_share(table: Table) -> None:
    found = payload(table)
    assert found["schema"] == "leaderboard/1" and found["title"] == "shapes: short"
    assert found["key"]["dataset"] == "shapes" and found["key"]["split_rule"] == "r1"
    assert found["setting"]["seeds"] == [0, 1, 2, 3] and found["setting"]["recipe"] == {"lr": 0.1}
    assert "Dunnett" in found["tests"]["reference"]


def test_verified_rows_are_those_whose_every_run_was_recomputed() -> None:
    records = [*runs("all", 60), *runs("some", 60)]
    runs_ = {(record.experiment.hash, record.seed) for record in records}
    (table,) = build(records, recomputed=runs_ - {("h-some", 2)})
    found = {row["method"]: row["verified"] for row in payload(table)["rows"]}
    assert found == {"all": "recomputed", "some": "stated"}


def test_shares_have_six_decimals_and_no_negative_zero() -> None:
    assert json_table.share(None) is None
    assert json_table.share(1 / 3) == 0.333333
    assert str(json_table.share(-1e-9)) == "0.0"


def test_leaderboards_are_made_without_torch() -> None:
    heavy = ("torch", "hydra", "timm", "diffusers", "matplotlib")
    code = f"import sys; from benchmark import api; print([n for n in {heavy} if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout == "[]\n", done.stderr
