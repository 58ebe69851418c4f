"""Two demanding methods in small: they prove that the hooks suffice, not how well these work.

``Distill`` has the shape of SSD (Li et al., 2021): contrastive training with a momentum copy and
a queue, a re-balanced teacher head, and a student trained from scratch. ``Reason`` has the shape
of RISDA (Chen et al., 2022): class statistics and a confusion graph that augment the logits.
"""

import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from baselines.class_prior import class_balanced_rows, effective_number_weights
from benchmark.component import Batch, Component, Net, Stage, Step, Streams, Task, TrainingRows
from benchmark.config import PositiveFloat, PositiveInt, Probability


class ScaledHead(nn.Module):
    """A linear classifier and one learnable scale a class."""

    def __init__(self, features: int, classes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(features, classes)
        self.scale = nn.Parameter(torch.ones(classes))

    def forward(self, features: Tensor) -> Tensor:
        """(batch, features) -> (batch, classes)."""
        return self.scale * self.linear(features)


class DistillNet(Net):
    """A network with a projector, a momentum copy, a queue of keys and a second head."""

    def __init__(self, backbone: nn.Module, classes: int, width: int, queue: int) -> None:
        features = int(backbone.num_features)  # type: ignore[arg-type]
        super().__init__(backbone, ScaledHead(features, classes))
        self.soft = nn.Linear(features, classes)
        self.projector = nn.Linear(features, width)
        self.key_backbone = copy.deepcopy(backbone)
        self.key_projector = copy.deepcopy(self.projector)
        self.register_buffer("queue", functional.normalize(torch.randn(queue, width)))
        self.register_buffer("queue_labels", torch.full((queue,), -1))
        self.register_buffer("queue_at", torch.zeros((), dtype=torch.long))

    def query(self, features: Tensor) -> Tensor:
        """Unit vectors of the projector."""
        return functional.normalize(self.projector(features))

    @torch.no_grad()
    def key(self, images: Tensor) -> Tensor:
        """Unit vectors of the momentum copy."""
        return functional.normalize(self.key_projector(self.key_backbone(images)))

    @torch.no_grad()
    def push(self, keys: Tensor, labels: Tensor) -> None:
        """Put keys into the queue, the oldest first out."""
        place = (self.queue_at + torch.arange(len(keys))) % len(self.queue)
        self.queue[place], self.queue_labels[place] = keys, labels
        self.queue_at.add_(len(keys)).remainder_(len(self.queue))


def contrast(query: Tensor, key: Tensor, queue: Tensor, other: Tensor, heat: float) -> Tensor:
    """InfoNCE with the own key as positive; ``other`` (batch, queue) marks what may repel."""
    positive = (query * key).sum(1, keepdim=True) / heat
    negative = (query @ queue.T / heat).masked_fill(~other, float("-inf"))
    return (torch.cat([positive, negative], 1).logsumexp(1) - positive[:, 0]).mean()


class Distill(Component):
    """Contrast, re-balance a teacher's head, then distil into a fresh network."""

    accepts_mix = False
    needs_whole_batch = True

    @dataclass(frozen=True, kw_only=True)
    class Config:
        """Settings."""

        width: PositiveInt = 8
        queue: PositiveInt = 48
        momentum: Probability = 0.9
        heat: PositiveFloat = 0.2

    def build(self, backbone: nn.Module, task: Task) -> Net:
        """The network with all it must remember inside."""
        return DistillNet(backbone, task.n_classes, self.config.width, self.config.queue)

    def views(self, recipe: Any) -> tuple[str, ...]:
        """Two augmentations of each row: query and key."""
        return ("weak", "weak")

    def stages(self, base: list[Stage]) -> list[Stage]:
        """Three stages in place of the base stage."""
        share = {"share": 0.4, "owner": self.name}
        return [
            Stage(f"{self.name} contrast", **share),
            Stage(f"{self.name} teacher", train="head.scale", batch_norm="eval", **share),
            Stage(f"{self.name} distil", init="fresh", **share),
        ]

    def streams(self, step: Step, labels: Tensor, rng: torch.Generator) -> Streams:
        """Class-aware rows while the teacher's head is re-balanced."""
        if step.stage.train != "head.scale":
            return Streams()
        return Streams(main=class_balanced_rows(labels, len(labels), rng))

    def start_stage(self, net: Any, rows: TrainingRows, step: Step) -> None:
        """Keep the network of the stage before as the teacher."""
        if step.previous is not None:
            net.teacher = step.previous

    def loss(self, net: Any, batch: Batch, step: Step) -> Tensor:
        """Of the stage at hand."""
        features = net.features(batch.images)
        if step.stage.train == "head.scale":
            weight, bias = net.head.linear.weight.detach(), net.head.linear.bias.detach()
            logits = net.head.scale * functional.linear(features, weight, bias)
            return functional.cross_entropy(logits, batch.labels)
        hard = functional.cross_entropy(net.head.linear(features), batch.labels)
        if step.stage.init == "fresh":
            return hard + self._distil(net, features, batch)
        return hard + self._contrast(net, features, batch)

    def _contrast(self, net: Any, features: Tensor, batch: Batch) -> Tensor:
        keys = net.key(batch.views[0])
        other = batch.labels[:, None] != net.queue_labels[None]
        loss = contrast(net.query(features), keys, net.queue.clone(), other, self.config.heat)
        net.push(keys, batch.labels)
        return loss

    def _distil(self, net: Any, features: Tensor, batch: Batch) -> Tensor:
        # the loop puts the whole network into training mode before each step
        net.teacher.eval()
        with torch.no_grad():
            target = (net.teacher(batch.images) / 2).softmax(1)
        student = (net.soft(features) / 2).log_softmax(1)
        return 4 * functional.kl_div(student, target, reduction="batchmean")

    @torch.no_grad()
    def after_step(self, net: Any, step: Step) -> None:
        """Let the momentum copy follow."""
        pairs = [(net.key_backbone, net.backbone), (net.key_projector, net.projector)]
        for slow, fast in pairs:
            for old, new in zip(slow.parameters(), fast.parameters(), strict=True):
                old.lerp_(new, 1 - self.config.momentum)

    def deploy(self, net: Any, task: Task) -> nn.Module:
        """The backbone and the distilled head."""
        return nn.Sequential(net.backbone, net.soft)


class ReasonNet(Net):
    """A network with class means, covariances and a confusion graph as buffers."""

    def __init__(self, backbone: nn.Module, classes: int) -> None:
        features = int(backbone.num_features)  # type: ignore[arg-type]
        super().__init__(backbone, nn.Linear(features, classes))
        self.register_buffer("means", torch.zeros(classes, features))
        self.register_buffer("covariances", torch.zeros(classes, features, features))
        self.register_buffer("seen", torch.zeros(classes))
        self.register_buffer("graph", torch.eye(classes))

    @torch.no_grad()
    def observe(self, features: Tensor, labels: Tensor) -> None:
        """Update running means and covariances of the classes in a batch."""
        for label in labels.unique():
            own = features[labels == label]
            rate = len(own) / (len(own) + self.seen[label])
            mean, gap = own.mean(0), self.means[label] - own.mean(0)
            spread = (own - mean).T @ (own - mean) / len(own)
            self.covariances[label].lerp_(spread, rate)
            self.covariances[label] += rate * (1 - rate) * torch.outer(gap, gap)
            self.means[label].lerp_(mean, rate)
            self.seen[label] += len(own)


def quadratic(weight: Tensor, covariances: Tensor, labels: Tensor) -> Tensor:
    """(w_j - w_y)' S_y (w_j - w_y) for all classes j: (batch, classes)."""
    gaps = weight[None] - weight[labels][:, None]
    return torch.einsum("bjd,bde,bje->bj", gaps, covariances[labels], gaps)


class Reason(Component):
    """Features are augmented along what the network confuses; weights come late."""

    needs_whole_batch = True

    @dataclass(frozen=True, kw_only=True)
    class Config:
        """Settings."""

        start: Probability = 0.5
        strength: PositiveFloat = 0.5
        beta: Probability = 0.99

    def build(self, backbone: nn.Module, task: Task) -> Net:
        """The network with its statistics."""
        return ReasonNet(backbone, task.n_classes)

    def class_weights(self, step: Step) -> Tensor | None:
        """Effective-number weights after the switch."""
        if step.progress < self.config.start:
            return None
        return effective_number_weights(step.task.counts_train, self.config.beta, step.device)

    @torch.no_grad()
    def start_stage(self, net: Any, rows: TrainingRows, step: Step) -> None:
        """First class statistics, from the network as it starts."""
        net.eval()
        for batch in rows.batches(rng=step.rng("reason start")):
            net.observe(net.features(batch.images), batch.labels)

    @torch.no_grad()
    def end_epoch(self, net: Any, rows: TrainingRows, step: Step) -> None:
        """The row-normalised confusion matrix over the training rows."""
        net.eval()
        net.graph.zero_()
        for batch in rows.batches():
            guess = net(batch.images).argmax(1)
            net.graph.index_put_((batch.labels, guess), torch.ones(len(guess)), accumulate=True)
        net.graph.div_(net.graph.sum(1, keepdim=True).clamp(min=1))

    def loss(self, net: Any, batch: Batch, step: Step) -> Tensor:
        """Cross-entropy, after the switch of augmented logits with class weights."""
        features, weights = net.features(batch.images), self.class_weights(step)
        total = torch.zeros((), device=step.device)
        for labels, share in batch.targets:
            logits = net.head(features)
            if weights is not None:
                logits = logits + self._augmented(net, labels, step)
            losses = functional.cross_entropy(logits, labels, weights, reduction="none")
            total = total + (share * losses).mean()
        net.observe(features.detach(), batch.labels)
        return total

    def _augmented(self, net: Any, labels: Tensor, step: Step) -> Tensor:
        rate, weight = self.config.strength * step.progress, net.head.weight
        shift = (net.graph @ net.means - net.means)[labels]
        along = (weight @ shift.T).T - (weight[labels] * shift).sum(1, keepdim=True)
        return rate * along + rate / 2 * quadratic(weight, net.covariances.clone(), labels)

    def deploy(self, net: Any, task: Task) -> nn.Module:
        """The plain classifier."""
        return nn.Sequential(net.backbone, net.head)
