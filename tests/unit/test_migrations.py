"""Older forms of records: recognised, migrated by pure functions, refused when newer."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from benchmark.errors import IntegrityError
from benchmark.recording import checking, migrations, records
from benchmark.recording.migrations import MIGRATIONS, NEWEST, form_of, migrate
from benchmark.recording.record_models import SCHEMA
from tests.fixtures.records import make_record

# a record of the first leaderboard, as it was committed
OLD = Path(__file__).parents[1] / "fixtures" / "record_0.json"


def old() -> dict[str, Any]:
    return dict(json.loads(OLD.read_text(encoding="utf-8")))


def test_the_fixture_is_of_the_first_form() -> None:
    value = old()
    assert value["schema"] == "record/1" and form_of(value) == 0
    assert "protocol" not in value["budget"] and "shared" not in value["stages"][0]
    assert "known" not in value["cost"]["generation"] and "search" not in value


def test_an_old_record_loads_as_the_newest_form() -> None:
    found = records.load(OLD)
    assert found.schema_version == SCHEMA and found.search is None
    assert (found.budget.protocol, found.budget.limit) == ("iso_image", None)
    assert found.budget.cut_rule == "subset_order"
    assert [stage.shared for stage in found.stages] == [False]
    cost = found.cost.generation
    assert cost is not None and cost.known and cost.fit_network_calls == 0
    # written again it is a record of the newest form that says the same
    again = json.loads(records.dumps(found))
    assert form_of(again) == NEWEST and records.loads(json.dumps(again)) == found


def test_a_migration_adds_what_was_not_said_and_changes_nothing_else() -> None:
    value = old()
    kept = copy.deepcopy(value)
    new = migrate(value)
    assert value == kept, "a migration is pure"

    def within(part: Any, whole: Any) -> bool:
        if isinstance(part, dict):
            return all(key in whole and within(part[key], whole[key]) for key in part)
        if isinstance(part, list):
            return len(part) == len(whole) and all(map(within, part, whole))
        return bool(part == whole)

    assert new.pop("schema") == SCHEMA and value.pop("schema") == "record/1"
    assert within(value, new) and not within(new, value)
    assert migrate(new | {"schema": SCHEMA}) == new | {"schema": SCHEMA}


def test_there_is_one_migration_from_every_older_form() -> None:
    assert list(MIGRATIONS) == list(range(NEWEST))
    for form, step in MIGRATIONS.items():
        assert form_of(step({"schema": f"record/{form}"})) == form + 1


def test_blocks_that_are_none_are_left_to_validation() -> None:
    for part in ({"budget": 3}, {"stages": 3}, {"stages": [3]}, {"cost": []}, {}):
        with pytest.raises(IntegrityError, match="delete it and run again"):
            records.loads(json.dumps({"schema": "record/0", **part}))


def test_a_record_of_form_1_was_made_by_one_process() -> None:
    value = json.loads(records.dumps(make_record())) | {"schema": "record/1"}
    for name in ("processes", "pieces"):
        del value["cost"]["training"][name]
    del value["environment"]["instructions"]
    kept = copy.deepcopy(value)
    found = records.loads(json.dumps(value))
    assert (found.cost.training.processes, found.cost.training.pieces) == (1, 1)
    assert found.environment.instructions is None and found == make_record()
    migrate(value)
    assert value == kept, "a migration is pure"


def test_a_newer_form_says_to_update(tmp_path: Path) -> None:
    value = json.loads(records.dumps(make_record())) | {"schema": "record/3", "later": 1}
    path = tmp_path / "record.json"
    path.write_text(json.dumps(value))
    with pytest.raises(IntegrityError) as caught:
        records.load(path)
    assert str(caught.value) == (
        f"Expected schema 'record/2' or older, but got 'record/3' [{path}]; it was made by a newer "
        "version; update: pip install --upgrade synaug-bench, or git pull in a checkout"
    )


@pytest.mark.parametrize(
    "schema", [None, 1, "record", "record/", "record/x", "record/-1", "record/٣", "other/1"]
)
def test_what_is_no_record_is_refused(schema: object) -> None:
    assert form_of({"schema": schema}) is None
    with pytest.raises(IntegrityError, match="Expected schema 'record/2', but got"):
        records.loads(json.dumps({"schema": schema}))
    assert form_of([]) is None and form_of("record/1") is None


def test_check_records_counts_older_forms(tmp_path: Path) -> None:
    records.save(tmp_path / "new" / "record.json", make_record())
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "record.json").write_bytes(OLD.read_bytes())
    found = checking.check_records(tmp_path)
    assert (found.valid, found.migrated, found.problems) == (2, 1, ())


def test_the_module_knows_the_number_in_the_schema() -> None:
    assert f"record/{migrations.NEWEST}" == SCHEMA
