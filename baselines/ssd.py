"""SSD: contrastive features, a re-balanced teacher, and a student that learns its soft labels."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from baselines.parametric_contrast import MomentumContrast
from baselines.ssd_net import (
    Distillation,
    distillation,
    key_projector,
    of_another_class,
    own_key_contrast,
)
from baselines.two_stage import class_aware_rows, scale_head
from benchmark.component import (
    Batch,
    Citation,
    Component,
    Net,
    Stage,
    Step,
    Streams,
    Task,
    TrainingRows,
    linear_net,
    space,
)
from benchmark.config import NonNegativeFloat, PositiveFloat, PositiveInt, Probability
from benchmark.errors import UsageError


class SSD(Component):
    """Self supervision to distillation: features, then a teacher, then a student.

    Features are trained by cross-entropy and by a contrast of two views in which rows of one class
    never repel each other; the frozen network becomes a teacher by one factor a class, fitted on
    class-aware rows; a new network learns labels with one head and the teacher's outputs with
    another, which is the one that is evaluated. Li, Wang and Wu (2021), stages I to III.

    Equation:
        stage I    CE(z, y) + w * contrast,  with keys k of a slow copy and a queue of keys k_j:
                   contrast = -log(e^(q.k / t) / (e^(q.k / t) + sum_{j: y_j != y} e^(q.k_j / t)))
        stage II   CE(s * z, y), in which the factors s alone are trained
        stage III  CE(z_hard, y) + T^2 KL(softmax(z_teacher / T) || softmax(z_soft / T))

    Published:
        CIFAR-100-LT, IF 100/50/10: 46.0/50.5/62.3 (recipe and code for CIFAR are not released)
        ImageNet-LT, ResNeXt-50, 135 epochs, colour jitter: soft head 55.4, hard head 51.6

    Differences:
        No official CIFAR code exists: on ResNet-32 the projector 64-64-128, the two views and the
        recipe are our choice.
        Unfilled places of the queue repel nothing; the code starts with random vectors labelled 0.
        The queue holds one pass over the rows; the code's leaves out the last, short batch.
        Teacher and stage II run in evaluation mode; in the code batch norm goes on changing in
        both (for stage II ``batch_norm`` is the switch).
        Stage II has the recipe's batch size and rate; published are twice both.
    """

    citation = Citation(
        authors="Li, Wang, Wu",
        title="Self Supervision to Distillation for Long-Tailed Visual Recognition",
        venue="ICCV",
        year=2021,
        url="https://arxiv.org/abs/2109.04075",
    )
    accepts_mix = False
    needs_whole_batch = True
    accepts_heads: ClassVar[tuple[type[nn.Module], ...]] = (nn.Linear,)
    search = space(contrast=(0.3, 1.0), temperature=(0.1, 0.2, 0.5), softness=(1.0, 2.0, 4.0))

    @dataclass(frozen=True, kw_only=True)
    class Config:
        """Settings.

        Attributes:
            width: of the projected vectors.
            queue: keys that are held, in passes over the stage's rows.
            momentum: of the slow copy that makes the keys.
            temperature: of the contrast (t).
            contrast: weight of the contrast beside cross-entropy (w).
            key_view: augmentation of the second view.
            feature_share: length of stage I, as a share of the recipe's steps.
            teacher_share: length of stage II.
            student_share: length of stage III.
            per_class: images of a class that are drawn one after the other in stage II.
            lr_scale: multiplies the recipe's learning rate in stage II; it falls by a cosine.
            softness: temperature of the distillation (T).
            head: what is evaluated.
            batch_norm: "train" lets running statistics drift in stage II, as the code does.
        """

        width: PositiveInt
        queue: PositiveFloat
        momentum: Probability
        temperature: PositiveFloat
        contrast: NonNegativeFloat
        key_view: Literal["weak", "strong"]
        feature_share: PositiveFloat
        teacher_share: PositiveFloat
        student_share: PositiveFloat
        per_class: PositiveInt
        lr_scale: PositiveFloat
        softness: PositiveFloat
        head: Literal["soft", "hard"]
        batch_norm: Literal["eval", "train"] = "eval"

    def views(self, recipe: Any) -> Sequence[str]:
        """The training image, and another view of it for the key."""
        return ("weak", self.config.key_view)

    def stages(self, base: list[Stage]) -> list[Stage]:
        """Three stages in place of the base stage; the first keeps its name and order of rows.

        Raises:
            UsageError: a component before this one has stages of its own.
        """
        owners = [f"'{stage.owner}'" for stage in base if stage.owner]
        if owners:
            raise UsageError(
                f"'{self.name}' replaces the base stage, but {owners[0]} built on it before",
                where="method",
                todo=f"name '{self.name}' first in the stack, or keep one of them",
            )
        whole, settings = base[0], self.config
        first = replace(whole, share=settings.feature_share * whole.share, owner=self.name)
        teacher = replace(
            first,
            name=self._name("teacher"),
            share=settings.teacher_share * whole.share,
            train="head.scale",
            batch_norm=settings.batch_norm,
            lr_scale=settings.lr_scale * whole.lr_scale,
            schedule="cosine",
        )
        student = replace(
            first,
            name=self._name("student"),
            share=settings.student_share * whole.share,
            init="fresh",
        )
        return [first, teacher, student]

    def _name(self, part: str) -> str:
        return f"{self.name} {part}"

    def _at(self, part: str, step: Step) -> bool:
        return step.stage.name == self._name(part)

    def streams(self, step: Step, labels: Tensor, rng: torch.Generator) -> Streams:
        """Class-aware rows for the teacher's scales."""
        if not self._at("teacher", step):
            return Streams()
        return Streams(main=class_aware_rows(labels, len(labels), self.config.per_class, rng))

    def start_stage(self, net: Any, rows: TrainingRows, step: Step) -> None:
        """Attach what the stage needs; drop what it does not."""
        settings = self.config
        if self._at("teacher", step):
            del net.contrast
            scale_head(net, step.task.n_classes)
        elif self._at("student", step):
            assert step.previous is not None
            net.distillation = Distillation(step.previous, linear_net(net.backbone, step.task).head)
        else:
            size = max(1, round(settings.queue * len(rows.labels)))
            projector = key_projector(int(net.backbone.num_features), settings.width)
            net.contrast = MomentumContrast(net, projector, settings.width, size)

    def loss(self, net: Any, batch: Batch, step: Step) -> Tensor:
        """Of the stage at hand."""
        with net.origins_of(batch):
            features = net.features(batch.images)
        logits = net.head(features)
        if self._at("student", step):
            return self._student_loss(logits, features, net.distillation, batch)
        loss = functional.cross_entropy(logits, batch.labels)
        if not self._at("teacher", step):
            loss += self.config.contrast * self._contrast(net.contrast, features, batch)
        return loss

    def _contrast(self, contrast: MomentumContrast, features: Tensor, batch: Batch) -> Tensor:
        keys, (held, held_labels) = contrast.keys(batch), contrast.queue.entries()
        contrast.queue.push(keys, batch.labels)
        repels = of_another_class(batch.labels, held_labels)
        query = contrast(features)
        return own_key_contrast(query, keys, held, repels, self.config.temperature).mean()

    def _student_loss(
        self, logits: Tensor, features: Tensor, beside: Distillation, batch: Batch
    ) -> Tensor:
        soft, hard = logits, beside.head(features)
        if self.config.head == "hard":
            soft, hard = hard, soft
        gaps = distillation(soft, beside.target(batch.images), self.config.softness)
        return functional.cross_entropy(hard, batch.labels) + gaps.mean()

    def after_step(self, net: Any, step: Step) -> None:
        """Let the slow copy follow while features are learnt."""
        if hasattr(net, "contrast"):
            net.contrast.advance(net, self.config.momentum)

    def deploy(self, net: Net, task: Task) -> nn.Module:
        """The student and the head to evaluate, without its teacher."""
        return Net(net.backbone, net.head)
