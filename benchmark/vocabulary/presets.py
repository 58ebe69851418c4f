"""Named stacks of components, as their YAML files give them; imports no torch."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Preset:
    """A named stack.

    Attributes:
        name: as in ``method=NAME``.
        stack: names of its components, in order.
        settings: what it sets itself, by component; all else is as the components ship it.
    """

    name: str
    stack: tuple[str, ...]
    settings: Mapping[str, Mapping[str, Any]]

    @property
    def n_settings(self) -> int:
        """How many settings it sets itself."""
        return sum(map(len, self.settings.values()))

    @property
    def words(self) -> str:
        """The command line that says the same."""
        own = [
            shlex.quote(f"method.{name}.{key}={word(value)}")
            for name, values in self.settings.items()
            for key, value in values.items()
        ]
        return " ".join([shlex.quote(f"method=[{','.join(self.stack)}]"), *own])


def read_preset(name: str, values: Mapping[str, Any]) -> Preset:
    """The preset in the values of a YAML file: a list of defaults, then its own settings."""
    stack = tuple(str(item) for item in values.get("defaults", []) if item != "_self_")
    return Preset(name, stack, {part: dict(values[part]) for part in stack if part in values})


def word(value: Any) -> str:
    """A value in the spelling of the command line."""
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)
