"""Mixup: convex combinations of random pairs within a batch."""

from dataclasses import dataclass

import torch

from baselines.mixing import beta_sample, blend, permuted_targets
from benchmark.component import Batch, Citation, Component, Step, space
from benchmark.config import PositiveFloat
from benchmark.data.transfers import to_device


class Mixup(Component):
    """Each image is blended with another of its batch, by one Beta(alpha, alpha) draw a batch.

    Zhang et al. (2018), equation 1.

    Equation:
        x = l x_i + (1 - l) x_j,  loss = l L(z, y_i) + (1 - l) L(z, y_j),  l ~ Beta(alpha, alpha)

    Published:
        CIFAR-100-LT, ResNet-32, IF 100/50/10: 39.5/45.4/59.1 (MiSLAS, stage 1, 200 epochs)
        CIFAR-10-LT, ResNet-32, IF 100/50/10: 72.8/78.1/87.6 (MiSLAS, stage 1, 200 epochs)

    Differences:
        none known
    """

    citation = Citation(
        authors="Zhang, Cisse, Dauphin, Lopez-Paz",
        title="mixup: Beyond Empirical Risk Minimization",
        venue="ICLR",
        year=2018,
        url="https://arxiv.org/abs/1710.09412",
    )
    search = space(alpha=(0.2, 0.5, 1.0))

    @dataclass(frozen=True, kw_only=True)
    class Config:
        """Settings.

        Attributes:
            alpha: both parameters of the Beta distribution; 1 is uniform.
        """

        alpha: PositiveFloat

    def mix(self, batch: Batch, aux: Batch | None, step: Step) -> Batch:
        """Blend the batch with a permutation of itself."""
        rng = step.rng(f"mix/{self.name}")
        device = batch.images.device
        share = torch.full((), beta_sample(self.config.alpha, rng), device=device)
        order = to_device(torch.randperm(len(batch.images), generator=rng), device)
        images = blend(batch.images, batch.images[order], share)
        return batch.mixed(images, permuted_targets(batch.targets, order), share)
