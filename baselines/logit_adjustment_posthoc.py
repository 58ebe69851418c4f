"""Logit adjustment after training: the class prior is taken off the logits of a network."""

from dataclasses import dataclass

from torch import Tensor, nn

from baselines.class_prior import adjusted_logits, log_prior
from baselines.logit_adjustment import PAPER
from benchmark.component import Component, Net, Prior, Task, space
from benchmark.config import NonNegativeFloat


class Adjusted(nn.Module):
    """A network whose logits are lowered by tau log pi.

    Args:
        net: images to logits.
        log_pi: log class prior, (classes,).
        tau: strength; 0 leaves the logits as they are.
    """

    log_pi: Tensor

    def __init__(self, net: nn.Module, log_pi: Tensor, tau: float) -> None:
        super().__init__()
        self.net, self.tau = net, tau
        self.register_buffer("log_pi", log_pi)

    def forward(self, images: Tensor) -> Tensor:
        """Images to adjusted logits, (batch, classes)."""
        return adjusted_logits(self.net(images), self.log_pi, -self.tau)


class LogitAdjustmentPosthoc(Component):
    """The evaluated network takes tau log pi off the logits; training is what the stack makes it.

    It fills no hook of training, so it shares its training with the stack without it. A class
    without images counts as one. Menon et al. (2021), equation 9.

    Equation:
        prediction = argmax_k z_k - tau log pi_k,  pi_k = n_k / N

    Published:
        CIFAR-100-LT, IF 100, tau 1: 44.07 (its authors' code, another ResNet-32, 119,000 steps)
        CIFAR-10-LT, IF 100, tau 1: 77.32 (its authors' code, another ResNet-32, 119,000 steps)
        CIFAR-100-LT and CIFAR-10-LT, IF 100, tau 1: 44.04 and 78.16 (a re-run in PyTorch)

    Differences:
        tau is a setting; the tau that many tables quote was tuned on test images.
        On ``ldam``, which deploys bare cosines, take tau / scale: at 1 the prior drowns them.
    """

    citation = PAPER
    search = space(tau=(0.5, 1.0, 1.5, 2.0))

    @dataclass(frozen=True, kw_only=True)
    class Config:
        """Settings.

        Attributes:
            tau: strength of the adjustment; 0 changes nothing.
            prior: counts before ("real") or after the budget ("train"); what the network was
                trained under.
        """

        tau: NonNegativeFloat
        prior: Prior

    def deploy(self, net: Net, task: Task) -> nn.Module:
        """The network with the prior taken off its logits."""
        device = next(net.parameters()).device
        return Adjusted(net, log_prior(task.counts(self.config.prior), device), self.config.tau)
