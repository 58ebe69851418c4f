"""How a generator is fitted to the training images; imports neither torch nor diffusers."""

from dataclasses import dataclass
from typing import Literal

from benchmark.config import PositiveFloat, PositiveInt
from benchmark.errors import UsageError
from benchmark.generation.prompts import PromptSpec, prompt

Kind = Literal["lora", "textual_inversion"]
Scope = Literal["joint", "per_class"]


@dataclass(frozen=True, kw_only=True)
class FitConfig:
    """Settings of a fit; all of them decide the fitted weights.

    Attributes:
        kind: "lora" trains low-rank updates of the denoiser, "textual_inversion" one new token a
            class.
        scope: one adapter for all classes, drawn evenly, or one a class.
        template: prompt of a training image, with "{class}"; a "{modifier}" is left out.
        steps: optimiser steps; of each class where ``scope`` is "per_class".
        batch_size: images a step.
        lr: learning rate of AdamW, constant.
        rank: of the low-rank updates.
        text_encoder: whether low-rank updates of the text encoder are trained, too.

    Raises:
        UsageError: a template without "{class}", or a text encoder trained beside new tokens.
    """

    kind: Kind
    scope: Scope
    template: str
    steps: PositiveInt
    batch_size: PositiveInt
    lr: PositiveFloat
    rank: PositiveInt
    text_encoder: bool

    def __post_init__(self) -> None:
        PromptSpec(template=self.template)
        if self.text_encoder and self.kind != "lora":
            raise UsageError(
                f"Expected text_encoder=false for {self.kind}, whose tokens belong to a fixed "
                "text encoder, but got true",
                where="text_encoder",
                todo="set text_encoder=false, or kind=lora",
            )

    def prompt(self, class_name: str) -> str:
        """The prompt of a training image of a class."""
        return prompt(PromptSpec(template=self.template), class_name, 0)[0]
