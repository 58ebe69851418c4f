"""Source code as part of a content hash: a module with everything of ours that it imports.

What was computed by other code is never taken for the same; a change elsewhere does not matter.
"""

import ast
import hashlib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from benchmark.registry import COMPONENT_PACKAGES
from benchmark.source import module_path

OURS = frozenset({"benchmark", *COMPONENT_PACKAGES})


@cache
def source_hash(*modules: str) -> str:
    """Sixteen hex digits over the source of modules and of what they import.

    Args:
        modules: dotted names. Imports are followed within this project and the modules' own
            packages.
    """
    packages = OURS | {name.partition(".")[0] for name in modules}
    digest = hashlib.sha256()
    for name, path in sorted(_closure(modules, packages).items()):
        digest.update(f"{name}\n".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _closure(modules: Iterable[str], packages: frozenset[str]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        path = None if name in found else module_path(name)
        if path is not None:
            found[name] = path
            waiting += [each for each in _imports(path) if each.partition(".")[0] in packages]
    return found


def _imports(path: Path) -> Iterator[str]:
    """Modules that a file imports, wherever in it; names that are none fall out later."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
