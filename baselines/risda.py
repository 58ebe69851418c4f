"""RISDA: rare classes borrow directions of variation from the classes they are taken for."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from baselines.class_prior import effective_number_weights
from baselines.multi_expert import blended_mean
from baselines.reasoning import (
    Reasoning,
    imagined_logits,
    rare_classes,
    reasoned_covariances,
    reasoned_shift,
    survey,
)
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
    cross_entropy,
    space,
)
from benchmark.config import NonNegativeFloat, Probability, Share


class RISDA(Component):
    """Imagine by reasoning: features are augmented along what the network confuses.

    After plain cross-entropy for most of the epochs, each feature stands for infinitely many:
    shifted towards the classes its class is taken for, and spread by its class's covariance, which
    rare classes borrow from those. A graph of confusions on the training rows says from whom, and
    class weights apply. In stages that other components own the network is an ordinary one.
    Chen et al. (2022).

    Equation:
        loss = CE(z', y) with effective-number weights,  z = W f + bias
        z'_j = z_j + b_e / 2 (w_j - w_y)^T S_y (w_j - w_y) + a_e (w_j - w_y).d_y
        d = G mu - mu,  a_e = alpha e / E,  b_e = beta e / E in epoch e of E
        S_k of all but the largest classes is sum_j G_kj S_j,  G_kj the share of k taken for j

    Published:
        CIFAR-100-LT, ResNet-32, IF 100/50/10: 50.16/53.84/62.38 (batch 100, weight decay 5e-4,
            200 epochs, best epoch on test images; settings for IF 50/10 are not given)
        ImageNet-LT, ResNet-50, 100 epochs, diagonal covariances: 49.3, released log 50.69

    Differences:
        The code shifts the features and then adds the shift to the logits too (``shift_twice``).
        The code keeps borrowed covariances as the running ones, so that borrowing compounds with
        every step (``compounding``); here they are borrowed anew from what was observed.
        The code rounds the graph to two decimals (``rounded``).
        The CIFAR code sets out to freeze the backbone after the switch and does not; neither do
        we, unless ``frozen`` says so (0.9 in the ImageNet-LT code).
        The ImageNet-LT code takes the graph of the last epoch before the switch (``graph=last``).
        The largest classes are found by count, with equal ones; the CIFAR code goes by label.
        Class means and the last graph come from one augmented pass, in the code from two.
        A class without rows is confused with none; the code divides by zero there.
        A mixed row counts for each of its classes by its share; nothing published mixes.
    """

    citation = Citation(
        authors="Chen, Zhou, Wu, Zhang, Zhou, Li, Wang",
        title="Imagine by Reasoning: A Reasoning-Based Implicit Semantic Data Augmentation for "
        "Long-Tailed Classification",
        venue="AAAI",
        year=2022,
        url="https://arxiv.org/abs/2112.07928",
    )
    needs_whole_batch = True
    accepts_heads: ClassVar[tuple[type[nn.Module], ...]] = (nn.Linear,)
    search = space(alpha=(0.25, 0.5, 1.0), beta=(0.5, 0.75, 1.0))

    @dataclass(frozen=True, kw_only=True)
    class Config:
        """Settings.

        Attributes:
            start: share of the stage's epochs after which features are augmented.
            alpha: strength of the shift at the end; it grows linearly from the first epoch on.
            beta: strength of the covariance at the end; likewise.
            number_beta: of the effective number in the class weights; 0 leaves them at 1.
            head: share of the classes, by count, that keep their own covariance.
            covariance: "full" matrices, or "diagonal" ones where features are wide.
            prior: counts of weights and ranks, before ("real") or after the budget ("train").
            graph: "best" keeps the graph of the epoch most accurate on training rows, at the cost
                of a pass over them every epoch before the switch; "last" makes one pass only.
            frozen: share of the epochs after which the head alone is trained; 1 is never.
            shift_twice: shift the features too, as released.
            compounding: overwrite running covariances with borrowed ones, as released.
            rounded: round the graph to two decimals, as released.
        """

        start: Share
        alpha: NonNegativeFloat
        beta: NonNegativeFloat
        number_beta: Share
        head: Probability
        covariance: Literal["full", "diagonal"]
        prior: Prior
        graph: Literal["best", "last"] = "best"
        frozen: Probability = 1.0
        shift_twice: bool = False
        compounding: bool = False
        rounded: bool = False

    def stages(self, base: list[Stage]) -> list[Stage]:
        """The stages so far; those that nobody owns are this component's."""
        return [stage if stage.owner else replace(stage, owner=self.name) for stage in base]

    def start_stage(self, net: Any, rows: TrainingRows, step: Step) -> None:
        """Attach empty statistics, and reason at once where augmentation starts at once."""
        classes, features = net.head.weight.shape
        full = self.config.covariance == "full"
        net.reasoning = Reasoning(classes, features, full).to(step.device)
        if self._late(step):
            self._look(net, rows, step, switch=True)

    def end_epoch(self, net: Net, rows: TrainingRows, step: Step) -> None:
        """Before the switch: see what is confused; as its epoch begins, reason the shift."""
        switch = self._late(replace(step, epoch=step.epoch + 1))
        if not self._late(step) and (switch or self.config.graph == "best"):
            self._look(net, rows, step, switch)

    @torch.no_grad()
    def _look(self, net: Any, rows: TrainingRows, step: Step, switch: bool) -> None:
        state: Reasoning = net.reasoning
        counts, means = survey(net, rows, len(state.graph), step.rng(f"survey/{self.name}"))
        state.keep_best(counts, self.config.rounded)
        if switch:
            state.shift.copy_(reasoned_shift(state.graph, means))

    def _late(self, step: Step) -> bool:
        late: bool = step.progress >= self.config.start
        return late

    def loss(self, net: Any, batch: Batch, step: Step) -> Tensor:
        """Cross-entropy, after the switch of augmented logits and with class weights."""
        with net.origins_of(batch):
            features = net.features(batch.images)
        if not self._late(step):
            logits = net.head(features)
            return blended_mean(batch, lambda labels: cross_entropy(logits, labels))
        if step.progress >= self.config.frozen:
            features = features.detach()
        # in half precision the quadratic term would be lost in the difference of large numbers
        with torch.autocast(step.device.type, enabled=False):
            return self._imagined_loss(net, features.float(), batch, step)

    def _imagined_loss(self, net: Any, features: Tensor, batch: Batch, step: Step) -> Tensor:
        state, head, progress = net.reasoning, net.head, step.progress
        alpha, beta = self.config.alpha * progress, self.config.beta * progress
        moved = alpha if self.config.shift_twice else 0.0
        covariances = self._observed(state, features.detach(), batch, step, moved)

        def losses(labels: Tensor) -> Tensor:
            logits = head(features + moved * state.shift[labels])
            more = imagined_logits(head.weight, covariances, state.shift, labels, alpha, beta)
            return cross_entropy(logits + more, labels)

        counts = step.task.counts(self.config.prior)
        weights = effective_number_weights(counts, self.config.number_beta, step.device)
        return blended_mean(batch, losses, weights)

    def _observed(
        self, state: Reasoning, features: Tensor, batch: Batch, step: Step, moved: float
    ) -> Tensor:
        """Update the statistics by the batch; the covariances to augment with."""
        labels = torch.cat([labels for labels, _ in batch.targets])
        shares = torch.cat([share for _, share in batch.targets])
        seen = features.repeat(len(batch.targets), 1) + moved * state.shift[labels]
        state.observe(seen, labels, shares)
        counts = step.task.counts(self.config.prior)
        rare = rare_classes(counts, self.config.head, step.device)
        covariances = reasoned_covariances(state.graph, state.covariances, rare)
        if self.config.compounding:
            state.covariances.copy_(covariances)
        return covariances

    def deploy(self, net: Net, task: Task) -> nn.Module:
        """The backbone and the plain classifier, without the statistics."""
        return Net(net.backbone, net.head)
