"""A hostile input, what is expected of it, and how the tests look at what came of it."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest

from benchmark.errors import BenchError

Outcome = Literal["refused", "harmless"]
MARK = "EXECUTED"


@dataclass(frozen=True)
class Case:
    """One hostile input.

    Attributes:
        name: of the case, in a few words.
        given: the input, or what makes it.
        outcome: "refused" in one line before anything is done with it, or "harmless": read, shown
            or stored as the data that it is.
        said: part of the refusal.
    """

    name: str
    given: Any
    outcome: Outcome = "refused"
    said: str = ""


def each(cases: Sequence[Case]) -> pytest.MarkDecorator:
    """Run a test for every case, which it takes as ``case``."""
    names = [case.name for case in cases]
    assert len(set(names)) == len(names), "two cases of one name"
    return pytest.mark.parametrize("case", cases, ids=names)


def outcome_of(act: Callable[[], object], case: Case) -> object:
    """Do something with a hostile input and hold what comes of it against what is expected.

    Anything but a refusal in one line without control characters is an error of the suite.
    """
    if case.outcome == "harmless":
        return act()
    with pytest.raises(BenchError) as caught:
        act()
    line = str(caught.value)
    assert line.isprintable() and case.said in line, line
    assert caught.value.exit_code in (2, 3, 4)
    return caught.value


class Runs:
    """Leaves a mark in the working folder when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.system, (f"touch {MARK}",))


def files_below(folder: Path) -> set[str]:
    """Relative paths of all files and links below a folder."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()}
