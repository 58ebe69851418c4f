"""Versions that decide which results belong together: of protocols and of components.

A record of an older protocol or component version is valid and stands apart: it has another hash,
and for protocols another table. Versions of the present code are read from its source, so that
nothing is imported.
"""

import ast
from collections.abc import Iterable
from functools import cache

from benchmark.identity import PROTOCOL
from benchmark.recording.record_models import Part, Record
from benchmark.recording.table_key import TableKey, key_of
from benchmark.registry import BUILT_IN, COMPONENTS, DATASETS
from benchmark.system.files import content_hash
from benchmark.vocabulary import source

Stack = tuple[Part, ...]


@cache
def component_version(name: str) -> int | None:
    """The version of a component as it is now; None if it is not installed or not readable."""
    entry = COMPONENTS.entries.get(name)
    if entry is None:
        return None
    module, _, attribute = entry.target.partition(":")
    node = source.definition(module, attribute)
    if not isinstance(node, ast.ClassDef):
        return None
    for item in node.body:
        if isinstance(item, ast.Assign | ast.AnnAssign) and _target(item) == "version":
            return _number(item.value)
    return 1


@cache
def card_protocol(kind: str) -> int | None:
    """The protocol of a built-in kind of data set as it is now; None for any other."""
    entry = DATASETS.entries.get(kind)
    if entry is None or entry.origin != BUILT_IN:
        return None
    path = source.module_path(entry.target.partition(":")[0])
    tree = ast.parse(path.read_text(encoding="utf-8")) if path else ast.Module([], [])
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id == "Card"
        ):
            return next((_number(w.value) for w in node.keywords if w.arg == "protocol"), None)
    return None


def _target(node: ast.Assign | ast.AnnAssign) -> str:
    target = node.targets[0] if isinstance(node, ast.Assign) else node.target
    return target.id if isinstance(target, ast.Name) else ""


def _number(node: ast.expr | None) -> int | None:
    found = node.value if isinstance(node, ast.Constant) else None
    return found if isinstance(found, int) else None


def outdated(record: Record) -> tuple[str, ...]:
    """What of a record is older than this code, one text each; empty if nothing is."""
    science = record.experiment.config
    data = science.get("dataset")
    kind = str(data.get("kind")) if isinstance(data, dict) else ""
    pairs: list[tuple[str, object, int | None]] = [
        ("protocol of the harness", science.get("protocol"), PROTOCOL),
        ("protocol of the data set", record.protocol, card_protocol(kind)),
        *(
            (f"version of {part.name}", part.version, component_version(part.name))
            for part in record.method.stack
        ),
    ]
    return tuple(
        f"{what} {then}, now {now}"
        for what, then, now in pairs
        if isinstance(then, int) and now is not None and then < now
    )


def superseded(records: Iterable[Record]) -> dict[str, str]:
    """Experiments of which the records hold a newer version: a note for each, by hash.

    Two experiments of one table are versions of each other if they differ in the versions of their
    components only.
    """
    groups: dict[tuple[TableKey, str], dict[str, Stack]] = {}
    for record in records:
        key = (key_of(record), _without_versions(record))
        groups.setdefault(key, {})[record.experiment.hash] = record.method.stack
    found: dict[str, str] = {}
    for group in groups.values():
        newest = max(group.values(), key=_versions)
        found |= {hashed: _note(stack, newest) for hashed, stack in group.items()}
    return {hashed: found[hashed] for hashed in sorted(found) if found[hashed]}


def _versions(stack: Stack) -> tuple[int, ...]:
    return tuple(part.version for part in stack)


def _without_versions(record: Record) -> str:
    """A hash of the science settings whatever the versions, and of the stack's names."""
    science = {key: value for key, value in record.experiment.config.items() if key != "method"}
    stack = [{"name": part.name, "settings": part.settings} for part in record.method.stack]
    return content_hash([science, stack])


def _note(stack: Stack, newest: Stack) -> str:
    """What is older in a stack; "" if nothing is."""
    return "; ".join(
        f"version {mine.version} of {mine.name}, superseded by {other.version}"
        for mine, other in zip(stack, newest, strict=True)
        if mine.version < other.version
    )
