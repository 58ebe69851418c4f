"""Loss weights by origin: added images count less, or more, than real ones."""

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from benchmark.component import ORIGINS, Batch, Citation, Component, Step
from benchmark.config import PositiveFloat


def origin_weights(
    real: Tensor, of_real: float, of_added: float, unit: Literal["row", "origin"] = "row"
) -> Tensor:
    """A weight for each row of a batch by its origin; the mean over the batch is 1.

    Args:
        real: bool (batch,), True for real rows.
        of_real: weight of real rows.
        of_added: weight of added rows.
        unit: whether the two weigh each row, or the rows of an origin together, however many
            they are; the weight of an absent origin goes to the other one.

    Returns:
        float (batch,).
    """
    weight = torch.where(real, of_real, of_added)
    if unit == "origin":
        n_real = real.sum()
        weight = weight / torch.where(real, n_real, len(real) - n_real)
    return weight / weight.mean()


class OriginWeights(Component):
    """The loss of a row is weighted by whether its image is real or added.

    He et al. weight both alike, DataDream and DISEF the mean over real rows by .8 and that over
    generated ones by .2 (``unit=origin``), DiffuLT each generated row by .3 or .5 (``unit=row``).
    Name it before the components that mix: the weight of an image then follows it into every
    blend within the batch.

    Equation:
        loss = sum_i w_i CE_i / sum_i w_i,  w_i = ``real`` or ``added`` by origin (unit=row)
        w_i divided by the rows of its origin in the batch (unit=origin)

    Published:
        none on long-tailed sets with these weights alone

    Differences:
        The mean weight of a batch is 1 in either unit, so that the learning rate means the same.
        An origin that a batch lacks hands its weight to the other one.
    """

    citation = Citation(
        authors="Kim, Bader, Alaniz, Schmid, Akata",
        title="DataDream: Few-shot Guided Dataset Generation",
        venue="ECCV",
        year=2024,
        url="https://arxiv.org/abs/2407.10910",
    )

    @dataclass(frozen=True, kw_only=True)
    class Config:
        """Settings.

        Attributes:
            real: weight of real rows; only its ratio to ``added`` matters.
            added: weight of added rows.
            unit: "row" weighs every row, "origin" the mean over the rows of an origin.
        """

        real: PositiveFloat
        added: PositiveFloat
        unit: Literal["row", "origin"]

    def mix(self, batch: Batch, aux: Batch | None, step: Step) -> Batch:
        """Scale the weights of all target pairs; the images stay as they are."""
        real = batch.origins == ORIGINS.index("real")
        scale = origin_weights(real, self.config.real, self.config.added, self.config.unit)
        return replace(
            batch, targets=tuple((labels, weight * scale) for labels, weight in batch.targets)
        )
