"""One typed registry a noun: lazy targets, nearest names, entry points, origin of every entry.

Nothing is imported until an entry is loaded, so listing costs no torch, and a broken plugin is
named when it is used and breaks nothing else. Built-in components are found by their files: a
module in a component package together with a YAML file of the same name.
"""

import ast
import importlib
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from benchmark.errors import UsageError, unknown
from benchmark.harmless import harmless
from benchmark.paths import PACKAGE, config_dir

COMPONENT_PACKAGES = ("baselines", "synaug")
BUILT_IN = "built-in"
LOG = logging.getLogger(__name__)
# names become folders of runs, words of the command line and cells of tables
_NAME = re.compile(r"[a-z][a-z0-9_]{0,79}")
_TARGET = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", re.ASCII)


@dataclass(frozen=True)
class Entry:
    """A registered name: where its object is, who brought it, what it is in one line."""

    name: str
    target: str
    origin: str = BUILT_IN
    summary: str = ""

    @property
    def source(self) -> str:
        """The file of a built-in entry relative to the project, else the target."""
        module = self.target.partition(":")[0]
        return module.replace(".", "/") + ".py" if self.origin == BUILT_IN else self.target


def _class_in(path: Path, base: str) -> tuple[str, str] | None:
    """Name of the first class derived from ``base`` and the module's summary, without importing."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    summary = (ast.get_docstring(tree) or "").partition("\n")[0]
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and any(
            isinstance(parent, ast.Name) and parent.id == base for parent in node.bases
        ):
            return node.name, summary
    return None


def _scan(package: str, folder: Path, base: str) -> dict[str, Entry]:
    found = {}
    for path in sorted(folder.glob("*.py")):
        hit = None if path.stem.startswith("_") else _class_in(path, base)
        if hit:
            found[path.stem] = Entry(path.stem, f"{package}.{path.stem}:{hit[0]}", summary=hit[1])
    return found


def _components() -> dict[str, Entry]:
    found: dict[str, Entry] = {}
    for package in COMPONENT_PACKAGES:
        found |= _scan(package, PACKAGE.parent / package, "Component")
    return found


def _datasets() -> dict[str, Entry]:
    return _scan("benchmark.data.sets", PACKAGE / "data" / "sets", "Dataset")


def _generators() -> dict[str, Entry]:
    hit = _class_in(PACKAGE / "generation" / "diffusers_adapter.py", "Generator")
    target = f"benchmark.generation.diffusers_adapter:{hit[0] if hit else ''}"
    return {"diffusers": Entry("diffusers", target, summary=hit[1] if hit else "")}


@cache
def _entry_points() -> Any:
    # Python 3.11 and 3.12 differ in the type; both have `select`
    # reading the metadata of all installed packages takes a tenth of a second: once is enough
    return entry_points()


class Registry:
    """The names of one noun.

    Args:
        noun: what an entry is called in messages.
        group: the entry-point group from which installed packages add entries.
        built_in: finds the entries that ship with the project.
    """

    def __init__(self, noun: str, group: str, built_in: Callable[[], dict[str, Entry]]) -> None:
        self.noun, self.group, self._built_in = noun, group, built_in

    @cached_property
    def entries(self) -> dict[str, Entry]:
        """All entries by name.

        A package that claims a built-in name, or whose entry is no name or no "module:object", is
        refused that entry with a warning, and nothing of it is imported.

        Raises:
            UsageError: two installed packages claim one name.
        """
        found = self._built_in()
        for point in _entry_points().select(group=self.group):
            entry = Entry(point.name, point.value, _distribution(point), "(plugin, not imported)")
            held = found.get(point.name)
            if wrong := _wrong(entry, held):
                said = f"{entry.origin} is refused the {self.noun} '{entry.name}': {wrong}"
                LOG.warning("%s", harmless(said))
                continue
            if held and held.origin != entry.origin:
                raise UsageError(
                    f"Two packages register the {self.noun} '{point.name}': {held.origin} "
                    f"and {entry.origin}",
                    todo="uninstall one of them",
                )
            found.setdefault(point.name, entry)
        return dict(sorted(found.items()))

    def names(self) -> list[str]:
        """All names, sorted."""
        return list(self.entries)

    def entry(self, name: str) -> Entry:
        """The entry called ``name``; an unknown name is refused with the nearest ones."""
        if name not in self.entries:
            raise unknown(self.noun, name, self.entries)
        return self.entries[name]

    def load(self, name: str) -> Any:
        """Import and return the object behind ``name``.

        Raises:
            UsageError: unknown name, or the entry cannot be imported; says who brought it.
        """
        entry = self.entry(name)
        module, _, attribute = entry.target.partition(":")
        try:
            return getattr(importlib.import_module(module), attribute)
        except (Exception, SystemExit) as error:
            if entry.origin == BUILT_IN:
                raise
            raise UsageError(
                f"The {self.noun} '{name}' cannot be imported: {type(error).__name__}: {error}",
                where=f"{entry.origin}, {entry.target}",
                todo="repair or uninstall that package; nothing else is affected",
            ) from error


def _wrong(entry: Entry, held: Entry | None) -> str:
    """Why an entry of a package is not taken; empty where it is."""
    if held and held.origin == BUILT_IN:
        return "a built-in has that name"
    if not _NAME.fullmatch(entry.name):
        return "a name is lower-case letters, digits and underscores"
    return "" if _TARGET.fullmatch(entry.target) else f"'{entry.target}' is no module:object"


def _distribution(point: EntryPoint) -> str:
    dist = point.dist
    return f"{dist.name} {dist.version}" if dist else point.value


def yaml_names(group: str) -> list[str]:
    """Names of the shipped YAML files of a configuration group, sorted."""
    return sorted(path.stem for path in (config_dir() / group).glob("*.yaml"))


COMPONENTS = Registry("component", "synaug_bench.components", _components)
DATASETS = Registry("dataset kind", "synaug_bench.datasets", _datasets)
GENERATORS = Registry("generator kind", "synaug_bench.generators", _generators)
BACKBONES = Registry("backbone", "synaug_bench.backbones", dict)
