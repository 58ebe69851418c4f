"""PaCo: supervised contrast in which learnable class centres take part."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from baselines.class_prior import adjusted_logits, log_prior
from baselines.parametric_contrast import MomentumContrast, parametric_contrastive_loss
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
from benchmark.config import NonNegativeFloat, PositiveFloat, PositiveInt, Probability


class PaCo(Component):
    """The classifier's vectors join the samples of a supervised contrast, as centres of classes.

    The first view of a row passes through the trained network, the second, stronger one through a
    slow copy, whose outputs wait in a queue. Class logits are raised by the log prior while
    training and used bare. In stages that other components own the network is an ordinary one.
    Cui et al. (2021), section 3.

    Equation:
        D_i = sum_c e^(z_ic + log pi_c) + gamma sum_{j in A(i)} e^(q_i . a_j / t)
        loss_i = -(beta log(e^(z_iy + log pi_y) / D_i)
                   + alpha sum_{j in P(i)} log(e^(q_i . a_j / t) / D_i)) / (beta + alpha |P(i)|)
        A(i): the batch's other queries, its keys, the queue; P(i): those of A(i) with label y_i

    Published:
        CIFAR-100-LT, ResNet-32, IF 100/50/10: 52.0/56.0/64.2 (400 epochs, AutoAugment and Cutout)
        CIFAR-10-LT, IF 100/50/10: 85.11/87.07/90.79 (as re-printed elsewhere; no released recipe)
        ImageNet-LT, 400 epochs, RandAugment: 57.0 (ResNet-50), 58.2 (ResNeXt-50)

    Differences:
        Places of the queue that are not filled yet take no part; the code starts with random
        vectors and labels. The queue may have any length, and the last batch of an epoch is used.
        The code's slow copy of the classifier is left out: nothing reads it.
        Keys are not shuffled: on one device that changes nothing.
        The second view is flipped as often as the recipe flips.
    """

    citation = Citation(
        authors="Cui, Zhong, Liu, Yu, Jia",
        title="Parametric Contrastive Learning",
        venue="ICCV",
        year=2021,
        url="https://arxiv.org/abs/2107.12028",
    )
    accepts_mix = False
    needs_whole_batch = True
    accepts_heads: ClassVar[tuple[type[nn.Module], ...]] = (nn.Linear,)
    search = space(alpha=(0.01, 0.02, 0.05), temperature=(0.05, 0.1, 0.2))

    @dataclass(frozen=True, kw_only=True)
    class Config:
        """Settings.

        Attributes:
            alpha: weight of a positive sample; 0 leaves samples among the candidates only.
            beta: weight of the label's class.
            gamma: weight of samples among the candidates; 0 with alpha 0 is balanced softmax.
            temperature: of the contrast between samples (t).
            queue: keys that are held.
            width: of the projected vectors.
            momentum: of the slow copy that makes the keys.
            prior: counts before ("real") or after the budget ("train").
        """

        alpha: NonNegativeFloat
        beta: PositiveFloat
        gamma: NonNegativeFloat
        temperature: PositiveFloat
        queue: PositiveInt
        width: PositiveInt
        momentum: Probability
        prior: Prior

    def views(self, recipe: Any) -> Sequence[str]:
        """The recipe's training image for the query, a stronger view for the key."""
        return ("weak", "strong")

    def stages(self, base: list[Stage]) -> list[Stage]:
        """The stages so far; those that nobody owns are this component's."""
        return [stage if stage.owner else replace(stage, owner=self.name) for stage in base]

    def start_stage(self, net: Any, rows: TrainingRows, step: Step) -> None:
        """Attach projector, slow copy and queue."""
        settings, features = self.config, int(net.backbone.num_features)
        projector = nn.Sequential(
            nn.Linear(features, features),
            nn.BatchNorm1d(features),
            nn.ReLU(),
            nn.Linear(features, settings.width),
        )
        net.contrast = MomentumContrast(net, projector, settings.width, settings.queue)

    def loss(self, net: Any, batch: Batch, step: Step) -> Tensor:
        """The mean over the batch; its keys then enter the queue."""
        settings, contrast = self.config, net.contrast
        with net.origins_of(batch):
            features = net.features(batch.images)
        keys = contrast.keys(batch)
        held, held_labels = contrast.queue.entries()
        contrast.queue.push(keys, batch.labels)
        log_pi = log_prior(step.task.counts(settings.prior), step.device)
        return parametric_contrastive_loss(
            adjusted_logits(net.head(features), log_pi, 1.0),
            contrast(features),
            torch.cat([keys, held]),
            batch.labels,
            torch.cat([batch.labels, held_labels]),
            alpha=settings.alpha,
            beta=settings.beta,
            gamma=settings.gamma,
            temperature=settings.temperature,
        ).mean()

    def after_step(self, net: Any, step: Step) -> None:
        """Let the slow copy follow."""
        net.contrast.advance(net, self.config.momentum)

    def deploy(self, net: Net, task: Task) -> nn.Module:
        """Backbone and classifier; logits are not raised by the prior."""
        return Net(net.backbone, net.head)
