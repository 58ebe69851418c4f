"""Head re-training: a last stage that fits the classifier on balanced real rows."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from baselines.class_prior import class_balanced_rows
from benchmark.component import Component, Net, Rows, Stage, Step, Streams, TrainingRows
from benchmark.config import PositiveFloat
from benchmark.errors import UsageError
from synaug.t2i import PAPER


class RetrainHead(Component):
    """The backbone is frozen and the classifier trained on uniformly drawn real images.

    Row (d) of Table 2. The paper reads both as uniformly sampled and as uniformly sub-sampled
    rows, and as re-initialised or fine-tuned: ``rows`` and ``start`` are those switches.
    """

    citation = PAPER

    @dataclass(frozen=True, kw_only=True)
    class Config:
        """Settings.

        Attributes:
            share: length of the stage, as a share of the recipe's steps; added to them.
            rows: "balanced" draws real rows class-uniformly with replacement; "smallest" keeps
                as many real rows of each class as the smallest one has.
            start: "fresh" re-initialises the head, "continue" fine-tunes it.
            lr_scale: multiplies the recipe's learning rate; it then falls by a cosine.
            batch_norm: whether running statistics of the frozen backbone go on changing.
        """

        share: PositiveFloat
        rows: Literal["balanced", "smallest"]
        start: Literal["fresh", "continue"]
        lr_scale: PositiveFloat
        batch_norm: Literal["train", "eval"]

    def stages(self, base: list[Stage]) -> list[Stage]:
        """The stages so far and the re-training; mixing and class weights rest in it."""
        stage = Stage(
            name=self.name,
            share=self.config.share,
            rows=Rows("real", "min" if self.config.rows == "smallest" else None),
            train="head",
            batch_norm=self.config.batch_norm,
            lr_scale=self.config.lr_scale,
            schedule="cosine",
            plain=frozenset({"mix", "class_weights"}),
            owner=self.name,
        )
        return [*base, stage]

    def streams(self, step: Step, labels: Tensor, rng: torch.Generator) -> Streams:
        """Class-uniform rows, or every kept row once."""
        if self.config.rows == "smallest":
            return Streams(main=torch.randperm(len(labels), generator=rng))
        return Streams(main=class_balanced_rows(labels, len(labels), rng))

    def start_stage(self, net: Net, rows: TrainingRows, step: Step) -> None:
        """Re-initialise the head, whatever head the stack built."""
        if self.config.start == "fresh":
            reset_head(net.head)


def reset_head(head: nn.Module) -> None:
    """Give every module of a head its initial weights again.

    Raises:
        UsageError: no part of the head can be re-initialised.
    """
    found = [reset for module in head.modules() if callable(reset := _reset_method(module))]
    if not found:
        raise UsageError(
            f"{type(head).__name__} cannot be re-initialised", where="method.retrain_head.start"
        )
    for reset in found:
        reset()


def _reset_method(module: nn.Module) -> object:
    return getattr(module, "reset_parameters", None)
