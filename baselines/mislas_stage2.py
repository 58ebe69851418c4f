"""MiSLAS, second stage: label-aware smoothing, learnt logit scales, shifted batch norm."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from baselines.class_prior import counts_tensor
from baselines.smoothing import Shape, smoothed_cross_entropy, smoothing_of
from baselines.two_stage import Sampler, balanced_rows, head_stage, scale_head
from benchmark.component import (
    Citation,
    Component,
    Net,
    Prior,
    Stage,
    Step,
    Streams,
    TrainingRows,
    space,
)
from benchmark.config import NonNegativeFloat, NonNegativeInt, PositiveFloat, Probability


class MiSLASStage2(Component):
    """The classifier is trained on, slowly, with logit factors and smoothing by class frequency.

    The backbone is frozen, batches are class-balanced, the factors have the full rate. Mixing and
    class weights rest in that stage. ``method=mislas`` is mixup and this component.
    Zhong et al. (2021), equations 5 and 6.

    Equation:
        z_k = s_k (w_k . f + b_k)
        loss_i = -(1 - e_y) log p_y - e_y mean_k log p_k, p = softmax(z), y = y_i
        e_k = tail + (head - tail) sin(pi (n_k - n_min) / (2 (n_max - n_min)))

    Published:
        CIFAR-100-LT, ResNet-32, IF 100/50/10: 47.0/52.3/63.2 (stage 1 alone 39.5/45.4/59.1)
        CIFAR-10-LT, ResNet-32, IF 100/50/10: 82.5/85.7/90.0 (stage 1 alone 72.8/78.1/87.6)
        ImageNet-LT, ResNet-50, 180 epochs: 52.7 (stage 1 alone 45.5)
        Settings head/tail/lr_factor at IF 100, 50, 10: CIFAR-100 .4/.1/.2, .3/0/.1, .2/0/.1;
        CIFAR-10 .3/0/.5, .2/0/.2, .1/0/.2 with batch_norm eval; ImageNet-LT .3/0/.05.

    Differences:
        The code takes an epoch's rate for all its steps; ours falls by the step.
        Each epoch starts the sampler with full lists, where the code goes on through them.
        Published numbers are the best epoch on the test set, ours the last one.
    """

    citation = Citation(
        authors="Zhong, Cui, Liu, Jia",
        title="Improving Calibration for Long-Tailed Recognition",
        venue="CVPR",
        year=2021,
        url="https://arxiv.org/abs/2104.00466",
    )
    accepts_heads: ClassVar[tuple[type[nn.Module], ...]] = (nn.Linear,)
    search = space(lr_factor=(0.05, 0.1, 0.2, 0.5), head=(0.2, 0.3, 0.4), tail=(0.0, 0.1))

    @dataclass(frozen=True, kw_only=True)
    class Config:
        """Settings.

        Attributes:
            share: length of the stage, as a share of the recipe's steps; added to them.
            lr_scale: multiplies the recipe's learning rate; it then falls by a cosine.
            lr_factor: multiplies the rate of the classifier further; 0 freezes it.
            head: smoothing of the most frequent class.
            tail: smoothing of the rarest class.
            batch_norm: "train" lets running statistics follow the balanced batches.
            prior: counts the smoothing comes from, before ("real") or after the budget ("train").
            shape: how the smoothing grows with the counts.
            sampler: "class_aware" draws four rows of a class in a row, without replacement until
                all had their turn; "weighted" draws independently, with replacement.
            cached_passes: if not 0, train on the features of so many augmented passes, computed
                once; needs ``batch_norm=eval``.
        """

        share: PositiveFloat
        lr_scale: PositiveFloat
        lr_factor: NonNegativeFloat
        head: Probability
        tail: Probability
        batch_norm: Literal["eval", "train"]
        prior: Prior
        shape: Shape = "concave"
        sampler: Sampler = "class_aware"
        cached_passes: NonNegativeInt = 0

    def stages(self, base: list[Stage]) -> list[Stage]:
        """The stages so far and one for the classifier and the factors."""
        settings = self.config
        stage = head_stage(
            self.name,
            settings.share,
            batch_norm=settings.batch_norm,
            lr_scale=settings.lr_scale,
            rates=(("head.linear", settings.lr_factor),),
            cached_passes=settings.cached_passes,
        )
        return [*base, stage]

    def streams(self, step: Step, labels: Tensor, rng: torch.Generator) -> Streams:
        """Rows in which classes are equally frequent."""
        return Streams(main=balanced_rows(self.config.sampler, labels, rng))

    def start_stage(self, net: Net, rows: TrainingRows, step: Step) -> None:
        """Give the head its factors."""
        scale_head(net, step.task.n_classes)

    def criterion(self, out: Tensor, labels: Tensor, step: Step) -> Tensor:
        """Cross-entropy with labels smoothed by the class's own amount, (batch,)."""
        counts = counts_tensor(step.task.counts(self.config.prior), step.device)
        smoothing = smoothing_of(counts, self.config.head, self.config.tail, self.config.shape)
        return smoothed_cross_entropy(out, labels, smoothing)
