"""DRW: deferred re-weighting, class-balanced weights late in training only."""

from dataclasses import dataclass

from torch import Tensor

from baselines.class_prior import effective_number_weights
from baselines.ldam import PAPER
from benchmark.component import Component, Prior, Step
from benchmark.config import OpenShare


class DRW(Component):
    """From a share of the epochs on, the loss is weighted by effective numbers of samples.

    Cao et al. (2019), algorithm 1; the published switch coincides with the first learning-rate
    drop. The weights divide the mean by their own sum.
    """

    citation = PAPER

    @dataclass(frozen=True, kw_only=True)
    class Config:
        """Settings.

        Attributes:
            start: share of the stage's epochs after which weights apply.
            beta: of the effective number; near 1 the weights approach inverse frequency.
            prior: counts the weights come from, before ("real") or after the budget ("train").
        """

        start: OpenShare
        beta: OpenShare
        prior: Prior

    def class_weights(self, step: Step) -> Tensor | None:
        """None before the switch, effective-number weights (classes,) after it."""
        if step.progress < self.config.start:
            return None
        counts = step.task.counts(self.config.prior)
        return effective_number_weights(counts, self.config.beta, step.device)
