"""Records: round trips, field order, ranges and sums across fields."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from benchmark.errors import IntegrityError
from benchmark.generation.cost import GenerationCost
from benchmark.recording import records
from benchmark.recording.record_models import Record
from benchmark.statistics.metrics import save_predictions
from benchmark.system.files import sha256_file
from tests.fixtures.records import make_predictions, make_record

COST = GenerationCost(candidates=5, accepted=4, network_calls_measured=9, knowledge=("a", "b"))


def test_round_trip(tmp_path: Path) -> None:
    record = make_record(cost__generation=COST)
    records.save(tmp_path / "deep" / "record.json", record)
    again = records.load(tmp_path / "deep" / "record.json")
    assert again == record
    assert again.cost.generation == COST
    assert records.dumps(again) == records.dumps(record)


def test_text_has_schema_order_and_short_lists_on_one_line() -> None:
    text = records.dumps(make_record())
    value = json.loads(text)
    names = [field.alias or name for name, field in Record.model_fields.items()]
    assert list(value) == names and names[0] == "schema"
    assert '"counts_real": [100, 20, 8, 2]' in text
    assert text.endswith("}\n")


def test_key_order_of_plain_settings_does_not_matter() -> None:
    first = make_record(experiment__config={"b": {"y": 1, "x": 2}, "a": 1})
    second = make_record(experiment__config={"a": 1, "b": {"x": 2, "y": 1}})
    assert records.dumps(first) == records.dumps(second)


def test_order_of_conventions_is_kept() -> None:
    again = records.loads(records.dumps(make_record()))
    assert list(again.dataset.conventions) == ["lt20", "le20"]


def test_record_is_frozen() -> None:
    with pytest.raises(ValidationError):
        make_record().seed = 3  # type: ignore[misc]


INCONSISTENT: list[tuple[dict[str, Any], str]] = [
    ({"dataset__n_train": 131}, "Expected dataset.n_train 130, but got 131"),
    ({"dataset__test_n": 399}, "Expected dataset.test_n 400, but got 399"),
    ({"dataset__counts_real": (1, 2)}, "Expected dataset.counts_real of 4 classes, but got 2"),
    ({"budget__add": (1, 0, 0, 0)}, "Expected dataset.counts_train keep"),
    (
        {"dataset__conventions": {"le20": ("many",) * 4, "lt20": ("many",) * 4}},
        "Expected metrics.groups",
    ),
    (
        {"dataset__conventions": {"lt20": ("few",) * 4, "le20": ("few",) * 4}},
        "Expected metrics.groups.lt20.many None, but got 0.9",
    ),
]


@pytest.mark.parametrize(("changes", "message"), INCONSISTENT)
def test_fields_must_agree(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        make_record(**changes)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("resumed", -1),
        ("created", "yesterday"),
        ("created", "2026-01-02T03:04:05+02:00"),
        ("selection", "test"),
        ("status", "failed"),
        ("predictions__file", "../preds.npz"),
        ("predictions__sha256", "abc"),
        ("method__track", "fake"),
        ("experiment__label", ""),
        ("cost__training__seconds", float("nan")),
        ("cost__training__input_share", 1.5),
        ("dataset__conventions", {}),
        ("dataset__design", "random"),
    ],
)
def test_impossible_values_are_refused(path: str, value: object) -> None:
    with pytest.raises(ValidationError):
        make_record(**{path: value})


def test_selection_on_validation_rows_may_carve_from_training() -> None:
    changes = {"dataset__counts_train": (90, 18, 8, 2), "dataset__n_train": 118}
    assert make_record(selection="val", **changes).dataset.n_train == 118


def test_recompute_agrees_and_finds_what_was_altered() -> None:
    record = make_record()
    predictions = make_predictions((90, 60, 30, 20), 100)
    assert records.recompute(record, predictions) == []
    altered = record.model_copy(
        update={"metrics": type(record.metrics)(**{**vars(record.metrics), "ece": 0.5})}
    )
    found = records.recompute(altered, predictions)
    assert len(found) == 1 and found[0].startswith("metrics.ece: recorded 0.5, recomputed 0.")


def test_recompute_names_every_metric_of_other_predictions() -> None:
    found = records.recompute(make_record(), make_predictions((90, 60, 30, 21), 100))
    assert "metrics.per_class.correct[3]: recorded 20, recomputed 21" in found
    assert any(line.startswith("metrics.groups.lt20.few") for line in found)


def test_verify_checks_file_and_metrics(tmp_path: Path) -> None:
    file, path = tmp_path / "preds.npz", tmp_path / "record.json"
    save_predictions(file, make_predictions((90, 60, 30, 20), 100))
    records.save(path, make_record(predictions__sha256=sha256_file(file)))
    assert records.verify(path) == []
    records.save(path, make_record())
    assert [line.split(":")[0] for line in records.verify(path)] == ["predictions.sha256"]


def test_find_yields_records_in_order_and_broken_ones_as_errors(tmp_path: Path) -> None:
    records.save(tmp_path / "b" / "record.json", make_record())
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "record.json").write_text("{")
    (tmp_path / "notes.txt").write_text("not a record")
    (tmp_path / "b" / "error.json").write_text("{}")
    (first, error), (second, record) = records.find(tmp_path)
    assert (first.parent.name, second.parent.name) == ("a", "b")
    assert isinstance(error, IntegrityError) and isinstance(record, Record)
    assert list(records.find(tmp_path / "absent")) == []


def test_generation_cost_is_stored_whole() -> None:
    value = json.loads(records.dumps(make_record(cost__generation=COST)))
    assert value["cost"]["generation"].keys() == asdict(COST).keys()
