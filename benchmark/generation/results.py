"""The append-only record of drawn images: one file a worker, one JSON object a line."""

import dataclasses
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal, NamedTuple

from pydantic import TypeAdapter, ValidationError

from benchmark.errors import IntegrityError
from benchmark.generation.generator import LoadReport
from benchmark.generation.typed_rows import row_of
from benchmark.system.files import canonical_json, storage_error, write_json

Status = Literal["ok", "rejected"]


class PoolRow(NamedTuple):
    """One drawn image; a tuple, because there may be millions.

    Attributes:
        image_id: as in the plan.
        label: class label.
        slot: number of the image within its class.
        attempt: how many draws for the slot were rejected before.
        seed: 32-bit seed of its noise.
        status: "ok", or "rejected" for a degenerate frame, which is not kept.
        reason: why it was rejected, else empty.
        sha256: of the PNG's bytes, empty if rejected.
        calls: measured network calls.
        seconds: its share of the batch's device time.
        worker: which session drew it.
    """

    image_id: str
    label: int
    slot: int
    attempt: int
    seed: int
    status: Status
    reason: str
    sha256: str
    calls: int
    seconds: float
    worker: str


@dataclass(frozen=True, kw_only=True)
class Session:
    """What one worker drew with.

    Attributes:
        worker: name of the session.
        dtype: of the generator.
        guidance_factor: network calls at each step.
        knowledge: outside knowledge tags of the generator.
        load: device, loading time, FLOPs, library versions.
        adapters: SHA-256 of each file of fitted weights that was drawn with.
    """

    worker: str
    dtype: str
    guidance_factor: int
    knowledge: tuple[str, ...]
    load: LoadReport
    adapters: tuple[str, ...] = ()


_SESSION = TypeAdapter(Session)


def append_rows(file: IO[str], rows: Iterable[PoolRow], path: Path) -> None:
    """Append rows and force them to the disk.

    Raises:
        StorageError: the disk is full or the file cannot be written.
    """
    try:
        file.writelines(canonical_json(row._asdict()) + "\n" for row in rows)
        file.flush()
        os.fsync(file.fileno())
    except OSError as error:
        raise storage_error(path, error) from error


def _parse(line: str, path: Path, number: int) -> PoolRow:
    try:
        return row_of(PoolRow, line)
    except (ValueError, TypeError) as error:
        raise IntegrityError(
            f"Expected a result row at line {number}, but got {error}",
            where=path,
            todo="delete the file; its images are drawn again",
        ) from error


@dataclass
class Tail:
    """Reads the rows of a folder as they are written: each call returns what is new.

    Attributes:
        folder: of the result files.
    """

    folder: Path
    _read: dict[Path, tuple[int, int]] = dataclasses.field(default_factory=dict)

    def new(self) -> list[PoolRow]:
        """Rows that no earlier call returned, by worker; a line still being written is left.

        Raises:
            IntegrityError: a line that is not a row.
        """
        paths = sorted(self.folder.glob("part-*.jsonl"))
        return [row for path in paths for row in self.new_in(path)]

    def new_in(self, path: Path) -> Iterator[PoolRow]:
        """Rows of one file that no earlier call returned."""
        offset, number = self._read.get(path, (0, 0))
        with path.open("rb") as file:
            file.seek(offset)
            for line in file:
                # What follows the last newline may be cut short by a kill.
                if not line.endswith(b"\n"):
                    break
                offset, number = offset + len(line), number + 1
                yield _parse(line.decode("utf-8", "replace"), path, number)
        self._read[path] = (offset, number)


def read_rows(folder: Path) -> list[PoolRow]:
    """Every row of every worker; a torn last line is ignored.

    Raises:
        IntegrityError: a line that is not a row.
    """
    return Tail(folder).new()


def rows_in(path: Path) -> list[PoolRow]:
    """The rows of one worker's file; a torn last line is ignored.

    Raises:
        IntegrityError: a line that is not a row.
    """
    return list(Tail(path.parent).new_in(path))


def write_session(folder: Path, session: Session) -> None:
    """Write what a worker draws with, before it draws."""
    write_json(folder / f"session-{session.worker}.json", dataclasses.asdict(session))


def read_sessions(folder: Path) -> dict[str, Session]:
    """Sessions by the name of their worker.

    Raises:
        IntegrityError: a file that is not a session.
    """
    found = {}
    for path in sorted(folder.glob("session-*.json")):
        try:
            session = _SESSION.validate_json(path.read_bytes(), strict=True)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = ".".join(map(str, first["loc"])) or "the file"
            raise IntegrityError(
                f"Expected a session, but got {place}: {first['msg']}",
                where=path,
                todo="delete the file",
            ) from None
        found[session.worker] = session
    return found
