"""Why a run failed, kept in its folder for whoever looks later."""

from contextlib import suppress
from pathlib import Path

from benchmark.errors import StorageError
from benchmark.system.files import write_json

ERROR = "error.json"


def keep_failure(folder: Path, said: str, code: int) -> None:
    """Write what stopped a run; on a full disk the error itself is what counts.

    Args:
        folder: of the run.
        said: the error, on one line.
        code: its exit code.
    """
    with suppress(StorageError):
        write_json(folder / ERROR, {"error": said, "exit_code": code})
