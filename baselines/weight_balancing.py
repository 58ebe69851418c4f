"""Weight balancing: strong weight decay, then a classifier of bounded, decayed class vectors."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from baselines.class_prior import effective_number_weights
from baselines.two_stage import head_stage, linear_head
from benchmark.component import (
    Citation,
    Component,
    Prior,
    Reduction,
    Stage,
    Step,
    TrainingRows,
    cross_entropy,
    space,
)
from benchmark.config import (
    NonNegativeFloat,
    NonNegativeInt,
    OpenShare,
    PositiveFloat,
    Probability,
)


def norm_limit(weight: Tensor, share: float) -> Tensor:
    """The length that lies ``share`` of the way from the shortest row to the longest, a scalar."""
    lengths: Tensor = weight.detach().norm(dim=1)
    return lengths.min() + share * (lengths.max() - lengths.min())


@torch.no_grad()
def project_rows(weight: Tensor, limit: Tensor) -> None:
    """Shorten rows longer than ``limit`` to it, in place; (classes, features)."""
    lengths = weight.norm(dim=1, keepdim=True)
    weight.mul_((limit / lengths.clamp(min=1e-12)).clamp(max=1.0))


def softmax_binary_cross_entropy(out: Tensor, labels: Tensor) -> Tensor:
    """Binary cross-entropy of the softmax probabilities against one-hot labels, mean over classes.

    The "softmax" branch of the class-balanced loss in the released code of weight balancing;
    logarithms are cut off at -100, as torch does.

    Args:
        out: logits, (batch, classes).
        labels: int64 (batch,).

    Returns:
        The loss of each example, float32 (batch,).
    """
    # torch refuses this loss in half precision, as do we
    with torch.autocast(out.device.type, enabled=False):
        probabilities = out.float().softmax(1)
        wanted = functional.one_hot(labels, out.shape[1]).float()
        losses = functional.binary_cross_entropy(probabilities, wanted, reduction="none")
    return losses.mean(1)


class WeightBalancing(Component):
    """A large weight decay for the features; then a classifier of bounded class vectors.

    In the second stage the backbone is frozen and the classifier, as it is, trained on under class
    weights, a weight decay of its own and MaxNorm: vectors longer than a limit, measured as the
    stage begins, are shortened to it. Mixing and other samplers rest there, and the criterion is
    its own. Alshammari et al. (2022), section 3.

    Equation:
        loss = sum_i c_{y_i} (-log softmax(z_i)_{y_i}) / B, c_k ~ (1 - beta) / (1 - beta^{n_k})
        w_k <- w_k min(1, d / |w_k|), d = min_k |w_k| + share (max_k |w_k| - min_k |w_k|)

    Published:
        CIFAR-100-LT, "ResNet-32" in the paper but the 21 M ResNet-34 of its code, IF 100/50/10:
        53.35/57.71/68.67, groups at IF 100 72.60/51.86/32.63; base stage alone 46.08 at IF 100
        The released log: 52.0, with flipped test images 53.1; base stage 47.2, without decay 39.6
        CIFAR-100-LT, a true ResNet-32, IF 100: at most 39.5 after the base stage (users' reports)
        Its recipe: batch 64, rate .01, cosine over 320 epochs (the paper says 200), then 10

    Differences:
        The loss is class-balanced cross-entropy, as the paper names it; the code's is binary
        cross-entropy on softmax probabilities averaged over classes (``loss=bce``).
        The projection follows every step as in the paper; in the code every epoch
        (``projection=epoch``).
        Batch norm is frozen with the backbone; the code's keeps following (``batch_norm=train``).
        The stage starts from the last epoch; the code from the best one on the test set.
        Shipped settings are for recipes with a rate of .1: a tenth of the published base decay, and
        the published .01 in the second stage, so that rate times decay is as published.
    """

    citation = Citation(
        authors="Alshammari, Wang, Ramanan, Kong",
        title="Long-Tailed Recognition via Weight Balancing",
        venue="CVPR",
        year=2022,
        url="https://arxiv.org/abs/2203.14197",
    )
    reduction: ClassVar[Reduction] = "batch_mean"
    accepts_heads: ClassVar[tuple[type[nn.Module], ...]] = (nn.Linear,)
    search = space(base_weight_decay=(5e-4, 2e-3, 5e-3), weight_decay=(0.01, 0.1))

    @dataclass(frozen=True, kw_only=True)
    class Config:
        """Settings.

        Attributes:
            base_weight_decay: replaces the recipe's weight decay where all is trained.
            share: length of the second stage, as a share of the recipe's steps; added to them.
            lr_scale: multiplies the recipe's learning rate there; it then falls by a cosine.
            weight_decay: of the classifier in the second stage.
            max_norm: where the limit lies between the shortest (0) and the longest vector (1).
            beta: of the effective number; near 1 the weights approach inverse frequency.
            prior: counts the weights come from, before ("real") or after the budget ("train").
            loss: "ce" is cross-entropy, "bce" binary cross-entropy on softmax probabilities.
            projection: whether vectors are shortened after every step, every epoch, or not at all.
            batch_norm: "train" lets running statistics of the backbone go on changing.
            cached_passes: if not 0, train on the features of so many augmented passes, computed
                once; needs ``batch_norm=eval``.
        """

        base_weight_decay: NonNegativeFloat
        share: PositiveFloat
        lr_scale: PositiveFloat
        weight_decay: NonNegativeFloat
        max_norm: Probability
        beta: OpenShare
        prior: Prior
        loss: Literal["ce", "bce"] = "ce"
        projection: Literal["step", "epoch", "none"] = "step"
        batch_norm: Literal["eval", "train"] = "eval"
        cached_passes: NonNegativeInt = 0

    def stages(self, base: list[Stage]) -> list[Stage]:
        """The stages so far, decayed where they train everything, and one for the classifier."""
        settings = self.config
        decayed = [
            replace(stage, weight_decay=settings.base_weight_decay)
            if stage.train == "all"
            else stage
            for stage in base
        ]
        stage = head_stage(
            self.name,
            settings.share,
            batch_norm=settings.batch_norm,
            lr_scale=settings.lr_scale,
            weight_decay=settings.weight_decay,
            cached_passes=settings.cached_passes,
            plain=frozenset({"mix", "streams"}),
        )
        return [*decayed, stage]

    def start_stage(self, net: Any, rows: TrainingRows, step: Step) -> None:
        """Measure the limit; it is a buffer, so that a resumed run finds it again."""
        net.head = linear_head(net.head, self.name)
        net.register_buffer("norm_limit", norm_limit(net.head.weight, self.config.max_norm))

    def class_weights(self, step: Step) -> Tensor:
        """Effective-number weights, (classes,)."""
        counts = step.task.counts(self.config.prior)
        return effective_number_weights(counts, self.config.beta, step.device)

    def criterion(self, out: Tensor, labels: Tensor, step: Step) -> Tensor:
        """The loss of each example, (batch,)."""
        if self.config.loss == "bce":
            return softmax_binary_cross_entropy(out, labels)
        return cross_entropy(out, labels)

    def after_step(self, net: Any, step: Step) -> None:
        """Shorten long class vectors, if that is due every step."""
        if self.config.projection == "step":
            project_rows(net.head.weight, net.norm_limit)

    def end_epoch(self, net: Any, rows: TrainingRows, step: Step) -> None:
        """Shorten long class vectors, if that is due every epoch."""
        if self.config.projection == "epoch":
            project_rows(net.head.weight, net.norm_limit)
