"""DRW: deferred re-weighting, class-balanced weights late in training only."""

from dataclasses import dataclass

from torch import Tensor

from baselines.class_prior import effective_number_weights
from baselines.ldam import PAPER
from benchmark.component import Component, Prior, Step, space
from benchmark.config import OpenShare, Share


class DRW(Component):
    """From a share of the epochs on, the loss is weighted by effective numbers of samples.

    Cao et al. (2019), algorithm 1; the published switch coincides with the first learning-rate
    drop. The weights divide the mean by their own sum.

    Equation:
        loss = sum_i w_{y_i} l_i / sum_i w_{y_i},  w_k = (1 - beta) / (1 - beta^{n_k}) from start on

    Published:
        CIFAR-100-LT, ResNet-32, IF 100/10: 40.66/57.32, with ldam 42.04/58.71 (200 epochs)
        CIFAR-10-LT, ResNet-32, IF 100/10: 74.86/86.88, with ldam 77.03/88.16 (200 epochs)
        From the first epoch on: 33.99/57.12 on CIFAR-100-LT, 72.37/86.54 on CIFAR-10-LT

    Differences:
        The switch is a share of the epochs (published: epoch 160 of 200), whatever their number.
    """

    citation = PAPER
    search = space(start=(0.6, 0.8), beta=(0.99, 0.999, 0.9999))

    @dataclass(frozen=True, kw_only=True)
    class Config:
        """Settings.

        Attributes:
            start: share of the stage's epochs after which weights apply; 0 weights from the first
                epoch on, which its authors call re-weighting.
            beta: of the effective number; near 1 the weights approach inverse frequency.
            prior: counts the weights come from, before ("real") or after the budget ("train").
        """

        start: Share
        beta: OpenShare
        prior: Prior

    def class_weights(self, step: Step) -> Tensor | None:
        """None before the switch, effective-number weights (classes,) after it."""
        if step.progress < self.config.start:
            return None
        counts = step.task.counts(self.config.prior)
        return effective_number_weights(counts, self.config.beta, step.device)
