"""Arrays from files that nobody vouches for: no pickles, no surprise sizes, nothing executed."""

import io
import lzma
import math
import sys
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import one_line

Arrays = dict[str, NDArray[Any]]
# a file of 50,000 rows and 1,000 float64 columns takes 0.4 GB
MAX_BYTES = 2**30
_READERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


class BadArrays(ValueError):
    """A file that holds no arrays, or some that are not read; one line says why."""


def read_npz(path: Path, limit: int = MAX_BYTES) -> Arrays:
    """The arrays of an .npz file by name.

    Args:
        path: a file.
        limit: bytes that the arrays may take together when unpacked.

    Raises:
        BadArrays: damaged, larger than that, or not of plain numbers and text.
    """
    with _told(path), zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        size = sum(member.file_size for member in members)
        if size > limit:
            raise BadArrays(f"{size:,} bytes when unpacked, of which {limit:,} may be read")
        found: Arrays = {}
        for member in members:
            name = member.filename.removesuffix(".npy")
            if name in found:
                raise BadArrays(f"two arrays of the name '{name}'")
            with archive.open(member) as file:
                found[name] = _array(file, member.file_size)
    return found


def read_npy(path: Path, limit: int = MAX_BYTES) -> NDArray[Any]:
    """The array of an .npy file; see ``read_npz``.

    Raises:
        BadArrays: damaged, larger than ``limit`` bytes, or not of plain numbers and text.
    """
    with _told(path), path.open("rb") as file:
        size = path.stat().st_size
        if size > limit:
            raise BadArrays(f"{size:,} bytes, of which {limit:,} may be read")
        return _array(file, size)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Whatever reading raises as one line."""
    try:
        yield
    except BadArrays:
        raise
    except (
        ValueError, KeyError, TypeError, EOFError, OSError, AttributeError, RuntimeError,
        MemoryError, OverflowError, SyntaxError, tokenize.TokenError,
        zipfile.BadZipFile, zlib.error, lzma.LZMAError,
    ) as error:  # fmt: skip
        raise BadArrays(one_line(error)) from error


def _array(file: IO[bytes], size: int) -> NDArray[Any]:
    """The array of a member, whose header is held against ``size`` before memory is taken."""
    version = np.lib.format.read_magic(file)
    if version not in _READERS:
        raise BadArrays(f"version {version[0]}.{version[1]} of the .npy format, not 1.0 or 2.0")
    shape, fortran, dtype = _READERS[version](file)
    if dtype.hasobject:
        raise BadArrays("Python objects, which would have to be executed to be read")
    promised, there = math.prod(shape) * dtype.itemsize, size - file.tell()
    if promised != there:
        raise BadArrays(f"{there:,} bytes where the header promises {promised:,}")
    values = np.frombuffer(file.read(there), dtype) if there else np.empty(0, dtype)
    if dtype.kind == "U" and (values.view(dtype.byteorder + "u4") > sys.maxunicode).any():
        raise BadArrays("text of what are no characters")
    return values.reshape(shape, order="F" if fortran else "C").copy()


def npz_bytes(arrays: Arrays) -> bytes:
    """The text of an .npz file; equal arrays give equal bytes."""
    buffer = io.BytesIO()
    # Stored, not deflated: the bytes must not depend on the version of zlib.
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, values in arrays.items():
            member = io.BytesIO()
            np.lib.format.write_array(member, values, version=(1, 0), allow_pickle=False)
            info = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            info.create_system = 3
            archive.writestr(info, member.getvalue())
    return buffer.getvalue()
