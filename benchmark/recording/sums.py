"""``SHA256SUMS`` of a finished run: one line a file, as ``sha256sum --check`` reads them."""

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

from benchmark.errors import IntegrityError
from benchmark.system.files import sha256_file, write_text

SUMS = "SHA256SUMS"
RECORD = "record.json"
FILES = ("preds.npz", "weights.safetensors", "history.csv")
_LARGE = 2**20
_LINE = re.compile(r"([0-9a-f]{64})  ([^/\n]+)")


def write_sums(folder: Path, record: str) -> None:
    """Write the hashes of a run's files, those that are there, and of the record to come.

    Args:
        folder: of the run.
        record: its text; it is written last, for it marks the run as finished.

    Raises:
        StorageError: the disk is full or the folder cannot be written.
    """
    found = {name: sha256_file(folder / name) for name in FILES if (folder / name).is_file()}
    found[RECORD] = hashlib.sha256(record.encode()).hexdigest()
    write_text(folder / SUMS, "".join(f"{found[name]}  {name}\n" for name in sorted(found)))


def read_sums(path: Path) -> dict[str, str]:
    """The hashes of a file by name.

    Raises:
        IntegrityError: a line is something else.
    """
    matches = [_LINE.fullmatch(line) for line in path.read_text(encoding="utf-8").splitlines()]
    if not matches or not all(matches):
        raise IntegrityError(
            "Expected a hash and a name in every line",
            where=path,
            todo="delete the file; the run stays finished, without hashes to hold it against",
        )
    return {match[2]: match[1] for match in matches if match}


def require(record: Path) -> None:
    """Refuse a run whose record or predictions are not what was written, where hashes are kept.

    Raises:
        IntegrityError: it is.
    """
    path = record.with_name(SUMS)
    stated = read_sums(path) if path.is_file() else {}
    for name in (RECORD, "preds.npz"):
        file = record.with_name(name)
        if name in stated and file.is_file() and sha256_file(file) != stated[name]:
            raise IntegrityError(
                "Expected the file that was written, but its hash differs",
                where=file,
                todo="restore the file, or delete the record and run again",
            )


def check_sums(path: Path, fast: bool) -> Iterator[str]:
    """The files of a finished run that are not what they were; see ``Kind``."""
    for name, expected in read_sums(path).items():
        file = path.parent / name
        if not file.is_file():
            # a run that was killed just before its record came; `run` goes on with it
            if name != RECORD and (path.parent / RECORD).is_file():
                yield f"{name} is gone"
        elif not (fast and file.stat().st_size > _LARGE) and sha256_file(file) != expected:
            yield f"{name} is not what was written"
