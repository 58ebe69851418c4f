"""A package of another author, installed as far as Python can tell, adds names and breaks none."""

import json
import os
import subprocess
import sys

import pytest

from tests.cli.conftest import Cli

# one process for all command lines, since importing torch takes longer than everything else
COMPOSE = """
import json, sys
from benchmark.experiments.compose import settings
from benchmark.errors import BenchError
said = []
for overrides in json.loads(sys.argv[1]):
    try:
        found = settings(overrides)
        parts = [(part.name, str(part.config)) for part in found.stack.components]
        said.append(f"{parts} {type(found.dataset).__name__} {found.backbone.name}")
    except BenchError as error:
        said.append(f"error: {error}")
print(json.dumps(said))
"""
GOOD = (
    "method=[t2i,sharpened]", "method.sharpened.strength=2", "dataset=stripes",
    "backbone=sample_linear", "recipe=digits",
)  # fmt: skip
BROKEN = ("method=broken",)
MISTAKES = {
    ("method=sharpened", "method.sharpened.strength=much"): "method.sharpened.strength",
    ("method=sharpened", "method.sharpened.strength=-1"): "greater than 0",
    ("method=sharpened", "method.sharpened.when=later"): "method.sharpened.when",
    ("method=sharpened", "method.sharpened.strenght=1"): "did you mean strength",
    ("method=sharpend",): "did you mean sharpened",
    ("dataset=stripe",): "did you mean stripes",
    BROKEN: "this plugin is broken on purpose",
}


@pytest.fixture(scope="module")
def composed(plugin_path: str) -> dict[tuple[str, ...], str]:
    """What composing each command line comes to, with the sample package installed."""
    lines = [GOOD, *MISTAKES, ("method=ce",)]
    done = subprocess.run(
        [sys.executable, "-c", COMPOSE, json.dumps(lines)],
        env=os.environ | {"PYTHONPATH": plugin_path},
        capture_output=True,
        text=True,
        check=True,
    )
    return dict(zip(lines, json.loads(done.stdout.splitlines()[-1]), strict=True))


def test_it_is_listed_with_its_origin(cli: Cli, plugin_path: str) -> None:
    text = cli("ls", path=plugin_path).stdout
    for name in ("sharpened", "broken", "stripes", "sample_linear"):
        line = next(line for line in text.splitlines() if line.startswith(f"  {name} "))
        assert "[synaug-bench-sample 0.3.0]" in line


def test_it_is_shown_from_its_source(cli: Cli, plugin_path: str) -> None:
    done = cli("show", "sharpened", path=plugin_path)
    assert done.returncode == 0, done.stderr
    assert "Sharper Logits" in done.stdout
    assert "fills criterion" in done.stdout
    assert "multiplies the logits" in done.stdout
    assert "training, never" in done.stdout


@pytest.mark.parametrize("name", ["broken", "stripes", "sample_linear"])
def test_every_kind_of_entry_is_shown(name: str, cli: Cli, plugin_path: str) -> None:
    done = cli("show", name, path=plugin_path)
    assert done.returncode == 0, done.stderr
    assert "synaug-bench-sample 0.3.0" in done.stdout


def test_it_composes_with_the_built_in_names(composed: dict[tuple[str, ...], str]) -> None:
    assert "('sharpened', \"Sharpened.Config(strength=2.0, when='training')\")" in composed[GOOD]
    assert composed[GOOD].endswith("Stripes sample_linear")


@pytest.mark.parametrize("overrides", MISTAKES, ids=" ".join)
def test_its_mistakes_are_one_line(
    overrides: tuple[str, ...], composed: dict[tuple[str, ...], str]
) -> None:
    assert composed[overrides].startswith("error: ")
    assert MISTAKES[overrides] in composed[overrides]


def test_a_broken_entry_names_who_brought_it(composed: dict[tuple[str, ...], str]) -> None:
    assert "synaug-bench-sample 0.3.0" in composed[BROKEN]
    assert "nothing else is affected" in composed[BROKEN]


def test_a_broken_entry_does_not_disturb_others(composed: dict[tuple[str, ...], str]) -> None:
    assert composed[("method=ce",)].startswith("[('ce'")
