"""Logit adjustment as a loss: the network is trained under the class prior it is freed of later."""

from dataclasses import dataclass

from torch import Tensor

from baselines.class_prior import adjusted_logits, log_prior
from benchmark.component import Citation, Component, Prior, Step, cross_entropy, space
from benchmark.config import NonNegativeFloat

PAPER = Citation(
    authors="Menon, Jayasumana, Rawat, Jain, Veit, Kumar",
    title="Long-tail Learning via Logit Adjustment",
    venue="ICLR",
    year=2021,
    url="https://arxiv.org/abs/2007.07314",
)


class LogitAdjustment(Component):
    """Cross-entropy of logits raised by tau log pi; evaluation uses the bare ones.

    At tau 1 it is consistent for the balanced error and equals balanced_softmax; at tau 0 it is
    plain cross-entropy. A class without images counts as one. Menon et al. (2021), equation 10.

    Equation:
        loss_i = -log softmax(z_i + tau log pi)_{y_i},  pi_k = n_k / N

    Published:
        CIFAR-100-LT, IF 100, tau 1: 44.06 (its authors' code, another ResNet-32, 119,000 steps)
        CIFAR-10-LT, IF 100, tau 1: 77.89 (its authors' code, another ResNet-32, 119,000 steps)
        CIFAR-100-LT and CIFAR-10-LT, IF 100, tau 1: 44.02 and 78.57 (a re-run in PyTorch)

    Differences:
        The authors' code takes log(pi^tau + 1e-12), which is the same to seven digits at tau 1.
        Its published 80.92 on CIFAR-10-LT has a tau that was tuned on test images.
    """

    citation = PAPER
    search = space(tau=(0.5, 1.0, 1.5, 2.0))

    @dataclass(frozen=True, kw_only=True)
    class Config:
        """Settings.

        Attributes:
            tau: strength of the adjustment; 0 is cross-entropy.
            prior: counts before ("real") or after the budget ("train").
        """

        tau: NonNegativeFloat
        prior: Prior

    def criterion(self, out: Tensor, labels: Tensor, step: Step) -> Tensor:
        """Cross-entropy of the raised logits of each example."""
        log_pi = log_prior(step.task.counts(self.config.prior), step.device)
        return cross_entropy(adjusted_logits(out, log_pi, self.config.tau), labels)
