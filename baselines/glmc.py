"""GLMC: two mixtures of one batch that must agree, and labels reweighted more and more."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from baselines.class_prior import class_balanced_rows, counts_tensor
from baselines.mixing import beta_sample, blend, pasted, random_box
from benchmark.component import (
    Batch,
    Citation,
    Component,
    Net,
    Prior,
    Stage,
    Step,
    Streams,
    Targets,
    Task,
    TrainingRows,
    space,
)
from benchmark.config import NonNegativeFloat, PositiveFloat, PositiveInt


def power_weights(counts: Tensor, power: float) -> Tensor:
    """Class weights ~ n_k^(-power), scaled to sum to the number of classes; (classes,)."""
    raw = counts.double().pow(-power)
    return (raw * len(raw) / raw.sum()).float()


def mixed_label_losses(logits: Tensor, targets: Targets) -> Tensor:
    """Cross-entropy of logits (batch, classes) with blended labels: float (batch,)."""
    log_p = functional.log_softmax(logits.float(), 1)
    return -sum(
        (share * log_p.gather(1, labels[:, None])[:, 0] for labels, share in targets),
        torch.zeros_like(log_p[:, 0]),
    )


def row_weighted(weights: Tensor, targets: Targets) -> Targets:
    """Targets whose shares are multiplied by their row's weight: its labels' weights, blended.

    Args:
        weights: of classes, (classes,).
        targets: pairs of labels (batch,) and shares (batch,).
    """
    blended = sum(share * weights[labels] for labels, share in targets)
    row = blended / sum(share for _, share in targets)
    return tuple((labels, row * share) for labels, share in targets)


def label_weighted(weights: Tensor, targets: Targets) -> Targets:
    """Targets whose shares are multiplied by the weights (classes,) of their own labels."""
    return tuple((labels, weights[labels] * share) for labels, share in targets)


def disagreement(one: tuple[Tensor, Tensor], other: tuple[Tensor, Tensor]) -> Tensor:
    """Minus the cosine between each view's prediction and the other's projection, which is fixed.

    Chen and He, "Exploring Simple Siamese Representation Learning" (CVPR 2021), eq. 1 to 4.

    Args:
        one: projection and prediction of a view, float (batch, width) each.
        other: those of the other view.

    Returns:
        The sum of both directions for each row, float32 (batch,), in [-2, 2].
    """
    (first, guess), (second, answer) = one, other
    there = functional.cosine_similarity(guess.float(), second.detach().float())
    return -there - functional.cosine_similarity(answer.float(), first.detach().float())


class Beside(nn.Module):
    """What GLMC carries beside backbone and head: a plain classifier, projector and predictor.

    Args:
        features: width of the features.
        classes: number of classes.
        width: of projections and predictions.
    """

    def __init__(self, features: int, classes: int, width: int) -> None:
        super().__init__()
        self.plain = nn.Linear(features, classes)
        self.projector = nn.Linear(features, width)
        self.predictor = nn.Linear(width, width)
        for part in (self.plain, self.projector, self.predictor):
            nn.init.kaiming_normal_(part.weight)

    def views(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Projections and predictions (batch, width) of features (batch, features)."""
        projected = self.projector(features)
        return projected, self.predictor(projected)


class GLMC(Component):
    """A mixup and a cutmix of one batch must look alike, and rare labels count more and more.

    One view of each row is blended with a row of a second stream, another view of it gets a box of
    that row's other view; both have the same labels. Each view's prediction is drawn towards the
    other's projection. One classifier learns the labels as they are, another with class weights,
    and the loss moves from the first to the second, which is evaluated. Du et al. (2023).

    Equation:
        loss = a L_c + (1 - a) L_cb + gamma L_sim,  a = 1 - (e / E)^2 in epoch e of E
        L_c = CE(z_g, p) + CE(z_l, p),  p = l y_i + (1 - l) y_j,  views g (mixup) and l (cutmix)
        L_cb = w CE(z'_g, p) + w CE(z'_l, p),  w = l w_i + (1 - l) w_j,  w_k ~ n_k^-power
        L_sim = -cos(u_g, stop(h_l)) - cos(u_l, stop(h_g))

    Published:
        CIFAR-100-LT, ResNet-32 four times as wide, 200 epochs, crop and flip, IF 100/50/10:
            55.88/61.08/70.74 (paper, rows drawn with replacement), 57.97/63.78/73.40 (re-issued)
        CIFAR-10-LT, the same, IF 100/50/10: 87.75/90.18/94.04, re-issued 88.50/91.04/94.87
        ImageNet-LT, ResNeXt-50, 135 epochs: 56.3 (70.1/52.4/30.4)

    Differences:
        The code weighs each label of a blend by itself, the paper the row (``weigh``).
        The losses of the views are added as in the code; the paper halves L_c and L_cb.
        Two classifiers, the second evaluated, are the code's; we could not read that in the paper.
        The code is told to draw l from Beta(.5, .5) and draws it uniformly; ours is ``alpha``.
        Labels keep the share l where the box is cut off at the border, as in the code.
        Box sides are rounded down, in the code up.
        The MaxNorm variant is left out.
    """

    citation = Citation(
        authors="Du, Yang, Jia, Nan, Chen, Yang",
        title="Global and Local Mixture Consistency Cumulative Learning for Long-tailed Visual "
        "Recognitions",
        venue="CVPR",
        year=2023,
        url="https://arxiv.org/abs/2305.08661",
    )
    accepts_mix = False
    accepts_heads: ClassVar[tuple[type[nn.Module], ...]] = (nn.Linear,)
    search = space(consistency=(1.0, 4.0, 10.0), weight_power=(1.0, 1.2))

    @dataclass(frozen=True, kw_only=True)
    class Config:
        """Settings.

        Attributes:
            alpha: both parameters of the Beta distribution of l; 1 is uniform.
            sample_power: rows of the second stream are drawn with probability ~ n_k^-sample_power.
            weight_power: class weights are ~ n_k^-weight_power.
            consistency: weight of the agreement of the two views (gamma).
            width: of projections and predictions.
            prior: counts of the weights, before ("real") or after the budget ("train").
            weigh: "row" weighs a blend by its blended class weight, "label" each of its labels.
        """

        alpha: PositiveFloat
        sample_power: NonNegativeFloat
        weight_power: NonNegativeFloat
        consistency: NonNegativeFloat
        width: PositiveInt
        prior: Prior
        weigh: Literal["row", "label"] = "row"

    def views(self, recipe: Any) -> Sequence[str]:
        """Two augmentations of each row: one for each mixture."""
        return ("weak", "weak")

    def streams(self, step: Step, labels: Tensor, rng: torch.Generator) -> Streams:
        """Rows to mix in, rare classes drawn more often."""
        power = self.config.sample_power
        return Streams(aux=class_balanced_rows(labels, len(labels), rng, power))

    def mix(self, batch: Batch, aux: Batch | None, step: Step) -> Batch:
        """Blend the first views, paste a box into the second; one draw for the whole batch."""
        assert aux is not None
        rng = step.rng(f"mix/{self.name}")
        share = beta_sample(self.config.alpha, rng)
        height, width = batch.images.shape[-2:]
        rows, columns = random_box(height, width, share, rng)
        cut, _ = pasted(batch.views[0], aux.views[0], rows, columns)
        kept = torch.tensor(share, device=batch.images.device)
        mixed = batch.mixed(blend(batch.images, aux.images, kept), aux.targets, kept)
        return replace(mixed, views=(cut,))

    def stages(self, base: list[Stage]) -> list[Stage]:
        """The stages so far; those that nobody owns are this component's."""
        return [stage if stage.owner else replace(stage, owner=self.name) for stage in base]

    def start_stage(self, net: Any, rows: TrainingRows, step: Step) -> None:
        """Attach the second classifier, the projector and the predictor."""
        classes, features = net.head.weight.shape
        net.beside = Beside(features, classes, self.config.width)

    def loss(self, net: Any, batch: Batch, step: Step) -> Tensor:
        """Of both mixtures: plain and reweighted cross-entropy, and their disagreement."""
        counts = counts_tensor(step.task.counts(self.config.prior), step.device)
        weigh = row_weighted if self.config.weigh == "row" else label_weighted
        weighted = weigh(power_weights(counts, self.config.weight_power), batch.targets)
        plain, rare, looks = 1 - step.progress**2, step.progress**2, []
        total = torch.zeros((), device=step.device)
        for images in (batch.images, *batch.views):
            with net.origins_of(batch):
                features = net.features(images)
            looks.append(net.beside.views(features))
            losses = plain * mixed_label_losses(net.beside.plain(features), batch.targets)
            losses = losses + rare * mixed_label_losses(net.head(features), weighted)
            total = total + losses.mean()
        apart = disagreement(looks[0], looks[1]).mean()
        loss: Tensor = total + self.config.consistency * apart
        return loss

    def deploy(self, net: Net, task: Task) -> nn.Module:
        """The backbone and the classifier that learnt with class weights."""
        return Net(net.backbone, net.head)
