"""LWS: a learnt factor for each class rescales a frozen classifier."""

from dataclasses import dataclass

import torch
from torch import Tensor

from baselines.crt import PAPER
from baselines.two_stage import HeadStageConfig, balanced_rows, scale_head
from benchmark.component import Component, Net, Stage, Step, Streams, TrainingRows, space


class LWS(Component):
    """All is frozen after the base stage but one factor a class, which multiplies its logit.

    The factors are learnt on class-balanced batches; mixing and class weights rest in that stage.
    The stack's criterion and loss hold, so one that corrects for the class prior corrects a second
    time there. Kang et al. (2020), learnable weight scaling.

    Equation:
        z_k = s_k (w_k . f + b_k), s_k = 1 at first and the only thing that is learnt

    Published:
        CIFAR-100-LT, ResNet-32, IF 100/50: 40.16/45.21 (Bag of Tricks)
        CIFAR-10-LT, ResNet-32, IF 100/50: 72.63/78.66 (Bag of Tricks)
        ImageNet-LT, 90 epochs and 5 for the factors: ResNet-50 47.7, ResNeXt-50 49.9

    Differences:
        Batch norm is frozen with the backbone; in the code running statistics follow the balanced
        batches (``batch_norm=train``).
        Each epoch starts the sampler with full lists, where the code goes on through them.
        On the cosine head of ldam the factors multiply the cosines, under the margins of ldam.
    """

    citation = PAPER
    search = space(lr_scale=(0.1, 0.3, 1.0))

    @dataclass(frozen=True, kw_only=True)
    class Config(HeadStageConfig):
        """Settings."""

    def stages(self, base: list[Stage]) -> list[Stage]:
        """The stages so far and one for the factors."""
        return [*base, self.config.stage(self.name, train="head.scale")]

    def streams(self, step: Step, labels: Tensor, rng: torch.Generator) -> Streams:
        """Rows in which classes are equally frequent."""
        return Streams(main=balanced_rows(self.config.sampler, labels, rng))

    def start_stage(self, net: Net, rows: TrainingRows, step: Step) -> None:
        """Give the head its factors."""
        scale_head(net, step.task.n_classes)
