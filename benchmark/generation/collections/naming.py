"""Which class a folder of images belongs to: names forgiven their spelling, never guessed."""

import re
import unicodedata
from collections.abc import Sequence

from benchmark.errors import DataError, UsageError, unknown

_NUMBERED = re.compile(r"(\d{1,9})[_\-. ](.*)")
_NOT_WORD = re.compile(r"[\W_]+")
_NOT_ASCII_WORD = re.compile(r"[^a-z0-9]+")
_FOLDER_LETTERS = 60


def plain_name(text: str) -> str:
    """A name without case, spaces, underscores and punctuation: "Fire_Truck " -> "fire_truck"."""
    return _NOT_WORD.sub("_", unicodedata.normalize("NFKC", text).casefold()).strip("_")


def class_folder(label: int, name: str) -> str:
    """The folder of a class, label first so that sorted folders are in order: "0003_fire_truck"."""
    return f"{label:04d}_{plain_name(name)[:_FOLDER_LETTERS]}"


def is_label(text: str) -> bool:
    """Whether a text is the number of a class: some plain digits, and not thousands of them."""
    return text.isascii() and text.isdigit() and len(text) < 10


def _ascii(text: str) -> str:
    return _NOT_ASCII_WORD.sub("_", text.lower()).strip("_")


class ClassNames:
    """Finds the label of a name.

    Args:
        classes: readable names in label order.
        class_ids: further names of the same classes, such as WordNet ids; may be empty.
    """

    def __init__(self, classes: Sequence[str], class_ids: Sequence[str] = ()) -> None:
        self.classes = tuple(classes)
        self._names = _by_name(classes)
        self._ids = _by_name(class_ids)

    def label(self, name: str, where: object = None) -> int:
        """The label of a class folder or class name.

        Accepts the class name, its id, "000_name", or the label's number where no class is called
        by a number.

        Raises:
            UsageError: no such class (the nearest names are given), or several.
        """
        for table in (self._names, self._ids):
            found = table.get(plain_name(name), [])
            if len(found) == 1:
                return found[0]
            if found:
                raise _several(name, found, where)
        number = self._numbered(name, where)
        if number is None:
            raise unknown("class", name, self.classes, where=where)
        return number

    def _numbered(self, name: str, where: object) -> int | None:
        if is_label(name) and not self._numeric_names():
            return int(name) if int(name) < len(self.classes) else None
        match = _NUMBERED.fullmatch(name)
        if match is None:
            return None
        number, rest = int(match[1]), match[2]
        if number < len(self.classes) and _fits(rest, self.classes[number]):
            return number
        meant = self._names.get(plain_name(rest))
        if meant:
            raise DataError(
                f"Expected label {meant[0]} for the class '{self.classes[meant[0]]}', but the "
                f"folder is called '{name}'",
                where=where,
                todo="name the folder by the class alone, or check that the class lists agree",
            )
        return None

    def _numeric_names(self) -> bool:
        return any(name.isdigit() for name in (*self._names, *self._ids))


def _by_name(names: Sequence[str]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for label, name in enumerate(names):
        found.setdefault(plain_name(name), []).append(label)
    return found


def _fits(rest: str, name: str) -> bool:
    # folders may be cut after 60 letters, and may have lost letters outside ASCII
    for form in (plain_name, _ascii):
        given, whole = form(rest), form(name)
        if given == whole or (len(given) > 50 and whole.startswith(given)):
            return True
    return False


def _several(name: str, labels: Sequence[int], where: object) -> UsageError:
    return UsageError(
        f"Expected one class called '{name}', but got labels {', '.join(map(str, labels))}",
        where=where,
        todo=f"put the label first: {class_folder(labels[0], name)}",
    )
