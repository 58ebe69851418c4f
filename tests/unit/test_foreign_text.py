"""YAML, checkpoints, rows and pictures of others: bounded, and refused in one line."""

import io
import json
import pickle
import struct
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from benchmark.data.streaming.decoding import decoded
from benchmark.errors import BenchError, DataError, IntegrityError
from benchmark.generation.plan import PlanRow
from benchmark.generation.results import PoolRow
from benchmark.generation.typed_rows import row_of
from benchmark.system.pickled_names import check_names
from benchmark.system.yaml_text import MAX_VALUES, parse_yaml, read_yaml

BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{after}: &{after} [{', '.join([f'*{name}'] * 10)}]\n"
    for name, after in zip("abcdefgh", "bcdefghi", strict=True)
)


def test_what_yaml_holds_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("a: [1, 2.5, true, null, 'é']\nb: &x {c: d}\ne: *x\n")
    assert read_yaml(path) == {"a": [1, 2.5, True, None, "é"], "b": {"c": "d"}, "e": {"c": "d"}}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [", "Expected valid YAML"),
        ("2001-99-99", "month must be in 1..12"),
        ("[" * 3000, "recursion depth"),
        ("!!python/object/apply:os.system [id]", "could not determine a constructor"),
        ("!!int x", "Expected valid YAML"),
        ("? [a]\n: b", "unhashable"),
        (BOMB, f"more than {MAX_VALUES:,} values [here]; write the values out"),
        ("&a [*a]", "aliases stand for"),
    ],
)
def test_what_is_no_plain_yaml_is_one_line(text: str, said: str) -> None:
    begun = time.monotonic()
    with pytest.raises(IntegrityError) as caught:
        parse_yaml(text, "here")
    shown = str(caught.value)
    assert said in shown and "[here]" in shown
    assert "\n" not in shown and len(shown) < 500
    assert time.monotonic() - begun < 10


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="Expected a YAML file, but got No such file"):
        read_yaml(tmp_path / "a.yaml")
    (tmp_path / "a.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(IntegrityError, match="Expected UTF-8 text"):
        read_yaml(tmp_path / "a.yaml")


@pytest.mark.parametrize("archive", [True, False])
def test_names_in_checkpoints_are_short(archive: bool, tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    torch.save({"x" * 900: torch.ones(3)}, path, _use_new_zipfile_serialization=archive)
    check_names(path)
    torch.save({"x" * 1100: torch.ones(3)}, path, _use_new_zipfile_serialization=archive)
    with pytest.raises(ValueError, match="a name of 1,100 characters"):
        check_names(path)


def test_looking_at_names_runs_nothing(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, ...]:
            return Path.touch, (tmp_path / "ran",)

    (tmp_path / "a.pt").write_bytes(pickle.dumps(Evil()))
    check_names(tmp_path / "a.pt")
    assert not (tmp_path / "ran").exists()


ROW = PoolRow("f" * 24, 0, 1, 0, 7, "ok", "", "0" * 64, 6, 0.5, "a")


def test_rows_keep_their_types() -> None:
    assert row_of(PoolRow, json.dumps(ROW._asdict())) == ROW
    assert row_of(PoolRow, json.dumps(ROW._asdict() | {"seconds": 2})).seconds == 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"label": "x"}, "values of other types"),
        ({"calls": None}, "values of other types"),
        ({"seconds": []}, "values of other types"),
        ({"label": -1}, "label -1 and slot 1"),
        ({"slot": -2}, "label 0 and slot -2"),
        ({"more": 1}, "a row with the name 'more'"),
    ],
)
def test_rows_of_other_values_are_refused(change: dict[str, object], said: str) -> None:
    with pytest.raises((TypeError, ValueError), match=said):
        row_of(PoolRow, json.dumps(ROW._asdict() | change))


@pytest.mark.parametrize(
    ("line", "said"),
    [('{"label": 0}', "a row without image_id, slot"), ("[1]", "a list in place of names")],
)
def test_rows_without_their_names_are_refused(line: str, said: str) -> None:
    with pytest.raises(TypeError, match=said):
        row_of(PoolRow, line)


def test_rows_nested_without_end_are_refused() -> None:
    with pytest.raises(ValueError, match="nested without end"):
        row_of(PlanRow, "[" * 100_000)


def test_a_message_does_not_fill_the_terminal() -> None:
    shown = str(BenchError("x" * 10_000, where="y" * 10_000, todo="do this"))
    assert len(shown) < 2_100 and shown.endswith("; do this") and " ... " in shown


def _jpeg() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.arange(64 * 48 * 3, dtype=np.uint8).reshape(64, 48, 3)).save(buffer, "JPEG")
    return buffer.getvalue()


def test_a_small_picture_that_claims_to_be_huge_takes_no_memory() -> None:
    huge = bytearray(_jpeg())
    at = huge.index(b"\xff\xc0") + 5
    huge[at : at + 4] = struct.pack(">HH", 60_000, 60_000)
    with pytest.raises(IntegrityError, match="Expected at most 100,000,000 pixels"):
        decoded(bytes(huge), "x.jpg", "RGB")


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_picture_that_is_cut_off_is_refused_and_not_filled_up(share: float) -> None:
    whole = _jpeg()
    assert decoded(whole, "x.jpg", "RGB").shape == (64, 48, 3)
    assert decoded(whole + b"\x00" * 9, "x.jpg", "RGB").shape == (64, 48, 3)
    with pytest.raises(IntegrityError, match="Expected a complete image"):
        decoded(whole[: int(share * len(whole))], "x.jpg", "RGB")
