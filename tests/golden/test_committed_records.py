"""Committed records: recomputable, reproducible by their own words, the tables' only source."""

from pathlib import Path

import pytest

from benchmark.errors import DataError
from benchmark.experiments.compose import settings
from benchmark.experiments.experiment import resolve
from benchmark.recording import records
from benchmark.recording.record_models import Record
from benchmark.regression.boards import check_boards

ROOT = Path(__file__).parents[2]
PATHS = sorted((ROOT / "leaderboards").rglob("record.json"))


def _first_seeds() -> list[Record]:
    found = {}
    for path in PATHS:
        record = records.load(path)
        found.setdefault(record.experiment.hash, record)
    return list(found.values())


def test_there_are_records() -> None:
    assert len(PATHS) > 50


def test_tier_1_finds_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every metric follows from the predictions, every table and page from the records."""
    monkeypatch.chdir(ROOT)
    problems, _ = check_boards()
    assert problems == []


@pytest.mark.parametrize("record", _first_seeds(), ids=lambda record: record.experiment.label)
def test_the_words_of_a_record_give_its_hash(record: Record) -> None:
    try:
        found = resolve(settings(record.experiment.overrides))
    except DataError as error:
        # the counts of one's own images stand with them; no other record may hide behind this
        assert record.experiment.config["dataset"]["kind"] == "listed"
        pytest.skip(f"needs images: {error.problem}")
    assert found.hash == record.experiment.hash


def test_no_record_was_made_from_changed_code() -> None:
    assert [path for path in PATHS if records.load(path).environment.dirty is not False] == []
