"""GPaCo: parametric contrast of two trained views, without a momentum encoder."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from baselines.class_prior import adjusted_logits, log_prior
from baselines.parametric_contrast import Contrast, parametric_contrastive_loss
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


class GPaCo(Component):
    """PaCo without a slow copy: both views of a row are trained and classified.

    The loss is that of paco with twice as many anchors; the second view's vectors enter the queue.
    Class logits are raised by the log prior while training and used bare. In stages that other
    components own the network is an ordinary one. Cui et al. (2023).

    Equation:
        as paco, with the 2 B views as anchors i; A(i): all other views and the queue

    Published:
        ImageNet-LT, ResNet-50, 400 epochs, RandAugment, alpha .045, rate .04: 58.5

    Differences:
        Places of the queue that are not filled yet take no part; the code starts with random
        vectors and labels. The queue may have any length, and the last batch of an epoch is used.
        The second view is blurred with probability .5 as in paco; the code's CIFAR script has .2.
        The code's label smoothing for balanced data is not part of this.
    """

    citation = Citation(
        authors="Cui, Zhong, Tian, Liu, Yu, Jia",
        title="Generalized Parametric Contrastive Learning",
        venue="TPAMI",
        year=2023,
        url="https://arxiv.org/abs/2209.12400",
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
            prior: counts before ("real") or after the budget ("train").
        """

        alpha: NonNegativeFloat
        beta: PositiveFloat
        gamma: NonNegativeFloat
        temperature: PositiveFloat
        queue: PositiveInt
        width: PositiveInt
        prior: Prior

    def views(self, recipe: Any) -> Sequence[str]:
        """The recipe's training image and a stronger view, both trained."""
        return ("weak", "strong")

    def stages(self, base: list[Stage]) -> list[Stage]:
        """The stages so far; those that nobody owns are this component's."""
        return [stage if stage.owner else replace(stage, owner=self.name) for stage in base]

    def start_stage(self, net: Any, rows: TrainingRows, step: Step) -> None:
        """Attach projector and queue."""
        settings, features = self.config, int(net.backbone.num_features)
        projector = nn.Sequential(
            nn.Linear(features, features),
            nn.ReLU(),
            nn.Linear(features, features),
            nn.ReLU(),
            nn.Linear(features, settings.width),
        )
        net.contrast = Contrast(projector, settings.width, settings.queue)

    def loss(self, net: Any, batch: Batch, step: Step) -> Tensor:
        """The mean over both views; the second one's vectors then enter the queue."""
        settings, queue = self.config, net.contrast.queue
        with net.origins_of(batch):
            # one view after the other: each has batch statistics of its own
            features = torch.cat([net.features(view) for view in (batch.images, batch.views[0])])
        anchors = net.contrast(features)
        held, held_labels = queue.entries()
        queue.push(anchors[len(batch.labels) :].detach(), batch.labels)
        log_pi = log_prior(step.task.counts(settings.prior), step.device)
        return parametric_contrastive_loss(
            adjusted_logits(net.head(features), log_pi, 1.0),
            anchors,
            held,
            batch.labels.repeat(2),
            held_labels,
            alpha=settings.alpha,
            beta=settings.beta,
            gamma=settings.gamma,
            temperature=settings.temperature,
        ).mean()

    def deploy(self, net: Net, task: Task) -> nn.Module:
        """Backbone and classifier; logits are not raised by the prior."""
        return Net(net.backbone, net.head)
