"""CMO: boxes from class-balanced foreground images pasted onto ordinary ones."""

from dataclasses import dataclass

import torch
from torch import Tensor

from baselines.class_prior import class_balanced_rows
from baselines.mixing import beta_sample
from benchmark.component import Batch, Citation, Component, Step, Streams
from benchmark.config import NonNegativeInt, PositiveFloat, Probability


def random_box(height: int, width: int, share: float, rng: torch.Generator) -> tuple[slice, slice]:
    """Rows and columns of a box that leaves about ``share`` of the image uncovered.

    Sides are floor(side * sqrt(1 - share)), around a uniform pixel, clipped at the borders.
    """
    cut = (1.0 - share) ** 0.5
    sides = []
    for size in (height, width):
        half, centre = int(size * cut) // 2, int(torch.randint(size, (1,), generator=rng))
        sides.append(slice(max(centre - half, 0), min(centre + half, size)))
    return sides[0], sides[1]


class CMO(Component):
    """Context-rich minority oversampling: rare objects in the contexts of frequent classes.

    Park et al. (2022), algorithm 1. Foregrounds are drawn with class probability ~ n^(1 - power);
    labels are blended by the area that was pasted.
    """

    citation = Citation(
        authors="Park, Hong, Heo, Yun, Choi",
        title="The Majority Can Help The Minority: Context-rich Minority Oversampling for "
        "Long-tailed Classification",
        venue="CVPR",
        year=2022,
        url="https://arxiv.org/abs/2112.00412",
    )

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
        images = batch.images.clone(memory_format=torch.channels_last)
        images[:, :, rows, columns] = aux.images[:, :, rows, columns]
        pasted = (rows.stop - rows.start) * (columns.stop - columns.start) / (height * width)
        return batch.mixed(images, aux.targets, torch.tensor(1 - pasted, device=images.device))


def active(epoch: int, epochs: int, warm: int) -> bool:
    """Whether CMO pastes in an epoch (0-based); with ``warm`` 0 it always does."""
    return warm == 0 or warm < epoch < epochs - warm
