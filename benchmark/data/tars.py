"""Tar files opened so that no header takes memory at will, and that an early end is noticed."""

import bz2
import gzip
import io
import lzma
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

# a header holds a path, perhaps a long one, and a few dates
HEADER_BYTES = 1 << 20
_OPENERS = ((b"\x1f\x8b", gzip.open), (b"BZh", bz2.open), (b"\xfd7zXZ\x00", lzma.open),
            (b"\x5d\x00\x00", lzma.open))  # fmt: skip


class Guard(io.RawIOBase):
    """A stream from which only so much is read at once, whatever a header promises.

    Args:
        stream: a file, unpacked.

    Attributes:
        most: bytes that one read may ask for.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        super().__init__()
        self.stream, self.most = stream, HEADER_BYTES

    def read(self, size: int | None = -1) -> bytes:
        """Up to ``size`` bytes.

        Raises:
            tarfile.ReadError: more than ``most`` are asked for.
        """
        if size is None or not 0 <= size <= self.most:
            raise tarfile.ReadError(f"a header of {size:,} bytes" if size else "an open read")
        return self.stream.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a place; see ``io.IOBase.seek``."""
        return self.stream.seek(offset, whence)

    def tell(self) -> int:
        """The place in bytes."""
        return self.stream.tell()


def _unpacked(path: Path) -> IO[bytes]:
    with path.open("rb") as file:
        begin = file.read(8)
    for magic, opener in _OPENERS:
        if begin.startswith(magic):
            return cast(IO[bytes], opener(path, "rb"))
    return path.open("rb")


@contextmanager
def open_tar(path: Path) -> Iterator[tuple[tarfile.TarFile, Guard]]:
    """A tar (plain, gz, bz2, xz) to read, and the guard over what it reads.

    Raises:
        tarfile.TarError, EOFError, OSError, zlib.error, lzma.LZMAError: no tar, or a damaged one.
    """
    with _unpacked(path) as stream:
        guard = Guard(stream)
        with tarfile.TarFile(fileobj=cast(IO[bytes], guard), mode="r") as file:
            yield file, guard


def is_tar(path: Path) -> bool:
    """Whether a file begins like a tar."""
    try:
        with open_tar(path):
            return True
    except (tarfile.TarError, EOFError, OSError, ValueError, lzma.LZMAError):
        return False


def check_end(file: tarfile.TarFile, guard: Guard) -> None:
    """Refuse a tar whose listing ended at anything but its end mark: its last files are lost.

    Raises:
        tarfile.ReadError: what follows the last member is no block of zeros.
    """
    guard.seek(file.offset)
    if guard.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
        raise tarfile.ReadError("an archive that ends early")
