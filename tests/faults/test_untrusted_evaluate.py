"""`evaluate` on files that nobody vouches for: one line, the right code, nothing executed."""

import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from benchmark.verbs import cli

PREDICTIONS = ("dataset=digitslt", "predictions=FILE")
CHECKPOINT = ("dataset=digitslt", "checkpoint=FILE", "model=cifar_resnet8")
Write = Callable[[Path], object]


class Runs:
    """Would leave a file behind if it were unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.system, ("touch executed",))


def bomb(path: Path) -> None:
    """An archive whose directory owns up to two gigabytes."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("predicted.npy", bytes(2**20))
    size = (2**20).to_bytes(4, "little")
    path.write_bytes(path.read_bytes().replace(size, (2**31 - 1).to_bytes(4, "little")))


def pickled(path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, np.asarray([Runs()] * 1240, dtype=object), allow_pickle=True)


def header(text: str) -> bytes:
    return b"\x93NUMPY\x02\x00" + len(text).to_bytes(4, "little") + text.encode()


def huge_header(path: Path) -> None:
    path.write_bytes(header("{'descr': '<f8', 'shape': (1240,)" + " " * 10**6))


def huge_shape(path: Path) -> None:
    path.write_bytes(header("{'descr': '<f8', 'fortran_order': False, 'shape': (1240, 10**10)}"))


def huge_promise(path: Path) -> None:
    text = "{'descr': '<f8', 'fortran_order': False, 'shape': (1240, 9999999999)}"
    path.write_bytes(header(text) + bytes(64))


def other_columns(path: Path) -> None:
    path.write_text("name,size,colour\n" + "a,1,red\n" * 1240)


def formula(path: Path) -> None:
    path.write_text("predicted\n" + "=cmd|' /C calc'!A0\n" * 1240)


def wrong_shapes(path: Path) -> None:
    save_file({"conv1.weight": torch.zeros(5, 5), "head.weight": torch.zeros(10, 2)}, path)


def code(path: Path) -> None:
    torch.save({"state_dict": {"a": torch.zeros(2)}, "hook": Runs()}, path)


def no_header(path: Path) -> None:
    path.write_bytes((2**40).to_bytes(8, "little") + b"{}")


CASES: list[tuple[str, Write, tuple[str, ...], int, str]] = [
    ("p.npz", bomb, PREDICTIONS, 4, "2,147,483,647 bytes when unpacked"),
    ("p.npy", pickled, PREDICTIONS, 4, "Python objects, which would have to be executed"),
    ("p.npy", huge_header, PREDICTIONS, 4, "Expected a readable .npy file, but got Header info"),
    ("p.npy", huge_shape, PREDICTIONS, 4, "Expected a readable .npy file"),
    ("p.npy", huge_promise, PREDICTIONS, 4, "64 bytes where the header promises"),
    ("p.csv", other_columns, PREDICTIONS, 4, "no number in line 2"),
    ("p.csv", formula, PREDICTIONS, 3, "Expected a class, but got '=cmd|"),
    ("p.npz", lambda path: path.write_bytes(b"PK\x05\x06" + bytes(18)), PREDICTIONS, 4, "(none)"),
    ("c.safetensors", wrong_shapes, CHECKPOINT, 4, "2 another shape (conv1.weight of 5x5 and not"),
    ("c.safetensors", no_header, CHECKPOINT, 4, "Expected a safetensors file, but"),
    ("c.pt", code, CHECKPOINT, 4, "the file holds code or objects: posix.system"),
    ("c.pth", lambda path: path.write_bytes(os.urandom(1000)), CHECKPOINT, 4, "cannot be read"),
]


@pytest.mark.parametrize(("name", "write", "words", "exit_code", "said"), CASES)
def test_a_hostile_file_is_one_line(
    name: str, write: Write, words: tuple[str, ...], exit_code: int, said: str,
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    write(tmp_path / name)
    assert cli.main(["evaluate", *(word.replace("FILE", name) for word in words)]) == exit_code
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and len(err) < 700
    assert said in err and "; " in err
    assert not (tmp_path / "executed").exists()
