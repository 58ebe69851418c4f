"""YAML of others, read as plain values: one clear line for all that can be wrong with it."""

from pathlib import Path
from typing import Any

import yaml

from benchmark.errors import BenchError, DataError, IntegrityError, one_line

Refusal = type[BenchError]
# aliases let a few lines stand for more values than there are atoms
MAX_VALUES = 200_000


def parse_yaml(text: str, where: object, refusal: Refusal = IntegrityError) -> Any:
    """The value of a YAML document.

    Args:
        text: of the document.
        where: printed in errors.
        refusal: what is raised; UsageError for what people write by hand.

    Raises:
        BenchError: no YAML, nested without end, or of more than ``MAX_VALUES`` values.
    """
    try:
        value = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, LookupError, TypeError, AttributeError,
            RecursionError) as error:  # fmt: skip
        # besides its own errors PyYAML lets through those of dates, numbers and tags
        said = one_line(error)
        raise refusal(f"Expected valid YAML, but got {said}", where=where) from error
    if _count(value) > MAX_VALUES:
        raise refusal(
            "Expected YAML of a reasonable size, but its aliases stand for "
            f"more than {MAX_VALUES:,} values",
            where=where,
            todo="write the values out",
        )
    return value


def _count(value: Any) -> int:
    """Values within a value as if aliases were written out; stops beyond ``MAX_VALUES``."""
    waiting, found = [value], 0
    while waiting and found <= MAX_VALUES:
        item = waiting.pop()
        found += 1
        if isinstance(item, dict):
            waiting += item.values()
        elif isinstance(item, list | tuple | set):
            waiting += item
    return found


def read_yaml(path: Path, refusal: Refusal = IntegrityError) -> Any:
    """The value of a YAML file; see ``parse_yaml``.

    Raises:
        DataError: the file cannot be read.
        BenchError: it is not UTF-8 or no YAML.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise DataError(f"Expected a YAML file, but got {error.strerror}", where=path) from error
    except UnicodeDecodeError as error:
        raise refusal(f"Expected UTF-8 text, but got {error}", where=path) from error
    return parse_yaml(text, path, refusal)
