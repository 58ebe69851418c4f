"""Bad input: one line that says what, where and what next, the right exit code, nothing lost."""

import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.fixtures.mistakes import CE, FEW, KINDS, SHORT, Bench, Kind, bench, full, run, run_folder

# written by every command that gets far enough, and said to be so
OWN_NOTES = ("error.json", ".lock", "file-hashes.json", "contact_sheet.png")


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Bench]:
    with bench(tmp_path) as found:
        yield found


def files(folder: Path) -> dict[str, str]:
    """Every file below a folder with its hash."""
    paths = [path for path in folder.rglob("*") if path.is_file() and path.name not in OWN_NOTES]
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in paths
    }


def error_line(err: str) -> str:
    """The one line that begins with "error:", which must be the last."""
    lines = err.splitlines()
    assert [line for line in lines if line.startswith("error:")] == lines[-1:], err
    assert "Traceback" not in err
    return lines[-1]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_bad_input_is_one_line_its_code_and_no_loss(kind: Kind, work: Bench) -> None:
    kind.around(work)
    before = files(work.folder)
    found = work.call(*kind.args)
    line = error_line(found.err)
    assert found.code == kind.code, line
    for part in kind.parts:
        assert part in line
    assert "; " in line, "says what to do next"
    after = files(work.folder)
    assert before.items() <= after.items()
    if kind.early:
        made = [name for name in after.keys() - before.keys() if name.endswith((".png", ".csv"))]
        assert made == [], "it could have been said before any work"


def test_every_kind_has_a_name_of_its_own_and_a_row_in_the_documentation() -> None:
    names = [kind.name for kind in KINDS]
    assert len(set(names)) == len(names) >= 24
    rows = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8").splitlines()
    listed = {row.split(" | ")[0].removeprefix("| "): row for row in rows if row.startswith("| ")}
    for kind in KINDS:
        assert listed[kind.name].endswith(f"| {kind.code} |"), "run: python -m tests.error_table"


def test_a_beta_below_a_real_count_is_a_note_and_the_run_goes_on(work: Bench) -> None:
    words = ("method=t2i", "budget=uniform", "budget.amount=2", "generator.steps=2")
    found = work.call(*run(*words))
    assert found.code == 0, found.err
    note = r"^note +[1-9] of 10 classes lose \d+ real images to uniform\(2\)$"
    assert re.search(note, found.err, re.MULTILINE), found.err


def test_a_full_disk_keeps_drawn_images_and_the_next_run_draws_the_rest(work: Bench) -> None:
    few = ("method=t2i", "budget=add", "budget.amount=2", "generator.steps=2")
    words = run(*few, "generator.batch_size=4")
    with pytest.MonkeyPatch.context() as patch:
        calls = [0]
        sync = os.fsync

        def fill(handle: int) -> None:
            calls[0] += 1
            if calls[0] > 30:
                raise OSError(28, "No space left on device")
            sync(handle)

        patch.setattr(os, "fsync", fill)
        found = work.call(*words)
    assert found.code == 5
    assert "The disk is full" in error_line(found.err)
    drawn = {path: path.stat().st_mtime_ns for path in work.cache.rglob("images/**/*.png")}
    assert 4 <= len(drawn) < 20
    work.done(*words)
    kept = [path for path, when in drawn.items() if path.stat().st_mtime_ns == when]
    assert len(kept) >= len(drawn) - 4
    assert len(list(work.cache.rglob("images/**/*.png"))) == 20


def test_after_a_full_disk_the_run_is_repeated_and_its_error_forgotten(work: Bench) -> None:
    with bench(work.folder) as broken:
        full("record.json")(broken)
        assert broken.call(*CE).code == 5
    folder = run_folder(CE)
    assert (folder / "error.json").exists()
    work.done(*CE)
    assert (folder / "record.json").exists()
    assert not (folder / "error.json").exists()


@pytest.mark.parametrize("damage", ["cut", "missing"])
def test_damaged_pool_images_are_drawn_again_without_a_word(work: Bench, damage: str) -> None:
    work.done("generate", *FEW)
    path = next((work.cache / "pools").rglob("images/**/*.png"))
    whole = path.read_bytes()
    if damage == "cut":
        path.write_bytes(whole[:50])
    else:
        path.unlink()
    found = work.call("run", *FEW)
    assert found.code == 0, found.err
    assert "error" not in found.err
    assert path.read_bytes() == whole


def test_a_repeated_run_keeps_the_old_record_until_the_new_one_is_there(work: Bench) -> None:
    work.done("run", *FEW)
    path = run_folder(("run", *FEW)) / "record.json"
    before = path.read_bytes()
    again = ("run", *FEW, "on_existing=rerun")
    assert work.call(*again, "device=cpu", "generator.batch_size=0").code == 2
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "benchmark.experiments.runner.train",
            lambda _job: (_ for _ in ()).throw(KeyboardInterrupt),
        )
        found = work.call(*again)
    assert found.code == 130
    assert found.err.splitlines()[-1] == "interrupted; run the same command again to continue"
    assert path.read_bytes() == before
    work.done(*again)
    assert path.read_bytes() != before


def test_a_failing_job_of_a_sweep_lets_the_others_go_on(work: Bench) -> None:
    words = ("-m", "method=ce,ldam", *SHORT)
    with pytest.MonkeyPatch.context() as patch:
        from benchmark.experiments import runner

        whole = runner.run_experiment

        def failing(experiment: object) -> object:
            if getattr(experiment, "label", "") == "ce":
                full("record.json")(Bench(work.folder, patch, work.close))
            else:
                patch.undo()
            return whole(experiment)  # type: ignore[arg-type]

        patch.setattr(runner, "run_experiment", failing)
        found = work.call("run", *words)
    assert found.code == 5
    assert found.err.count("error:") == 1
    assert len(list(work.runs.rglob("record.json"))) == 1


def test_a_bug_inside_a_run_is_called_one(work: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def oops(_job: object) -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr("benchmark.experiments.runner.train", oops)
    found = work.call(*CE)
    assert found.code == 70
    assert "ZeroDivisionError: oops" in found.err
    assert found.err.splitlines()[-1].startswith("error: this is a bug")


def test_a_finished_run_needs_neither_weights_nor_a_sound_cache(work: Bench) -> None:
    work.done("run", *FEW)
    (work.cache / "pools").rename(work.cache / "elsewhere")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("benchmark.generation.diffusers_adapter.DiffusersGenerator.check", None)
        found = work.call("run", *FEW)
    assert found.code == 0, found.err
    assert "already finished" in found.err


def test_status_while_a_run_starts_does_not_stop_it(work: Bench) -> None:
    import threading

    import filelock

    folder = run_folder(CE)
    folder.mkdir(parents=True)
    lock = filelock.FileLock(folder / ".lock", thread_local=False)
    lock.acquire()
    timer = threading.Timer(0.5, lock.release)
    timer.start()
    work.done(*CE)
    timer.join()
