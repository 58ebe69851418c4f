"""Put a fitted adapter on a loaded pipeline and take it off again; the base stays loaded."""

from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from benchmark.errors import DataError, IntegrityError
from benchmark.generation.fitting.adapter import require_packages
from benchmark.generation.fitting.tokens import add_tokens, remove_tokens
from benchmark.generation.pipelines import quiet

_NETWORKS = ("unet.", "text_encoder.")


def attach(pipe: Any, path: Path) -> None:
    """Put an adapter on a pipeline, in place of the one that is there; never downloads.

    Args:
        pipe: a diffusers pipeline.
        path: safetensors file of low-rank updates or of new tokens.

    Raises:
        DataError: there is no such file.
        IntegrityError: it cannot be read, is no adapter, or is one of another generator.
        UsageError: the packages for low-rank updates are not installed.
    """
    tensors = _read(path)
    detach(pipe)
    if all(name.startswith(_NETWORKS) for name in tensors):
        require_packages()
        _attach_lora(pipe, path, tensors)
    elif all(name[:1] + name[-1:] == "<>" for name in tensors):
        add_tokens(pipe, list(tensors), torch.stack(list(tensors.values()))).requires_grad_(False)
    else:
        raise _no_adapter(path, f"a tensor '{next(iter(tensors))}'")


def detach(pipe: Any) -> None:
    """Take the adapter off a pipeline, which then draws what it drew before.

    Nothing happens where there is none.
    """
    if getattr(pipe, "text_encoder", None) is not None:
        remove_tokens(pipe)
    networks = [getattr(pipe, name.rstrip("."), None) for name in _NETWORKS]
    if any(getattr(network, "peft_config", None) for network in networks):
        with quiet():
            pipe.unload_lora_weights()


def _read(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise DataError(
            "Expected a fitted adapter, but got none",
            where=path,
            todo="run the same command again; the generator is then fitted again",
        )
    try:
        tensors = safetensors.torch.load_file(path)
    except (SafetensorError, OSError) as error:
        raise _no_adapter(path, str(error)) from error
    if not tensors:
        raise _no_adapter(path, "no tensors")
    return tensors


def _no_adapter(path: Path, got: str) -> IntegrityError:
    return IntegrityError(
        f"Expected a fitted adapter in safetensors format, but got {got}",
        where=path,
        todo="delete its folder; the generator is then fitted again",
    )


def _attach_lora(pipe: Any, path: Path, tensors: dict[str, Tensor]) -> None:
    try:
        with quiet():
            pipe.load_lora_weights(tensors)
    except (ValueError, RuntimeError, KeyError) as error:
        detach(pipe)
        raise IntegrityError(
            f"Expected an adapter of this generator, but got {str(error).splitlines()[0]}",
            where=path,
            todo="use the adapter with the generator that it was fitted to",
        ) from error
