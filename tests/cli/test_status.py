"""The states of run folders."""

import json
from pathlib import Path

import filelock
import pytest

from benchmark.errors import DataError
from benchmark.experiments.status import runs, status
from benchmark.verbs import cli


def _run(out: Path, seed: int, **files: str) -> Path:
    folder = out / "digitslt" / "ce" / "0123456789ab" / f"s{seed}"
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)
    return folder


RECORD = json.dumps({"metrics": {"accuracy": 0.815}, "cost": {"training": {"seconds": 12.3}}})


def test_every_state_is_told_apart(tmp_path: Path) -> None:
    _run(tmp_path, 0, record__json=RECORD)
    _run(tmp_path, 1, checkpoint__pt="")
    _run(tmp_path, 2, error__json=json.dumps({"error": "The disk is full", "exit_code": 5}))
    _run(tmp_path, 3)
    busy = _run(tmp_path, 4, checkpoint__pt="")
    with filelock.FileLock(busy / ".lock"):
        found = {run.seed: (run.state, run.detail) for run in runs(tmp_path)}
    assert found == {
        "0": ("finished", "81.5 % in 12.3 s"),
        "1": ("interrupted", ""),
        "2": ("failed", "The disk is full"),
        "3": ("started", ""),
        "4": ("running", ""),
    }


def test_looking_does_not_disturb_a_run(tmp_path: Path) -> None:
    folder = _run(tmp_path, 0, checkpoint__pt="")
    before = sorted(folder.iterdir())
    runs(tmp_path)
    assert sorted(folder.iterdir()) == before


def test_a_finished_record_wins_over_leftovers(tmp_path: Path) -> None:
    _run(tmp_path, 0, record__json=RECORD, checkpoint__pt="", error__json="{}", __lock="")
    assert [run.state for run in runs(tmp_path)] == ["finished"]


def test_a_broken_record_is_named_not_fatal(tmp_path: Path) -> None:
    _run(tmp_path, 0, record__json='{"metrics":')
    assert "cannot be read" in runs(tmp_path)[0].detail


def test_the_table_counts_states(tmp_path: Path) -> None:
    _run(tmp_path, 0, record__json=RECORD)
    _run(tmp_path, 1, checkpoint__pt="")
    text = status(tmp_path)
    assert "1 finished, 1 interrupted" in text
    assert "goes on where it stopped" in text


def test_an_empty_folder_has_no_run(tmp_path: Path) -> None:
    assert status(tmp_path) == f"no run in {tmp_path}"


def test_a_missing_folder_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="python -m benchmark run"):
        status(tmp_path / "none")


def test_ls_runs_is_status(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _run(tmp_path, 0, record__json=RECORD)
    assert cli.main(["ls", "runs", "--out", str(tmp_path)]) == 0
    listed = capsys.readouterr().out
    assert cli.main(["status", "--out", str(tmp_path)]) == 0
    assert capsys.readouterr().out == listed
