"""`new component`: what it writes passes lint, types, tests and the kit, and overwrites nothing."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from benchmark.errors import UsageError
from benchmark.registry import COMPONENTS
from benchmark.verbs import cli, scaffold
from benchmark.verbs.scaffold import KINDS, LONGEST_NAME, new_component
from tests.cli.conftest import Cli
from tests.conftest import ROOT, install

PAGE = ROOT / "docs" / "add_a_method.md"
KIND = pytest.mark.parametrize("kind", KINDS)
# names of every length that is allowed: lines must not grow out of the format
LONG = "x" * (LONGEST_NAME - 8)
# one process for all, since importing torch takes longer than everything else
CHECKS = """
import json, sys
from benchmark.verbs import cli
print("exit codes", [cli.main(["check", "component", name]) for name in json.loads(sys.argv[1])])
"""


def done(args: list[str], cwd: Path, path: str) -> str:
    """The output of this Python with a PYTHONPATH; the command must succeed."""
    found = subprocess.run(
        [sys.executable, *args],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
    )
    assert found.returncode == 0, found.stdout + found.stderr
    return found.stdout


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with a component of each kind, by a short name and by a long one."""
    root = tmp_path_factory.mktemp("checkout")
    for folder in ("benchmark", "baselines", "synaug", "configs"):
        shutil.copytree(ROOT / folder, root / folder)
    shutil.copy(ROOT / "pyproject.toml", root)
    (root / "tests" / "unit").mkdir(parents=True)
    for kind in KINDS:
        for name in (f"my_{kind}", f"{LONG}_{kind}"):
            done(["-m", "benchmark", "new", "component", name, f"--{kind}"], root, str(root))
    return root


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of packages with a component of each kind."""
    root = tmp_path_factory.mktemp("packages")
    for kind in KINDS:
        new_component(f"other_{kind}", kind, root / f"other-{kind}")
        new_component(f"{LONG}_{kind}", kind, root / f"long-{LONG[:14]}-{kind}")
    return root


def test_it_writes_code_settings_and_a_test(checkout: Path) -> None:
    files = {"baselines/my_loss.py", "configs/method/my_loss.yaml", "tests/unit/test_my_loss.py"}
    assert all((checkout / path).is_file() for path in files)


def test_what_it_writes_is_in_order_for_the_linter(checkout: Path, packages: Path) -> None:
    pytest.importorskip("ruff")
    for folder in (checkout, packages):
        done(["-m", "ruff", "check", "--no-cache", "."], folder, "")
        done(["-m", "ruff", "format", "--check", "--no-cache", "."], folder, "")


@pytest.mark.slow
def test_what_it_writes_is_in_order_for_the_type_checker(checkout: Path, packages: Path) -> None:
    pytest.importorskip("mypy")
    modules = [f"baselines/my_{kind}.py" for kind in KINDS]
    done(["-m", "mypy", *modules], checkout, str(checkout))
    sources = [str(packages / f"other-{kind}" / "src" / f"other_{kind}") for kind in KINDS]
    done(["-m", "mypy", "--strict", *sources], packages, str(checkout))


def test_it_keeps_the_promises_as_written(checkout: Path) -> None:
    names = json.dumps([f"my_{kind}" for kind in KINDS])
    said = done(["-c", CHECKS, names], checkout, str(checkout))
    assert said.splitlines()[-1] == f"exit codes {[0] * len(KINDS)}"


def test_its_tests_pass_as_written(checkout: Path) -> None:
    said = done(["-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"], checkout, str(checkout))
    assert re.search(r"\d+ passed", said) and "skipped" not in said


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=[pytest.mark.slow] * (kind != "loss")) for kind in KINDS]
)
def test_the_tests_of_a_package_pass_before_it_is_installed(kind: str, packages: Path) -> None:
    done(["-m", "pytest", "-q"], packages / f"other-{kind}", str(ROOT))


def test_a_setting_has_one_value(checkout: Path, packages: Path) -> None:
    assert "strength: NonNegativeFloat\n" in (checkout / "baselines" / "my_loss.py").read_text()
    assert "strength: 0.1\n" in (checkout / "configs" / "method" / "my_loss.yaml").read_text()
    source = packages / "other-loss" / "src" / "other_loss" / "other_loss.py"
    assert "strength: NonNegativeFloat = 0.1\n" in source.read_text()


def test_it_is_listed_and_shown(checkout: Path) -> None:
    said = done(["-m", "benchmark", "ls", "methods"], checkout, str(checkout))
    assert all(f"  my_{kind} " in said for kind in KINDS)
    said = done(["-m", "benchmark", "show", "my_loss"], checkout, str(checkout))
    assert "fills criterion" in said


def test_the_page_states_its_size(checkout: Path, tmp_path: Path) -> None:
    own = new_component("my_loss", "loss", tmp_path / "my-losses")
    here = [*checkout.rglob("*my_loss.py"), *checkout.rglob("my_loss.yaml")]
    text = PAGE.read_text()
    for files in (own, here):
        size = sum(len(path.read_text().splitlines()) for path in files)
        assert f"| {len(files)} | {size} |" in text
    sizes = {path.name: len(path.read_text().splitlines()) for path in own}
    assert f"the component has {sizes['my_loss.py']} lines" in text
    assert (
        f"`pyproject.toml` {sizes['pyproject.toml']} and the test {sizes['test_my_loss.py']}."
        in text
    )


# what it refuses


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("ldam", "'ldam' is taken"),
        ("synaug", "'synaug' is taken"),
        ("mixing", "'mixing' is taken; choose another|taken are also"),
        ("My-Loss", "did you mean my_loss?"),
        ("2fast", "begin with a letter"),
        ("class", "no word of Python"),
        ("a" * (LONGEST_NAME + 1), f"at most {LONGEST_NAME}"),
        ("", "but got ''"),
    ],
)
def test_a_name_that_cannot_be_used_is_refused(name: str, said: str, tmp_path: Path) -> None:
    for package in (None, tmp_path / "mine"):
        with pytest.raises(UsageError) as error:
            new_component(name, "loss", package)
        assert any(part in str(error.value) for part in said.split("|"))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("folder", ["2mine", "torch", "benchmark", "m" * 31])
def test_a_folder_that_cannot_name_a_package_is_refused(folder: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Expected a folder that can give a new package its name"):
        new_component("mine", "loss", tmp_path / folder)
    assert not list(tmp_path.iterdir())


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    first = new_component("my_own", "loss", folder)
    before = {path: path.read_text() for path in first}
    for name, kind in (("my_own", "mix"), ("another", "loss")):
        with pytest.raises(UsageError, match="Expected no such file"):
            new_component(name, kind, folder)
    assert {path: path.read_text() for path in first} == before
    assert {path for path in folder.rglob("*") if path.is_file()} == set(first)


def test_an_installed_suite_is_not_added_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in ("benchmark", "baselines", "synaug"):
        (tmp_path / package).mkdir()
    monkeypatch.setattr(scaffold, "PACKAGE", tmp_path / "benchmark")
    with pytest.raises(UsageError, match="make a package: --package DIR"):
        new_component("my_own")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["component"], "following arguments are required: name"),
        (["dataset", "mine"], "invalid choice"),
        (["component", "mine", "--loss", "--mix"], "one kind, but got loss and mix"),
        (["component", "mine", "--lose"], "did you mean --loss"),
    ],
)
def test_a_mistake_on_the_command_line_is_one_line(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["new", *words]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert said in error


def test_it_says_what_was_written_and_what_is_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["new", "component", "my_own", "--mix", "--package", "mine"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "wrote  mine/pyproject.toml",
        "wrote  mine/src/mine/__init__.py",
        "wrote  mine/src/mine/my_own.py",
        "wrote  mine/tests/test_my_own.py",
        "next   pip install -e mine",
        "next   python -m pytest mine/tests/test_my_own.py",
        "next   python -m benchmark check component my_own",
    ]
    assert "my_own" not in COMPONENTS.names()


@KIND
def test_every_kind_has_its_templates(kind: str) -> None:
    found = {path.name for path in (ROOT / "benchmark" / "templates").glob(f"{kind}.*")}
    assert found == {f"{kind}.py.txt", f"{kind}.yaml.txt", f"{kind}.test.txt"}


def test_an_installed_package_is_listed_with_its_origin(
    packages: Path, cli: Cli, tmp_path: Path
) -> None:
    project = tomllib.loads((packages / "other-loss" / "pyproject.toml").read_text())["project"]
    install(tmp_path / "site", project)
    path = os.pathsep.join(map(str, (tmp_path / "site", packages / "other-loss" / "src", ROOT)))
    assert re.search(r"^  other_loss +\[other-loss 0\.1\.0\]", cli("ls", path=path).stdout, re.M)
    assert "fills criterion" in cli("show", "other_loss", path=path).stdout
