"""What the machine lacks, told from a bug and from a full disk."""

import errno
from pathlib import Path

import pytest
from PIL import Image, ImageFile

from benchmark.errors import BenchError, StorageError
from benchmark.system.files import storage_error
from benchmark.verbs.scarcity import explained

CONFIGURATION, MEMORY = -8, -9


def behind(error: OSError) -> StorageError:
    """The error of a pool whose file could not be written because of another."""
    try:
        raise storage_error(Path("part.jsonl"), error) from error
    except StorageError as found:
        return found


@pytest.mark.parametrize("status", [CONFIGURATION, MEMORY])
def test_an_image_that_finds_no_memory_is_no_disk_that_cannot_be_written(status: int) -> None:
    # the words are those of the installed Pillow
    assert hasattr(Image.core, "getcodecstatus")
    found = explained(behind(ImageFile._get_oserror(status, encoder=True)))
    assert type(found) is BenchError
    assert str(found).startswith("The machine has too little memory: ")
    assert "run again to go on" in str(found)


def test_a_full_disk_stays_one() -> None:
    assert explained(behind(OSError(errno.ENOSPC, "No space left on device"))) is None


def test_a_damaged_image_and_a_bug_are_no_lack_of_memory() -> None:
    assert explained(ImageFile._get_oserror(CONFIGURATION, encoder=False)) is None
    assert explained(ZeroDivisionError("oops")) is None


def test_too_many_open_files_say_how_to_raise_the_limit() -> None:
    found = explained(OSError(errno.EMFILE, "Too many open files", "x"))
    assert isinstance(found, StorageError) and "ulimit -n" in str(found)
