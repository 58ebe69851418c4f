"""From fake to real: train on added images first, then on real ones alone."""

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from baselines.class_prior import class_balanced_rows
from benchmark.component import Citation, Component, Rows, Stage, Step, Streams
from benchmark.config import OpenShare, PositiveFloat
from benchmark.errors import UsageError


class FakeToReal(Component):
    """The base stage becomes two: added rows only, then real rows only, with the same weights.

    In a mixed batch "this image is generated" predicts the class, the more so the longer the
    tail; a network that never sees both kinds at once cannot learn that. The two stages together
    take as many steps as the base stage did.

    Equation:
        theta_1 = argmin mean CE over added rows
        theta_2 = argmin mean CE over real rows, starting from theta_1

    Published:
        none on long-tailed sets; its authors study spurious correlations between groups

    Differences:
        Its authors balance groups of a class against each other; here classes take their place.
        How the steps are shared out and the smaller rate on real rows are our choice.
        The optimiser starts anew in the second stage.
    """

    citation = Citation(
        authors="Qraitem, Saenko, Plummer",
        title="From Fake to Real: Pretraining on Balanced Synthetic Images to Prevent Spurious "
        "Correlations in Image Recognition",
        venue="arXiv",
        year=2023,
        url="https://arxiv.org/abs/2308.04553",
    )

    @dataclass(frozen=True, kw_only=True)
    class Config:
        """Settings.

        Attributes:
            share: of the base stage's steps that go to added rows; real rows get the rest.
            added_rows: "balanced" draws added rows class-uniformly with replacement, over the
                classes that have some; "plain" takes every row once an epoch.
            real_rows: the same for real rows.
            lr_scale: multiplies the recipe's learning rate in the stage on real rows.
        """

        share: OpenShare
        added_rows: Literal["plain", "balanced"]
        real_rows: Literal["plain", "balanced"]
        lr_scale: PositiveFloat

    def stages(self, base: list[Stage]) -> list[Stage]:
        """The stages so far with the base stage split in two.

        Raises:
            UsageError: a component before this one has replaced the base stage.
        """
        at = next((at for at, stage in enumerate(base) if stage.owner is None), None)
        if at is None:
            owners = " and ".join(sorted({f"'{stage.owner}'" for stage in base}))
            raise UsageError(
                f"'{self.name}' splits the base stage, but {owners} replaced it",
                where="method",
                todo="keep one of them",
            )
        return [*base[:at], *self._split(base[at]), *base[at + 1 :]]

    def _split(self, whole: Stage) -> tuple[Stage, Stage]:
        share = self.config.share
        added = replace(
            whole, name=self.name, share=share * whole.share, rows=Rows("added"), owner=self.name
        )
        # the second keeps its name: with it the order of rows and the augmentation
        real = replace(
            whole,
            share=(1 - share) * whole.share,
            rows=Rows("real"),
            init="continue",
            lr_scale=self.config.lr_scale * whole.lr_scale,
            owner=self.name,
        )
        return added, real

    def streams(self, step: Step, labels: Tensor, rng: torch.Generator) -> Streams:
        """Class-uniform rows where the settings ask for them."""
        added = step.stage.rows.origin == "added"
        if (self.config.added_rows if added else self.config.real_rows) == "plain":
            return Streams()
        return Streams(main=class_balanced_rows(labels, len(labels), rng))
