"""Arrays of untrusted files: what NumPy writes is read, everything else is one clear line."""

import io
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.system.arrays import BadArrays, npz_bytes, read_npy, read_npz

ARRAYS = {
    "a": np.arange(6, dtype=np.float64).reshape(2, 3),
    "b": np.asfortranarray(np.arange(6, dtype=">i4").reshape(3, 2)),
    "names": np.asarray(["x", "yy"]),
    "none": np.empty((0, 4), np.float32),
    "scalar": np.asarray(3),
}


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_what_numpy_writes_is_read(save, tmp_path: Path) -> None:
    save(tmp_path / "a.npz", **ARRAYS)
    found = read_npz(tmp_path / "a.npz")
    assert found.keys() == ARRAYS.keys()
    for name, values in ARRAYS.items():
        assert found[name].dtype == values.dtype
        assert np.array_equal(found[name], values)


def test_one_array_in_a_file_of_its_own(tmp_path: Path) -> None:
    for name, values in ARRAYS.items():
        np.save(tmp_path / f"{name}.npy", values)
        assert np.array_equal(read_npy(tmp_path / f"{name}.npy"), values)


def test_equal_arrays_give_equal_bytes_that_numpy_reads() -> None:
    content = npz_bytes(ARRAYS)
    assert content == npz_bytes({name: values.copy(order="K") for name, values in ARRAYS.items()})
    assert np.array_equal(np.load(io.BytesIO(content))["a"], ARRAYS["a"])


def test_what_is_read_may_be_changed(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", ARRAYS["a"])
    read_npy(tmp_path / "a.npy")[0] = 1


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_damaged_file_never_raises_anything_else(tmp_path_factory, data: st.DataObject) -> None:
    content = bytearray(npz_bytes(ARRAYS))
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content) - 1))]
    for _ in range(data.draw(st.integers(0, 4)) if content else 0):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("damage") / "a.npz"
    path.write_bytes(bytes(content))
    said = ""
    try:
        read_npz(path)
    except BadArrays as error:
        said = str(error)
    assert "\n" not in said and len(said) <= 200


def member(content: bytes, path: Path, compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("a.npy", content)
    return path


def header(text: str, version: tuple[int, int] = (1, 0)) -> bytes:
    size = struct.pack("<H" if version[0] == 1 else "<I", len(text))
    return b"\x93NUMPY" + bytes(version) + size + text.encode()


def test_pickled_objects_are_not_read(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.asarray([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(BadArrays, match="Python objects, which would have to be executed"):
        read_npy(tmp_path / "a.npy")


def test_a_bomb_is_refused_by_its_size_before_it_is_unpacked(tmp_path: Path) -> None:
    path = member(bytes(50_000_000), tmp_path / "a.npz", zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 100_000
    with pytest.raises(BadArrays, match="50,000,000 bytes when unpacked, of which 1,000,000 may"):
        read_npz(path, limit=1_000_000)


def test_a_large_array_alone_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros(1000))
    with pytest.raises(BadArrays, match="of which 100 may be read"):
        read_npy(tmp_path / "a.npy", limit=100)


@pytest.mark.parametrize("shape", ["(10**12,)", "(1000000000000,)", "(-4,)", "(2, 1000000000)"])
def test_a_header_that_promises_more_than_there_is_takes_no_memory(shape, tmp_path: Path) -> None:
    text = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}"
    path = member(header(text) + bytes(16), tmp_path / "a.npz")
    with pytest.raises(BadArrays):
        read_npz(path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (header("{'descr': '<f8', 'fortran_order': False, 'shape': (1,), }" + " " * 20_000, (2, 0)),
         "Header info length"),
        (header("{}", (3, 0)), "version 3.0 of the .npy format"),
        (header("__import__('os').getpid()"), "malformed node"),
        (b"not an array", "magic string"),
        (b"", "EOF"),
    ],
)  # fmt: skip
def test_odd_headers_are_named(content: bytes, said: str, tmp_path: Path) -> None:
    with pytest.raises(BadArrays, match=said):
        read_npz(member(content, tmp_path / "a.npz"))


def test_two_arrays_of_one_name_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        for name in ("a.npy", "a"):
            archive.writestr(name, npy(np.zeros(2)))
    with pytest.raises(BadArrays, match="two arrays of the name 'a'"):
        read_npz(tmp_path / "a.npz")


def npy(values: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, values)
    return buffer.getvalue()
