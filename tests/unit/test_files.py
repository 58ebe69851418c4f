"""Files are written whole or not at all; hashes depend on content only."""

import errno
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.errors import IntegrityError, StorageError
from benchmark.system import files

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)  # fmt: skip


def test_a_file_is_written_with_its_folders_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b.txt"
    files.write_text(path, "grüße")
    assert path.read_text(encoding="utf-8") == "grüße"
    assert list(path.parent.iterdir()) == [path]
    assert path.stat().st_mode & 0o777 == 0o644


def test_a_failed_write_leaves_the_old_file_and_no_debris(tmp_path: Path) -> None:
    path = tmp_path / "kept.txt"
    files.write_text(path, "old")

    def fail(file: object) -> None:
        raise ValueError("half way")

    with pytest.raises(ValueError, match="half way"):
        files.write_atomic(path, fail)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (errno.ENOSPC, "The disk is full"),
        (errno.EACCES, "Expected a writable folder"),
        (errno.EROFS, "Expected a writable folder"),
        (errno.EIO, "Cannot write"),
    ],
)
def test_storage_errors_say_what_and_where(
    code: int, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(StorageError, match=message) as caught:
        files.write_text(tmp_path / "x", "text")
    assert str(tmp_path / "x") in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_a_file_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError):
        files.write_text(tmp_path / "file" / "x", "text")


@given(PLAIN)
def test_json_survives_the_round_trip(value: object) -> None:
    assert json.loads(files.canonical_json(value)) == value


def test_json_files_survive_the_round_trip(tmp_path: Path) -> None:
    value = {"b": [1, 2.5, None], "a": "ü"}
    files.write_json(tmp_path / "x.json", value)
    assert files.read_json(tmp_path / "x.json") == value


@pytest.mark.parametrize("text", ["", "{", '{"a": 1', "\x80", "nonsense"])
def test_broken_json_names_the_file(text: str, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(IntegrityError, match="delete the file"):
        files.read_json(path)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_numbers_that_are_none_are_refused(number: float, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        files.write_json(tmp_path / "x.json", number)
    assert list(tmp_path.iterdir()) == []


def test_a_hash_ignores_the_order_of_keys_and_nothing_else() -> None:
    assert files.content_hash({"a": 1, "b": 2}) == files.content_hash({"b": 2, "a": 1})
    assert files.content_hash([1, 2]) != files.content_hash([2, 1])
    assert files.content_hash(1) != files.content_hash("1")
    assert len(files.content_hash(None, 20)) == 20


def test_known_hashes(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.touch()
    known = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert files.sha256_file(empty) == known
    # the SHA-256 of the two characters {}
    assert files.content_hash({}) == "44136fa355b3"
