"""Tau-normalisation: class vectors are divided by a power of their length, after training."""

import copy
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from baselines.crt import PAPER
from baselines.two_stage import linear_head
from benchmark.component import Component, Net, Task, space
from benchmark.config import NonNegativeFloat


def tau_normalized(weight: Tensor, tau: float) -> Tensor:
    """Rows w_k / |w_k|^tau; (classes, features), the same out. A row of zeros stays one."""
    lengths: Tensor = weight.norm(dim=1, keepdim=True).clamp(min=1e-12)
    return weight / lengths.pow(tau)


class TauNorm(Component):
    """For evaluation, class vectors are divided by a power of their length and the bias dropped.

    Frequent classes so lose the advantage of their longer vectors. Training is what the stack
    makes it, and shared with the stack without this. Kang et al. (2020), tau-normalised classifier.

    Equation:
        z_k = (w_k / |w_k|^tau) . f

    Published:
        CIFAR-100-LT, ResNet-32, IF 100/50: 40.96/45.69 (Bag of Tricks, tau 1)
        CIFAR-10-LT, ResNet-32, IF 100/50: 72.70/79.78 (Bag of Tricks, tau 1)
        CIFAR-100-LT, ResNet-34 with weight decay 5e-3, IF 100: 51.0 at tau 1, 52.6 at tau 1.9
        ImageNet-LT, 90 epochs: ResNet-50 46.7, ResNeXt-50 49.4 (tau chosen on validation rows)

    Differences:
        tau is fixed: the paper chooses it on validation rows, which CIFAR-LT has none of, and
        choosing it on test rows cannot be expressed here. ``score_on=val`` serves to choose one.
        The code of weight balancing keeps the bias (``bias=keep``).
    """

    citation = PAPER
    accepts_heads: ClassVar[tuple[type[nn.Module], ...]] = (nn.Linear,)
    search = space(tau=(0.5, 0.7, 1.0, 1.5))

    @dataclass(frozen=True, kw_only=True)
    class Config:
        """Settings.

        Attributes:
            tau: the power; 0 leaves the vectors as they are, 1 gives all the same length.
            bias: whether the classifier's bias is kept, unchanged.
        """

        tau: NonNegativeFloat
        bias: Literal["drop", "keep"] = "drop"

    @torch.no_grad()
    def deploy(self, net: Net, task: Task) -> nn.Module:
        """A copy of the network with the classifier normalised.

        Raises:
            UsageError: the head is no linear layer.
        """
        deployed = copy.deepcopy(net)
        head = linear_head(deployed.head, self.name)
        head.weight.copy_(tau_normalized(head.weight, self.config.tau))
        if self.config.bias == "drop":
            head.register_parameter("bias", None)
        deployed.head = head
        return deployed
