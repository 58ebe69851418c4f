"""The workflows: what they run exists, what they may do is little."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmark import cli
from benchmark.errors import UsageError
from benchmark.regression import cli as regression
from benchmark.regression.policy import read_policy
from tests.conftest import ROOT

FILES = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
EACH = pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)


def parsed(path: Path) -> dict[Any, Any]:
    found: dict[Any, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found


def steps(path: Path) -> list[dict[str, Any]]:
    return [step for job in parsed(path)["jobs"].values() for step in job["steps"]]


def commands(path: Path) -> list[list[str]]:
    """Words of every command of ours, variables left out."""
    lines = [line for step in steps(path) for line in step.get("run", "").splitlines()]
    ours = [line.split("||")[0] for line in lines if "benchmark" in line]
    return [[word for word in shlex.split(line) if not word.startswith("$")] for line in ours]


def test_there_are_two() -> None:
    assert [path.name for path in FILES] == ["ci.yml", "retrain.yml"]


@EACH
def test_scripts_that_are_run_exist(path: Path) -> None:
    named = re.findall(r"bash (\.ci/\w+)", path.read_text(encoding="utf-8"))
    assert all((ROOT / name).is_file() for name in named)
    assert named or path.name != "ci.yml"


@EACH
def test_verbs_and_flags_resolve(path: Path) -> None:
    found = commands(path)
    assert found
    for words in found:
        assert words[:3] == ["python", "-m", "benchmark"]
        assert words[3] in cli.VERBS and words[3:5] == ["check", "regression"]
        # a flag whose value is a variable gets one
        rest = [*words[5:], "3"] if words[-1] in ("--seeds", "--since") else words[5:]
        given = regression._parser().strict(rest)
        assert regression._tiers(given) == ([1] if given.since else [2])


def test_an_unknown_flag_would_be_noticed() -> None:
    with pytest.raises(UsageError):
        regression._parser().strict(["--sinse", "3"])


@EACH
def test_actions_are_pinned_to_a_major_version(path: Path) -> None:
    used = [step["uses"] for step in steps(path) if "uses" in step]
    assert all(re.fullmatch(r"actions/[\w-]+@v\d+", name) for name in used), used


@EACH
def test_jobs_read_the_repository_and_no_secret(path: Path) -> None:
    found = parsed(path)
    assert found["permissions"] == {"contents": "read"}
    assert not any("permissions" in job for job in found["jobs"].values())
    assert "secrets." not in path.read_text(encoding="utf-8")
    # "on" is YAML's true; code of a fork must not run with more rights
    assert "pull_request_target" not in found[True]
    assert all("timeout-minutes" in job for job in found["jobs"].values())


@EACH
def test_what_a_user_types_reaches_no_script_as_text(path: Path) -> None:
    assert not any("${{" in step.get("run", "") for step in steps(path))


def test_the_second_look_has_the_policys_seeds() -> None:
    policy = read_policy(ROOT / "leaderboards" / "regression.yaml")
    text = (ROOT / ".github" / "workflows" / "retrain.yml").read_text(encoding="utf-8")
    assert f"--seeds {policy.most_seeds} " in text and f"'{policy.seeds}'" in text
    assert '"$code" = 6' in text
