"""What source files and YAML heads say, read without importing or composing anything."""

import ast
import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

_LIMITS = {"Gt": ">", "Ge": ">=", "Lt": "<", "Le": "<="}


@dataclass(frozen=True)
class Head:
    """The comment lines at the top of a YAML file.

    Attributes:
        summary: the first one.
        notes: ``key: text`` lines, such as command, time and expect.
    """

    summary: str = ""
    notes: dict[str, str] = field(default_factory=dict)


def yaml_head(path: Path) -> Head:
    """The head of a configuration file; the ``# @package`` line is skipped."""
    summary, notes = "", {}
    for line in _comments(path):
        key, colon, text = line.partition(": ")
        if not summary:
            summary = line
        elif colon and key.isalpha():
            notes[key] = text.strip()
        elif notes:
            # a long note goes on in the next line
            last = next(reversed(notes))
            notes[last] = f"{notes[last]} {line}"
    return Head(summary, notes)


def _comments(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            if not line.startswith("#"):
                return
            text = line[1:].strip()
            if text and not text.startswith("@package"):
                yield text


def module_path(name: str) -> Path | None:
    """The file of a module, found on the search path without importing its packages."""
    folders: list[str] | None = None
    spec = None
    for depth, _ in enumerate(parts := name.split(".")):
        spec = PathFinder.find_spec(".".join(parts[: depth + 1]), folders)
        if spec is None:
            return None
        folders = list(spec.submodule_search_locations or ())
    return Path(spec.origin) if spec and spec.origin else None


@cache
def _tree(module: str) -> ast.Module:
    path = module_path(module)
    try:
        return ast.parse(path.read_text(encoding="utf-8") if path else "")
    except (OSError, ValueError, SyntaxError, RecursionError, MemoryError):
        # a package of others may hold anything; what cannot be read is not described
        return ast.parse("")


def definition(module: str, name: str) -> ast.AST | None:
    """What a module-level name stands for: a class or a value, followed through imports."""
    for node in _tree(module).body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            return node
        if isinstance(node, ast.Assign) and any(_is(target, name) for target in node.targets):
            return node.value
        if isinstance(node, ast.ImportFrom) and node.module and node.module != module:
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    return definition(node.module, alias.name)
    return None


def _is(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


@dataclass(frozen=True)
class Setting:
    """A field of a configuration class.

    Attributes:
        name: of the field.
        allowed: its type or its values, readable.
        default: the neutral value, or None if the YAML file has the value.
        text: its line in the ``Attributes`` of the docstring.
    """

    name: str
    allowed: str
    default: str | None
    text: str

    @property
    def neutral(self) -> Any:
        """The neutral value itself; the text where it is no literal."""
        try:
            return ast.literal_eval(self.default) if self.default else None
        except ValueError:
            return self.default


@dataclass(frozen=True)
class ClassSource:
    """A class as its source tells it.

    Attributes:
        doc: the docstring.
        citation: keyword arguments of ``citation = Citation(...)``.
        methods: names of the methods.
        settings: fields of the inner class ``Config``.
        search: values of ``search = space(...)`` by setting, as written.
    """

    doc: str
    citation: dict[str, Any]
    methods: tuple[str, ...]
    settings: tuple[Setting, ...]
    search: dict[str, str]


def read_class(target: str) -> ClassSource | None:
    """Read the class behind an entry's target "module:Class"; None if its file is not found."""
    module, _, name = target.partition(":")
    node = definition(module, name)
    if not isinstance(node, ast.ClassDef):
        return None
    return ClassSource(
        doc=inspect.cleandoc(ast.get_docstring(node) or ""),
        citation={
            key: value.value
            for key, value in _keywords(module, node, "citation").items()
            if isinstance(value, ast.Constant)
        },
        methods=tuple(item.name for item in node.body if isinstance(item, ast.FunctionDef)),
        settings=tuple(_settings(module, node)),
        search={
            key: ", ".join(ast.unparse(each) for each in value.elts)
            for key, value in _keywords(module, node, "search").items()
            if isinstance(value, ast.Tuple)
        },
    )


def _keywords(module: str, node: ast.ClassDef, name: str) -> dict[str, ast.expr]:
    """The keyword arguments of the call that a class attribute is set to."""
    for item in node.body:
        if isinstance(item, ast.Assign) and _is(item.targets[0], name):
            value: ast.AST | None = item.value
            if isinstance(value, ast.Name):
                value = definition(module, value.id)
            if isinstance(value, ast.Call):
                return {word.arg: word.value for word in value.keywords if word.arg}
    return {}


def _settings(module: str, node: ast.ClassDef) -> Iterator[Setting]:
    config = _config_class(module, node)
    if config is None:
        return
    for base in config.bases:
        shared = definition(module, base.id) if isinstance(base, ast.Name) else None
        if isinstance(shared, ast.ClassDef):
            yield from _fields(module, shared)
    yield from _fields(module, config)


def _fields(module: str, config: ast.ClassDef) -> Iterator[Setting]:
    texts = attributes(ast.get_docstring(config) or "")
    for item in config.body:
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
            name, default = item.target.id, item.value
            yield Setting(
                name=name,
                allowed=_readable(module, item.annotation),
                default=None if default is None else ast.unparse(default),
                text=texts.get(name, ""),
            )


def _config_class(module: str, node: ast.ClassDef) -> ast.ClassDef | None:
    """The inner ``Config``: written there, or named by ``Config = Other``."""
    found: ast.AST | None = None
    for item in node.body:
        if isinstance(item, ast.ClassDef) and item.name == "Config":
            found = item
        if isinstance(item, ast.Assign) and _is(item.targets[0], "Config"):
            found = definition(module, ast.unparse(item.value))
    return found if isinstance(found, ast.ClassDef) else None


def attributes(docstring: str) -> dict[str, str]:
    """The entries of a docstring's ``Attributes`` section, by name."""
    found: dict[str, str] = {}
    _, _, section = inspect.cleandoc(docstring).partition("Attributes:\n")
    for line in section.splitlines():
        if line and not line.startswith(" "):
            break
        name, colon, text = line.strip().partition(": ")
        if colon and line.startswith("    ") and not line.startswith("     "):
            found[name] = text
        elif found and line.strip():
            last = next(reversed(found))
            found[last] = f"{found[last]} {line.strip()}"
    return found


def sections(docstring: str) -> tuple[str, dict[str, str]]:
    """The text of a docstring, and the sections in it ("Title:" and indented lines) by title."""
    text: list[str] = []
    found: dict[str, list[str]] = {}
    into = text
    for line in docstring.splitlines():
        if re.fullmatch(r"[A-Z][a-z]+:", line):
            into = found.setdefault(line[:-1], [])
            continue
        if line and not line.startswith(" "):
            into = text
        into.append(line)
    plain = {title: inspect.cleandoc("\n".join(["", *lines])) for title, lines in found.items()}
    return "\n".join(text).strip(), plain


def _readable(module: str, node: ast.expr) -> str:
    """An annotation as words: aliases resolved, ranges as comparisons."""
    if isinstance(node, ast.Name):
        known = definition(module, node.id)
        return _readable(module, known) if isinstance(known, ast.Subscript) else node.id
    if isinstance(node, ast.BinOp):
        return f"{_readable(module, node.left)} or {_readable(module, node.right)}"
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Tuple):
        items = node.slice.elts
        if _is(node.value, "Literal"):
            return ", ".join(ast.unparse(item).strip("'\"") for item in items)
        if _is(node.value, "Annotated"):
            return " ".join([_readable(module, items[0]), " and ".join(map(_limit, items[1:]))])
    return ast.unparse(node)


def _limit(node: ast.expr) -> str:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args:
        return f"{_LIMITS.get(node.func.id, node.func.id)} {ast.unparse(node.args[0])}"
    return ast.unparse(node)
