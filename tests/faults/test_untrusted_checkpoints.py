"""Checkpoints that are damaged, or would run code if they were unpickled."""

import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmark.errors import IntegrityError
from benchmark.publishing.foreign import read_state


class Bad:
    """Would run a command if it were unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.system, ("touch executed",))


def save_code(path: Path) -> None:
    torch.save({"state_dict": {"a": torch.zeros(1)}, "hook": Bad()}, path)


def plain_pickle(path: Path) -> None:
    path.write_bytes(pickle.dumps(Bad()))


def bomb(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(20_000_000))


def cut(path: Path) -> None:
    torch.save({"a": torch.zeros(1000)}, path)
    path.write_bytes(path.read_bytes()[:-500])


def flipped(path: Path) -> None:
    torch.save({"a": torch.ones(1000)}, path)
    content = bytearray(path.read_bytes())
    at = content.find(b"\x00\x00\x80?" * 8)
    content[at + 2] ^= 0xFF
    path.write_bytes(bytes(content))


def no_weights(path: Path) -> None:
    torch.save({"epoch": 3, "history": [1, 2]}, path)


def a_list(path: Path) -> None:
    torch.save([torch.zeros(2)], path)


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (save_code, "the file holds code or objects: posix.system"),
        (plain_pickle, "Expected tensors alone|cannot be read"),
        (bomb, "bytes when unpacked"),
        (cut, "cannot be read"),
        (flipped, "a damaged part archive/data/0|a damaged part"),
        (no_weights, "Expected weights by name, but got epoch, history"),
        (a_list, "Expected weights by name, but got list"),
        (lambda path: path.write_bytes(b""), "cannot be read"),
        (lambda path: path.write_bytes(b"PK\x03\x04" + bytes(100)), "cannot be read"),
    ],
)
def test_damaged_and_hostile_files_are_one_line(
    write: Any, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "c.pt")
    with pytest.raises(IntegrityError, match=said) as caught:
        read_state(tmp_path / "c.pt")
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 600
    assert not (tmp_path / "executed").exists()
