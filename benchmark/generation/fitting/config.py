"""How a generator is fitted to the training images; imports neither torch nor diffusers."""

from dataclasses import dataclass
from typing import Literal

from benchmark.config import PositiveFloat, PositiveInt


@dataclass(frozen=True, kw_only=True)
class FitConfig:
    """Settings of a fit; all of them decide the fitted weights.

    Attributes:
        kind: "lora" trains low-rank updates of the denoiser, "textual_inversion" one new token a
            class.
        scope: one adapter for all classes, drawn evenly, or one a class.
        template: prompt of a training image, with "{class}".
        steps: optimiser steps; of each class where ``scope`` is "per_class".
        batch_size: images a step.
        lr: learning rate of AdamW, constant.
        rank: of the low-rank updates.
        text_encoder: whether low-rank updates of the text encoder are trained, too.
    """

    kind: Literal["lora", "textual_inversion"]
    scope: Literal["joint", "per_class"]
    template: str
    steps: PositiveInt
    batch_size: PositiveInt
    lr: PositiveFloat
    rank: PositiveInt
    text_encoder: bool
