"""Source code as part of a content hash: a module with everything of ours that it imports.

What was computed by other code is never taken for the same; a change elsewhere does not matter.
"""

import ast
import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from benchmark.registry import COMPONENT_PACKAGES
from benchmark.vocabulary.source import module_path

_BLOCKS = ("body", "orelse", "handlers", "finalbody", "cases")
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


@cache
def _imports(path: Path) -> tuple[str, ...]:
    """Modules that a file imports, wherever in it; names that are none fall out later."""
    waiting: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    found: list[str] = []
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        # expressions, most of a file, hold no imports
        waiting += [each for block in _BLOCKS for each in getattr(node, block, ())]
    return tuple(found)
