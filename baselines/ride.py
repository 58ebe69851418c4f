"""RIDE: diverse experts on a shared trunk, each with margins and late class weights."""

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional

from baselines.class_prior import counts_tensor, effective_number_weights
from baselines.ldam import ldam_logits, margins
from baselines.multi_expert import (
    MeanOfExperts,
    Width,
    average_where_plain,
    blended_mean,
    expert_net,
)
from benchmark.component import Batch, Citation, Component, Net, Prior, Step, Task, TrainingRows
from benchmark.config import NonNegativeFloat, PositiveFloat, PositiveInt, Share


def class_temperatures(counts: Tensor, spread: float) -> Tensor:
    """T_k = (1 - spread + spread K pi_k) / max: the rarer the class, the lower; the largest is 1.

    Args:
        counts: images of each class, above 0, (classes,).
        spread: in [0, 1); 0 is temperature 1 for all.

    Returns:
        float32 (classes,), in (0, 1].
    """
    shares = counts.double() / counts.double().mean()
    raw = 1 - spread + spread * shares
    return (raw / raw.max()).float()


def disagreement(logits: Tensor, temperature: Tensor) -> Tensor:
    """How far the experts are from their mean: sum over experts of mean(T)^2 KL(mean || expert).

    The mean is the softmax of the mean logits and has no gradient.

    Args:
        logits: float (batch, experts, classes).
        temperature: of each class, (classes,); logits are divided by it.

    Returns:
        float (batch,), at least 0.
    """
    target = functional.softmax(logits.detach().mean(1, keepdim=True) / temperature, 2)
    own = functional.log_softmax(logits / temperature, 2)
    gaps = functional.kl_div(own, target.expand_as(own), reduction="none")
    return temperature.mean().square() * gaps.sum((1, 2))


def margin_losses(logits: Tensor, labels: Tensor, margin: Tensor) -> Tensor:
    """Sum over experts of the cross-entropy with the label's margin subtracted: (batch,).

    Args:
        logits: scaled logits, float (batch, experts, classes).
        labels: int64 (batch,).
        margin: of each class on the scale of the logits, (classes,).
    """
    batch, experts, _ = logits.shape
    each = labels.repeat_interleave(experts)
    lowered = ldam_logits(logits.flatten(0, 1), each, margin, 1.0)
    losses = functional.cross_entropy(lowered, each, reduction="none")
    return losses.view(batch, experts).sum(1)


class RIDE(Component):
    """Experts on a shared trunk that each learn rare classes, and are kept apart from one another.

    They share the first stages of a residual network and have later ones and a cosine classifier
    of their own. Each learns by cross-entropy with LDAM margins, weighted by class late in
    training, and is pushed away from the mean of all; that mean is evaluated. Wang et al. (2021),
    stage one.

    Equation:
        loss = sum_e [CE(z^e - s Delta_y, y; w) - lambda mean(T)^2 KL(p(z / T) || p(z^e / T))]
        z = mean_e z^e, without gradient in the KL; p is the softmax
        T_k = (1 - rho + rho K pi_k) / max_j(1 - rho + rho K pi_j) once w applies, else 1

    Published:
        CIFAR-100-LT, ResNet-32 reduced, recipe r_ride (rotations, 200 epochs):
            3 experts at IF 100: 48.6 (67.0/49.9/25.7, model zoo); re-runs 47.8 and 48.0
            3 experts at IF 50/10: 51.4/59.8 or 51.7/61.8 (reprinted by others)
            3 experts and CMO at IF 100/50/10: 50.0/53.0/60.2 (no code released)
        ImageNet-LT, ResNeXt-50 reduced, 3 experts, 100 epochs: 55.7 (67.0/52.2/36.0)

    Differences:
        No router: it spares experts at test time, but the accuracies above do not need it.
        No distillation from a network of six experts (published: 49.0 instead of 48.6).
        Experts are compared with their mean, and temperatures divided by their maximum, as in the
        released code; the paper compares pairs.
        At lambda 0 each expert keeps its own loss; the code then trains the mean of them all, which
        is ``collaborative``.
        lambda is .45 in the configuration that users quote; other versions of that file have .2.
        With blended labels the class weights of each label set divide its own mean.
        The class weights rest in a stage that lets class weights rest, and the experts answer as
        one in a stage that lets this loss rest.
    """

    citation = Citation(
        authors="Wang, Lian, Miao, Liu, Yu",
        title="Long-tailed Recognition by Routing Diverse Distribution-Aware Experts",
        venue="ICLR",
        year=2021,
        url="https://arxiv.org/abs/2010.01809",
    )

    @dataclass(frozen=True, kw_only=True)
    class Config:
        """Settings.

        Attributes:
            experts: how many; published are 2 to 4, and 6 as a teacher.
            own_stages: last stages of the backbone that every expert has for itself.
            reduce: channels of those stages, as a share of the backbone's; 1 leaves them.
            scale: multiplies the cosines (s).
            max_margin: margin of the rarest class (largest Delta).
            start: share of the stage's epochs after which weights and temperatures apply.
            beta: of the effective number in the weights; 0 leaves them at 1.
            diversity: how much disagreement is rewarded (lambda); below 0 it is punished.
            spread: how far temperatures follow the class frequencies (rho).
            prior: counts before ("real") or after the budget ("train").
            collaborative: whether the experts' mean takes the place of each in the cross-entropy.
        """

        experts: PositiveInt
        own_stages: PositiveInt
        reduce: Width
        scale: PositiveFloat
        max_margin: NonNegativeFloat
        start: Share
        beta: Share
        diversity: float
        spread: Share
        prior: Prior
        collaborative: bool = False

    def build(self, backbone: nn.Module, task: Task) -> Net:
        """The trunk, the experts and their classifiers."""
        chosen = self.config
        return expert_net(
            backbone,
            task,
            experts=chosen.experts,
            own_stages=chosen.own_stages,
            reduce=chosen.reduce,
            scale=chosen.scale,
        )

    def deploy(self, net: Net, task: Task) -> nn.Module:
        """The mean of the experts' logits."""
        return MeanOfExperts(net)

    def start_stage(self, net: Net, rows: TrainingRows, step: Step) -> None:
        """Settle whether the experts answer one by one in this stage."""
        average_where_plain(net, step.stage)

    def loss(self, net: Net, batch: Batch, step: Step) -> Tensor:
        """Cross-entropy with margins of every expert, less their disagreement."""
        with net.origins_of(batch):
            logits: Tensor = net(batch.images).float()
        counts, weights = self._counts(step), self._weights(step)
        margin = self.config.scale * margins(counts, self.config.max_margin)
        read = logits
        if self.config.collaborative:
            read = logits.mean(1, keepdim=True).expand_as(logits)
        total = blended_mean(batch, lambda labels: margin_losses(read, labels, margin), weights)
        if self.config.diversity:
            heat = class_temperatures(counts, self.config.spread if self._late(step) else 0.0)
            apart = disagreement(logits, heat)
            total = total - self.config.diversity * blended_mean(batch, lambda _: apart)
        return total

    def _late(self, step: Step) -> bool:
        return bool(step.progress >= self.config.start)

    def _counts(self, step: Step) -> Tensor:
        return counts_tensor(step.task.counts(self.config.prior), step.device)

    def _weights(self, step: Step) -> Tensor | None:
        """Weights of the classes once they apply, unless the stage lets such weights rest."""
        if not self._late(step) or "class_weights" in step.stage.plain:
            return None
        counts = step.task.counts(self.config.prior)
        return effective_number_weights(counts, self.config.beta, step.device)
