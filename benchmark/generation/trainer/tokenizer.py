"""A byte-level BPE vocabulary in which every word the generator is taught is one token."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from tokenizers.pre_tokenizers import ByteLevel
from transformers import CLIPTokenizer

MAX_LENGTH: Final = 32
"""Tokens of a prompt, the two special ones included."""

_START: Final = "<|startoftext|>"
_END: Final = "<|endoftext|>"
_WORD_END: Final = "</w>"

Merge = tuple[str, str]


def _split(word: str, merges: Sequence[Merge]) -> list[str]:
    """Split a word into the symbols that byte-pair encoding with these merges leaves."""
    ranks = {merge: rank for rank, merge in enumerate(merges)}
    symbols = [*word[:-1], word[-1] + _WORD_END]
    while True:
        pairs = list(pairwise(symbols))
        known = [pair for pair in pairs if pair in ranks]
        if not known:
            return symbols
        at = pairs.index(min(known, key=ranks.__getitem__))
        symbols[at : at + 2] = ["".join(symbols[at : at + 2])]


def learn_merges(words: Sequence[str]) -> list[Merge]:
    """Return merges that make each word one symbol.

    Each word starts from what the merges before it already do to it; written word by word, the
    merges of one would cut another short.
    """
    merges: list[Merge] = []
    for word in words:
        symbols = _split(word, merges)
        while len(symbols) > 1:
            merges.append((symbols[0], symbols[1]))
            symbols = _split(word, merges)
    return merges


def build_tokenizer(words: Sequence[str]) -> CLIPTokenizer:
    """Build the tokenizer: 256 bytes, 256 word-final bytes, the merges, and two special tokens."""
    alphabet = sorted(ByteLevel.alphabet())
    merges = learn_merges(words)
    symbols = [*alphabet, *(letter + _WORD_END for letter in alphabet)]
    symbols += list(dict.fromkeys(left + right for left, right in merges))
    symbols += [_START, _END]
    vocabulary = {symbol: index for index, symbol in enumerate(symbols)}
    tokenizer = CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=MAX_LENGTH)
    _require_single_tokens(tokenizer, words)
    return tokenizer


def _require_single_tokens(tokenizer: CLIPTokenizer, words: Sequence[str]) -> None:
    for word in words:
        tokens = tokenizer.tokenize(word)
        if len(tokens) != 1:
            raise ValueError(
                f"Expected one token for {word!r}, but got {tokens}; "
                "check that learn_merges was given this word"
            )
