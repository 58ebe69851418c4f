"""What ``check COMPONENT`` does: a component is held to its promises."""

import importlib
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from benchmark.errors import UsageError
from benchmark.registry import COMPONENTS

if TYPE_CHECKING:
    from benchmark.conformance import CheckResult


def check_component(target: str, words: Sequence[str] = ()) -> "list[CheckResult]":
    """Train a component on tiny random images and see whether it keeps its promises.

    Args:
        target: a registered name, checked with the settings of its YAML file (a plugin with its
            defaults), or "package.module:Class", checked with its defaults.
        words: settings of its own in place of those, as key=value.

    Raises:
        UsageError: nothing has the name, it cannot be imported, or a setting has no value or one
            that is not allowed.
    """
    from benchmark import conformance, tiny
    from benchmark.identity import shipped_settings

    if ":" in target:
        cls, name, values = _imported(target), target.rpartition(":")[2].lower(), {}
    else:
        cls, name, values = COMPONENTS.load(target), target, shipped_settings(target)
    piece = tiny.Piece(cls, values | _given(words), name)
    # settings that do not parse are one error rather than a failure of every check
    piece.build()
    # its schedules have a word to say about stages of a single step
    logging.getLogger("timm").setLevel(logging.ERROR)
    return conformance.check_stack([piece])


def _given(words: Sequence[str]) -> dict[str, Any]:
    """The values of key=value words, read as the command line of a run reads them."""
    from omegaconf import OmegaConf

    values = OmegaConf.to_container(OmegaConf.from_dotlist(list(words)))
    assert isinstance(values, dict)
    return {str(key): value for key, value in values.items()}


def _imported(target: str) -> Any:
    from benchmark.component import Component

    module, _, name = target.partition(":")
    try:
        found = getattr(importlib.import_module(module), name)
    except Exception as error:
        raise UsageError(
            f"'{target}' cannot be imported: {type(error).__name__}: {error}",
            todo="give package.module:Class, with the package on the path",
        ) from error
    if not (isinstance(found, type) and issubclass(found, Component)):
        raise UsageError(f"Expected a class derived from Component, but got {found!r}")
    return found
