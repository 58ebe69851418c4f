"""What the machine lacks, told from a bug: memory, threads, open files, a disk that answers."""

import errno
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmark.errors import BenchError, StorageError, one_line
from benchmark.system.files import storage_error

# what C libraries say when the host gives them no memory
_SIGNS = ("can't start new thread", "could not create a primitive", "Cannot allocate memory",
          "failed to map segment from shared object",
          # Pillow, whose PNG settings are ours and sound: zlib got no memory to begin with
          "codec configuration error when writing image file",
          "out of memory when writing image file")  # fmt: skip
_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO,
         errno.ESTALE, errno.ENAMETOOLONG, errno.ENOTCONN, errno.EFBIG}  # fmt: skip


def explained(error: Exception) -> BenchError | None:
    """The one line for an error that the machine caused, or for one that it lies behind."""
    told = isinstance(error, BenchError)
    for each in _chain(error):
        if _out_of_memory(each, told):
            return BenchError(
                f"The machine has too little memory: {one_line(each)}",
                todo="free some, raise its limit (ulimit -v), or use a smaller "
                "recipe.batch_size; run again to go on",
            )
        if isinstance(each, OSError) and each.errno in (errno.EMFILE, errno.ENFILE):
            return StorageError(
                "Too many files are open", where=each.filename, todo="raise the limit: ulimit -n"
            )
    if isinstance(error, OSError) and error.errno in _DISK and error.filename:
        return storage_error(Path(str(error.filename)), error)
    return None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error and those that led to it."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _out_of_memory(error: BaseException, told: bool) -> bool:
    """Whether the host gave no memory; an error already ``told`` knows what it was about."""
    if isinstance(error, BenchError):
        return False
    if getattr(error, "errno", None) == errno.ENOMEM or any(sign in str(error) for sign in _SIGNS):
        return True
    if told or "torch" not in sys.modules:
        return isinstance(error, MemoryError) and not told
    from benchmark.training.memory import is_out_of_memory

    return is_out_of_memory(error)
