"""What there is to choose from: every noun's names with one line each; imports no torch."""

import shutil
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmark.errors import unknown
from benchmark.harmless import harmless
from benchmark.paths import PACKAGE, config_dir
from benchmark.registry import (
    BACKBONES,
    BUILT_IN,
    COMPONENT_PACKAGES,
    COMPONENTS,
    DATASETS,
    GENERATORS,
    Registry,
    yaml_names,
)
from benchmark.vocabulary.source import yaml_head

PLUGIN_GROUPS = {
    "method": COMPONENTS,
    "dataset": DATASETS,
    "generator": GENERATORS,
    "backbone": BACKBONES,
}


@dataclass(frozen=True)
class Row:
    """One name that can be chosen.

    Attributes:
        group: the configuration group, as in ``group=name``.
        name: the choice.
        summary: one line.
        origin: "built-in", or the package that brought it.
        kind: what it is, where a noun has more than one kind.
        path: its YAML file, if it has one.
    """

    group: str
    name: str
    summary: str
    origin: str = BUILT_IN
    kind: str = ""
    path: Path | None = None


@dataclass(frozen=True)
class Noun:
    """A heading of the list.

    Attributes:
        name: plural, as typed after ``ls``.
        group: of the command line, ``group=name``.
        summary: one line.
        rows: finds the entries.
    """

    name: str
    group: str
    summary: str
    rows: Callable[[], list[Row]]


def _group_rows(group: str) -> list[Row]:
    """Entries of a configuration group: its YAML files, then what plugins add."""
    folder = config_dir() / group
    rows = [_yaml_row(group, folder / f"{name}.yaml") for name in yaml_names(group)]
    return rows + list(_without_yaml(group, {row.name for row in rows}))


def _yaml_row(group: str, path: Path) -> Row:
    kind = ""
    if group == "method":
        kind = "component" if path.stem in COMPONENTS.entries else "preset"
    return Row(group, path.stem, yaml_head(path).summary, kind=kind, path=path)


def _without_yaml(group: str, known: set[str]) -> Iterator[Row]:
    registry: Registry | None = PLUGIN_GROUPS.get(group)
    for entry in registry.entries.values() if registry else ():
        # a built-in kind of data set or generator is chosen through its YAML files
        if entry.name not in known and (group == "method" or entry.origin != BUILT_IN):
            kind = "component" if group == "method" else ""
            yield Row(group, entry.name, entry.summary, entry.origin, kind)


def modifier_files() -> dict[str, Path]:
    """Modifier sets by name: the YAML files in a package's ``modifiers`` folder."""
    roots = [PACKAGE.parent / package / "modifiers" for package in COMPONENT_PACKAGES]
    return {path.stem: path for root in roots for path in sorted(root.glob("*.yaml"))}


def _modifier_rows() -> list[Row]:
    return [
        Row("modifiers", name, yaml_head(path).summary, path=path)
        for name, path in modifier_files().items()
    ]


def _noun(name: str, group: str, summary: str) -> Noun:
    return Noun(name, group, summary, lambda: _group_rows(group))


NOUNS = {
    noun.name: noun
    for noun in (
        _noun("methods", "method", "components, and presets that stack them: 'method=[a,b]'"),
        _noun("datasets", "dataset", "long-tailed data sets and their protocols"),
        _noun("budgets", "budget", "how many images each class gets"),
        _noun("generators", "generator", "what makes images"),
        _noun("recipes", "recipe", "training settings that all methods share"),
        _noun("backbones", "backbone", "networks; any timm model with backbone=timm"),
        _noun("grids", "grid", "named sets of runs, such as the tables and figures of the paper"),
        _noun("fits", "fit", "sizes of a generator of one's own: generate fit FOLDER fit=NAME"),
        Noun("modifiers", "modifiers", "word lists that vary the prompts", _modifier_rows),
    )
}


def noun(name: str) -> Noun:
    """The noun called ``name``, in singular or plural.

    Raises:
        UsageError: no such noun; the nearest ones are named.
    """
    singular = {item.group: item for item in NOUNS.values()} | {"modifier": NOUNS["modifiers"]}
    found = NOUNS.get(name) or singular.get(name)
    if found is None:
        raise unknown("noun", name, [*NOUNS, "runs"])
    return found


def all_rows() -> list[Row]:
    """Every entry of every noun."""
    return [row for item in NOUNS.values() for row in item.rows()]


def terminal_width() -> int | None:
    """Columns of the terminal, or None where the output is not one and lines stay whole."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def bold(text: str) -> str:
    """Bold on a terminal, else as it is."""
    return f"\033[1m{text}\033[0m" if sys.stdout.isatty() else text


def table(
    rows: Iterable[tuple[str, ...]], width: int | None, indent: str = "", wrap: bool = False
) -> list[str]:
    """Lines of aligned columns; what does not fit in the terminal is cut or wrapped.

    Args:
        rows: cells, equally many in each row; what a terminal would obey is shown as an escape.
        width: columns of the terminal; None leaves every line whole.
        indent: stands before each line.
        wrap: go on below in the last column rather than cut.
    """
    cells = [tuple(map(harmless, row)) for row in rows]
    widths = [max(map(len, column)) for column in list(zip(*cells, strict=True))[:-1]]
    hanging = len(indent) + sum(size + 2 for size in widths)
    lines: list[str] = []
    for row in cells:
        padded = [cell.ljust(size) for cell, size in zip(row, widths, strict=False)]
        line = indent + "  ".join([*padded, row[-1]]).rstrip()
        lines += _wrapped(line, width, hanging) if wrap else [_cut(line, width)]
    return lines


def _cut(line: str, width: int | None) -> str:
    if width is None or len(line) <= width:
        return line
    return line[: max(width - 1, 1)].rstrip() + "…"


def _wrapped(line: str, width: int | None, hanging: int) -> list[str]:
    if width is None or len(line) <= width:
        return [line]
    room = max(width - hanging, 20)
    first, *others = textwrap.wrap(line[hanging:], room)
    return [line[:hanging] + first, *(" " * hanging + text for text in others)]


def _cells(row: Row) -> tuple[str, ...]:
    brought = "" if row.origin == BUILT_IN else row.origin
    mark = " ".join(text for text in (row.kind if row.kind == "preset" else "", brought) if text)
    return (row.name, f"[{mark}] {row.summary}" if mark else row.summary)


def listing(name: str | None = None, width: int | None = None) -> str:
    """The list of one noun, or of all of them.

    Args:
        name: a noun; None for all.
        width: columns of the terminal; None leaves lines whole.
    """
    nouns = [noun(name)] if name else list(NOUNS.values())
    lines: list[str] = []
    for item in nouns:
        rows = item.rows()
        lines += [bold(item.name) + f"  {item.group}=NAME: {item.summary}"]
        lines += table(map(_cells, rows), width, "  ") if rows else ["  (none)"]
        lines.append("")
    example = nouns[0].rows()[:1]
    if example:
        lines.append(f"More on one: python -m benchmark show {example[0].group}={example[0].name}")
    return "\n".join(lines)
