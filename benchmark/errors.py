"""Errors a user can cause: one line that says what, where, and what to do next."""

import difflib
from collections.abc import Iterable

from benchmark.harmless import harmless

_LONGEST = 1000


# exit code of what is no BenchError
BUG = 70


class BenchError(Exception):
    """Base of every error shown without a traceback.

    Args:
        problem: what is wrong, as "Expected X, but got Y" where that fits.
        where: the file, key or stage concerned.
        todo: what to do next, often a command.
    """

    exit_code = 1

    def __init__(self, problem: str, *, where: object = None, todo: str | None = None) -> None:
        self.problem, self.where, self.todo = problem, where, todo
        super().__init__(problem)

    def __str__(self) -> str:
        place = f" [{self.where}]" if self.where is not None else ""
        advice = f"; {self.todo}" if self.todo else ""
        # much of it comes from files and from other libraries
        return harmless(f"{_cut(self.problem)}{_cut(place)}{advice}")


def _cut(text: str) -> str:
    """A text with its middle left out where the content of a file would fill the terminal."""
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 100]} ... {text[-90:]}"


class UsageError(BenchError):
    """A name, key, type or value that cannot be meant (exit code 2)."""

    exit_code = 2


class Occupied(UsageError):
    """Another process is at work on the same thing; not an error where there is other work."""


class Diverged(BenchError):
    """The loss is no number any more."""


class DataError(BenchError):
    """Data or weights that are absent or are not what was expected (exit code 3)."""

    exit_code = 3


class IntegrityError(BenchError):
    """A file that is truncated, altered or fails its checksum (exit code 4)."""

    exit_code = 4


class StorageError(BenchError):
    """The disk is full, or a folder cannot be written (exit code 5)."""

    exit_code = 5


class Inconclusive(BenchError):
    """The runs at hand show neither that numbers are as good nor that they are worse (code 6)."""

    exit_code = 6


class Interrupted(BenchError):
    """Stopped by Ctrl-C or SIGTERM after saving what was done (exit code 130)."""

    exit_code = 130


def one_line(error: BaseException, limit: int = 200) -> str:
    """What another library's error says, on one line of at most ``limit`` characters."""
    said = " ".join(str(error).split()) or type(error).__name__
    return said if len(said) <= limit else said[: limit - 3] + "..."


def nearest(name: str, allowed: Iterable[str], limit: int = 3) -> list[str]:
    """The up to ``limit`` allowed names closest in spelling to ``name``, best first."""
    options = sorted(set(allowed))
    folded = {option.lower(): option for option in options}
    close = difflib.get_close_matches(name.lower(), list(folded), n=limit, cutoff=0.5)
    return [folded[match] for match in close]


def unknown(noun: str, name: str, allowed: Iterable[str], *, where: object = None) -> UsageError:
    """The error for a name that is not in a closed list, with the nearest ones first."""
    options = sorted(set(allowed))
    close = nearest(name, options)
    hint = f"did you mean {' or '.join(close)}?" if close else f"allowed: {', '.join(options)}"
    return UsageError(f"Unknown {noun} '{name}'", where=where, todo=hint)
