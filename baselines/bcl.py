"""BCL: a contrastive loss in which every class counts once, beside adjusted cross-entropy."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from baselines.balanced_contrast import Branch
from baselines.class_prior import adjusted_logits, log_prior
from benchmark.component import (
    Batch,
    Citation,
    Component,
    Net,
    Prior,
    Stage,
    Step,
    Task,
    TrainingRows,
    space,
)
from benchmark.config import NonNegativeFloat, PositiveFloat, PositiveInt


class BCL(Component):
    """Balanced contrastive learning beside cross-entropy of logits raised by the log prior.

    Two further views of each row are contrasted. Classes enter the denominator by their average
    (class averaging), and projections of the classifier's own weights stand for classes that a
    batch lacks (class complement). In stages that other components own the network is an ordinary
    one. Zhu et al. (2022), as in the released code.

    Equation:
        loss_i = a (-log softmax(z_i + log pi)_{y_i}) + w contrast_i
        contrast_i = log sum_k mean_{v of k} e^(v_i.v / t) - mean_{v of y_i} v_i.v / t

    Published:
        CIFAR-100-LT, ResNet-32, IF 100/50: 53.9/56.6 (Papers with Code; strong augmentation)

    Differences:
        No official CIFAR code exists; a = 2, w = 0.6, t = 0.1 and the projector 64-512-128 are
        those of a re-implementation. The released ImageNet-LT code has 1, 0.35, 0.07 and a cosine
        classifier of scale 30; here the classifier is linear.
        The training image has the recipe's augmentation; published is AutoAugment with Cutout.
        The two contrasted views blur half of the images, the released ones do not.
        Batch norm of the projector sees the two contrasted views, in the code the first one too.
    """

    citation = Citation(
        authors="Zhu, Wang, Chen, Chen, Jiang",
        title="Balanced Contrastive Learning for Long-Tailed Visual Recognition",
        venue="CVPR",
        year=2022,
        url="https://arxiv.org/abs/2207.09052",
    )
    accepts_mix = False
    needs_whole_batch = True
    accepts_heads: ClassVar[tuple[type[nn.Module], ...]] = (nn.Linear,)
    search = space(contrast=(0.35, 0.6, 1.0), temperature=(0.07, 0.1, 0.2))

    @dataclass(frozen=True, kw_only=True)
    class Config:
        """Settings.

        Attributes:
            classification: weight of the adjusted cross-entropy (a).
            contrast: weight of the contrast (w).
            temperature: of the contrast (t).
            hidden: width of the projectors' hidden layers.
            width: of the contrasted vectors.
            prior: counts of the adjustment, before ("real") or after the budget ("train").
        """

        classification: NonNegativeFloat
        contrast: NonNegativeFloat
        temperature: PositiveFloat
        hidden: PositiveInt
        width: PositiveInt
        prior: Prior

    def views(self, recipe: Any) -> Sequence[str]:
        """The training image, and two views for the contrast."""
        return ("weak", "strong", "strong")

    def stages(self, base: list[Stage]) -> list[Stage]:
        """The stages so far; those that nobody owns are this component's."""
        return [stage if stage.owner else replace(stage, owner=self.name) for stage in base]

    def start_stage(self, net: Any, rows: TrainingRows, step: Step) -> None:
        """Attach the branch to a network that has none."""
        if not hasattr(net, "branch"):
            features = int(net.backbone.num_features)
            net.branch = Branch(features, self.config.hidden, self.config.width)

    def loss(self, net: Any, batch: Batch, step: Step) -> Tensor:
        """Adjusted cross-entropy of the first view, and the contrast of the others."""
        settings, n = self.config, len(batch.labels)
        features = all_features(net, batch)
        log_pi = log_prior(step.task.counts(settings.prior), step.device)
        adjusted = adjusted_logits(net.head(features[:n]), log_pi, 1.0)
        labelled = functional.cross_entropy(adjusted, batch.labels)
        repeated = batch.labels.repeat(len(batch.views))
        contrast = net.branch(features[n:], repeated, net.head.weight, settings.temperature).mean()
        loss: Tensor = settings.classification * labelled + settings.contrast * contrast
        return loss

    def deploy(self, net: Net, task: Task) -> nn.Module:
        """The backbone and the classifier, without the branch."""
        return Net(net.backbone, net.head)


def all_features(net: Net, batch: Batch) -> Tensor:
    """Features of the images and then of each further view, in one pass: (rows x views, width)."""
    shown = (batch.images, *batch.views)
    with net.origins_of(replace(batch, origins=batch.origins.repeat(len(shown)))):
        return net.features(torch.cat(shown))
