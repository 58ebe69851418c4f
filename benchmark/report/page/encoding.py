"""Numbers and texts of the payload: integers in place of decimals, each text stored once."""

import json
from collections.abc import Sequence
from typing import Any

from benchmark.boards import text
from benchmark.statistics import stats
from benchmark.system.files import canonical_json

# In HTML these end a script or start markup; inside JSON text they are as good escaped.
_UNSAFE = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"}


class Strings:
    """Texts by number, in the order in which they were first seen."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def add(self, value: str) -> int:
        """The number of a text."""
        return self._numbers.setdefault(value, len(self._numbers))

    def add_all(self, values: Sequence[str]) -> list[int]:
        """The numbers of several texts."""
        return [self.add(value) for value in values]

    @property
    def all(self) -> list[str]:
        """Every text, by number."""
        return list(self._numbers)


class Shared:
    """Plain values by number; equal ones are stored once."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self.all: list[Any] = []

    def add(self, value: Any) -> int:
        """The number of a plain value."""
        key = canonical_json(value)
        if key not in self._numbers:
            self._numbers[key] = len(self.all)
            self.all.append(value)
        return self._numbers[key]


def centi(value: float | None) -> int | None:
    """A share in [0, 1] in hundredths of a percent, rounded as tables print it; None stays."""
    return None if value is None else int(text.percent(value).replace(".", ""))


def tenths(value: float) -> int:
    """A number in tenths, rounded as tables print it."""
    return int(text.number(value, 1).replace(".", ""))


def summary(values: Sequence[float]) -> tuple[int | None, int | None]:
    """Mean and half-width of the 95 % interval of shares, both in hundredths of a percent."""
    if not values:
        return None, None
    return centi(stats.mean(values)), centi(stats.half_width(values))


def script_json(value: Any) -> str:
    """JSON in ASCII that may stand inside a script element, whatever the texts hold.

    Raises:
        ValueError: a number is NaN or infinite.
    """
    dumped = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    for character, escaped in _UNSAFE.items():
        dumped = dumped.replace(character, escaped)
    return dumped
