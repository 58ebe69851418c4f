"""Grids on the command line: what a complete one costs, dry runs, states."""

from pathlib import Path

import pytest

from benchmark.grid.grid_run import plan
from benchmark.verbs import cli
from tests.cli.conftest import Cli
from tests.conftest import ROOT
from tests.fixtures.grids import finish

WORDS = ("grid=table2", "rows=CE,a", "seeds=2")
MODULES = ("torch", "hydra", "omegaconf", "timm", "diffusers", "scipy")


def light(python: Cli, *args: str) -> tuple[str, str]:
    """Output of a command line, and which heavy modules it imported."""
    code = (
        "import sys; from benchmark.verbs.cli import main; code = main(sys.argv[1:]);"
        f"print('heavy:', [name for name in {MODULES} if name in sys.modules]); sys.exit(code)"
    )
    done = python("-c", code, *args)
    assert done.returncode == 0, done.stderr
    text, _, heavy = done.stdout.rpartition("heavy: ")
    return text, heavy.strip()


@pytest.fixture
def complete(tmp_path: Path) -> Path:
    """A folder of runs that lacks nothing of the grid."""
    for point in plan(WORDS).points:
        finish(point, tmp_path / "runs", (90, 60, 30, 20), point.seed)
    return tmp_path


@pytest.mark.usefixtures("complete")
@pytest.mark.parametrize(
    "args", [["run", *WORDS], ["run", *WORDS, "--dry-run"], ["status", *WORDS],
             ["run", *WORDS, "workers=2"]], ids=" ".join
)  # fmt: skip
def test_a_complete_grid_imports_nothing_heavy(args: list[str], python: Cli) -> None:
    text, heavy = light(python, *args)
    assert heavy == "[]"
    assert text.splitlines() == [
        "experiment  done    running  failed  missing  All    time left",
        "CE          2 of 2                            50.00",
        "a           2 of 2                            50.00",
        "",
        "grid table2: 4 of 4 runs done",
    ]


def test_a_dry_run_runs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["run", *WORDS, "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert "grid table2: 0 of 4 runs done, 4 missing" in out
    # 365 images for each of two seeds, which the row without images needs not
    assert "730 images to draw" in out
    assert "python -m benchmark run grid=table2 rows=CE,a seeds=2" in out
    assert "python -m benchmark run -m dataset=digitslt method=ce seed=0,1" in out
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_reckons_with_committed_records(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    assert cli.main(["run", *WORDS, f"out={tmp_path}", "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert "reckoned from committed records (" in out
    assert "not in the sum" not in out and "device-hours" in out


def test_a_dry_run_without_a_grid_shows_a_sweep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["-m", "method=ce,ldam", "seed=range(3)", "recipe.steps.amount=2", "out=there"]
    assert cli.main(["run", *words, "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert "0 of 6 runs done, 6 missing" in out
    assert "grid" not in out
    assert (
        "python -m benchmark run -m method=ldam recipe.steps.amount=2 out=there seed=0,1,2" in out
    )


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["run", "grid=tabel2", "--dry-run"], "did you mean table2"),
        (["status", "grid=table2", "row=CE"], "Unknown key 'row'"),
        (["run", "method=ce", "seed=x", "--dry-run"], "Expected an integer in [0, 2^31)"),
        (["run", "method=cee", "--dry-run"], "did you mean ce"),
        (["run", "method=ce", "--cfg", "--dry-run"], "Expected no flag but -m beside --dry-run"),
        (["run", "grid=table2", "--dryrun"], "did you mean --dry-run"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_words_that_cannot_be_meant_are_one_line(
    args: list[str], message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert cli.main(args) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: ") and message in error


def test_status_looks_into_the_folder_it_is_given(
    complete: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(complete)
    (complete / "runs").rename(complete / "others")
    assert cli.main(["status", "--out", "others", *WORDS]) == 0
    assert "4 of 4 runs done" in capsys.readouterr().out
    assert cli.main(["status", *WORDS]) == 0
    out = capsys.readouterr().out
    assert "0 of 4 runs done" in out
    # the default folder is not worth a word
    assert "out=" not in out
