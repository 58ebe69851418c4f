"""What RISDA knows of classes and how it reasons with it: statistics, confusions, augmented logits.

Chen et al., "Imagine by Reasoning: A Reasoning-Based Implicit Semantic Data Augmentation for
Long-Tailed Classification" (AAAI 2022). The running covariances and the closed form of infinitely
many augmented features are those of Wang et al., "Implicit Semantic Data Augmentation for Deep
Networks" (NeurIPS 2019).
"""

from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmark.component import Net, TrainingRows


class Moments(NamedTuple):
    """How many features of each class there were, their means and covariances.

    Attributes:
        amounts: float (classes,), the weights of the features, added up.
        means: float (classes, features), 0 for a class without any.
        covariances: float (classes, features, features), or their diagonals (classes, features).
    """

    amounts: Tensor
    means: Tensor
    covariances: Tensor


def class_moments(
    features: Tensor, labels: Tensor, weights: Tensor, classes: int, full: bool
) -> Moments:
    """Weighted means and biased covariances of the features of each class.

    Args:
        features: float (n, features).
        labels: int64 (n,).
        weights: float (n,), at least 0; 1 for an ordinary feature.
        classes: number of classes.
        full: whether covariances are matrices or diagonals.
    """
    member = functional.one_hot(labels, classes).T * weights
    amounts = member.sum(1)
    share = member / amounts.clamp(min=torch.finfo(weights.dtype).tiny)[:, None]
    means = share @ features
    apart = features - means[labels]
    products = apart[:, :, None] * apart[:, None] if full else apart.square()
    covariances = (share @ products.flatten(1)).unflatten(1, products.shape[1:])
    return Moments(amounts, means, covariances)


def merged(old: Moments, new: Moments) -> Moments:
    """The moments of both lots of features taken together.

    With m new and n old features of a class and r = m / (m + n): mean <- (1 - r) mean + r mean',
    covariance <- (1 - r) S + r S' + r (1 - r) (mean - mean')(mean - mean')^T.
    """
    total = old.amounts + new.amounts
    rate = new.amounts / total.clamp(min=torch.finfo(total.dtype).tiny)
    gap = old.means - new.means
    full = old.covariances.dim() == 3
    spread = gap[:, :, None] * gap[:, None] if full else gap.square()
    wide = rate.reshape(-1, *[1] * (spread.dim() - 1))
    within = torch.lerp(old.covariances, new.covariances, wide)
    means = torch.lerp(old.means, new.means, rate[:, None])
    return Moments(total, means, within + wide * (1 - wide) * spread)


def confusions(labels: Tensor, guesses: Tensor, classes: int) -> Tensor:
    """How many rows of class k (row) were taken for class j (column); int64 (classes, classes)."""
    places = labels * classes + guesses
    return torch.bincount(places, minlength=classes**2).view(classes, classes)


def confusion_graph(counts: Tensor, rounded: bool = False) -> Tensor:
    """Shares of each class that were taken for every class; a class without rows is itself.

    Args:
        counts: confusions, (classes, classes).
        rounded: whether shares have two decimals, as in the released code; rows then need not
            sum to 1.

    Returns:
        float32 (classes, classes).
    """
    total = counts.sum(1, keepdim=True)
    itself = torch.eye(len(counts), device=counts.device)
    shares = torch.where(total > 0, counts / total.clamp(min=1), itself)
    return shares.round(decimals=2) if rounded else shares


@lru_cache(maxsize=32)
def rare_classes(counts: tuple[int, ...], head: float, device: torch.device) -> Tensor:
    """Which classes borrow from others: all but the largest ones, bool (classes,).

    A class with as many images as the smallest of the largest ones is not rare either, so where
    counts are flat none is.

    Args:
        counts: images of each class.
        head: share of the classes that are the largest ones, in [0, 1].
        device: where the result is put.
    """
    largest = round(head * len(counts))
    smallest = sorted(counts, reverse=True)[largest - 1] if largest else max(counts) + 1
    return torch.tensor(counts, device=device) < smallest


def reasoned_shift(graph: Tensor, means: Tensor) -> Tensor:
    """From each class's mean to the mean of what it is taken for: (classes, features)."""
    return graph @ means - means


def reasoned_covariances(graph: Tensor, covariances: Tensor, rare: Tensor) -> Tensor:
    """Covariances of rare classes mixed from those of all classes by the graph, others as given.

    Args:
        graph: float (classes, classes).
        covariances: float (classes, ...), left as it is.
        rare: bool (classes,).
    """
    mixed = (graph @ covariances.flatten(1)).view_as(covariances)
    return torch.where(rare.reshape(-1, *[1] * (mixed.dim() - 1)), mixed, covariances)


def directional_variance(weight: Tensor, covariances: Tensor, labels: Tensor) -> Tensor:
    """(w_j - w_y)^T S_y (w_j - w_y) of each row with label y, for every class j.

    Computed for distinct labels as q_j - 2 cross_j + q_y, with q_j = w_j^T S_y w_j and
    cross_j = w_j^T S_y w_y, so nothing of (batch, classes, features, features) is made.

    Args:
        weight: class vectors w, float (classes, features).
        covariances: S, float (classes, features, features), or diagonals (classes, features).
        labels: int64 (batch,).

    Returns:
        float (batch, classes), 0 at the label; with gradient for ``weight``.
    """
    distinct, place = labels.unique(return_inverse=True)
    own, spread = weight[distinct], covariances[distinct]
    if spread.dim() == 3:
        carried = weight @ spread
        squares = (carried * weight).sum(2)
        cross = (carried @ own[:, :, None])[:, :, 0]
    else:
        squares, cross = spread @ weight.square().T, (spread * own) @ weight.T
    return (squares - 2 * cross + squares.gather(1, distinct[:, None]))[place]


def imagined_logits(
    weight: Tensor, covariances: Tensor, shift: Tensor, labels: Tensor, alpha: float, beta: float
) -> Tensor:
    """What infinitely many augmented features add to logits: (batch, classes), 0 at the label.

    alpha (w_j - w_y).shift_y + beta / 2 (w_j - w_y)^T S_y (w_j - w_y): the loss with it is an upper
    bound of the mean loss over features f + N(alpha shift_y, beta S_y).

    Args:
        weight: class vectors w, float (classes, features).
        covariances: S of each class, or diagonals.
        shift: of each class, float (classes, features).
        labels: int64 (batch,).
        alpha: strength of the shift, at least 0.
        beta: strength of the covariance, at least 0.
    """
    along = shift[labels] @ weight.T
    along = along - along.gather(1, labels[:, None])
    return alpha * along + beta / 2 * directional_variance(weight, covariances, labels)


class Reasoning(nn.Module):
    """Running class statistics, the confusion graph and the reasoned shift, all as buffers.

    Args:
        classes: number of classes.
        features: width of the features.
        full: whether covariances are matrices or diagonals.

    Attributes:
        amounts: float (classes,), features seen of each class.
        means: float (classes, features).
        covariances: float (classes, features, features) or (classes, features).
        graph: float (classes, classes), rows sum to 1 unless rounded; at first no confusion.
        accuracy: of the rows that the graph is from, in [0, 1]; -1 before the first.
        shift: float (classes, features), 0 until reasoned.
    """

    amounts: Tensor
    means: Tensor
    covariances: Tensor
    graph: Tensor
    accuracy: Tensor
    shift: Tensor

    def __init__(self, classes: int, features: int, full: bool) -> None:
        super().__init__()
        width = (features, features) if full else (features,)
        self.full = full
        self.register_buffer("amounts", torch.zeros(classes))
        self.register_buffer("means", torch.zeros(classes, features))
        self.register_buffer("covariances", torch.zeros(classes, *width))
        self.register_buffer("graph", torch.eye(classes))
        self.register_buffer("accuracy", torch.tensor(-1.0))
        self.register_buffer("shift", torch.zeros(classes, features))

    @torch.no_grad()
    def observe(self, features: Tensor, labels: Tensor, weights: Tensor) -> None:
        """Add features (n, features) of labels (n,), each by its weight (n,), to the statistics."""
        fresh = class_moments(features, labels, weights, len(self.amounts), self.full)
        found = merged(Moments(self.amounts, self.means, self.covariances), fresh)
        self.amounts.copy_(found.amounts)
        self.means.copy_(found.means)
        self.covariances.copy_(found.covariances)

    @torch.no_grad()
    def keep_best(self, counts: Tensor, rounded: bool) -> None:
        """Take the graph of these confusions if more rows were right than for the one held."""
        accuracy = counts.trace() / counts.sum()
        if accuracy > self.accuracy:
            self.accuracy.copy_(accuracy)
            self.graph.copy_(confusion_graph(counts, rounded))


@torch.no_grad()
def survey(
    net: Net, rows: TrainingRows, classes: int, rng: torch.Generator
) -> tuple[Tensor, Tensor]:
    """One augmented pass over the rows in evaluation mode, in which the network is left.

    Args:
        net: gives features, and logits by its head.
        rows: of the stage.
        classes: number of classes.
        rng: of the augmentation.

    Returns:
        Confusions, int64 (classes, classes), and class means, float (classes, features), 0 for a
        class without rows.
    """
    net.eval()
    counts = torch.zeros(classes, classes, dtype=torch.int64, device=rows.labels.device)
    sums: Tensor | float = 0.0
    for batch in rows.batches(rng=rng):
        with net.origins_of(batch):
            features = net.features(batch.images)
        counts += confusions(batch.labels, net.head(features).argmax(1), classes)
        sums = sums + functional.one_hot(batch.labels, classes).T.to(features.dtype) @ features
    return counts, sums / counts.sum(1, keepdim=True).clamp(min=1)
