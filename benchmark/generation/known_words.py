"""Which class names a small text-conditioned generator was taught no word of.

Stable Diffusion's vocabulary has all letters and the common words; one that was trained on few
captions has those words, and of another name it draws whatever comes.
"""

import re
from collections.abc import Iterable
from pathlib import Path

from benchmark.errors import BenchError
from benchmark.system.files import read_json

# CLIP's has 49,408 entries
_SMALL = 10_000
_WORD = re.compile(r"[^\W\d_]+")


def untaught(folder: Path, names: Iterable[str]) -> list[str]:
    """Names of which no word is one token of a pipeline's small vocabulary; [] of a large one."""
    try:
        vocabulary = read_json(folder / "tokenizer" / "tokenizer.json")["model"]["vocab"]
    except (OSError, BenchError, KeyError, TypeError):
        # what is wrong with weights is said where they are loaded
        return []
    if not isinstance(vocabulary, dict) or len(vocabulary) >= _SMALL:
        return []
    return [
        name
        for name in names
        if not any(f"{word}</w>" in vocabulary for word in _WORD.findall(name.lower()))
    ]
