"""Training state on disk: written whole or not at all, read without executing anything."""

import hashlib
import io
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmark.errors import IntegrityError
from benchmark.system.files import write_atomic


def save(path: Path, state: dict[str, Any]) -> None:
    """Write a dictionary of tensors and plain values to ``path`` atomically.

    Raises:
        StorageError: the disk is full or the folder cannot be written.
    """
    buffer = io.BytesIO()
    torch.save(state, buffer)
    write_atomic(path, lambda file: file.write(buffer.getbuffer()))


def load(path: Path, device: torch.device) -> dict[str, Any]:
    """Read a checkpoint as tensors and plain values only.

    Raises:
        IntegrityError: the file is truncated, altered, or holds anything else.
    """
    try:
        _verify(path)
        state = torch.load(path, map_location=device, weights_only=True)
        if not isinstance(state, dict):
            raise TypeError("not a dictionary")
    except Exception as error:
        raise IntegrityError(
            f"Expected a checkpoint, but it cannot be read ({type(error).__name__})",
            where=path,
            todo="delete the file; the run then starts from the beginning",
        ) from error
    return state


def _verify(path: Path) -> None:
    """Compare every member with its CRC-32, which torch writes but does not check."""
    with zipfile.ZipFile(path) as archive:
        damaged = archive.testzip()
    if damaged:
        raise zipfile.BadZipFile(f"{damaged} is damaged")


def weights_hash(net: nn.Module) -> str:
    """SHA-256 over names and bytes of all weights and buffers; equal weights, equal hash."""
    digest = hashlib.sha256()
    for name, tensor in sorted(net.state_dict().items()):
        digest.update(name.encode())
        digest.update(
            tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes()
            if tensor.dim()
            else bytes(str(tensor.item()), "ascii")
        )
    return digest.hexdigest()
