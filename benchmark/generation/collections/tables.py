"""What metadata files say about images: CSV, JSON lines, Parquet and WebDataset side files."""

import csv
import importlib
import io
import json
import math
from collections.abc import Callable, Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any

from benchmark.data.archives import Archive
from benchmark.errors import DataError, IntegrityError
from benchmark.generation.collections.rows import FACTS

NAMES = ("metadata.csv", "metadata.jsonl", "metadata.parquet", "rows.jsonl")
SIDES = (".cls", ".json", ".txt")
_ALIASES = {"license": "licence", "text": "prompt", "caption": "prompt", "class": "class_name",
            "calls": "network_calls"}  # fmt: skip
_TEXTS = {"class_name", *FACTS} - {"network_calls", "seconds"}

Columns = dict[str, Any]


def read_tables(archive: Archive) -> dict[str, Columns]:
    """Columns of each image that a metadata file names, by the image's path in the archive.

    Raises:
        IntegrityError: a file cannot be parsed, or names images that are not there.
        DataError: a column has an impossible value, or Parquet cannot be read here.
    """
    found: dict[str, Columns] = {}
    for name in archive.names:
        path = PurePosixPath(name)
        if path.name in NAMES:
            found |= _table(archive, path)
    return found


def _table(archive: Archive, path: PurePosixPath) -> dict[str, Columns]:
    where = f"{archive.path}: {path}"
    rows = _parse(archive.read(str(path)), path.suffix, where)
    named = {str(path.parent / str(row["file_name"])): row for row in rows if row.get("file_name")}
    missing = sorted(named.keys() - archive.sizes.keys())
    if missing:
        raise IntegrityError(
            f"Expected the {len(named)} images it names, but {len(missing)} are missing, "
            f"such as '{missing[0]}'",
            where=where,
            todo="fetch the images again, or remove their rows",
        )
    return {name: columns(row, where) for name, row in named.items()}


def _parse(data: bytes, suffix: str, where: str) -> list[Mapping[str, Any]]:
    reader: dict[str, Callable[[bytes], Iterable[Any]]] = {
        ".csv": _csv, ".jsonl": _jsonl, ".parquet": lambda given: _parquet(given, where)
    }  # fmt: skip
    try:
        rows = list(reader[suffix](data))
    except (ValueError, RecursionError, csv.Error) as error:
        raise IntegrityError(
            f"Expected readable metadata, but got {error}", where=where, todo="repair the file"
        ) from error
    if not all(isinstance(row, Mapping) for row in rows):
        raise IntegrityError(
            "Expected one object a line, but got another value",
            where=where,
            todo='write lines such as {"file_name": "cat/1.png", "prompt": "a cat"}',
        )
    return rows


def _csv(data: bytes) -> Iterable[Any]:
    return csv.DictReader(io.StringIO(data.decode("utf-8-sig")), strict=True)


def _jsonl(data: bytes) -> Iterable[Any]:
    lines = data.decode("utf-8-sig").splitlines()
    return (json.loads(line) for line in lines if line.strip())


def _parquet(data: bytes, where: str) -> Iterable[Any]:
    try:
        parquet = importlib.import_module("pyarrow.parquet")
    except ImportError as error:
        raise DataError(
            "Expected pyarrow to read Parquet, but it is not installed",
            where=where,
            todo="run: pip install pyarrow, or save the table as metadata.jsonl",
        ) from error
    rows: Iterable[Any] = parquet.read_table(io.BytesIO(data)).to_pylist()
    return rows


def side_files(archive: Archive, images: Iterable[str]) -> dict[str, Columns]:
    """Columns from files beside an image that share its key, as in WebDataset shards.

    "a.cls" holds the label's number or the class, "a.json" columns, "a.txt" the prompt.
    """
    keys = {_key(name): name for name in images}
    sides = [name for name in archive.names if _is_side(name) and _key(name) in keys]
    found: dict[str, Columns] = {}
    for name, data in archive.read_many(sides):
        where = f"{archive.path}: {name}"
        found.setdefault(keys[_key(name)], {}).update(_side(name, data, where))
    return found


def _key(name: str) -> str:
    folder, slash, file = name.rpartition("/")
    return folder + slash + file.partition(".")[0]


def _is_side(name: str) -> bool:
    return name.endswith(SIDES) and not name.rpartition("/")[2].startswith(".")


def _side(name: str, data: bytes, where: str) -> Columns:
    try:
        text = data.decode("utf-8").strip()
        value = json.loads(text) if name.endswith(".json") else text
    except (ValueError, RecursionError) as error:
        raise IntegrityError(
            f"Expected readable text, but got {error}", where=where, todo="repair the shard"
        ) from error
    if name.endswith(".txt"):
        return {"prompt": value}
    if name.endswith(".cls"):
        return {"cls": value}
    return columns(value, where) if isinstance(value, dict) else {}


def columns(row: Mapping[str, Any], where: str) -> Columns:
    """The columns in use, under one spelling and of the right types; others are left out.

    Raises:
        DataError: a label or a cost is not a number in its range.
    """
    given = {_ALIASES.get(str(key), str(key)): value for key, value in row.items()}
    kept: Columns = {}
    for key, value in given.items():
        if value is None or value == "":
            continue
        if key in _TEXTS:
            kept[key] = " ".join(map(str, value)) if isinstance(value, list) else str(value)
        elif key in ("network_calls", "label"):
            kept[key] = _number(int, value, key, where)
        elif key == "seconds":
            kept[key] = _number(float, value, key, where)
    return kept


def _number(kind: type[int] | type[float], value: Any, key: str, where: str) -> float:
    try:
        number = kind(value)
        if number < 0 or not math.isfinite(number) or number != float(value):
            raise ValueError
    except (TypeError, ValueError, OverflowError):
        raise DataError(
            f"Expected {key} to be a number of at least 0, but got {value!r}",
            where=where,
            todo="repair or remove the column",
        ) from None
    return number
