"""cRT: the classifier is trained again, from scratch, on a frozen backbone and balanced rows."""

from dataclasses import dataclass

import torch
from torch import Tensor

from baselines.two_stage import HeadStageConfig, balanced_rows, reset_head
from benchmark.component import (
    Citation,
    Component,
    Net,
    Stage,
    Step,
    Streams,
    TrainingRows,
    space,
)

PAPER = Citation(
    authors="Kang, Xie, Rohrbach, Yan, Gordo, Feng, Kalantidis",
    title="Decoupling Representation and Classifier for Long-Tailed Recognition",
    venue="ICLR",
    year=2020,
    url="https://arxiv.org/abs/1910.09217",
)


class CRT(Component):
    """Features first; then a fresh classifier on the frozen backbone and class-balanced batches.

    Mixing and class weights rest in the second stage. The stack's criterion and loss hold, so one
    that corrects for the class prior corrects a second time there. Kang et al. (2020), classifier
    re-training.

    Equation:
        W, b = argmin mean_k mean_{i: y_i = k} -log softmax(W f_i + b)_k, the features f fixed

    Published:
        CIFAR-100-LT, ResNet-32, IF 100/50: 40.26/45.36 (Bag of Tricks, 30 epochs of re-training)
        CIFAR-100-LT, ResNet-32, IF 100: 43.3, groups 64.0/44.8/18.1 (RIDE model zoo)
        CIFAR-10-LT, ResNet-32, IF 100/50: 74.99/80.17 (Bag of Tricks)
        ImageNet-LT, 90 epochs: ResNet-50 47.3, ResNeXt-50 49.6 (its released weights give 48.1)

    Differences:
        Batch norm is frozen with the backbone; in the code running statistics follow the balanced
        batches (``batch_norm=train``).
        Each epoch starts the sampler with full lists, where the code goes on through them.
        With ldam the classifier is a cosine head, trained under the margins of ldam.
    """

    citation = PAPER
    search = space(lr_scale=(0.1, 0.3, 1.0))

    @dataclass(frozen=True, kw_only=True)
    class Config(HeadStageConfig):
        """Settings."""

    def stages(self, base: list[Stage]) -> list[Stage]:
        """The stages so far and the re-training of the head."""
        return [*base, self.config.stage(self.name)]

    def streams(self, step: Step, labels: Tensor, rng: torch.Generator) -> Streams:
        """Rows in which classes are equally frequent."""
        return Streams(main=balanced_rows(self.config.sampler, labels, rng))

    def start_stage(self, net: Net, rows: TrainingRows, step: Step) -> None:
        """Re-initialise the head, whatever head the stack built."""
        reset_head(net.head, f"method.{self.name}")
