"""Balanced softmax: the class prior is part of the training logits, and left out in use."""

from dataclasses import dataclass

from torch import Tensor

from baselines.class_prior import adjusted_logits, log_prior
from benchmark.component import Citation, Component, Prior, Step, cross_entropy


class BalancedSoftmax(Component):
    """Cross-entropy of logits raised by the log count of each class; evaluation uses them bare.

    The network need not learn the class prior, so its logits suit a balanced test set. log n and
    log pi differ by a constant, which a softmax ignores: the same as logit_adjustment at tau 1.
    A class without images counts as one image. Ren et al. (2020), theorem 1.

    Equation:
        loss_i = -log softmax(z_i + log n)_{y_i}

    Published:
        CIFAR-100-LT, ResNet-32, IF 100/50: 42.99/46.55 (Bag of Tricks, crop and flip, 200 epochs)
        CIFAR-10-LT, ResNet-32, IF 100/50: 77.54/81.11 (Bag of Tricks, crop and flip, 200 epochs)
        CIFAR-100-LT, IF 100/50/10: 49.35/54.79/63.93 (DBM, AutoAugment and Cutout)

    Differences:
        The authors' meta-sampler (BALMS) and their decoupled stage are not part of this.
    """

    citation = Citation(
        authors="Ren, Yu, Sheng, Ma, Zhao, Yi, Li",
        title="Balanced Meta-Softmax for Long-Tailed Visual Recognition",
        venue="NeurIPS",
        year=2020,
        url="https://arxiv.org/abs/2007.10740",
    )

    @dataclass(frozen=True, kw_only=True)
    class Config:
        """Settings.

        Attributes:
            prior: counts before ("real") or after the budget ("train").
        """

        prior: Prior

    def criterion(self, out: Tensor, labels: Tensor, step: Step) -> Tensor:
        """Cross-entropy of the raised logits of each example."""
        log_pi = log_prior(step.task.counts(self.config.prior), step.device)
        return cross_entropy(adjusted_logits(out, log_pi, 1.0), labels)
