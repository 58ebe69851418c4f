"""LDAM: label-distribution-aware margins on a cosine classifier."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from baselines.class_prior import counts_tensor
from benchmark.component import Citation, Component, Net, Prior, Step, Task, space
from benchmark.config import NonNegativeFloat, PositiveFloat

PAPER = Citation(
    authors="Cao, Wei, Gaidon, Arechiga, Ma",
    title="Learning Imbalanced Datasets with Label-Distribution-Aware Margin Loss",
    venue="NeurIPS",
    year=2019,
    url="https://arxiv.org/abs/1906.07413",
)


class CosineHead(nn.Module):
    """Cosine similarity between features and one unit vector a class; no bias, output in [-1, 1].

    Args:
        features: width of the features.
        classes: number of classes.
    """

    def __init__(self, features: int, classes: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(classes, features))
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Uniform in [-1, 1], each class vector scaled to unit length."""
        self.weight.uniform_(-1, 1)
        self.weight.div_(self.weight.norm(dim=1, keepdim=True))

    def forward(self, features: Tensor) -> Tensor:
        """(batch, features) -> (batch, classes)."""
        return functional.linear(functional.normalize(features), functional.normalize(self.weight))


def margins(counts: Tensor, largest: float) -> Tensor:
    """Margins ~ n^(-1/4), the largest being ``largest``; (classes,) -> (classes,)."""
    raw = counts.pow(-0.25)
    return raw * (largest / raw.max())


def ldam_logits(cosine: Tensor, labels: Tensor, margin: Tensor, scale: float) -> Tensor:
    """Scale * (cosine - margin of the label at the label's place); (batch, classes)."""
    lowered = cosine - margin * functional.one_hot(labels, cosine.shape[1])
    return scale * lowered


class LDAM(Component):
    """Rare classes get larger margins, ~ n^(-1/4), under a scaled cosine cross-entropy.

    Cao et al. (2019), equations 12 and 13. Evaluation uses the bare cosines, as the code does: no
    prediction changes, but probabilities are nearly uniform, so ECE and NLL say nothing here.

    Equation:
        loss_i = -log softmax(s (c_i - Delta_{y_i} onehot(y_i)))_{y_i}
        Delta_k = max_margin (n_min / n_k)^(1/4),  c = cosines of features and class vectors

    Published:
        CIFAR-100-LT, ResNet-32, IF 100/10: 39.60/56.91, with drw 42.04/58.71 (200 epochs)
        CIFAR-10-LT, ResNet-32, IF 100/10: 73.35/86.96, with drw 77.03/88.16 (200 epochs)

    Differences:
        none known
    """

    citation = PAPER
    search = space(max_margin=(0.3, 0.5, 0.7))

    @dataclass(frozen=True, kw_only=True)
    class Config:
        """Settings.

        Attributes:
            max_margin: margin of the rarest class; 0 is scaled-cosine cross-entropy.
            scale: multiplies the cosines (s).
            prior: counts the margins come from, before ("real") or after the budget ("train").
        """

        max_margin: NonNegativeFloat
        scale: PositiveFloat
        prior: Prior

    def build(self, backbone: nn.Module, task: Task) -> Net:
        """The backbone and a cosine head."""
        return Net(backbone, CosineHead(int(backbone.num_features), task.n_classes))  # type: ignore[arg-type]

    def criterion(self, out: Tensor, labels: Tensor, step: Step) -> Tensor:
        """Cross-entropy of the scaled cosines with the label's margin subtracted."""
        counts = counts_tensor(step.task.counts(self.config.prior), step.device)
        margin = margins(counts, self.config.max_margin)
        shifted = ldam_logits(out.float(), labels, margin, self.config.scale)
        return functional.cross_entropy(shifted, labels, reduction="none")
