"""What a pipeline folder says of its parts: classes of two libraries, never code of its own."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmark.errors import IntegrityError
from benchmark.system.files import read_json

INDEX = "model_index.json"
LIBRARIES = ("diffusers", "transformers")
# the safety checker of Stable Diffusion is filed under the pipeline it came with
_OWN = (*LIBRARIES, "stable_diffusion")
_PART = re.compile(r"[a-z][a-z0-9_]*")
# "Auto" classes of transformers look their class up in the folder, and may run its code
_CLASS = re.compile(r"(?!Auto(?!encoder))[A-Z][A-Za-z0-9]*")
_AUTO_MAP = "auto_map"


def read_index(folder: Path) -> dict[str, Any]:
    """The parts of a pipeline by name: [library, class], [None, None] for one that is left out.

    Raises:
        IntegrityError: no index of a diffusers pipeline, or one that names other code than classes
            of diffusers and transformers.
    """
    index, path = read_json(folder / INDEX), folder / INDEX
    if not isinstance(index, dict) or not isinstance(index.get("_class_name"), str):
        raise _refused("the index of a diffusers pipeline with its class", "another", path)
    for name, kind in index.items():
        if isinstance(kind, list) and not _is_part(name, kind):
            shown = ".".join(map(str, kind))
            raise _refused(f"a class of {' or '.join(LIBRARIES)} for '{name}'", shown, path)
    return index


def _is_part(name: str, kind: list[Any]) -> bool:
    if len(kind) != 2 or not _PART.fullmatch(name):
        return False
    library, cls = kind
    if library is None or cls is None:
        return library is cls
    return library in _OWN and isinstance(cls, str) and bool(_CLASS.fullmatch(cls))


def check_no_code(folder: Path) -> None:
    """Refuse a pipeline folder that brings code, or names some in a part's configuration.

    Raises:
        IntegrityError: a Python file, or a configuration with "auto_map".
    """
    for path in sorted([*folder.glob("*.py"), *folder.glob("*/*.py")]):
        raise _refused("weights and settings alone", f"the code {path.name}", path)
    for path in sorted(folder.glob("*/*.json")):
        if "config" in path.name and _AUTO_MAP in set(_keys(read_json(path))):
            raise _refused("settings of a known class", f"'{_AUTO_MAP}', which names code", path)


def _keys(value: Any) -> Iterator[str]:
    return iter(value if isinstance(value, dict) else ())


def _refused(expected: str, got: str, path: Path) -> IntegrityError:
    return IntegrityError(
        f"Expected {expected}, but got {got}",
        where=path,
        todo="use a pipeline as diffusers saves it; no code of a pipeline is run",
    )
