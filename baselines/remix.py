"""Remix: mixup whose blends may belong wholly to the rarer of their two classes."""

from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Gt
from torch import Tensor

from baselines.class_prior import counts_tensor
from baselines.mixing import beta_sample, blend, permuted_targets
from benchmark.component import Batch, Citation, Component, Prior, Step, space
from benchmark.config import PositiveFloat, Probability
from benchmark.data.transfers import to_device


def label_share(share: Tensor, own: Tensor, other: Tensor, kappa: float, tau: float) -> Tensor:
    """The share of the own label in each blend.

    Chou et al. (2020): 0 if the own class is at least kappa times as large and its image has less
    than tau of the blend, 1 if the partner's is and has less, else the share of the own image.

    Args:
        share: of the own image, a scalar in [0, 1].
        own: images of the row's class, float (batch,), positive.
        other: images of the partner's class, float (batch,), positive.
        kappa: ratio of the classes from which the rarer one takes the label, above 1.
        tau: how little of a blend the frequent class may have to lose the label.

    Returns:
        float (batch,), in [0, 1].
    """
    to_other = (own >= kappa * other) & (share < tau)
    to_own = (other >= kappa * own) & (1 - share < tau)
    return torch.where(to_other, 0.0, torch.where(to_own, 1.0, share))


class Remix(Component):
    """Images are blended as in mixup, but a blend of a frequent and a rare class can be all rare.

    Where one class has kappa times the images of the other and less than tau of the blend, the
    label is the rare class alone; else labels are blended as the images are. Chou et al. (2020).

    Equation:
        x = l x_i + (1 - l) x_j,  loss = m L(z, y_i) + (1 - m) L(z, y_j)
        m = 0 if n_i >= kappa n_j and l < tau,  1 if n_j >= kappa n_i and 1 - l < tau,  else l

    Published:
        CIFAR-100-LT, ResNet-32, IF 100/50: 41.39/45.70 (Bag of Tricks, 400 epochs)
        CIFAR-10-LT, ResNet-32, IF 100/50: 73.43/79.26 (Bag of Tricks, 400 epochs)

    Differences:
        none known
    """

    citation = Citation(
        authors="Chou, Chang, Pan, Wei, Juan",
        title="Remix: Rebalanced Mixup",
        venue="ECCV Workshops",
        year=2020,
        url="https://arxiv.org/abs/2007.03943",
    )
    search = space(alpha=(0.2, 0.5, 1.0))

    @dataclass(frozen=True, kw_only=True)
    class Config:
        """Settings.

        Attributes:
            alpha: both parameters of the Beta distribution; 1 is uniform.
            kappa: how many times larger a class must be to lose the label.
            tau: the share of the blend below which it does; 0 is mixup.
            prior: counts before ("real") or after the budget ("train").
        """

        alpha: PositiveFloat
        kappa: Annotated[float, Gt(1)]
        tau: Probability
        prior: Prior

    def mix(self, batch: Batch, aux: Batch | None, step: Step) -> Batch:
        """Blend the batch with a permutation of itself, labels by class counts."""
        rng, device = step.rng(f"mix/{self.name}"), batch.images.device
        share = torch.full((), beta_sample(self.config.alpha, rng), device=device)
        order = to_device(torch.randperm(len(batch.images), generator=rng), device)
        images = blend(batch.images, batch.images[order], share)
        sizes = counts_tensor(step.task.counts(self.config.prior), device)[batch.labels]
        own = label_share(share, sizes, sizes[order], self.config.kappa, self.config.tau)
        return batch.mixed(images, permuted_targets(batch.targets, order), own)
