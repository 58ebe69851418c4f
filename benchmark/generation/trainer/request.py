"""What is to be trained on what, its identity, and the facts that stand beside the weights."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.data.rows import pixels_hash
from benchmark.errors import IntegrityError, UsageError
from benchmark.generation.trainer.settings import TrainerConfig
from benchmark.system.files import content_hash, read_json

FACTS = "fit.json"
SCHEMA = "fit/1"


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainRequest:
    """A generator to train, and the pictures to train it on.

    Attributes:
        config: how.
        images: uint8 (n, size, size, 3).
        labels: int64 (n,).
        classes: readable class names, in label order.
        source: where the pictures are from: data set, split, rows; JSON values.
        knowledge: outside knowledge that the weights will bring, as tags.
        seed: of first weights and of all draws.
        device: "auto", "cpu" or "cuda".
    """

    config: TrainerConfig
    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    source: Mapping[str, Any]
    knowledge: tuple[str, ...]
    seed: int
    device: str

    @cached_property
    def identity(self) -> dict[str, Any]:
        """All that decides the weights, as JSON values."""
        return {
            "settings": json.loads(json.dumps(dataclasses.asdict(self.config))),
            "pixels": pixels_hash(self.images, self.labels),
            "classes": list(self.classes),
            "seed": self.seed,
        }

    @property
    def key(self) -> str:
        """Hash of the identity."""
        return content_hash(self.identity, 16)


def read_facts(folder: Path) -> dict[str, Any] | None:
    """The facts of a generator that was trained here; None for any other folder.

    Raises:
        IntegrityError: they cannot be read.
    """
    path = folder / FACTS
    if not path.is_file():
        return None
    found = read_json(path)
    if not isinstance(found, dict) or found.get("schema") != SCHEMA:
        raise IntegrityError(
            f"Expected the facts of a trained generator ({SCHEMA})",
            where=path,
            todo="train it again in another folder",
        )
    return found


def check_knowledge(folder: Path, tags: tuple[str, ...]) -> None:
    """Refuse a generator that was trained here under tags other than its own.

    Raises:
        UsageError: they differ.
    """
    facts = read_facts(folder)
    if facts is None:
        return
    own = [str(tag) for tag in facts["knowledge"]]
    if sorted(own) != sorted(tags):
        raise UsageError(
            f"Expected the knowledge {own} that this generator was trained with, but got "
            f"{sorted(tags)}",
            where="generator.knowledge",
            todo=f"generator.knowledge=[{','.join(own)}]",
        )
