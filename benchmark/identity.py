"""What an experiment is: the settings that are hashed, its hash, and its readable label.

Science settings only. A field at its dataclass default is neutral and left out, so an option
added later does not orphan old records.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import yaml

from benchmark.component import Component
from benchmark.paths import config_dir
from benchmark.registry import COMPONENTS, yaml_names

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


def describe_component(part: Component) -> dict[str, Any]:
    """Name, version and settings of a component, as hashed."""
    return {"name": part.name, "version": part.version, "settings": plain(part.config)}


def shipped_settings(name: str) -> dict[str, Any]:
    """The values of a component's YAML file; empty for a plugin, whose values are defaults."""
    if name not in yaml_names("method"):
        return {}
    with (config_dir() / "method" / f"{name}.yaml").open(encoding="utf-8") as file:
        return dict(yaml.safe_load(file) or {})


def presets() -> dict[str, list[str]]:
    """Named stacks: preset -> components, in order."""
    found = {}
    for name in yaml_names("method"):
        if name not in COMPONENTS.entries:
            values = shipped_settings(name)
            found[name] = [
                str(item) for item in values.get("defaults", []) if isinstance(item, str)
            ]
    return found


def label(parts: tuple[Component, ...]) -> str:
    """A readable name of a stack: a preset's, or the components', with settings that differ."""
    names = [part.name for part in parts]
    head = next((name for name, stack in presets().items() if stack == names), " + ".join(names))
    changed = [
        f"{part.name}.{key}={_short(value)}" if len(parts) > 1 else f"{key}={_short(value)}"
        for part in parts
        for key, value in plain(part.config).items()
        if value != shipped_settings(part.name).get(key, value if _has_yaml(part.name) else None)
    ]
    return f"{head} ({', '.join(changed)})" if changed else head or "empty"


def _has_yaml(name: str) -> bool:
    return name in yaml_names("method")


def _short(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def slug(text: str) -> str:
    """A label as a folder name: letters, digits, dots, dashes and underscores."""
    kept = "".join(char if char.isalnum() or char in "._-=" else "_" for char in text)
    return "_".join(piece for piece in kept.split("_") if piece)[:80]
