"""docs/add_a_method.md works as written: in a checkout, and from a package of one's own."""

import json
import os
import re
import shutil
import tomllib
from pathlib import Path

import pytest

from tests.cli.conftest import Cli
from tests.conftest import ROOT, install
from tests.fixtures.documents import blocks, commands

PAGE = ROOT / "docs" / "add_a_method.md"
NAME = "frequency_smoothing"
SHORT = ("recipe.steps.amount=5", "progress=false")
# one process for all runs of the page, since importing torch takes seconds
RUNS = """
import json, sys
from benchmark.verbs import cli
from benchmark.experiments.compose import settings
from benchmark.experiments.experiment import resolve
runs, short = json.loads(sys.argv[1])
assert cli.main(["run", *runs[0], *short]) == 0
print(json.dumps([resolve(settings(words)).label for words in runs]))
"""


def files() -> dict[str, str]:
    """The files that the page asks for, by path."""
    paths = re.findall(r"^\d\. Write `(\S+)`:$", PAGE.read_text(), re.MULTILINE)
    return dict(zip(paths, blocks(PAGE, "python") + blocks(PAGE, "yaml"), strict=True))


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with the two files of the page."""
    root = tmp_path_factory.mktemp("checkout")
    for folder in ("benchmark", "baselines", "synaug", "configs"):
        shutil.copytree(ROOT / folder, root / folder)
    for path, text in files().items():
        assert not (root / path).exists()
        (root / path).write_text(text)
    return root


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A PYTHONPATH with the page's component in a package of its own, settings with defaults."""
    site = tmp_path_factory.mktemp("plugin")
    code, values = files().values()
    for line in values.splitlines():
        key, colon, value = line.partition(": ")
        if colon and not line.startswith("#"):
            default = value if value[0].isdigit() else repr(value)
            code = re.sub(rf"^(        {key}: \w+)$", rf"\1 = {default}", code, flags=re.MULTILINE)
    (site / "my_package").mkdir()
    (site / "my_package" / "__init__.py").touch()
    (site / "my_package" / "smoothing.py").write_text(code)
    entries = tomllib.loads(blocks(PAGE, "toml")[0])["project"]["entry-points"]
    install(site, {"name": "my-package", "version": "1.0", "entry-points": entries})
    return os.pathsep.join(map(str, (site, ROOT)))


def finished(done) -> str:
    assert done.returncode == 0, done.stderr
    return str(done.stdout)


def record(folder: Path) -> dict:
    (path,) = (folder / "runs").rglob("record.json")
    found: dict = json.loads(path.read_text())
    return found


def test_the_page_names_one_file_of_code_and_one_of_settings() -> None:
    assert list(files()) == [f"baselines/{NAME}.py", f"configs/method/{NAME}.yaml"]


def test_it_is_listed_and_shown(checkout: Path, cli: Cli) -> None:
    assert f"  {NAME} " in finished(cli("ls", "methods", path=str(checkout)))
    text = finished(cli("show", f"method={NAME}", path=str(checkout)))
    assert "fills criterion" in text
    assert f"baselines/{NAME}.py" in text
    assert re.search(r"largest +0\.2 +.*smoothing of the most frequent class", text)


def test_every_run_of_the_page_resolves_and_one_is_made(
    checkout: Path, python: Cli, tmp_path: Path
) -> None:
    runs = [words[1:] for words in commands(PAGE.read_text()) if words[0] == "run"]
    text = finished(python("-c", RUNS, json.dumps([runs, SHORT]), path=str(checkout)))
    assert json.loads(text.splitlines()[-1]) == [NAME, f"t2i + {NAME} ({NAME}.largest=0.1)"]
    assert record(tmp_path)["experiment"]["label"] == NAME


def test_it_keeps_the_promises(checkout: Path, cli: Cli) -> None:
    text = finished(cli("check", "component", NAME, path=str(checkout)))
    assert {line.split()[0] for line in text.splitlines()} == {"ok"}


def test_from_a_package_it_is_listed_with_its_origin(plugin: str, cli: Cli) -> None:
    text = finished(cli("ls", "methods", path=plugin))
    assert re.search(rf"^  {NAME} +\[my-package 1\.0\]", text, re.MULTILINE)


def test_from_a_package_it_runs(plugin: str, cli: Cli, tmp_path: Path) -> None:
    finished(cli("run", f"method=[{NAME},drw]", f"method.{NAME}.largest=0.3", *SHORT, path=plugin))
    found = record(tmp_path)["experiment"]
    assert found["config"]["method"][0]["settings"] == {"largest": 0.3}
    assert found["label"] == f"{NAME} + drw ({NAME}.largest=0.3)"


def test_from_a_package_it_is_checked_before_it_is_installed(plugin: str, cli: Cli) -> None:
    (given,) = (words for words in commands(PAGE.read_text()) if ":" in words[-1])
    assert finished(cli(*given, path=plugin)).count("ok ") >= 10
