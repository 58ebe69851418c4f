"""Tensors of files, checked without torch and without building them."""

import hashlib
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, deserialize

from benchmark.errors import IntegrityError, one_line
from benchmark.generation.weights import check_safetensors
from benchmark.recording.blueprint import KEY, Blueprint

_FETCH = "run again with on_existing=rerun, or export again"
_NUMPY = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2",
          "I8": "i1", "U8": "u1", "BOOL": "?"}  # fmt: skip


def check_weights(path: Path, fast: bool) -> Iterator[str]:
    """A kept or exported network: its size, its blueprint, the hash of its tensors."""
    check_safetensors(path)
    text = _metadata(path).get(KEY)
    if text is None:
        # weights that somebody else wrote
        return
    try:
        plan = Blueprint.model_validate_json(text, strict=True)
    except ValueError as error:
        yield f"Expected a blueprint in the file's header, but got {one_line(error)}"
        return
    if not fast and state_hash(path) != plan.state_sha256:
        yield "the tensors are not those that were written"


def _metadata(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        found = json.loads(file.read(length)).get("__metadata__", {})
    return found if isinstance(found, dict) else {}


def state_hash(path: Path) -> str:
    """``benchmark.training.checkpoints.weights_hash`` of a safetensors file.

    Raises:
        IntegrityError: it cannot be read.
    """
    digest = hashlib.sha256()
    try:
        tensors = deserialize(path.read_bytes())  # type: ignore[no-untyped-call]
        for name, tensor in sorted(tensors, key=lambda each: each[0]):
            data = bytes(tensor["data"])
            digest.update(name.encode())
            digest.update(data if tensor["shape"] else _scalar(tensor["dtype"], data).encode())
    except (SafetensorError, ValueError, KeyError) as error:
        raise IntegrityError(
            f"Expected a safetensors file, but it cannot be read: {one_line(error)}",
            where=path,
            todo=_FETCH,
        ) from error
    return digest.hexdigest()


def _scalar(dtype: str, data: bytes) -> str:
    if dtype == "BF16":
        dtype, data = "F32", b"\0\0" + data
    return str(np.frombuffer(data, _NUMPY[dtype])[0].item())


def check_state(path: Path, fast: bool) -> Iterator[str]:
    """A checkpoint or a stored stage: the CRC-32 of every member."""
    try:
        with zipfile.ZipFile(path) as archive:
            if not any(name.endswith("/data.pkl") for name in archive.namelist()):
                yield "Expected a checkpoint, but it holds none"
            damaged = None if fast else archive.testzip()
    except (zipfile.BadZipFile, NotImplementedError, EOFError, RuntimeError) as error:
        yield f"Expected a checkpoint, but it cannot be read ({one_line(error)})"
        return
    if damaged:
        yield f"its part {damaged} is damaged"
