"""Textual inversion: one new token a class, whose embedding alone is trained."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import safetensors.torch
from torch import nn

from benchmark.generation.fitting.adapter import Adapter
from benchmark.generation.fitting.tokens import add_tokens, mean_rows, remove_tokens
from benchmark.system.files import write_bytes


class Inversion(Adapter):
    """Rows of the embedding table, initialised with the mean over the class name's tokens.

    Args:
        pipe: the pipeline.
        tokens: the new tokens.
        names: readable name of the class of each one.
    """

    encodes = True
    # a row that is not drawn for a while must not shrink
    weight_decay = 0.0

    def __init__(self, pipe: Any, tokens: Sequence[str], names: Sequence[str]) -> None:
        self._pipe, self._tokens = pipe, tuple(tokens)
        pipe.text_encoder.requires_grad_(False)
        self._grown = add_tokens(pipe, tokens, mean_rows(pipe, names))

    def weights(self) -> dict[str, nn.Parameter]:
        """See ``Adapter.weights``."""
        return {"rows": self._grown.rows}

    def save(self, path: Path) -> None:
        """Write one vector a token, under the token's name."""
        rows = self._grown.rows.detach().cpu()
        tensors = {name: row.clone() for name, row in zip(self._tokens, rows, strict=True)}
        write_bytes(path, safetensors.torch.save(tensors))

    def remove(self) -> None:
        """See ``Adapter.remove``."""
        remove_tokens(self._pipe)
