"""How the reference moves: what is refused, what is written, and what a kill leaves."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmark.errors import BenchError, DataError, IntegrityError, UsageError
from benchmark.recording import records
from benchmark.regression import accept as accepting
from benchmark.regression.accept import Asked, accept, drift
from benchmark.regression.accepted import Accepted, Means, append, log_path, of_experiment, read_log
from benchmark.regression.history import history
from benchmark.regression.policy import read_policy
from benchmark.regression.samples import read_runs
from benchmark.regression.swap import replace_folder, restore
from tests.fixtures.regression import NEW, board, write_run, write_runs

HASH = "abc123def456"
HITS = (60, 61, 62, 61, 60)


def given(tmp_path: Path, **changes: Any) -> tuple[Asked, Any]:
    reference, new, policy = board(tmp_path)
    values = {"names": (HASH,), "reason": "faster batches", **changes}
    return Asked(reference, new, **values), read_policy(policy)


def content(folder: Path) -> dict[str, bytes]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_equivalent_runs_replace_the_reference_and_are_logged(tmp_path: Path) -> None:
    asked, policy = given(tmp_path)
    write_runs(asked.new, HITS, NEW)
    (change,) = accept(asked, policy)
    assert content(asked.records) == content(asked.new)
    (line,) = log_path(asked.records).read_text().splitlines()
    assert json.loads(line) == change.model_dump()
    assert (change.git_sha, change.reason, change.really) == (NEW, "faster batches", False)
    assert change.created == "2026-01-02T00:00:04+00:00"
    assert change.old is not None and change.old.accuracy == change.new.accuracy
    assert not [path for path in asked.records.rglob("*") if path.name.startswith(".")]


def test_an_experiment_without_a_reference_is_added(tmp_path: Path) -> None:
    asked, policy = given(tmp_path, names=("fresh",))
    words = {"experiment__hash": "fedcba987654", "experiment__label": "fresh"}
    write_runs(asked.new, (50, 70, 60), NEW, **words)
    (change,) = accept(asked, policy)
    assert change.old is None
    assert set(read_runs(asked.records)) == {HASH, "fedcba987654"}


def test_all_seeds_go_together(tmp_path: Path) -> None:
    asked, policy = given(tmp_path)
    write_runs(asked.new, HITS[:3], NEW)
    accept(asked, policy)
    assert read_runs(asked.records)[HASH].seeds == [0, 1, 2]


@pytest.mark.parametrize(
    ("changes", "hits", "run", "error", "said"),
    [
        ({"reason": " "}, HITS, {}, UsageError, "Expected a reason.*--reason TEXT"),
        ({"names": ()}, HITS, {}, UsageError, "Expected experiments"),
        ({"names": ("plian",)}, HITS, {}, UsageError, "did you mean plain"),
        ({}, HITS[:2], {}, UsageError, "at least 3 seeds, but got 2"),
        ({}, HITS, {"environment__dirty": True}, UsageError, "seed 0 is of a changed state"),
        ({}, HITS, {"environment__git_sha": None}, UsageError, "seed 0 is of an unknown state"),
        ({}, HITS, {"final_weights_sha256": "e" * 64}, IntegrityError, "other weights at every"),
        ({}, (50, 51, 52, 51, 50), {}, BenchError, "moved by -10.00 points, verdict fail"),
        ({}, (70, 71, 72, 71, 70), {}, BenchError, r"moved by \+10.00 points.*--really"),
    ],
)
def test_what_is_refused_changes_nothing(
    changes: Any, hits: Any, run: Any, error: Any, said: str, tmp_path: Path
) -> None:
    asked, policy = given(tmp_path, **changes)
    write_runs(asked.new, hits, NEW, **run)
    before = content(asked.records.parent)
    with pytest.raises(error, match=said):
        accept(asked, policy)
    assert content(asked.records.parent) == before


def test_runs_of_two_commits_are_refused(tmp_path: Path) -> None:
    asked, policy = given(tmp_path)
    write_runs(asked.new, HITS[:4], NEW)
    write_run(asked.new, (80, 60, 40, 30), 4, "c" * 40)
    with pytest.raises(UsageError, match="one commit, but got bbbbbbbbbb, cccccccccc"):
        accept(asked, policy)


def test_altered_predictions_are_refused(tmp_path: Path) -> None:
    asked, policy = given(tmp_path)
    write_runs(asked.new, HITS, NEW)
    first, second = sorted(asked.new.rglob("preds.npz"))[:2]
    first.write_bytes(second.read_bytes())
    with pytest.raises(IntegrityError, match=r"predictions\.sha256.*seed 0"):
        accept(asked, policy)


def test_the_references_own_records_are_not_new(tmp_path: Path) -> None:
    asked, policy = given(tmp_path)
    write_runs(asked.new, HITS)
    with pytest.raises(UsageError, match="Unknown experiment"):
        accept(asked, policy)


def test_really_accepts_what_is_not_equivalent(tmp_path: Path) -> None:
    asked, policy = given(tmp_path, really=True)
    write_runs(asked.new, (50, 51, 52, 51, 50), NEW)
    (change,) = accept(asked, policy)
    assert change.really
    assert content(asked.records) == content(asked.new)


def line(old: float | None, new: float, **changes: Any) -> Accepted:
    def means(value: float) -> Means:
        return Means(n=3, accuracy=value, few=None, ece=0.1)

    values = {
        "hash": HASH, "label": "plain", "dataset": "shapes", "old": means(old) if old else None,
        "new": means(new), "reason": "r", "git_sha": NEW, "created": "2026-01-02T00:00:00+00:00",
    } | changes  # fmt: skip
    return Accepted(**values)


def test_changes_add_up_from_the_first_reference_on() -> None:
    log = [line(0.7, 0.69), line(None, 0.6), line(0.6, 0.595), line(0.595, 0.58), line(0.1, 0.9)]
    log[-1] = line(0.1, 0.9, hash="other")
    past = of_experiment(log, HASH)
    assert len(past) == 3
    assert drift(past, "accuracy") == pytest.approx(-0.02)
    assert drift(past, "few") is None
    meant = [*past, line(0.58, 0.5, really=True)]
    assert drift(meant, "accuracy") is None
    assert drift([*meant, line(0.5, 0.51)], "accuracy") == pytest.approx(0.01)


def test_what_adds_up_is_what_was_compared() -> None:
    paired = line(0.7, 0.72, moved={"accuracy": 0.001})
    assert drift([paired, line(0.72, 0.71)], "accuracy") == pytest.approx(-0.009)


def test_the_first_seeds_again_are_no_change(tmp_path: Path) -> None:
    asked, policy = given(tmp_path)
    write_runs(asked.new, HITS[:3], NEW)
    (change,) = accept(asked, policy)
    assert change.old is not None and change.old.accuracy != change.new.accuracy
    assert change.change("accuracy") == 0


def test_a_history_begins_anew_with_the_reference(tmp_path: Path) -> None:
    asked, policy = given(tmp_path)
    append(log_path(asked.records), [line(0.7, 0.6), line(None, 0.6), line(0.6, 0.595)])
    assert "beyond the margin" not in history(asked.records, policy, None).splitlines()[-2]


def test_small_losses_are_refused_once_they_add_up(tmp_path: Path) -> None:
    asked, policy = given(tmp_path)
    append(log_path(asked.records), [line(0.6, 0.595)])
    write_runs(asked.new, HITS, NEW)
    accept(asked, policy)
    append(log_path(asked.records), [line(0.6, 0.594)])
    write_runs(asked.new, HITS, "c" * 40)
    with pytest.raises(BenchError, match=r"drift of less than 1 points.*moved by -1\.10"):
        accept(asked, policy)
    shown = history(asked.records, policy, None)
    assert "accuracy -1.10 beyond the margin" in shown
    assert shown.count("faster batches") == 1


def test_a_history_without_changes_says_so(tmp_path: Path) -> None:
    asked, policy = given(tmp_path)
    assert "has not moved" in history(asked.records, policy, None)


@pytest.mark.parametrize("text", ["{", '{"hash": "a"}', "[]"])
def test_a_broken_log_is_named_with_its_line(text: str, tmp_path: Path) -> None:
    path = tmp_path / "accepted.jsonl"
    append(path, [line(None, 0.6)])
    path.write_text(path.read_text() + text + "\n")
    with pytest.raises(IntegrityError, match=r"accepted\.jsonl:2"):
        read_log(path)


def test_a_broken_new_record_stops_everything(tmp_path: Path) -> None:
    asked, policy = given(tmp_path)
    write_runs(asked.new, HITS, NEW)
    next(asked.new.rglob("record.json")).write_text("{")
    with pytest.raises(IntegrityError, match="valid JSON"):
        accept(asked, policy)


def test_without_new_runs_the_folder_is_named(tmp_path: Path) -> None:
    asked, policy = given(tmp_path)
    with pytest.raises(DataError, match="Expected a folder of records"):
        accept(asked, policy)


class Killed(BaseException):
    """Stands for a process that ends at once."""


@pytest.mark.parametrize("at", ["old", "experiment"])
def test_a_kill_between_the_renames_is_put_right(at: str, tmp_path: Path, monkeypatch) -> None:
    """Killed before the old folder is aside, and after it but before the new one is in place."""
    target = tmp_path / "experiment"
    replace_folder(target, {"s0/record.json": b"old", "s1/record.json": b"old"})
    rename = Path.rename

    def stop(self: Path, to: Path) -> Path:
        if (to.name == f".{target.name}.old") == (at == "old"):
            raise Killed
        return rename(self, to)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", stop)
        with pytest.raises(Killed):
            replace_folder(target, {"s0/record.json": b"new"})
    restore(target)
    assert content(tmp_path) == {f"experiment/s{seed}/record.json": b"old" for seed in (0, 1)}
    replace_folder(target, {"s0/record.json": b"new"})
    assert content(tmp_path) == {"experiment/s0/record.json": b"new"}


def test_rests_of_a_finished_swap_go(tmp_path: Path) -> None:
    target = tmp_path / "experiment"
    replace_folder(target, {"a": b"new"})
    replace_folder(tmp_path / ".experiment.old", {"a": b"old"})
    restore(target)
    assert content(tmp_path) == {"experiment/a": b"new"}


def test_accepting_twice_changes_nothing_more(tmp_path: Path) -> None:
    asked, policy = given(tmp_path)
    write_runs(asked.new, HITS, NEW)
    accept(asked, policy)
    after = content(asked.records.parent)
    with pytest.raises(UsageError):
        accept(asked, policy)
    assert content(asked.records.parent) == after
    assert all(records.verify(path) == [] for path in asked.records.rglob("record.json"))
    assert accepting.MIN_SEEDS == 3
