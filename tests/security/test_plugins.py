"""Packages that claim names, hide what they are, or do harm when they are imported."""

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmark import registry
from benchmark.errors import UsageError
from benchmark.registry import BUILT_IN, Registry
from benchmark.vocabulary.source import read_class
from tests.security.cases import MARK, Case, each, files_below, outcome_of

GROUP = "synaug_bench.components"
MODULES = {
    "leaves_a_mark": "open('EXECUTED', 'w')\nclass Plugin: pass\n",
    "exits": "raise SystemExit(0)\n",
    "asks_to_stop": "import os\nraise MemoryError('no memory')\n",
    "breaks": "raise RuntimeError('\\x1b[31mred\\nline')\n",
    "no_syntax": "class Plugin(:\n",
    "no_text": "\udcff",
    "nested": "x = " + "(" * 5000 + "\n",
    "empty": "",
    "sound": "class Plugin:\n    '''Sound.'''\n",
}


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of installed packages, in which ``install`` puts some."""
    folder = tmp_path / "site"
    folder.mkdir()
    for name, code in MODULES.items():
        (folder / f"{name}.py").write_bytes(code.encode("utf-8", "surrogateescape"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(folder)
    registry._entry_points.cache_clear()
    yield folder
    registry._entry_points.cache_clear()
    for name in MODULES:
        sys.modules.pop(name, None)


def install(site: Path, line: str, name: str = "evil", version: str = "1.0") -> None:
    info = site / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (info / "entry_points.txt").write_text(f"[{GROUP}]\n{line}\n")


def components() -> Registry:
    return Registry("component", GROUP, registry._components)


ESCAPE = "\x1b[31m"
ENTRIES = [
    Case("a built-in's name", "ce = leaves_a_mark:Plugin", said="a built-in has that name"),
    Case("a preset's component", "t2i = leaves_a_mark:Plugin", said="a built-in has that name"),
    Case("name that is a path", "../../evil = leaves_a_mark:Plugin", said="a name is lower-case"),
    Case("name of dots", ".. = leaves_a_mark:Plugin", said="a name is lower-case"),
    Case("name with an escape", f"{ESCAPE}x = leaves_a_mark:Plugin", said="a name is lower-case"),
    Case("name with a space", "a b = leaves_a_mark:Plugin", said="a name is lower-case"),
    Case("name of Hydra", "_target_ = leaves_a_mark:Plugin", said="a name is lower-case"),
    Case("name in capitals", "CE = leaves_a_mark:Plugin", said="a name is lower-case"),
    Case("name of letters like ours", "\u0441\u0435 = leaves_a_mark:Plugin",
         said="a name is lower-case"),
    Case("name of 300 letters", f"{'a' * 300} = leaves_a_mark:Plugin", said="a name is lower-case"),
    Case("target without an object", "evil = leaves_a_mark", said="no module:object"),
    Case("target of a path", "evil = ../leaves_a_mark:Plugin", said="no module:object"),
    Case("target of an expression", "evil = leaves_a_mark:Plugin()", said="no module:object"),
    Case("target with an extra", "evil = leaves_a_mark:Plugin [x]", said="no module:object"),
    Case("target of a dotted object", "evil = os:path.join", said="no module:object"),
]  # fmt: skip


@each(ENTRIES)
def test_an_entry_is_refused_before_it_is_imported(
    case: Case, site: Path, caplog: pytest.LogCaptureFixture
) -> None:
    install(site, case.given)
    with caplog.at_level(logging.WARNING):
        found = components()
        assert all(entry.origin == BUILT_IN for entry in found.entries.values())
    (said,) = (each.getMessage() for each in caplog.records)
    assert case.said in said and "evil 1.0" in said and said.isprintable()
    assert MARK not in files_below(site.parent) and "leaves_a_mark" not in sys.modules


LOADED = [
    Case("ends the process", "evil = exits:Plugin", said="SystemExit"),
    Case("takes all memory", "evil = asks_to_stop:Plugin", said="no memory"),
    Case("breaks with an escape", "evil = breaks:Plugin", said=r"\x1b[31mred\nline"),
    Case("is no Python", "evil = no_syntax:Plugin", said="SyntaxError"),
    Case("is no text", "evil = no_text:Plugin", said="cannot be imported"),
    Case("is nested without end", "evil = nested:Plugin", said="cannot be imported"),
    Case("has no such object", "evil = empty:Plugin", said="AttributeError"),
    Case("is not there", "evil = no_such_module:Plugin", said="ModuleNotFoundError"),
    Case("is sound", "evil = sound:Plugin", "harmless"),
]


@each(LOADED)
def test_an_import_that_fails_is_named_and_contained(case: Case, site: Path) -> None:
    install(site, case.given)
    found = components()
    assert found.entry("evil").origin == "evil 1.0"
    error = outcome_of(lambda: found.load("evil"), case)
    if case.outcome == "refused":
        assert "evil 1.0" in str(error)
    assert found.load("ce")


@each(LOADED)
def test_showing_an_entry_imports_nothing(case: Case, site: Path) -> None:
    target = case.given.partition(" = ")[2]
    assert (read_class(target) is not None) == (case.outcome == "harmless")
    assert target.partition(":")[0] not in sys.modules


def test_two_packages_of_one_name_are_refused(site: Path) -> None:
    install(site, "evil = leaves_a_mark:Plugin")
    install(site, "evil = sound:Plugin", name="twin")
    with pytest.raises(UsageError, match="Two packages register the component 'evil'"):
        components().names()
    assert "leaves_a_mark" not in sys.modules


def test_a_listing_imports_no_package_and_obeys_no_version(site: Path) -> None:
    install(site, "evil = leaves_a_mark:Plugin", version=f"1.0{ESCAPE}")
    done = subprocess.run(
        [sys.executable, "-m", "benchmark", "ls", "methods"],
        env=os.environ | {"PYTHONPATH": f"{site}:{Path(__file__).parents[2]}"},
        capture_output=True, text=True, cwd=site.parent,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (line,) = (each for each in done.stdout.splitlines() if each.startswith("  evil "))
    assert "[evil 1.0" in line and line.isprintable()
    assert MARK not in files_below(site.parent)
