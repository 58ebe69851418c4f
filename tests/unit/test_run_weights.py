"""A run keeps its network beside its record, and never at the cost of the record."""

import errno
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmark import api
from benchmark.publishing.network import read_network
from benchmark.recording import records
from benchmark.recording.weights_file import WEIGHTS

WORDS = ("dataset=digitslt", "method=ce", "recipe.steps.amount=2", "progress=false")


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Path]:
    """Run on digits for two steps; returns the run's folder."""

    def call(*words: str) -> Path:
        record = api.run(*WORDS, f"out={tmp_path / 'runs'}", *words)
        (path,) = (tmp_path / "runs").rglob(f"{record.experiment.hash}/s*/record.json")
        return path.parent

    return call


def test_the_weights_are_those_of_the_record(run) -> None:
    folder = run()
    record = records.load(folder / "record.json")
    _, plan = read_network(folder / WEIGHTS)
    assert plan.experiment == record.experiment.hash
    assert plan.trained_sha256 == record.final_weights_sha256 == plan.state_sha256
    assert plan.words == record.experiment.overrides
    assert (folder / WEIGHTS).stat().st_mtime_ns <= (folder / "record.json").stat().st_mtime_ns


def test_without_weights_the_record_is_the_same(run) -> None:
    first = records.load(run() / "record.json")
    folder = run("save_weights=false", "on_existing=rerun")
    again = records.load(folder / "record.json")
    assert not (folder / WEIGHTS).exists(), "those of the run before would be another's"
    assert again.experiment == first.experiment
    assert again.command == first.command and "save_weights" not in again.command
    assert again.final_weights_sha256 == first.final_weights_sha256


def test_a_full_disk_costs_the_weights_and_not_the_record(
    run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    names: dict[int, str] = {}
    make, sync = tempfile.mkstemp, os.fsync

    def mkstemp(**given: Any) -> tuple[int, str]:
        handle, name = make(**given)
        names[handle] = str(given["prefix"])
        return handle, name

    def fsync(handle: int) -> None:
        if WEIGHTS in names.pop(handle, ""):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(handle)

    monkeypatch.setattr(tempfile, "mkstemp", mkstemp)
    monkeypatch.setattr(os, "fsync", fsync)
    folder = run()
    assert records.verify(folder / "record.json") == []
    assert not list(folder.glob(f"*{WEIGHTS}*"))
    assert "the weights are not kept: The disk is full" in capsys.readouterr().err


def test_trials_of_a_search_keep_none(run, tmp_path: Path) -> None:
    words = ("method=ldam", "search_trials=2", "search_on=heldout")
    folder = run(*words)
    assert (folder / WEIGHTS).exists()
    assert len(list((tmp_path / "runs").rglob("record.json"))) == 3
    assert len(list((tmp_path / "runs").rglob(WEIGHTS))) == 1
    _, plan = read_network(folder / WEIGHTS)
    stated = records.load(folder / "record.json").method.stack
    assert plan.stack == stated, "the settings that were chosen"
