"""Lists of URLs: what is to be fetched, for which class, under which licence."""

import csv
import difflib
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.errors import DataError, IntegrityError, UsageError
from benchmark.generation.collections.naming import ClassNames, is_label
from benchmark.system.files import sha256_file

LISTINGS = (".csv", ".jsonl")
_COLUMNS = ("url", "class", "class_name", "label", "sha256", "licence", "license", "date", "query")
_HEX = set("0123456789abcdef")


@dataclass(frozen=True)
class Wanted:
    """One line of a list.

    Attributes:
        index: place in the list, from 0.
        url: of the image.
        label: of its class.
        sha256: of the bytes, 64 hex digits; empty if the list does not say.
        licence: what it may be used for.
        date: when it was found.
        query: what was searched for.
    """

    index: int
    url: str
    label: int
    sha256: str = ""
    licence: str = ""
    date: str = ""
    query: str = ""


def listing_stamp(path: Path) -> str:
    """Names a list by its content."""
    return f"list-{sha256_file(path)[:20]}"


def read_listing(path: Path, classes: Sequence[str], class_ids: Sequence[str] = ()) -> list[Wanted]:
    """The lines of a CSV or JSON-lines file.

    Args:
        path: a file whose rows have ``url`` and either ``class`` (a name) or ``label`` (a
            number); ``sha256``, ``licence``, ``date`` and ``query`` are optional.
        classes: readable names in label order.
        class_ids: further names of the classes.

    Raises:
        DataError: no such file, no rows, or a row without URL or class.
        UsageError: an unknown class, or a misspelt column.
        IntegrityError: the file cannot be parsed.
    """
    rows = _rows(path)
    if not rows:
        raise DataError("Expected a list of URLs, but it is empty", where=path, todo="add rows")
    _check_columns({key for row in rows for key in row}, path)
    names = ClassNames(classes, class_ids)
    return [
        _wanted(index, row, names, f"{path}, row {index + 1}") for index, row in enumerate(rows)
    ]


def _rows(path: Path) -> list[Mapping[str, Any]]:
    if path.suffix.lower() not in LISTINGS or not path.is_file():
        raise DataError(
            "Expected a list of URLs as .csv or .jsonl, but got none",
            where=path,
            todo="write one with the columns url, class, sha256, licence, date",
        )
    try:
        text = path.read_text(encoding="utf-8-sig")
        rows: Iterable[Any]
        if path.suffix.lower() == ".csv":
            rows = csv.DictReader(io.StringIO(text), strict=True)
        else:
            rows = (json.loads(line) for line in text.splitlines() if line.strip())
        found = list(rows)
    except (ValueError, RecursionError, csv.Error) as error:
        raise IntegrityError(
            f"Expected a readable list, but got {error}", where=path, todo="repair the file"
        ) from error
    if not all(isinstance(row, Mapping) for row in found):
        raise IntegrityError(
            "Expected one object a line", where=path, todo='write {"url": ..., "class": ...}'
        )
    return found


def _check_columns(columns: set[str], path: Path) -> None:
    if "url" not in columns or not columns & {"class", "class_name", "label"}:
        raise DataError(
            f"Expected the columns url and class (or label), but got {sorted(map(str, columns))}",
            where=path,
            todo="rename or add columns",
        )
    for column in sorted(map(str, columns - set(_COLUMNS))):
        # a misspelt hash would be a hash that nobody checks
        close = difflib.get_close_matches(column.lower(), _COLUMNS, 1, 0.75)
        if close:
            raise UsageError(
                f"Unknown column '{column}'", where=path, todo=f"did you mean {close[0]}?"
            )


def _wanted(index: int, row: Mapping[str, Any], names: ClassNames, where: str) -> Wanted:
    def text(*keys: str) -> str:
        return next((str(row[key]).strip() for key in keys if row.get(key) not in (None, "")), "")

    url, name, number = text("url"), text("class", "class_name"), text("label")
    digest = text("sha256").lower()
    if not url or not (name or number):
        raise DataError("Expected a URL and a class", where=where, todo="complete the row")
    if digest and (len(digest) != 64 or set(digest) - _HEX):
        raise DataError(
            f"Expected sha256 as 64 hex digits, but got '{digest}'", where=where, todo="repair it"
        )
    if not name and not (is_label(number) and int(number) < len(names.classes)):
        raise DataError(
            f"Expected a label below {len(names.classes)}, but got '{number}'",
            where=where,
            todo="repair it, or name the class",
        )
    label = names.label(name, where) if name else int(number)
    return Wanted(
        index, url, label, digest, text("licence", "license"), text("date"), text("query")
    )
