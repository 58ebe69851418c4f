"""Predictions as CSV: a column of classes or one column a class, perhaps with ids; no torch."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.system.arrays import MAX_BYTES, BadArrays

IDS = ("id", "ids", "row", "file", "image")
CLASSES = ("predicted", "prediction", "predictions", "class", "label")
MAX_COLUMNS = 100_000


@dataclass(frozen=True, eq=False)
class CsvTable:
    """Values of a file.

    Attributes:
        values: classes, str (n,); or scores, float64 (n, columns).
        columns: names of the columns of scores; None without a header.
        ids: str (n,), where there is such a column.
    """

    values: NDArray[Any]
    columns: tuple[str, ...] | None
    ids: NDArray[np.str_] | None


def read_table(path: Path) -> CsvTable:
    """Read a CSV file of predictions.

    Raises:
        BadArrays: damaged, too large, or with columns that cannot be meant.
    """
    if path.stat().st_size > MAX_BYTES:
        raise BadArrays(f"more than {MAX_BYTES:,} bytes")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return _table(_rows(csv.reader(file, strict=True)))
    except (csv.Error, UnicodeDecodeError) as error:
        raise BadArrays(f"no table: {error}") from error


def _rows(reader: Iterator[list[str]]) -> Iterator[tuple[int, list[str]]]:
    """Line numbers and stripped cells of all lines that are not empty."""
    width = 0
    for number, row in enumerate(reader, 1):
        if not row:
            continue
        width = width or len(row)
        if len(row) != width or width > MAX_COLUMNS:
            raise BadArrays(f"{len(row)} cells in line {number}, where the first has {width}")
        yield number, [cell.strip() for cell in row]


def _table(rows: Iterator[tuple[int, list[str]]]) -> CsvTable:
    number, first = next(rows, (0, []))
    if not first:
        raise BadArrays("no line")
    header = tuple(first) if _is_header(first) else None
    body = rows if header else chain([(number, first)], rows)
    ids, kept = _split(header, len(first))
    named = None if header is None else tuple(header[at] for at in kept)
    read = _class if len(kept) == 1 else _numbers
    found = [(read(row, kept, line), row[ids] if ids is not None else "") for line, row in body]
    if not found:
        raise BadArrays("a header alone")
    values, names = zip(*found, strict=True)
    return CsvTable(np.asarray(values), named, None if ids is None else np.asarray(names))


def _is_header(cells: list[str]) -> bool:
    """Whether the first line names columns; data frames call theirs 0, 1, 2 and so on."""
    counted = len(cells) > 1 and cells == [str(at) for at in range(len(cells))]
    return counted or not all(map(_is_number, cells))


def _split(header: tuple[str, ...] | None, width: int) -> tuple[int | None, list[int]]:
    """The column of ids, and those of values."""
    names = [name.lower() for name in header or ()]
    ids = next((names.index(name) for name in IDS if name in names), None)
    kept = [at for at in range(width) if at != ids]
    classes = [at for at in kept if header and names[at] in CLASSES]
    lone = len(kept) == 1 and header is not None and not classes
    if not kept or lone or (classes and len(kept) > 1):
        raise BadArrays(
            f"the columns {', '.join(header or ('(one)',))}, where id and predicted are expected, "
            "or id and one column a class"
        )
    return ids, kept


def _class(row: list[str], kept: list[int], line: int) -> str:
    return row[kept[0]]


def _numbers(row: list[str], kept: list[int], line: int) -> NDArray[np.float64]:
    try:
        return np.asarray([float(row[at]) for at in kept])
    except ValueError as error:
        raise BadArrays(f"no number in line {line}: {error}") from None


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
