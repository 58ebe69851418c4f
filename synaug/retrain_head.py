"""Head re-training: a last stage that fits the classifier on balanced real rows."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from baselines.two_stage import balanced_rows, head_stage, reset_head
from benchmark.component import Component, Net, Rows, Stage, Step, Streams, TrainingRows, space
from benchmark.config import PositiveFloat
from synaug.t2i import PAPER


class RetrainHead(Component):
    """The backbone is frozen and the classifier trained on uniformly drawn real images.

    Row (d) of Table 2. The paper reads both as uniformly sampled and as uniformly sub-sampled
    rows, and as re-initialised or fine-tuned: ``rows`` and ``start`` are those switches.

    Equation:
        W, b = argmin mean_k mean_{i real, y_i = k} -log softmax(W f_i + b)_k, the features f fixed

    Published:
        CIFAR-100-LT, ResNet-32, Stable Diffusion, IF 100/50/10:
            on top of t2i and domain_mixup, row (d): 57.31/60.34/67.90
        ImageNet100-LT, ResNet-50, the same stack, 50 diffusion steps: 46.56 (68.20/37.65/14.00)

    Differences:
        Length, learning rate and schedule of the stage are not stated in the paper: our choice.
        Batch norm is frozen with the backbone (``batch_norm=train`` lets it follow the real rows).
    """

    citation = PAPER
    search = space(lr_scale=(0.1, 0.3, 1.0))

    @dataclass(frozen=True, kw_only=True)
    class Config:
        """Settings.

        Attributes:
            share: length of the stage, as a share of the recipe's steps; added to them.
            rows: "balanced" draws real rows class-uniformly with replacement; "smallest" keeps
                as many real rows of each class as the smallest one has.
            start: "fresh" re-initialises the head, "continue" fine-tunes it.
            lr_scale: multiplies the recipe's learning rate; it then falls by a cosine.
            batch_norm: whether running statistics of the frozen backbone go on changing.
        """

        share: PositiveFloat
        rows: Literal["balanced", "smallest"]
        start: Literal["fresh", "continue"]
        lr_scale: PositiveFloat
        batch_norm: Literal["train", "eval"]

    def stages(self, base: list[Stage]) -> list[Stage]:
        """The stages so far and the re-training; mixing and class weights rest in it."""
        stage = head_stage(
            self.name,
            self.config.share,
            rows=Rows("real", "min" if self.config.rows == "smallest" else None),
            batch_norm=self.config.batch_norm,
            lr_scale=self.config.lr_scale,
        )
        return [*base, stage]

    def streams(self, step: Step, labels: Tensor, rng: torch.Generator) -> Streams:
        """Class-uniform rows, or every kept row once."""
        if self.config.rows == "smallest":
            return Streams(main=torch.randperm(len(labels), generator=rng))
        return Streams(main=balanced_rows("weighted", labels, rng))

    def start_stage(self, net: Net, rows: TrainingRows, step: Step) -> None:
        """Re-initialise the head, whatever head the stack built."""
        if self.config.start == "fresh":
            reset_head(net.head, f"method.{self.name}.start")
