"""Registries: names, nearest names, plugins, and the harness that knows no component by name."""

import ast
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from benchmark import registry
from benchmark.component import ORIGINS, Component
from benchmark.errors import UsageError
from benchmark.registry import BUILT_IN, COMPONENTS, DATASETS, GENERATORS, Entry, Registry
from tests.house import ROOT

REGISTRIES = {"component": COMPONENTS, "dataset": DATASETS, "generator": GENERATORS}
ENTRIES = [(noun, name) for noun, known in REGISTRIES.items() for name in known.names()]


@pytest.mark.parametrize(("noun", "name"), ENTRIES)
def test_every_built_in_entry_loads_and_has_a_summary(noun: str, name: str) -> None:
    known = REGISTRIES[noun]
    assert known.load(name).__doc__
    assert known.entry(name).summary.endswith(".")
    assert known.entry(name).origin == BUILT_IN


@pytest.mark.parametrize("name", COMPONENTS.names())
def test_components_are_final_and_configured_by_a_frozen_dataclass(name: str) -> None:
    cls = COMPONENTS.load(name)
    assert cls.__bases__ == (Component,)
    assert cls.Config.__dataclass_params__.frozen
    assert (ROOT / COMPONENTS.entry(name).source).is_file()


def test_an_unknown_name_gets_the_nearest() -> None:
    known = Registry(
        "pet", "none", lambda: {"cat": Entry("cat", "m:C"), "dog": Entry("dog", "m:D")}
    )
    with pytest.raises(UsageError, match="Unknown pet 'cst'; did you mean cat"):
        known.entry("cst")


def _plugged(monkeypatch: pytest.MonkeyPatch, *points: EntryPoint) -> Registry:
    class Points(list):
        def select(self, group: str) -> list[EntryPoint]:
            return [point for point in self if point.group == group]

    monkeypatch.setattr(registry, "_entry_points", lambda: Points(points))
    return Registry("pet", "pets", lambda: {"cat": Entry("cat", "os:path")})


def test_built_in_names_win_over_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    known = _plugged(monkeypatch, EntryPoint("cat", "other:Cat", "pets"))
    assert known.entry("cat").origin == BUILT_IN


def test_two_plugins_with_one_name_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    points = [EntryPoint("owl", "first:Owl", "pets"), EntryPoint("owl", "second:Owl", "pets")]
    with pytest.raises(UsageError, match="Two packages register the pet 'owl'"):
        _plugged(monkeypatch, *points).names()


@pytest.mark.parametrize("target", ["no_such_module:X", "os:no_such_name"])
def test_a_plugin_that_cannot_be_imported_is_named(
    target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = _plugged(monkeypatch, EntryPoint("owl", target, "pets"))
    assert known.load("cat")
    with pytest.raises(UsageError, match=f"pet 'owl' cannot be imported.*{target}"):
        known.load("owl")


def _words(path: Path) -> set[str]:
    """Identifiers and string literals of a file, docstrings left out."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    # a string that stands alone is a docstring, or of no effect
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    words: set[str] = set()
    for node in ast.walk(tree):
        for field in ("id", "name", "arg", "attr", "asname"):
            words.add(str(getattr(node, field, "")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in alone:
            words.add(node.value)
    return words


@pytest.mark.parametrize(
    "path", sorted((ROOT / "benchmark").rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT))
)
def test_the_harness_knows_no_component_by_name(path: Path) -> None:
    # an origin of images is a word of the harness, even where a component carries its name
    names = set(COMPONENTS.names()) - set(ORIGINS)
    assert not names & _words(path)


@pytest.mark.parametrize(
    "path", sorted((ROOT / "benchmark").rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT))
)
def test_dependencies_run_one_way(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        modules += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        assert not [
            name for name in modules if name.split(".")[0] in ("baselines", "synaug", "tests")
        ]
