"""Flags of ``run``: those that lack something, those of other programs, and the help."""

from pathlib import Path

import pytest

from benchmark.grid.grid_run import OWN
from benchmark.verbs import cli
from tests.cli.conftest import Cli

NEEDS = "error: {} needs --dry-run [{}]; add --dry-run"
RUN, GRID = "python -m benchmark run", "run grid=NAME"


def said(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert cli.main(["run", *words]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1
    return err.strip()


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("method=ce", "--on=gpu24"), NEEDS.format("--on", RUN)),
        (("method=ce", "--on", "gpu24"), NEEDS.format("--on", RUN)),
        (("-m", "method=ce", "--write", "x.jsonl"), NEEDS.format("--write", RUN)),
        (("grid=table1", "--on=gpu24"), NEEDS.format("--on", GRID)),
        (("grid=table1", "--write", "x.jsonl"), NEEDS.format("--write", GRID)),
    ],
)
def test_what_goes_with_a_dry_run_asks_for_one(
    words: tuple[str, ...], error: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said(capsys, *words) == error
    assert not Path("x.jsonl").exists()


@pytest.mark.parametrize(
    ("words", "todo"),
    [
        (("--method", "ldam"), "write it without dashes: method=ldam"),
        (("--method=ldam",), "write it without dashes: method=ldam"),
        (("--recipe.batch_size", "3"), "write it without dashes: recipe.batch_size=3"),
        (("--seed", "method=ce"), "write it without dashes: seed=VALUE"),
        (("grid=table1", "--seed", "3"), "write it without dashes: seed=3"),
    ],
)
def test_a_setting_needs_no_dashes(
    words: tuple[str, ...], todo: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said(capsys, *words).endswith(f"; {todo}")


@pytest.mark.parametrize(
    "words",
    [
        ("--info", "method=ce"), ("--info=all",), ("-i",), ("--hydra-help",), ("-h=1",),
        ("--help=1",), ("--resolve=1",), ("--dryrun", "method=ce"), ("--multirn", "method=ce"),
    ],
)  # fmt: skip
def test_an_unknown_flag_is_one_line_and_names_flags_that_are_taken(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    error = said(capsys, *words)
    assert error.startswith(f"error: Unknown flag '{words[0]}' [{RUN}]; ")
    hint = error.partition("]; ")[2]
    assert not any(flag in hint for flag in ("--info", "--package", "--hydra-help"))


def test_a_dry_run_is_suggested(capsys: pytest.CaptureFixture[str]) -> None:
    assert "did you mean --dry-run" in said(capsys, "--dryrun", "method=ce")


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("--cfg", "method=ce"), "Unknown part of the configuration 'method=ce' [--cfg]"),
        (("--cfg=jbo",), "Unknown part of the configuration 'jbo' [--cfg]; did you mean job?"),
        (("-c",), "Expected a part of the configuration, but got none [-c]"),
        (("--package", "method=ce"), "Expected a group, but got method=ce [--package]"),
    ],
)
def test_a_flag_does_not_swallow_the_next_word(
    words: tuple[str, ...], error: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert error in said(capsys, *words)


def test_the_help_names_all_words_of_sweeps_and_grids(cli: Cli) -> None:
    done = cli("run", "--help")
    assert done.returncode == 0, done.stderr
    head, _, tail = done.stdout.partition("== Sweeps and grids ==")
    assert "== Groups" in head
    words = [*(f"{word}=" for word in OWN), "-m ", "--dry-run", "--write FILE", "--on MACHINE"]
    assert [word for word in words if word not in tail] == []
