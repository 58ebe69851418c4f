"""Class distribution fitting: the generator is fine-tuned on the real training images first."""

from dataclasses import dataclass

from benchmark.component import Component, ImageRequest, Task
from benchmark.config import PositiveFloat, PositiveInt
from benchmark.generation.budget import Budget
from benchmark.generation.fitting.config import FitConfig, Kind, Scope
from benchmark.generation.sources import Drawn
from synaug.prompting import prompts_for
from synaug.t2i import PAPER


class DistributionFitting(Component):
    """The fitted generator fills each class by text-to-image.

    The paper's "class distribution fitting"; it states no settings of the fit, so all of them are
    our choice.

    Equation:
        theta = argmin mean ||e - e_theta(x_t, t, prompt of y)||^2 over real rows (x, y), noise e, t
        added_k = max(n_max - n_k, 0),  x ~ G_theta(. | prompt of class k)

    Published:
        CIFAR-100-LT, ResNet-32, IF 100/50/10: 51.53/55.60/65.60 (groups 74.83/50.79/26.03)

    Differences:
        What is fitted, for how long and at what rate is not stated in the paper: our choice.
        Classes are drawn evenly in the joint fit, so that the tail is seen as often as the head.
    """

    citation = PAPER

    @dataclass(frozen=True, kw_only=True)
    class Config:
        """Settings.

        Attributes:
            template: prompt of training and of added images, with "{class}"; training images have
                no modifier.
            modifiers: a modifier set for the added images; "dataset" is the one written for the
                data set, "none" gives plain prompts.
            kind: "lora" (low-rank updates) or "textual_inversion" (a new token a class).
            scope: "joint", one adapter for all classes, drawn evenly, or "per_class".
            rank: of the low-rank updates.
            steps: optimiser steps; of each class where scope is "per_class".
            batch_size: training images a step.
            lr: learning rate, constant.
            text_encoder: whether the text encoder is fitted, too.
        """

        template: str
        modifiers: str
        kind: Kind
        scope: Scope
        rank: PositiveInt
        steps: PositiveInt
        batch_size: PositiveInt
        lr: PositiveFloat
        text_encoder: bool

    def request_images(self, task: Task) -> ImageRequest:
        """Images of the fitted generator, by default up to the largest class."""
        prompts = prompts_for(self.config.template, self.config.modifiers, task)
        return ImageRequest(
            origin="synthetic",
            source=Drawn(prompts=prompts, fit=self._fit()),
            default_budget=Budget(kind="uniform"),
            knowledge=prompts.knowledge,
        )

    def _fit(self) -> FitConfig:
        return FitConfig(
            kind=self.config.kind,
            scope=self.config.scope,
            template=self.config.template,
            steps=self.config.steps,
            batch_size=self.config.batch_size,
            lr=self.config.lr,
            rank=self.config.rank,
            text_encoder=self.config.text_encoder,
        )
