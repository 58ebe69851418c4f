"""Small validated JSON files: written in one layout, read whole or refused in one line."""

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from benchmark.errors import DataError, IntegrityError
from benchmark.system.files import layout_json

M = TypeVar("M", bound=BaseModel)
MAX_BYTES = 2**26


def dumps(value: BaseModel) -> str:
    """The text of a validated block: fields in schema order."""
    return layout_json(value.model_dump(mode="json", by_alias=True)) + "\n"


def load_model(cls: type[M], path: Path, schema: str) -> M:
    """Read and validate a JSON file.

    Raises:
        DataError: there is no such file.
        IntegrityError: it is damaged or does not follow the schema; names the first problem.
    """
    todo = "restore the file, or write it again"
    try:
        if path.stat().st_size > MAX_BYTES:
            raise IntegrityError("Expected a small JSON file, but got a huge one", where=path)
        content = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise IntegrityError("Expected UTF-8 text", where=path, todo=todo) from error
    except OSError as error:
        raise DataError(f"Expected {schema}, but got {error.strerror}", where=path) from error
    try:
        return cls.model_validate_json(content, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise IntegrityError(
            f"Expected {schema}, but {place}: {first['msg']}", where=path, todo=todo
        ) from None
