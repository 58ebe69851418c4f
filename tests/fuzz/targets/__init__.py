"""Every target by its name; each module holds those of one part of the suite.

Modules are imported one by one, the quick ones first: most targets need no torch.
"""

from functools import cache
from importlib import import_module

from tests.fuzz.kit import Target

MODULES = ("archives", "arrays", "collections", "pools", "records", "configs", "weights")


@cache
def _of(module: str) -> dict[str, Target]:
    found = import_module(f"{__name__}.{module}").TARGETS
    return {target.name: target for target in found}


def find(name: str) -> Target | None:
    """The target of a name, or None."""
    return next((_of(module)[name] for module in MODULES if name in _of(module)), None)


def every() -> dict[str, Target]:
    """All targets by name."""
    return {name: target for module in MODULES for name, target in _of(module).items()}
