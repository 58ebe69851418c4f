"""One row an image of a collection: what it is, where it came from, what became of it."""

import dataclasses
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter

from benchmark.errors import IntegrityError
from benchmark.system.files import canonical_json

Status = Literal["ok", "dropped", "failed"]
ID_DIGITS = 24


@dataclass(frozen=True, kw_only=True)
class Row:
    """One candidate image.

    Attributes:
        label: class label.
        class_name: readable name of the class.
        status: "ok"; "dropped" for a copy of another row; "failed" if there is no sound image.
        reason: why it is not ok, else empty.
        sha256: of the file's bytes, 64 hex digits.
        pixel_sha256: of the decoded 8-bit RGB pixels and their shape.
        file_name: path within the collection; empty unless the row is ok.
        source: name in the folder or archive it was read from.
        url: where it was found.
        query: what was searched for.
        licence: what it may be used for, as its source says.
        date: when it was found or made, as its source says.
        prompt: what its generator was told.
        generator: what made it.
        knowledge: outside knowledge it brings, as tags separated by spaces.
        network_calls: network calls it took; None if nobody says.
        seconds: device time it took; None if nobody says.
    """

    label: int
    class_name: str
    status: Status = "ok"
    reason: str = ""
    sha256: str = ""
    pixel_sha256: str = ""
    file_name: str = ""
    source: str = ""
    url: str = ""
    query: str = ""
    licence: str = ""
    date: str = ""
    prompt: str = ""
    generator: str = ""
    knowledge: str = ""
    network_calls: int | None = None
    seconds: float | None = None

    @property
    def image_id(self) -> str:
        """The name of the image: the first 24 hex digits of its bytes' SHA-256."""
        return self.sha256[:ID_DIGITS]


FACTS = ("url", "query", "licence", "date", "prompt", "generator", "knowledge",
         "network_calls", "seconds")  # fmt: skip
_ROW = TypeAdapter(Row)
# as ``store.image_path`` names them: a row of another's collection may name any file
_FILE = re.compile(r"images/\w+/\w+\.\w+")


def values(row: Row) -> dict[str, Any]:
    """The JSON values of a row; empty ones are left out."""
    return {key: value for key, value in dataclasses.asdict(row).items() if value not in ("", None)}


def encode(rows: Iterable[Row]) -> str:
    """JSON lines."""
    return "".join(canonical_json(values(row)) + "\n" for row in rows)


def decode(text: str, path: Path) -> Iterator[Row]:
    """Rows of JSON lines.

    Raises:
        IntegrityError: a line is no row.
    """
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            row = _ROW.validate_python(json.loads(line))
            if row.file_name and not _FILE.fullmatch(row.file_name):
                raise ValueError("a file elsewhere")
            yield row
        except (ValueError, RecursionError) as error:
            raise IntegrityError(
                f"Expected a row at line {number}, but got {line[:60]!r}",
                where=path,
                todo="delete the collection's folder and collect again",
            ) from error
