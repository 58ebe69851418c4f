"""Mixup: convex combinations of random pairs within a batch."""

from dataclasses import dataclass

import torch

from baselines.mixing import beta_sample, blend, permuted_targets
from benchmark.component import Batch, Citation, Component, Step
from benchmark.config import PositiveFloat


class Mixup(Component):
    """Each image is blended with another of its batch, by one Beta(alpha, alpha) draw a batch."""

    citation = Citation(
        authors="Zhang, Cisse, Dauphin, Lopez-Paz",
        title="mixup: Beyond Empirical Risk Minimization",
        venue="ICLR",
        year=2018,
        url="https://arxiv.org/abs/1710.09412",
    )

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
        share = torch.tensor(beta_sample(self.config.alpha, rng), device=batch.images.device)
        order = torch.randperm(len(batch.images), generator=rng).to(batch.images.device)
        images = blend(batch.images, batch.images[order], share)
        return batch.mixed(images, permuted_targets(batch.targets, order), share)
