"""SADE: three experts, for the training prior, the uniform one and the inverse one."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from baselines.class_prior import log_prior
from baselines.multi_expert import (
    MeanOfExperts,
    Width,
    average_where_plain,
    blended_mean,
    expert_net,
)
from benchmark.component import Batch, Citation, Component, Net, Prior, Step, Task, TrainingRows
from benchmark.config import NonNegativeFloat, PositiveFloat, PositiveInt

EXPERTS = 3


def inverse_prior(log_pi: Tensor) -> Tensor:
    """The same values in the opposite order: the rarest class gets the largest one, and so on.

    Among classes of one size those named first count as rarer.

    Args:
        log_pi: one value a class, (classes,).

    Returns:
        (classes,).
    """
    order = log_pi.argsort(stable=True)
    inverse = torch.empty_like(log_pi)
    inverse[order] = log_pi[order].flip(0)
    return inverse


def expert_offsets(log_pi: Tensor, strength: float) -> Tensor:
    """What is added to the logits of each expert in training: (3, classes).

    0 for the training prior, log pi for the uniform one, log pi - strength log inverse(pi) for the
    inverse one.
    """
    inverse = log_pi - strength * inverse_prior(log_pi)
    return torch.stack([torch.zeros_like(log_pi), log_pi, inverse])


def expert_losses(logits: Tensor, labels: Tensor, offsets: Tensor) -> Tensor:
    """Sum over experts of the cross-entropy of logits + offsets: (batch,).

    Args:
        logits: float (batch, experts, classes).
        labels: int64 (batch,).
        offsets: (experts, classes).
    """
    each = labels[:, None].expand(-1, logits.shape[1])
    return functional.cross_entropy((logits + offsets).transpose(1, 2), each, reduction="none").sum(
        1
    )


class SADE(Component):
    """Experts for many, all and few: each learns under another assumed class distribution.

    Three experts on the trunk of ``ride`` learn by softmax, balanced softmax and inverse softmax,
    which over-corrects the prior so that rare classes are preferred. Their mean is evaluated.
    Zhang et al. (2022), the training of experts with skills.

    Equation:
        loss = CE(z^1, y) + CE(z^2 + log pi, y) + CE(z^3 + log pi - lambda log inverse(pi), y)

    Published:
        CIFAR-100-LT, ResNet-32 reduced, recipe r_ride with ten-fold drops:
            IF 100: 49.8 (softmax 41.4 and RIDE 48.0 in the same table)
        ImageNet-LT, ResNeXt-50, 180 epochs: 58.8 (softmax 48.0 and RIDE 56.3 in the same table)

    Differences:
        No test-time training, which would weigh the experts by what test images look like: test
        rows never reach a component, so all count equally.
        A class without images counts as one; the code adds 1e-9 to its share.
    """

    citation = Citation(
        authors="Zhang, Hooi, Hong, Feng",
        title="Self-Supervised Aggregation of Diverse Experts for Test-Agnostic Long-Tailed "
        "Recognition",
        venue="NeurIPS",
        year=2022,
        url="https://arxiv.org/abs/2107.09249",
    )

    @dataclass(frozen=True, kw_only=True)
    class Config:
        """Settings.

        Attributes:
            own_stages: last stages of the backbone that every expert has for itself.
            reduce: channels of those stages, as a share of the backbone's; 1 leaves them.
            scale: multiplies the cosines of the classifiers.
            inverse: how strongly the third expert prefers rare classes (lambda); 0 makes it the
                second one.
            prior: counts before ("real") or after the budget ("train").
        """

        own_stages: PositiveInt
        reduce: Width
        scale: PositiveFloat
        inverse: NonNegativeFloat
        prior: Prior

    def build(self, backbone: nn.Module, task: Task) -> Net:
        """The trunk, the experts and their classifiers."""
        return expert_net(
            backbone,
            task,
            experts=EXPERTS,
            own_stages=self.config.own_stages,
            reduce=self.config.reduce,
            scale=self.config.scale,
        )

    def deploy(self, net: Net, task: Task) -> nn.Module:
        """The mean of the experts' logits."""
        return MeanOfExperts(net)

    def start_stage(self, net: Net, rows: TrainingRows, step: Step) -> None:
        """Settle whether the experts answer one by one in this stage."""
        average_where_plain(net, step.stage)

    def loss(self, net: Net, batch: Batch, step: Step) -> Tensor:
        """The sum of the three cross-entropies."""
        with net.origins_of(batch):
            logits: Tensor = net(batch.images).float()
        log_pi = log_prior(step.task.counts(self.config.prior), step.device)
        offsets = expert_offsets(log_pi, self.config.inverse)
        return blended_mean(batch, lambda labels: expert_losses(logits, labels, offsets))
