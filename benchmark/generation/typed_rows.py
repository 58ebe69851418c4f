"""One line of a plan or of results as a named tuple whose values have the types they should."""

import json
from functools import cache
from types import NoneType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from benchmark.harmless import is_file_name

R = TypeVar("R", bound=tuple[Any, ...])


def row_of(cls: type[R], line: str) -> R:
    """The row that a line of JSON holds.

    Raises:
        ValueError: no JSON, a label or slot below 0, or an id that is no name of a file.
        TypeError: missing or unknown names, or a value of another type.
    """
    make: Any = cls
    try:
        values = json.loads(line)
    except RecursionError as error:
        raise ValueError("values nested without end") from error
    try:
        row: R = make(**values)
    except TypeError as error:
        raise TypeError(_other_names(make._fields, values)) from error
    if not all(map(isinstance, row, _types(cls))):
        raise TypeError(f"values of other types than {', '.join(make._fields)} have")
    label, slot = getattr(row, "label", 0), getattr(row, "slot", 0)
    if label < 0 or slot < 0:
        raise ValueError(f"label {label} and slot {slot}")
    image_id = getattr(row, "image_id", "none")
    if not is_file_name(image_id):
        # it becomes the name of a file, and whoever wrote the line may mean one elsewhere
        raise ValueError(f"the id {image_id!r}")
    return row


def _other_names(fields: tuple[str, ...], values: object) -> str:
    if not isinstance(values, dict):
        return f"a {type(values).__name__} in place of names with values"
    missing = [name for name in fields if name not in values]
    odd = [str(name) for name in values if name not in fields]
    return "a row" + (
        f" with the name {odd[0]!r}" if odd else f" without {', '.join(missing) or 'its values'}"
    )


@cache
def _types(cls: type[Any]) -> tuple[tuple[type, ...], ...]:
    return tuple(_allowed(hint) for hint in get_type_hints(cls).values())


def _allowed(hint: Any) -> tuple[type, ...]:
    if get_origin(hint) is Literal:
        return (str,)
    kinds = get_args(hint) or (hint,)
    return tuple(kind for each in kinds for kind in _plain(each))


def _plain(kind: Any) -> tuple[type, ...]:
    # JSON writes 2.0 as it likes
    return (int, float) if kind is float else (NoneType if kind is None else kind,)
