"""Files written whole or not at all, canonical JSON, and content hashes."""

import errno
import hashlib
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from benchmark.errors import IntegrityError, StorageError

SEAL = "sha256"


def storage_error(path: Path, error: OSError) -> StorageError:
    """Translate an ``OSError`` met while writing ``path`` into one clear line."""
    if error.errno == errno.ENOSPC:
        return StorageError("The disk is full", where=path, todo="free some space and run again")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return StorageError(
            "Expected a writable folder, but permission was denied",
            where=path,
            todo="change its permissions, or move it (SYNAUG_BENCH_CACHE, out=DIR)",
        )
    return StorageError(
        f"Cannot write: {error.strerror or error}",
        where=path,
        todo="check the path, or choose another (SYNAUG_BENCH_CACHE, out=DIR)",
    )


def write_atomic(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Call ``write`` on a temporary file beside ``path``, fsync it, then rename it into place.

    Raises:
        StorageError: the disk is full or the folder cannot be written; ``path`` is untouched.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    except OSError as error:
        raise storage_error(path, error) from error
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)
        os.replace(name, path)
        _sync_folder(path.parent)
    except OSError as error:
        raise storage_error(path, error) from error
    finally:
        Path(name).unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_bytes(path: Path, content: bytes) -> None:
    """Write ``content``, whole or not at all."""
    write_atomic(path, lambda file: file.write(content))


def write_text(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8, whole or not at all."""
    write_bytes(path, text.encode())


def has_text(path: Path, text: str) -> bool:
    """Whether a file is there and holds exactly ``text``."""
    return path.is_file() and path.read_bytes() == text.encode()


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as indented JSON with a final newline; NaN and infinity are refused."""
    write_text(path, json.dumps(value, indent=1, sort_keys=False, allow_nan=False) + "\n")


def layout_json(value: Any) -> str:
    """JSON that people can read: keys in their order, one list or mapping of scalars a line.

    Raises:
        ValueError: a number is NaN or infinite.
    """
    return _layout(value, 0)


def _layout(value: Any, depth: int) -> str:
    nested = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    flat = not any(isinstance(item, dict | list) for item in nested)
    if flat and (depth or not isinstance(value, dict | list)):
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    indent, end = "\n" + " " * (depth + 1), "\n" + " " * depth
    if isinstance(value, dict):
        parts = [f"{json.dumps(key)}: {_layout(item, depth + 1)}" for key, item in value.items()]
        return "{" + indent + ("," + indent).join(parts) + end + "}"
    return (
        "[" + indent + ("," + indent).join(_layout(item, depth + 1) for item in value) + end + "]"
    )


def read_json(path: Path) -> Any:
    """Parse a JSON file.

    Raises:
        IntegrityError: the file is not valid JSON (truncated, or not a JSON file).
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise IntegrityError(
            f"Expected valid JSON, but got {error}",
            where=path,
            todo="delete the file and run again",
        ) from error


def write_sealed(path: Path, value: dict[str, Any]) -> None:
    """Write a JSON object with a hash of its content, by which damage is told."""
    write_json(path, {SEAL: content_hash(value, 64), **value})


def read_sealed(path: Path, *, older: bool = False) -> dict[str, Any] | None:
    """What ``write_sealed`` wrote; None if the file holds anything else.

    Args:
        path: a file.
        older: whether an object without a hash is taken too, as versions before wrote it.

    Raises:
        IntegrityError: the file is not valid JSON.
    """
    value = read_json(path)
    if not isinstance(value, dict):
        return None
    if older and SEAL not in value:
        return value
    seal = value.pop(SEAL, None)
    try:
        return value if content_hash(value, 64) == seal else None
    except ValueError:
        # NaN and infinity, which are never written
        return None


def canonical_json(value: Any) -> str:
    """The one JSON text of a value: sorted keys, no spaces, no NaN; what is hashed."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def content_hash(value: Any, length: int = 12) -> str:
    """The first ``length`` hex digits of the SHA-256 of the canonical JSON of ``value``."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()[:length]


def sha256_file(path: Path) -> str:
    """The SHA-256 of a file's bytes, as 64 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
