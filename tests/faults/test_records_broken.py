"""Records that were cut, altered by hand, or hold what they must not."""

import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from benchmark.errors import DataError, IntegrityError, StorageError
from benchmark.recording import records
from tests.fixtures.records import make_record

TEXT = records.dumps(make_record())
Change = Callable[[dict[str, Any]], object]


@settings(max_examples=80, deadline=None)
@given(st.integers(0, len(TEXT) - 3))
def test_a_truncated_record_is_refused(length: int) -> None:
    with pytest.raises(IntegrityError, match="Expected valid JSON"):
        records.loads(TEXT[:length])


CHANGES: list[tuple[Change, str]] = [
    (lambda v: v.update(surprise=1), "surprise: Extra inputs are not permitted"),
    (lambda v: v["dataset"]["split"].update(x=1), "dataset.split.x: Extra inputs"),
    (lambda v: v["metrics"].update(extra=1), "metrics.extra: .*(unexpected|Extra|Unexpected)"),
    (lambda v: v.update(cost={"generation": {"typo": 1}}), "typo"),
    (lambda v: v.pop("seed"), "seed: Field required"),
    (lambda v: v.pop("pool"), "pool: Field required"),
    (lambda v: v.update(seed="0"), "seed: Input should be a valid integer, but got '0'"),
    (lambda v: v.update(seed=True), "seed: Input should be a valid integer"),
    (lambda v: v.update(schema="report/1"), "Expected schema 'record/2', but got 'report/1'"),
    (lambda v: v.pop("schema"), "Expected schema 'record/2', but got None"),
    (lambda v: v["metrics"].update(accuracy=0.51), "Expected metrics.accuracy 0.5, but got 0.51"),
    (lambda v: v["metrics"].update(ece=1.5), "metrics.ece: Input should be less than or equal"),
    (lambda v: v["metrics"].update(nll=-0.1), "metrics.nll: Input should be greater"),
    (
        lambda v: v["metrics"]["groups"]["le20"].update(few=0.9),
        "Expected metrics.groups.le20.few 0.36",
    ),
    (
        lambda v: v["metrics"]["per_class"].update(correct=[101, 60, 30, 9]),
        r"Expected metrics.per_class.correct\[0\] of at most 100, but got 101",
    ),
]


@pytest.mark.parametrize(("change", "message"), CHANGES)
def test_an_altered_record_names_its_first_problem(
    tmp_path: Path, change: Change, message: str
) -> None:
    value = json.loads(TEXT)
    change(value)
    path = tmp_path / "record.json"
    path.write_text(json.dumps(value))
    with pytest.raises(IntegrityError, match=message) as caught:
        records.load(path)
    assert str(path) in str(caught.value) and "delete it and run again" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
@pytest.mark.parametrize("key", ['"seconds": 12.5', '"ece": ', '"lr": 0.1'])
def test_nan_and_infinity_are_refused_everywhere(constant: str, key: str) -> None:
    name = key.split(":")[0]
    head, tail = TEXT.split(name + ": ", 1)
    rest = tail[min(i for i in (tail.find(","), tail.find("}")) if i >= 0) :]
    with pytest.raises(IntegrityError, match="Expected valid JSON, but got the constant"):
        records.loads(f"{head}{name}: {constant}{rest}")


def test_a_number_too_large_for_a_float_is_refused() -> None:
    with pytest.raises(IntegrityError):
        records.loads(TEXT.replace('"seconds": 12.5', '"seconds": 1e999'))


def test_nan_is_refused_on_save_and_the_old_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    records.save(path, make_record())
    before = path.read_bytes()
    good = make_record()
    broken = type(good.metrics)(**{**vars(good.metrics), "ece": math.nan})
    with pytest.raises(IntegrityError):
        records.save(path, good.model_copy(update={"metrics": broken}))
    with pytest.raises(ValidationError, match="finite"):
        make_record(experiment__config={"lr": math.nan})
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["record.json"]


@pytest.mark.parametrize("content", [b"", b"[]", b"null", b"\xff\xfe", b"[" * 100_000])
def test_files_that_are_no_records(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "record.json"
    path.write_bytes(content)
    with pytest.raises(IntegrityError, match="Expected"):
        records.load(path)


def test_missing_record(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="Expected a record, but got No such file"):
        records.load(tmp_path / "record.json")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_folder_without_permission(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(StorageError, match="permission was denied"):
        records.save(tmp_path / "record.json", make_record())


def test_a_full_disk_leaves_no_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="The disk is full"):
        records.save(tmp_path / "record.json", make_record())
    assert list(tmp_path.iterdir()) == []
