"""Tier 1: records, tables, groups and the log of accepted changes in a small repository."""

import json
import subprocess
from pathlib import Path

import pytest

from benchmark import api
from benchmark.errors import UsageError
from benchmark.regression.accept import Asked, accept
from benchmark.regression.accepted import log_path
from benchmark.regression.boards import check_boards, unaccepted
from benchmark.regression.policy import read_policy
from tests.fixtures.regression import NEW, board, write_run, write_runs

HITS = (60, 61, 62, 61, 60)
RECORDS = Path("leaderboards/records")


def git(*words: str) -> None:
    who = ("-c", "user.name=test", "-c", "user.email=test@localhost")
    subprocess.run(("git", *who, *words), check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A committed reference with its tables; the current folder."""
    monkeypatch.chdir(tmp_path)
    board(tmp_path)
    api.report()
    git("init", "-q")
    git("add", "-A")
    git("commit", "-q", "-m", "reference")
    return tmp_path


def write(root: Path, hits: tuple[int, ...] = HITS, commit: str = "a" * 40) -> None:
    write_runs(root, hits, commit)


def test_a_reference_and_its_tables_agree(repository: Path) -> None:
    problems, said = check_boards("HEAD")
    assert problems == []
    assert said.startswith("5 records recomputed")


def test_a_table_edited_by_hand_is_found(repository: Path) -> None:
    table = next(Path("leaderboards/tables").glob("shapes*.md"))
    table.write_text(table.read_text() + "\n")
    problems, _ = check_boards()
    assert problems == [f"{table}: differs from what the records give"]


def test_altered_predictions_are_found(repository: Path) -> None:
    first, second = sorted(RECORDS.rglob("preds.npz"))[:2]
    first.write_bytes(second.read_bytes())
    assert "predictions.sha256" in check_boards()[0][0]


def test_missing_predictions_are_found(repository: Path) -> None:
    next(RECORDS.rglob("preds.npz")).unlink()
    assert check_boards()[0] == ["leaderboards: 1 records have no predictions beside them"]


def test_seeds_that_trained_alike_are_found(repository: Path) -> None:
    write_runs(RECORDS, HITS, final_weights_sha256="d" * 64)
    api.report()
    problems, _ = check_boards()
    assert len(problems) == 4 and "same ones at seeds 0 and 1" in problems[0]


def test_groups_that_counts_do_not_give_are_found(repository: Path) -> None:
    counts = (120, 21, 8, 2)
    changed = {"dataset__counts_real": counts, "dataset__counts_train": counts,
               "budget__keep": counts, "dataset__n_train": sum(counts)}  # fmt: skip
    write_run(RECORDS, (80, 60, 40, 30), 4, **changed)
    api.report()
    problems, _ = check_boards()
    assert len(problems) == 1 and "seed 4: its shot groups are not what le20 says" in problems[0]


def test_numbers_that_move_need_a_line_in_the_log(repository: Path) -> None:
    write(RECORDS, (61, 61, 62, 61, 60))
    (line,) = unaccepted(RECORDS, "HEAD")
    assert line.startswith("abc123def456: its numbers changed") and "accept --reason" in line


def test_a_removed_seed_needs_one_too(repository: Path) -> None:
    next(RECORDS.rglob("s4/record.json")).unlink()
    assert len(unaccepted(RECORDS, "HEAD")) == 1


def test_new_seeds_experiments_and_fields_need_none(repository: Path) -> None:
    write_run(RECORDS, (80, 60, 40, 30), 5)
    write_runs(RECORDS, HITS, experiment__hash="fedcba987654", experiment__label="other")
    path = next(RECORDS.rglob("s0/record.json"))
    path.write_text(json.dumps(json.loads(path.read_text()) | {"resumed": 1}))
    assert unaccepted(RECORDS, "HEAD") == []


def test_an_accepted_move_is_fine_and_stays_so(repository: Path) -> None:
    write(Path("runs"), HITS, NEW)
    policy = read_policy(Path("leaderboards/regression.yaml"))
    accept(Asked(RECORDS, Path("runs"), ("plain",), "a reason"), policy)
    api.report()
    assert check_boards("HEAD")[0] == []
    write(RECORDS, (70, 61, 62, 61, 60), NEW)
    api.report()
    (line,) = check_boards()[0]
    assert "not what was accepted last" in line


def test_lines_of_the_log_are_never_rewritten(repository: Path) -> None:
    log = log_path(RECORDS)
    log.write_text('{"hash": "a"}\n')
    git("add", "-A")
    git("commit", "-q", "-m", "log")
    log.write_text('{"hash": "b"}\n')
    assert "it only grows" in unaccepted(RECORDS, "HEAD")[0]


def test_an_unknown_commit_is_refused(repository: Path) -> None:
    with pytest.raises(UsageError, match=r"Expected a commit.*--since origin/main"):
        unaccepted(RECORDS, "nowhere")


def test_outside_a_repository_it_is_refused(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(UsageError, match="Expected a commit"):
        unaccepted(RECORDS, "HEAD")
