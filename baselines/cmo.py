"""CMO: boxes from class-balanced foreground images pasted onto ordinary ones."""

from dataclasses import dataclass

import torch
from torch import Tensor

from baselines.class_prior import class_balanced_rows
from baselines.mixing import beta_sample, pasted, random_box
from benchmark.component import Batch, Citation, Component, Step, Streams, space
from benchmark.config import NonNegativeInt, PositiveFloat, Probability


class CMO(Component):
    """Context-rich minority oversampling: rare objects in the contexts of frequent classes.

    Park et al. (2022), algorithm 1. Foregrounds are drawn with class probability ~ n^(1 - power);
    labels are blended by the area that was pasted.

    Equation:
        x = M x_back + (1 - M) x_fore,  loss = l L(z, y_back) + (1 - l) L(z, y_fore)
        l = mean of the mask M, L any loss of the stack

    Published:
        CIFAR-100-LT, ResNet-32, IF 100/50/10: 43.9/48.3/59.5 with ce (crop and flip, 200 epochs)
        47.2/51.7/58.4 with ldam and drw; 46.6 with balanced_softmax at IF 100
        Re-runs at IF 100: 41.7 to 43.1, 46.1 to 46.5 and 45.6 to 46.5

    Differences:
        none known
    """

    citation = Citation(
        authors="Park, Hong, Heo, Yun, Choi",
        title="The Majority Can Help The Minority: Context-rich Minority Oversampling for "
        "Long-tailed Classification",
        venue="CVPR",
        year=2022,
        url="https://arxiv.org/abs/2112.00412",
    )
    search = space(probability=(0.25, 0.5, 1.0))

    @dataclass(frozen=True, kw_only=True)
    class Config:
        """Settings.

        Attributes:
            probability: of pasting into a batch.
            alpha: of the Beta draw that sizes the box.
            power: foreground rows are drawn with probability ~ 1 / n_k^power.
            warm_epochs: epochs without pasting at either end; the first one with it is
                ``warm_epochs`` + 1 (0-based), as published.
        """

        probability: Probability
        alpha: PositiveFloat
        power: float
        warm_epochs: NonNegativeInt

    def streams(self, step: Step, labels: Tensor, rng: torch.Generator) -> Streams:
        """Foreground rows for the epoch; none outside the active epochs."""
        if not active(step.epoch, step.epochs, self.config.warm_epochs):
            return Streams()
        return Streams(aux=class_balanced_rows(labels, len(labels), rng, self.config.power))

    def mix(self, batch: Batch, aux: Batch | None, step: Step) -> Batch:
        """Paste one box, the same for the whole batch."""
        rng = step.rng(f"mix/{self.name}")
        skip = float(torch.rand(1, generator=rng)) >= self.config.probability
        if aux is None or skip:
            return batch
        height, width = batch.images.shape[-2:]
        rows, columns = random_box(height, width, beta_sample(self.config.alpha, rng), rng)
        images, kept = pasted(batch.images, aux.images, rows, columns)
        return batch.mixed(images, aux.targets, kept)


def active(epoch: int, epochs: int, warm: int) -> bool:
    """Whether CMO pastes in an epoch (0-based); with ``warm`` 0 it always does."""
    return warm == 0 or warm < epoch < epochs - warm
