"""Records on disk: validated on the way in and out, written whole or not at all."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from pydantic import ValidationError

from benchmark.errors import BenchError, DataError, IntegrityError
from benchmark.recording.migrations import migrate
from benchmark.recording.record_models import Record, close
from benchmark.statistics import metrics
from benchmark.statistics.metrics import Predictions
from benchmark.system.files import layout_json, sha256_file, write_text
from benchmark.system.progress import Tracker

__all__ = ["Record", "dumps", "find", "load", "loads", "recompute", "save", "verify"]


def save(path: Path, record: Record) -> None:
    """Write a record, which marks its run as done.

    Raises:
        IntegrityError: the record does not pass its own validation.
        StorageError: the disk is full or the folder cannot be written.
    """
    text = dumps(record, where=path)
    loads(text, where=path)
    write_text(path, text)


def load(path: Path) -> Record:
    """Read and validate a record.

    Raises:
        DataError: there is no such file.
        IntegrityError: the file is truncated, altered or inconsistent; names the first problem.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise _broken(path, f"Expected UTF-8 text, but got {error}") from error
    except OSError as error:
        raise DataError(f"Expected a record, but got {error.strerror}", where=path) from error
    return loads(text, where=path)


def dumps(record: Record, *, where: object = None) -> str:
    """The text of a record: fields in schema order, one list of scalars a line.

    Raises:
        IntegrityError: a value is NaN or infinite.
    """
    try:
        value = record.model_dump(mode="json", by_alias=True, warnings="error")
        json.dumps(value, allow_nan=False)
    except ValueError as error:
        raise _broken(
            where, f"Expected finite values of the schema's types, but got {error}"
        ) from error
    return layout_json(value) + "\n"


def loads(text: str, *, where: object = None) -> Record:
    """Parse and validate the text of a record, brought to the newest form if it is older.

    Args:
        text: what a record's file holds.
        where: printed in errors.

    Raises:
        IntegrityError: the text is no valid record, or one of a newer form; names the first
            problem.
    """
    try:
        value = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise _broken(where, f"Expected valid JSON, but got {error}") from error
    newest = migrate(value, where=where)
    if newest is not value:
        text = json.dumps(newest)
    try:
        return Record.model_validate_json(text, strict=True)
    except ValidationError as error:
        raise _broken(where, _first_problem(error)) from None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"the constant {constant}")


def _broken(where: object, problem: str) -> IntegrityError:
    return IntegrityError(problem, where=where, todo="restore the file, or delete it and run again")


def _first_problem(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    path = ".".join(str(part) for part in first["loc"])
    if first["type"] == "value_error":
        return str(first["ctx"]["error"])
    got = repr(first.get("input"))
    short = got if len(got) <= 60 else got[:57] + "..."
    return f"{path}: {first['msg']}, but got {short}"


def find(root: Path, pattern: str = "record.json") -> Iterator[tuple[Path, Record | BenchError]]:
    """Every record below a folder, in path order; a broken one comes as its error.

    Args:
        root: the folder; it need not exist.
        pattern: of file names.
    """
    paths = sorted(root.rglob(pattern))
    with Tracker("reading", len(paths), "records") as bar:
        for path in paths:
            try:
                yield path, load(path)
            except BenchError as error:
                yield path, error
            bar.advance()


def recompute(record: Record, predictions: Predictions) -> list[str]:
    """Compare the recorded metrics with those of the predictions.

    Returns:
        One line for each metric that differs by more than 1e-9; empty if all agree.

    Raises:
        DataError: the predictions hold labels that the record's data set has not.
    """
    conventions = record.dataset.conventions
    again = metrics.compute(predictions, len(record.dataset.classes), conventions)
    pairs = zip(_flat(record.metrics), _flat(again), strict=True)
    return [
        f"metrics.{name}: recorded {old}, recomputed {new}"
        for (name, old), (_, new) in pairs
        if not close(old, new)
    ]


def _flat(found: metrics.Metrics) -> Iterator[tuple[str, float | None]]:
    for name in ("accuracy", "macro", "worst", "harmonic", "nll", "brier", "ece"):
        yield name, getattr(found, name)
    for convention, groups in found.groups.items():
        yield from ((f"groups.{convention}.{g}", getattr(groups, g)) for g in metrics.GROUPS)
    for kind in ("n", "correct"):
        values = getattr(found.per_class, kind)
        yield from ((f"per_class.{kind}[{label}]", value) for label, value in enumerate(values))


def verify(path: Path) -> list[str]:
    """Check a record against the prediction file beside it.

    Returns:
        One line for each difference: the file's hash, then every metric; empty if all agree.

    Raises:
        DataError: the record or its predictions are missing.
        IntegrityError: one of the two files is broken.
    """
    record = load(path)
    file = path.parent / record.predictions.file
    predictions = metrics.load_predictions(file)
    found = sha256_file(file)
    expected = record.predictions.sha256
    altered = [] if found == expected else [f"predictions.sha256: recorded {expected}, got {found}"]
    return altered + recompute(record, predictions)
