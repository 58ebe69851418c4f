"""Names in a checkpoint, looked at before torch reads it; nothing in the file is executed.

``torch.load`` refuses code, but it takes minutes to say so where the name of that code is long: a
small file could hold a process up.
"""

import io
import pickletools
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

# of classes and of tensors; the longest of torch's own have some hundred characters
MAX_NAME = 1_000
# files from before torch wrote archives begin with so many pickles
_PICKLES = 5
_MOST_BYTES = 64 << 20
_NAMED = ("GLOBAL", "INST", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "STRING",
          "BINSTRING", "SHORT_BINSTRING", "PERSID")  # fmt: skip


def check_names(path: Path) -> None:
    """Refuse a checkpoint with a name that cannot be one.

    Raises:
        ValueError: the longest name has more than ``MAX_NAME`` characters, or there are too many.
    """
    longest = max(map(len, _names(path)), default=0)
    if longest > MAX_NAME:
        raise ValueError(f"a name of {longest:,} characters in the file")


def _names(path: Path) -> Iterator[str]:
    if not zipfile.is_zipfile(path):
        with path.open("rb") as file:
            yield from _in(file, _PICKLES)
        return
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if member.filename.endswith(".pkl"):
                if member.file_size > _MOST_BYTES:
                    raise ValueError(f"{member.file_size:,} bytes of names")
                yield from _in(io.BytesIO(archive.read(member)), 1)


def _in(file: IO[bytes], pickles: int) -> Iterator[str]:
    """Texts in the first pickles of a stream; what is no pickle is left for torch to refuse."""
    try:
        for _ in range(pickles):
            for operation, value, _ in pickletools.genops(file):
                if operation.name in _NAMED and isinstance(value, str):
                    yield value
    except (ValueError, EOFError, OverflowError, MemoryError):
        return
