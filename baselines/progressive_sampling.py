"""Progressively-balanced sampling: from plain to class-balanced rows in the course of training."""

import torch
from torch import Tensor

from benchmark.component import Citation, Component, Step, Streams


def class_probability(counts: Tensor, progress: float) -> Tensor:
    """(1 - progress) n_k / N + progress / K over the K classes that have rows; 0 for the others.

    Kang et al. (2020), equation 2.

    Args:
        counts: rows of each class, (classes,), at least one of them positive.
        progress: 0 for instance-balanced, 1 for class-balanced sampling.

    Returns:
        float64 (classes,), summing to 1.
    """
    number = counts.double()
    present = (number > 0).double()
    return (1 - progress) * number / number.sum() + progress * present / present.sum()


def progressive_rows(labels: Tensor, n: int, rng: torch.Generator, progress: float) -> Tensor:
    """``n`` positions drawn with replacement, classes with ``class_probability``.

    Args:
        labels: int64 (rows,).
        n: rows to draw.
        rng: source of randomness.
        progress: in [0, 1].

    Returns:
        int64 (n,).
    """
    counts = torch.bincount(labels)
    weights = (class_probability(counts, progress) / counts.clamp(min=1))[labels]
    return torch.multinomial(weights, n, replacement=True, generator=rng)


class ProgressiveSampling(Component):
    """Rows are drawn as they come in the first epoch, and ever more evenly over classes later.

    The probability of a class moves linearly with the epochs from its share of the rows to that of
    uniform classes. Kang et al. (2020), equation 2.

    Equation:
        p_k(t) = (1 - t/T) n_k / N + (t/T) / K

    Published:
        none on CIFAR; its authors report it for ImageNet-LT, Places-LT and iNaturalist only

    Differences:
        t counts epochs from 0, so the last epoch is one step short of class-balanced sampling.
        Rows are drawn with replacement from the first epoch on.
    """

    citation = Citation(
        authors="Kang, Xie, Rohrbach, Yan, Gordo, Feng, Kalantidis",
        title="Decoupling Representation and Classifier for Long-Tailed Recognition",
        venue="ICLR",
        year=2020,
        url="https://arxiv.org/abs/1910.09217",
    )

    def streams(self, step: Step, labels: Tensor, rng: torch.Generator) -> Streams:
        """One epoch of row positions."""
        return Streams(main=progressive_rows(labels, len(labels), rng, step.progress))
