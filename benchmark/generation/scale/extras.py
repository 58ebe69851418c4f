"""Optional libraries of the engines."""

import importlib
from typing import Any

from benchmark.errors import UsageError

# of libraries that do not lend it their name
_EXTRAS = {"submitit": "slurm"}


def need(library: str, *parts: str) -> Any:
    """The module of an optional library.

    Args:
        library: its name.
        parts: modules of it that are needed too.

    Raises:
        UsageError: it is not installed, or not with those parts; names the extra.
    """
    try:
        found = importlib.import_module(library)
        for part in parts:
            importlib.import_module(f"{library}.{part}")
    except ImportError as error:
        raise UsageError(
            f"Expected the library {library}, but it is not installed",
            where=f"engine={library}",
            todo=f"pip install 'synaug-bench[{_EXTRAS.get(library, library)}]'",
        ) from error
    return found
