"""What an experiment is: the settings that are hashed, its hash, and its readable label.

Science settings only. A field at its dataclass default is neutral and left out, so an option
added later does not orphan old records.
"""

import copy
import dataclasses
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from benchmark.paths import config_dir
from benchmark.registry import COMPONENTS, yaml_names
from benchmark.vocabulary.presets import Preset, read_preset

# not imported when run: pages of methods are made without torch
if TYPE_CHECKING:
    from benchmark.component import Component

PROTOCOL = 1


def plain(value: Any) -> Any:
    """JSON values of a configuration dataclass; neutral fields dropped, tuples as lists."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: plain(getattr(value, field.name))
            for field in dataclasses.fields(value)
            if not _neutral(field, getattr(value, field.name))
        }
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value


def _neutral(field: "dataclasses.Field[Any]", value: Any) -> bool:
    if field.default is not dataclasses.MISSING:
        return bool(value == field.default)
    if field.default_factory is not dataclasses.MISSING:
        return bool(value == field.default_factory())
    return False


def describe_component(part: "Component") -> dict[str, Any]:
    """Name, version and settings of a component, as hashed."""
    return {"name": part.name, "version": part.version, "settings": plain(part.config)}


def shipped_settings(name: str) -> dict[str, Any]:
    """The values of a component's YAML file; empty for a plugin, whose values are defaults."""
    path = config_dir() / "method" / f"{name}.yaml"
    return copy.deepcopy(_values(path)) if path.is_file() else {}


@cache
def _values(path: Path) -> dict[str, Any]:
    # labels of a grid ask for every file again and again
    with path.open(encoding="utf-8") as file:
        return dict(yaml.safe_load(file) or {})


def presets() -> dict[str, Preset]:
    """All named stacks by name."""
    return {
        name: read_preset(name, shipped_settings(name))
        for name in yaml_names("method")
        if name not in COMPONENTS.entries
    }


def label(parts: "tuple[Component, ...]", note: str = "") -> str:
    """A readable name of a stack: a preset's, or the components', with settings that differ.

    ``note`` stands after the settings.
    """
    preset = preset_of(parts)
    head = preset.name if preset else " + ".join(part.name for part in parts)
    own = preset.settings if preset else {}
    changed = [
        f"{part.name}.{key}={_short(value)}" if len(parts) > 1 else f"{key}={_short(value)}"
        for part in parts
        for key, value in _changed(part, own.get(part.name, {}))
    ]
    said = [*changed, *([note] if note else [])]
    return f"{head or 'empty'} ({', '.join(said)})" if said else head or "empty"


def preset_of(parts: "tuple[Component, ...]") -> Preset | None:
    """The named stack that ``parts`` are; of several that fit, the one that sets most itself."""
    fitting = [preset for preset in presets().values() if _fits(preset, parts)]
    return max(fitting, key=lambda each: each.n_settings, default=None)


def _fits(preset: Preset, parts: "tuple[Component, ...]") -> bool:
    """Whether ``parts`` are the preset's components with all that it sets itself."""
    return preset.stack == tuple(part.name for part in parts) and all(
        plain(getattr(part.config, key)) == value
        for part in parts
        for key, value in preset.settings.get(part.name, {}).items()
    )


def _changed(part: "Component", own: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Settings that are neither as shipped nor as the preset sets them."""
    expected = shipped_settings(part.name) | dict(own)
    return [
        (key, value)
        for key, value in plain(part.config).items()
        if value != expected.get(key, value if _has_yaml(part.name) else None)
    ]


def _has_yaml(name: str) -> bool:
    return name in yaml_names("method")


def _short(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def slug(text: str) -> str:
    """A label as a folder name: letters, digits, dots, dashes and underscores."""
    kept = "".join(char if char.isalnum() or char in "._-=" else "_" for char in text)
    found = "_".join(piece for piece in kept.split("_") if piece)[:80]
    # dots alone would be this folder or the one above
    return found if found.strip(".") else "_"
