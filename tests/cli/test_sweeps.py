"""Sweeps and grids through Hydra's launchers, and files of jobs, as a user runs them."""

import importlib.util
import json
from pathlib import Path

import pytest

from benchmark.recording import records
from benchmark.verbs import cli
from tests.cli.conftest import Cli

TINY = ("recipe.steps.amount=2", "save_weights=false", "progress=false")
# the second of three diverges
RATES = ("-m", "method=ce", "recipe.optimizer.lr=0.1,1e30,0.05", *TINY)
JOBLIB = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2")


def found(folder: Path) -> dict[tuple[str, int], tuple[str, float | None]]:
    """Weights and accuracy of every record, by experiment and seed."""
    return {
        (each.experiment.hash, each.seed): (each.final_weights_sha256, each.metrics.accuracy)
        for path in sorted(folder.rglob("record.json"))
        for each in [records.load(path)]
    }


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("-m", "hydra/launcher=jobib"), "Unknown launcher 'jobib'"),
        (("hydra/launcher=joblib",), "Expected a launcher beside -m or grid=NAME only"),
        (("grid=table2", "workers=2", *JOBLIB), "Expected workers or a launcher, but got both"),
        (("grid=table2", "hydra/launcher=jobib"), "Unknown launcher 'jobib'"),
        (("-m", "hydra.launcher._target_=os.system"), "Expected no setting of Hydra itself"),
        (("-m", "--cfg"), "Expected no flag but -m in a sweep [--cfg]"),
        (("-m", "hydra.run.dir=elsewhere"), "Expected no setting of Hydra itself"),
        (("-m", *JOBLIB[:1], "hydra.launcher.jobs=2"), "Could not override 'hydra.launcher.jobs'"),
        (("--dry-run", "hydra/job_logging=evil"), "Expected no setting of Hydra itself"),
        (("grid=table2", "--dry-run", "hydra.sweeper.x=1"), "Expected no setting of Hydra itself"),
    ],
)
def test_launchers_that_cannot_be_meant(
    words: tuple[str, ...],
    problem: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    monkeypatch.chdir(tmp_path)
    own = () if words[0].startswith("grid") else ("method=ce", *TINY)
    assert cli.main(["run", *words, *own]) == 2
    err = capsys.readouterr().err
    assert problem in err and "Traceback" not in err
    assert not list(tmp_path.rglob("record.json"))


@pytest.mark.skipif(
    importlib.util.find_spec("hydra_plugins.hydra_ray_launcher") is not None, reason="installed"
)
def test_a_launcher_that_is_not_installed_names_the_extra(
    capsys: pytest.CaptureFixture[str],
) -> None:
    importlib.util.find_spec("hydra_plugins")
    assert cli.main(["run", "-m", "method=ce", "hydra/launcher=ray"]) == 2
    assert "pip install 'synaug-bench[ray-launcher]'" in capsys.readouterr().err


@pytest.fixture(scope="module")
def basic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sweep in this process; the second of its three runs diverged."""
    folder = tmp_path_factory.mktemp("basic")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("OMP_NUM_THREADS", "1")
        assert cli.main(["run", *RATES]) == 1
    return folder


def test_a_failing_run_lets_the_others_finish(basic: Path) -> None:
    assert len(found(basic)) == 2
    (path,) = basic.rglob("error.json")
    assert "The loss became" in json.loads(path.read_text())["error"]


def test_a_second_launch_runs_what_failed_only(
    basic: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(basic)
    before = {path: path.stat().st_mtime_ns for path in basic.rglob("record.json")}
    assert cli.main(["run", *RATES]) == 1
    err = capsys.readouterr().err
    assert "2 of 3 runs: already finished" in err and "1 of 3 runs\n" in err
    assert {path: path.stat().st_mtime_ns for path in basic.rglob("record.json")} == before


@pytest.mark.parametrize(
    "launcher",
    [JOBLIB, pytest.param(("hydra/launcher=submitit_local",), marks=pytest.mark.slow)],
    ids=["joblib", "submitit_local"],
)
def test_a_launcher_makes_the_same_records(
    launcher: tuple[str, ...], basic: Path, cli: Cli, tmp_path: Path
) -> None:
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    done = cli("run", *RATES, *launcher)
    assert done.returncode == 1, done.stderr
    assert done.stderr.count("error:") == 1 and "The loss became" in done.stderr
    assert found(tmp_path) == found(basic)


def test_jobs_of_a_file_run_in_processes_of_their_own(
    basic: Path, cli: Cli, tmp_path: Path
) -> None:
    planned = cli("run", *RATES, "--dry-run", "--write", "jobs.jsonl")
    assert planned.returncode == 0 and "3 jobs in jobs.jsonl" in planned.stdout
    done = cli("work", "jobs.jsonl", "--workers", "2")
    assert done.returncode == 1, done.stderr
    assert done.stdout == "3 jobs: 1 failed, 2 finished\n"
    assert found(tmp_path) == found(basic)
    again = cli("work", "jobs.jsonl", "--shard", "0/2")
    assert (again.returncode, again.stdout) == (0, "2 jobs: 2 finished\n")
