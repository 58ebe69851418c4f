"""The workflows: what they run exists, what they may do is little."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmark.errors import UsageError
from benchmark.regression import cli as regression
from benchmark.regression.policy import read_policy
from benchmark.verbs import cli
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


def test_there_are_four() -> None:
    assert [path.name for path in FILES] == ["audit.yml", "ci.yml", "fuzz.yml", "retrain.yml"]


@EACH
def test_scripts_that_are_run_exist(path: Path) -> None:
    named = re.findall(r"bash (\.ci/\w+)", path.read_text(encoding="utf-8"))
    assert all((ROOT / name).is_file() for name in named)
    assert named or path.name in ("fuzz.yml", "retrain.yml")


@EACH
def test_verbs_and_flags_resolve(path: Path) -> None:
    found = commands(path)
    assert found or path.name in ("audit.yml", "fuzz.yml")
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
def test_actions_are_pinned_to_commits_whose_versions_are_told(path: Path) -> None:
    used = [step["uses"] for step in steps(path) if "uses" in step]
    lines = path.read_text(encoding="utf-8").splitlines()
    told = [line for line in lines if re.search(r"uses: actions/[\w-]+@[0-9a-f]{40} # v\d", line)]
    assert used and len(told) == len(used)


def test_one_action_has_one_version() -> None:
    used = {step["uses"] for path in FILES for step in steps(path) if "uses" in step}
    assert len({name.partition("@")[0] for name in used}) == len(used)
    newer = yaml.safe_load((ROOT / ".github" / "dependabot.yml").read_text(encoding="utf-8"))
    assert [each["package-ecosystem"] for each in newer["updates"]] == ["github-actions"]


def test_an_audit_that_looked_nothing_up_fails() -> None:
    """Offline, pip-audit finds nothing wrong with anything unless it is told to be strict."""
    script = (ROOT / ".ci" / "audit").read_text(encoding="utf-8")
    assert "pip_audit --strict " in script and "set -euo pipefail" in script
    assert {"schedule", "pull_request"} <= parsed(FILES[0])[True].keys()


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
