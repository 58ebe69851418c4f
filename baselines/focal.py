"""Focal loss on softmax probabilities: examples that are already right count less."""

from dataclasses import dataclass

import torch
from torch import Tensor

from benchmark.component import Citation, Component, Step, cross_entropy, space
from benchmark.config import NonNegativeFloat

PAPER = Citation(
    authors="Lin, Goyal, Girshick, He, Dollar",
    title="Focal Loss for Dense Object Detection",
    venue="ICCV",
    year=2017,
    url="https://arxiv.org/abs/1708.02002",
)


def focal_loss(out: Tensor, labels: Tensor, gamma: float) -> Tensor:
    """(1 - p_y)^gamma * -log p_y with softmax probabilities p.

    Lin et al. (2017), equation 4, on the softmax rather than on one sigmoid a class.

    Args:
        out: logits, (batch, classes).
        labels: int64 (batch,).
        gamma: at least 0; 0 is cross-entropy.

    Returns:
        The loss of each example, float32 (batch,).
    """
    losses = cross_entropy(out.float(), labels)
    # 1 - p; at exactly 0 a power below 1 has no finite slope
    wrong = -torch.expm1(-losses)
    return wrong.clamp(min=1e-12).pow(gamma) * losses


class Focal(Component):
    """Cross-entropy of each example, scaled down the more certain the network is of its label.

    It turns training towards hard examples, which are often rare ones, and knows no class counts.
    Lin et al. (2017), equation 4, in the softmax form that Cao et al. (2019) compare with; the
    form with one sigmoid a class is class_balanced with loss=focal and beta=0.

    Equation:
        loss_i = -(1 - p_i)^gamma log p_i,  p_i = softmax(z_i)_{y_i}

    Published:
        CIFAR-100-LT, ResNet-32, IF 100/10: 38.41/55.78 (LDAM, crop and flip, 200 epochs)
        CIFAR-10-LT, ResNet-32, IF 100/10: 70.38/86.66 (LDAM, crop and flip, 200 epochs)

    Differences:
        Stacked with class weights, they multiply the loss; in the LDAM code they enter p_i, too.
    """

    citation = PAPER
    search = space(gamma=(0.5, 1.0, 2.0))

    @dataclass(frozen=True, kw_only=True)
    class Config:
        """Settings.

        Attributes:
            gamma: how fast certain examples lose weight; 0 is cross-entropy.
        """

        gamma: NonNegativeFloat

    def criterion(self, out: Tensor, labels: Tensor, step: Step) -> Tensor:
        """The focal loss of each example."""
        return focal_loss(out, labels, self.config.gamma)
