"""Captions of training pictures: the class, and words for how a picture truly looks.

A word is true of the pictures at one end of a scale: the quarter with the highest value, or the
quarter with the lowest. The words are measured, not judged, so a generator that was trained with
them follows the modifier set of the same words.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.generation.prompts import PromptSpec, fill

TEMPLATE = PromptSpec().template
END = 0.25
_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
_BLOCK = 4096

SCALES: Mapping[str, tuple[str, str]] = {
    "brightness": ("bright", "dark"),
    "colour": ("colourful", "pale"),
    "warmth": ("warm", "cold"),
    "detail": ("detailed", "smooth"),
}
"""For each scale the words for its upper and its lower end."""


def measure(images: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
    """Values of uint8 images (n, h, w, 3) on each scale, float32 (n,).

    Brightness is mean luma, colour the mean spread of the channels of a pixel, warmth mean red less
    mean blue, detail the mean step between neighbouring pixels; all in [0, 255] but warmth, in
    [-255, 255].
    """
    blocks = [_measured(images[at : at + _BLOCK]) for at in range(0, len(images), _BLOCK)]
    return {name: np.concatenate([block[name] for block in blocks]) for name in SCALES}


def _measured(images: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
    pixels = images.astype(np.float32)
    luma = pixels @ _LUMA
    means = pixels.mean((1, 2))
    steps = [np.abs(np.diff(luma, axis=axis)).mean((1, 2)) for axis in (1, 2)]
    return {
        "brightness": luma.mean((1, 2)),
        "colour": (pixels.max(3) - pixels.min(3)).mean((1, 2)),
        "warmth": means[:, 0] - means[:, 2],
        "detail": (steps[0] + steps[1]) / 2,
    }


def looks_of(images: NDArray[np.uint8]) -> list[tuple[str, ...]]:
    """The words that are true of each of uint8 images (n, h, w, 3), in the order of the scales."""
    found: list[list[str]] = [[] for _ in images]
    for name, values in measure(images).items():
        low, high = np.quantile(values, (END, 1 - END))
        upper, lower = SCALES[name]
        for own, value in zip(found, values, strict=True):
            # where many share a value, those at it are at no end
            if value >= high and value > low:
                own.append(upper)
            elif value <= low and value < high:
                own.append(lower)
    return [tuple(each) for each in found]


@dataclass(frozen=True)
class Captions:
    """Captions of some pictures, drawn anew each time.

    Attributes:
        classes: readable name of each label.
        labels: label of each picture.
        looks: true words of each picture.
        mention: share of the true words that a caption mentions.
        drop: share of empty captions.
    """

    classes: Sequence[str]
    labels: NDArray[np.int64]
    looks: Sequence[tuple[str, ...]]
    mention: float
    drop: float

    @property
    def words(self) -> list[str]:
        """All words that a caption can hold, each once, in lower case."""
        looks = [word for pair in SCALES.values() for word in pair]
        texts = [fill(TEMPLATE, name, "") for name in self.classes]
        return list(dict.fromkeys([*" ".join(texts).lower().split(), *looks]))

    def draw(self, rows: Tensor, rng: torch.Generator) -> list[str]:
        """A caption for each row, int64 (batch,)."""
        chances = torch.rand((len(rows), 1 + len(SCALES)), generator=rng).tolist()
        pairs = zip(rows.tolist(), chances, strict=True)
        return [self._caption(row, chance) for row, chance in pairs]

    def _caption(self, row: int, chances: list[float]) -> str:
        if chances[0] < self.drop:
            return ""
        looks = zip(self.looks[row], chances[1:], strict=False)
        told = " ".join(word for word, chance in looks if chance < self.mention)
        return fill(TEMPLATE, self.classes[int(self.labels[row])], told)
