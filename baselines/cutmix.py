"""CutMix: a box of one image pasted into another of the batch, labels blended by area."""

from dataclasses import dataclass

import torch

from baselines.mixing import beta_sample, pasted, permuted_targets, random_box
from benchmark.component import Batch, Citation, Component, Step, space
from benchmark.config import PositiveFloat, Probability
from benchmark.data.transfers import to_device


class CutMix(Component):
    """In a share of the batches each image gets a box of another one, at the same place.

    One draw of Beta(alpha, alpha) sizes the box of the whole batch; the label of the pasted image
    has the share of the area that was pasted. Yun et al. (2019), equations 1 and 2.

    Equation:
        x = M x_i + (1 - M) x_j,  loss = l L(z, y_i) + (1 - l) L(z, y_j),  l = mean of the mask M

    Published:
        none on long-tailed CIFAR with this recipe

    Differences:
        Box sides are even numbers of pixels, as in the released code.
    """

    citation = Citation(
        authors="Yun, Han, Oh, Chun, Choe, Yoo",
        title="CutMix: Regularization Strategy to Train Strong Classifiers with Localizable "
        "Features",
        venue="ICCV",
        year=2019,
        url="https://arxiv.org/abs/1905.04899",
    )
    search = space(probability=(0.25, 0.5, 1.0))

    @dataclass(frozen=True, kw_only=True)
    class Config:
        """Settings.

        Attributes:
            probability: of pasting into a batch.
            alpha: both parameters of the Beta distribution; 1 is uniform.
        """

        probability: Probability
        alpha: PositiveFloat

    def mix(self, batch: Batch, aux: Batch | None, step: Step) -> Batch:
        """Paste one box, the same for the whole batch, from a permutation of the batch."""
        rng = step.rng(f"mix/{self.name}")
        if float(torch.rand(1, generator=rng)) >= self.config.probability:
            return batch
        order = torch.randperm(len(batch.images), generator=rng)
        order = to_device(order, batch.images.device)
        height, width = batch.images.shape[-2:]
        rows, columns = random_box(height, width, beta_sample(self.config.alpha, rng), rng)
        images, kept = pasted(batch.images, batch.images[order], rows, columns)
        return batch.mixed(images, permuted_targets(batch.targets, order), kept)
