"""Deployed networks as safetensors files, written and read; nothing in a file is executed.

A file holds the tensors of what was evaluated and, in its header, the blueprint of the network.
"""

import json
from pathlib import Path

from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from benchmark.errors import DataError, IntegrityError, StorageError, UsageError, one_line
from benchmark.recording.blueprint import KEY, SCHEMA, Blueprint
from benchmark.system.files import write_bytes

WEIGHTS, EXPORTED = "weights.safetensors", "model.safetensors"
RERUN = "the run kept none: run it again with on_existing=rerun"


def state_of(net: nn.Module) -> dict[str, Tensor]:
    """Copies of a network's tensors on the CPU, none sharing memory with another.

    Raises:
        UsageError: the network keeps something else beside its tensors.
    """
    state = net.state_dict()
    odd = [name for name, value in state.items() if not isinstance(value, Tensor)]
    if odd:
        raise UsageError(
            f"Expected tensors only in the deployed network, but '{odd[0]}' is something else",
            where="hook 'deploy'",
            todo="keep its state in parameters and buffers",
        )
    return {name: value.detach().cpu().contiguous().clone() for name, value in state.items()}


def write_weights(path: Path, net: nn.Module, plan: Blueprint) -> None:
    """Write a network and its blueprint, whole or not at all.

    Raises:
        UsageError: see ``state_of``.
        StorageError: the disk is full or the folder cannot be written.
    """
    metadata = {"format": "pt", KEY: plan.model_dump_json(by_alias=True)}
    try:
        content = save(state_of(net), metadata)
    except (SafetensorError, ValueError) as error:
        raise StorageError(
            f"The network cannot be written as safetensors: {error}",
            where=path,
            todo="keep dense tensors of torch's own types in it",
        ) from error
    write_bytes(path, content)


def read_tensors(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    """The metadata and tensors of any safetensors file.

    Raises:
        DataError: there is no such file.
        IntegrityError: it is no safetensors file, or a damaged one.
    """
    if not path.is_file():
        raise DataError("Expected a safetensors file, but got none", where=path)
    try:
        with safe_open(path, framework="pt") as file:
            names = file.keys()
            return dict(file.metadata() or {}), {name: file.get_tensor(name) for name in names}
    except (SafetensorError, OSError, ValueError, RuntimeError, MemoryError) as error:
        raise IntegrityError(
            f"Expected a safetensors file, but it cannot be read: {one_line(error)}",
            where=path,
            todo="delete it and copy or write it again",
        ) from error


def blueprint_in(metadata: dict[str, str], where: Path) -> Blueprint | None:
    """The blueprint of a weights file of ours; None in another's.

    Raises:
        IntegrityError: it is damaged, or of a version that this code does not know.
    """
    if KEY not in metadata:
        return None
    try:
        value = json.loads(metadata[KEY])
        schema = value.get("schema") if isinstance(value, dict) else None
        if schema != SCHEMA:
            raise IntegrityError(
                f"Expected a blueprint '{SCHEMA}', but got {schema!r}",
                where=where,
                todo="use the version of the suite that wrote it",
            )
        return Blueprint.model_validate_json(metadata[KEY], strict=True)
    except (ValidationError, ValueError, RecursionError) as error:
        raise IntegrityError(
            f"Expected a blueprint in the file's header, but got {one_line(error)}",
            where=where,
            todo="export the run again",
        ) from error


def find_weights(folder: Path) -> Path:
    """The weights file of a run folder or of an export.

    Raises:
        DataError: there is none; a run from before weights were kept says how to get them.
    """
    for name in (EXPORTED, WEIGHTS):
        if (folder / name).is_file():
            return folder / name
    if not folder.is_dir():
        raise DataError(
            "Expected a run folder or an export, but got none",
            where=folder,
            todo="python -m benchmark status lists finished runs",
        )
    todo = RERUN if (folder / "record.json").exists() else "name a folder of a finished run"
    raise DataError(f"Expected {WEIGHTS}, but got none", where=folder, todo=todo)
