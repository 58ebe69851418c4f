"""Grids whose runs fail, stop, or share the work: what can be run is run, exactly once."""

import html
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import filelock
import numpy as np
import pytest

from benchmark import api
from benchmark.errors import BenchError
from benchmark.experiments.compose import settings
from benchmark.experiments.experiment import resolve
from benchmark.grid.grid_run import plan
from benchmark.grid.grids import cells, load
from benchmark.recording import records
from benchmark.verbs import cli
from tests.conftest import ROOT
from tests.unit.test_data_sets import png, write_zip

SHORT = ("recipe.steps.unit=iterations", "recipe.steps.amount=2", "progress=false", "threads=1",
         "save_weights=false")  # fmt: skip
SMALL = ("grid=matrix", "columns=CE,mixup", "seeds=2", *SHORT)
NOWHERE = "method.webaug.source=./nowhere"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*words: str) -> int:
    return cli.main(["run", *words])


def found(folder: Path) -> list[Path]:
    return sorted(folder.rglob("record.json"))


def stamps(folder: Path) -> list[tuple[str, int]]:
    return [(str(path), path.stat().st_mtime_ns) for path in found(folder)]


# failures


def test_a_failing_cell_does_not_stop_the_others(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = (*SMALL, "rows=none,web images", NOWHERE)
    assert run(*words) == 3
    out, err = capsys.readouterr()
    assert len(found(here)) == 4
    # what one seed lacks the next lacks as well: an error a cell, not a run
    assert err.count("error: web images / ") == 2
    assert "error: web images / CE, seed 0: Expected a folder, an archive" in err
    assert "grid matrix: 4 of 8 runs done, 2 failed, 2 missing" in out
    assert "failed: web images / CE and 1 more: Expected a folder" in out
    assert out.count("method=webaug") == 1 and "method.webaug.source=./nowhere seed=0,1" in out
    errors = [json.loads(path.read_text()) for path in here.rglob("error.json")]
    assert [error["exit_code"] for error in errors] == [3, 3]
    assert "Nothing can be told apart with fewer than 3 seeds" in out
    # again: what is done stays, what failed is tried again
    before = stamps(here)
    assert run(*words) == 3
    assert stamps(here) == before
    # without the cells that cannot be run nothing is missing
    assert run(*SMALL, "rows=none") == 0


def test_a_cell_that_failed_is_done_once_its_reason_is_gone(here: Path) -> None:
    words = ("grid=matrix", "rows=web images", "columns=CE", "seeds=1", *SHORT, NOWHERE)
    assert run(*words) == 3
    card = settings(["dataset=digitslt"]).dataset.card(0)
    for name in card.classes:
        (here / "nowhere" / name).mkdir(parents=True)
        for row in range(50):
            (here / "nowhere" / name / f"{row}.png").write_bytes(png(8))
    assert run(*words) == 0
    assert len(found(here)) == 1 and not list(here.rglob("error.json"))


def test_a_cell_that_cannot_be_composed_is_listed_and_the_others_run(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("grid=table2", "rows=CE,a", "seeds=1", "generator.steps=1", *SHORT)
    assert run(*words, "budget=add", "budget.amount=1") == 2
    out, err = capsys.readouterr()
    assert "skipped   CE: The budget adds 10 images, but no component supplies any" in err
    assert "cannot run: CE: The budget adds 10 images" in out
    assert len(found(here)) == 1


def test_a_run_that_another_process_is_at_is_left_to_it(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = (*SMALL, "rows=none")
    busy = plan(words).points[0].folder(here / "runs")
    busy.mkdir(parents=True)
    with filelock.FileLock(busy / ".lock"):
        assert run(*words) == 0
        assert len(found(here)) == 3
        assert "3 of 4 runs done, 1 running" in capsys.readouterr().out
        # no page while somebody is at work
        assert not list(here.rglob("*.html"))
    assert run(*words) == 0
    assert len(found(here)) == 4 and list(here.rglob("*.html"))


def test_what_is_made_again_is_made_again(here: Path) -> None:
    words = (*SMALL, "rows=none", "seeds=1")
    assert run(*words) == 0
    before = stamps(here)
    assert run(*words, "on_existing=rerun") == 0
    after = stamps(here)
    assert [name for name, _ in after] == [name for name, _ in before]
    assert all(new > old for (_, new), (_, old) in zip(after, before, strict=True))


def test_a_shard_makes_its_runs_and_no_page(here: Path) -> None:
    words = (*SMALL, "rows=none")
    assert run(*words, "shard=0/2") == 0
    assert len(found(here)) == 2 and not list(here.rglob("*.html"))
    assert run(*words, "shard=1/2") == 0
    assert len(found(here)) == 4


# one's own images


def birds(folder: Path) -> str:
    """Three classes of 30, 8 and 3 images of different brightness."""
    files = {
        f"birds/{name}/{row}.png": png(8, level)
        for name, count, level in (("crow", 30, 20), ("duck", 8, 120), ("gull", 3, 220))
        for row in range(count)
    }
    return str(write_zip(folder / "birds.zip", files))


FOLDER = ("dataset=folder", "dataset.root_name=birds", "dataset.size=8")
OWN = ("grid=matrix", *FOLDER, "generator=embedded", "generator.steps=1", "backbone=resnet8",
       "recipe=r_tiny", "columns=CE,mixup",
       "rows=none,t2i,web images,held-out real images", *SHORT)  # fmt: skip


def test_a_matrix_on_ones_own_images_ends_in_a_page(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    api.prepare(*FOLDER, "progress=false", source=birds(here))
    # neither web images nor held-out ones come with a folder, which the exit code says
    assert run(*OWN) == 3
    out, err = capsys.readouterr()
    done = [records.load(path) for path in found(here / "runs")]
    assert len(done) == 2 * 2 * 3
    assert {record.dataset.name for record in done} == {"birds"}
    assert {record.dataset.design for record in done} == {"independent"}
    assert "Expected images for this data set, but none come with it" in err
    assert "held-out images of class" in err
    path = here / "runs" / "matrix-birds.html"
    assert out.rstrip().endswith("page: runs/matrix-birds.html")
    text = re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", path.read_text())))
    # of 6, 1 and 1 test rows one half is reported
    assert "3 classes, 33 real training images, 24 to 2 a class" in text
    assert "of the 8 test rows" in text
    assert "No cell is told apart from none / CE" in text or "Take " in text
    assert "web images / CE and 1 more: Expected images for this data set" in text
    assert "held-out real images / CE and 1 more: Expected 17 held-out images" in text
    assert "dataset.root_name=birds" in text
    # all that can be run is done: the same command is short and makes the same page
    before, content = stamps(here), path.read_bytes()
    assert run(*OWN) == 3
    assert stamps(here) == before and path.read_bytes() == content


def test_every_cell_of_a_matrix_on_a_folder_composes_to_an_experiment_of_its_own(
    here: Path,
) -> None:
    api.prepare(*FOLDER, "progress=false", source=birds(here))
    rows = [cell for cell in cells(load("matrix", "folder")) if cell.column in ("CE", "LDAM + DRW")]
    hashes = [resolve(settings([*cell.words, *FOLDER[1:]])).hash for cell in rows]
    assert len(set(hashes)) == len(hashes) == 14


def test_a_matrix_on_images_that_are_not_prepared_says_how_to() -> None:
    with pytest.raises(BenchError, match=r"root_name=none dataset\.size=32 source="):
        plan(["grid=matrix", "dataset=folder", "dataset.root_name=none", "rows=none"])


# processes


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "benchmark", "run", *words]


ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


@pytest.mark.slow
def test_two_processes_make_every_run_once(here: Path) -> None:
    words = (*SMALL, "columns=CE,mixup,focal", "rows=none,web images", NOWHERE, "workers=2")
    done = subprocess.run(
        command(*words), capture_output=True, text=True, env=ENVIRONMENT, check=False
    )
    assert done.returncode == 3, done.stderr
    saved = re.findall(r"^saved +(\S+)$", done.stderr, re.MULTILINE)
    assert len(saved) == len(set(saved)) == len(found(here)) == 6
    assert "6 of 12 runs done" in done.stdout
    assert all(np.isfinite(records.load(path).metrics.nll) for path in found(here))


@pytest.mark.slow
def test_processes_stop_together_and_go_on_where_they_stopped(here: Path) -> None:
    words = ("grid=matrix", "rows=none", "columns=CE,mixup", "seeds=1", "threads=1",
             "recipe.steps.amount=400", "share_stages=false", "workers=2")  # fmt: skip
    with subprocess.Popen(
        command(*words), stderr=subprocess.PIPE, text=True, env=ENVIRONMENT
    ) as process:
        assert process.stderr is not None
        begun = 0
        for line in process.stderr:
            begun += line.startswith("component")
            if begun == 2:
                break
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
    assert process.returncode == 130, rest
    assert not found(here)
    assert len(list(here.rglob("checkpoint.pt"))) == 2
    assert "interrupted; run the same command again to continue" in rest
    done = subprocess.run(command(*words), env=ENVIRONMENT, capture_output=True, check=False)
    assert done.returncode == 0
    assert [records.load(path).resumed for path in found(here)] == [1, 1]
