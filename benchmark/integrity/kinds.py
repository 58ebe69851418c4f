"""One kind of file: how it is recognised, how it is checked, what to do where it is broken."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from benchmark.errors import BenchError, one_line

Check = Callable[[Path, bool], Iterable[str]]


@dataclass(frozen=True)
class Problem:
    """A file that is not what was written.

    Attributes:
        kind: of the file.
        path: where it is.
        said: what is wrong, on one line.
        todo: what to do about it.
    """

    kind: str
    path: Path
    said: str
    todo: str

    def __str__(self) -> str:
        return f"{self.path}: {self.said}; {self.todo}"


@dataclass(frozen=True)
class Kind:
    """One kind of file.

    Attributes:
        name: as printed, in the plural.
        pattern: of file names.
        check: takes a file and whether large ones are to be left unread; gives one line for each
            thing that is wrong with it, or raises what reading it raises.
        todo: what to do about a broken one.
        beside: name of what lies beside it, without which the file is of another kind.
        folder: whether it is a folder.
        counted: whether it is a file of the kind, not a part of one.
    """

    name: str
    pattern: str
    check: Check
    todo: str
    beside: str = ""
    folder: bool = False
    counted: bool = True

    def problem(self, path: Path, fast: bool) -> Problem | None:
        """What is wrong with a file, if anything is."""
        try:
            if path.is_dir() != self.folder:
                wanted, got = ("folder", "file") if self.folder else ("file", "folder")
                return self._problem(path, f"Expected a {wanted}, but got a {got}")
            said = list(self.check(path, fast))
            more = f" (and {len(said) - 1} more)" if len(said) > 1 else ""
            return self._problem(path, f"{said[0]}{more}") if said else None
        except BenchError as error:
            where = f" [{error.where}]" if error.where not in (None, path) else ""
            return self._problem(path, f"{error.problem}{where}", error.todo)
        except RecursionError:
            return self._problem(path, "Expected a file of ours, but it is nested without end")
        except (OSError, ValueError, TypeError, KeyError, AttributeError, MemoryError) as error:
            return self._problem(path, f"Expected a file of ours, but got {one_line(error)}")

    def _problem(self, path: Path, said: str, todo: str | None = None) -> Problem:
        return Problem(self.name, path, " ".join(said.split()), todo or self.todo)
