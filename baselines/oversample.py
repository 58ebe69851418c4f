"""Class-balanced sampling of the training rows: the control that generation must beat."""

from dataclasses import dataclass

import torch
from torch import Tensor

from baselines.class_prior import class_balanced_rows
from benchmark.component import Citation, Component, Step, Streams


class Oversample(Component):
    """Rows are drawn with replacement so that every class is equally likely (at ``power`` 1).

    Equation:
        p_k ~ n_k^(1 - power)

    Published:
        CIFAR-100-LT, ResNet-32, IF 100/10: 33.44/55.06 (LDAM, re-sampling, 200 epochs)
        CIFAR-10-LT, ResNet-32, IF 100/10: 70.55/86.79 (LDAM, re-sampling, 200 epochs)

    Differences:
        Rows are drawn independently; class-aware samplers go through the images of a class in turn.
    """

    citation = Citation(
        authors="Shen, Lin, Huang",
        title="Relay Backpropagation for Effective Learning of Deep Convolutional Neural Networks",
        venue="ECCV",
        year=2016,
        url="https://arxiv.org/abs/1512.05830",
    )

    @dataclass(frozen=True, kw_only=True)
    class Config:
        """Settings.

        Attributes:
            power: a row of class k is drawn with probability ~ 1 / n_k^power; .5 is square-root
                sampling, 0 plain sampling with replacement.
        """

        power: float

    def streams(self, step: Step, labels: Tensor, rng: torch.Generator) -> Streams:
        """One epoch of class-balanced row positions."""
        return Streams(main=class_balanced_rows(labels, len(labels), rng, self.config.power))
