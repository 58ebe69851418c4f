"""New tokens on a pipeline's text encoder, added and taken off without touching its own weights."""

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AddedToken

from benchmark.errors import IntegrityError


class GrownEmbedding(nn.Module):
    """An embedding table with further rows.

    Args:
        base: the table as it was; not changed.
        rows: (tokens, width) further rows.
        tokenizer: what the pipeline's tokenizer was before the tokens were added.
    """

    def __init__(self, base: nn.Embedding, rows: Tensor, tokenizer: Any) -> None:
        super().__init__()
        self.base, self.tokenizer = base, tokenizer
        self.rows = nn.Parameter(rows)

    def forward(self, ids: Tensor) -> Tensor:
        """Token ids of any shape to their rows."""
        n = self.base.num_embeddings
        known = self.base(ids.clamp(max=n - 1))
        new = nn.functional.embedding((ids - n).clamp(min=0), self.rows).to(known.dtype)
        return torch.where((ids < n)[..., None], known, new)


def add_tokens(pipe: Any, tokens: Sequence[str], rows: Tensor) -> GrownEmbedding:
    """Give a pipeline new tokens.

    Args:
        pipe: a pipeline with one text encoder.
        tokens: unknown to the pipeline so far.
        rows: (tokens, width) their embeddings.

    Raises:
        IntegrityError: a token is known already, or the rows are of another width.
    """
    base = pipe.text_encoder.get_input_embeddings()
    if rows.shape != (len(tokens), base.embedding_dim):
        raise IntegrityError(
            f"Expected embeddings of shape {(len(tokens), base.embedding_dim)}, but got "
            f"{tuple(rows.shape)}",
            where="adapter",
            todo="use the adapter with the generator that it was fitted to",
        )
    tokenizer = _extended(pipe.tokenizer, tokens, base.num_embeddings)
    grown = GrownEmbedding(base, rows.to(base.weight.device), pipe.tokenizer)
    pipe.text_encoder.set_input_embeddings(grown)
    pipe.tokenizer = tokenizer
    return grown


def _extended(tokenizer: Any, tokens: Sequence[str], n: int) -> Any:
    """A copy of a tokenizer that gives ``tokens`` the numbers from ``n`` on."""
    extended = copy.deepcopy(tokenizer)
    # a vocabulary may be smaller than the table, and new numbers follow the vocabulary
    gap = [AddedToken(f"<unused-{k}>") for k in range(n - len(tokenizer))]
    extended.add_tokens([*gap, *map(AddedToken, tokens)])
    if extended.convert_tokens_to_ids(list(tokens)) != list(range(n, n + len(tokens))):
        raise IntegrityError(
            "Expected tokens that the generator does not know yet, but got "
            f"{', '.join(tokens[:3])}",
            where="adapter",
        )
    return extended


def remove_tokens(pipe: Any) -> None:
    """Take new tokens off again; nothing happens where there are none."""
    grown = pipe.text_encoder.get_input_embeddings()
    if isinstance(grown, GrownEmbedding):
        pipe.text_encoder.set_input_embeddings(grown.base)
        pipe.tokenizer = grown.tokenizer


def mean_rows(pipe: Any, words: Sequence[str]) -> Tensor:
    """The mean embedding of the tokens of each word, float32 (words, width)."""
    table = pipe.text_encoder.get_input_embeddings().weight.detach()
    ids = pipe.tokenizer(list(words), add_special_tokens=False).input_ids
    return torch.stack([table[torch.tensor(each)].float().mean(dim=0) for each in ids])
