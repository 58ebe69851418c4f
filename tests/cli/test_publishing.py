"""docs/publishing.md works as written: its commands, in order, on a short run."""

import shlex
from pathlib import Path

import pytest
import yaml

from benchmark.publishing.submit_cli import ASKED
from benchmark.verbs import cli
from tests.cli.conftest import Cli
from tests.conftest import ROOT
from tests.fixtures.documents import blocks

PAGE = ROOT / "docs" / "publishing.md"
SHORT = ["recipe.steps.amount=20", "progress=false"]
# these need data that does not come with the suite
ELSEWHERE = ("cifar100lt", "imagenet100lt")
SILENT = ("paper", "url", "code", "parameters", "epochs", "images_added", "cost")
ANSWERS = dict.fromkeys(SILENT, "not stated") | {
    "method": "My method",
    "description": "A method of the tests that nobody should read about.",
    "track": "real",
    "authors": "Nobody",
    "training_data": "the long-tailed subset",
    "knowledge": "none",
    "backbone": "resnet8",
    "recipe": "digits",
}


def lines() -> list[list[str]]:
    """The words of every command of the page, as a shell hands them over."""
    found = [line for block in blocks(PAGE, "bash") for line in block.splitlines()]
    assert all(line.startswith("python -m benchmark ") for line in found)
    return [shlex.split(line)[3:] for line in found]


def spread(words: list[str]) -> list[str]:
    """Words with patterns of files replaced by the files, as a shell does."""
    return [name for word in words for name in sorted(map(str, Path().glob(word))) or [word]]


def test_the_page_works_from_top_to_bottom(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert set(ANSWERS) == set(ASKED)
    (tmp_path / "details.yaml").write_text(yaml.safe_dump(ANSWERS))
    done = 0
    for words in lines():
        if any(name in word for word in words for name in ELSEWHERE):
            continue
        given = [*spread(words), *(SHORT if words[0] == "run" else [])]
        assert cli.main(given) == 0, (given, capsys.readouterr().err)
        done += 1
    assert done == 8
    assert (tmp_path / "exports" / "ldam" / "model.safetensors").exists()
    assert (tmp_path / "leaderboards" / "submissions" / "digitslt" / "my-method").is_dir()


EVALUATIONS = [words for words in lines() if words[0] == "evaluate"]


@pytest.mark.parametrize("words", EVALUATIONS, ids=" ".join)
def test_the_keys_of_an_evaluation_are_known(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(words) in (2, 3)
    assert "Unknown" not in capsys.readouterr().err


LIGHT = """
import sys
from benchmark.verbs import cli
codes = [cli.main(words) for words in ({words})]
print(codes, "torch" in sys.modules)
"""


def test_checks_and_submissions_need_no_torch(python: Cli) -> None:
    paths = (ROOT / "leaderboards" / "records").rglob("record.json")
    words = [["check", str(next(iter(paths)))], ["submit", "--template"], ["submit", "nowhere"]]
    found = python("-c", LIGHT.format(words=words))
    assert found.stdout.splitlines()[-1] == "[0, 0, 2] False", found.stderr
