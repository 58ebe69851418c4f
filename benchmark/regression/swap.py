"""A folder replaced as a whole: what is killed on the way is put right at the next call."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from benchmark.system.files import storage_error, write_bytes


def replace_folder(target: Path, files: Mapping[str, bytes]) -> None:
    """Let ``target`` hold exactly these files, by relative name; it need not exist.

    The files are written beside it first. Two renames then bring them into place; a process killed
    between the two leaves the old folder under a hidden name, and ``restore`` puts it back.

    Raises:
        StorageError: the disk is full or the folder cannot be written; ``target`` is as before.
    """
    restore(target)
    made, aside = _hidden(target, "new"), _hidden(target, "old")
    try:
        for name, content in files.items():
            write_bytes(made / name, content)
        if target.exists():
            target.rename(aside)
        made.rename(target)
        shutil.rmtree(aside, ignore_errors=True)
    except OSError as error:
        restore(target)
        raise storage_error(target, error) from error


def restore(target: Path) -> None:
    """Undo a replacement that was cut short, or finish it if only rests are left."""
    made, aside = _hidden(target, "new"), _hidden(target, "old")
    if aside.exists() and not target.exists():
        aside.rename(target)
    for rest in (made, aside):
        shutil.rmtree(rest, ignore_errors=True)


def _hidden(target: Path, what: str) -> Path:
    return target.with_name(f".{target.name}.{what}")
