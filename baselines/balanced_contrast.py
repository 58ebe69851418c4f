"""The balanced contrastive loss, and the branch of a network that is trained by it.

Zhu et al., "Balanced Contrastive Learning for Long-Tailed Visual Recognition" (CVPR 2022).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional


def balanced_contrast(
    vectors: Tensor, labels: Tensor, prototypes: Tensor, temperature: float
) -> Tensor:
    """Supervised contrast against class averages, with one prototype that stands for each class.

    For a vector i with label y, over all other vectors and all prototypes a:
    log sum_k mean_{a of class k} exp(z_i.a / t) - mean_{a of class y} z_i.a / t. The mean over a
    class is what keeps frequent ones from filling the denominator; the prototypes keep a class in
    it that the batch does not hold. Zhu et al. (2022). Where all vectors are equal it is log K.

    Args:
        vectors: float32 (batch, width), unit vectors of all views.
        labels: int64 (batch,).
        prototypes: float32 (classes, width), unit vectors.
        temperature: t, above 0.

    Returns:
        The loss of each vector, float (batch,).
    """
    n, classes = len(vectors), len(prototypes)
    owners = torch.cat([labels, torch.arange(classes, device=labels.device)])
    itself = torch.eye(n, len(owners), dtype=torch.bool, device=labels.device)
    alike = (labels[:, None] == owners) & ~itself
    # the own vector is not among those that its class is averaged over
    members = owners.bincount()[owners] - alike.long()
    # in half precision a low temperature would lose the differences that count
    with torch.autocast(vectors.device.type, enabled=False):
        logits = vectors @ torch.cat([vectors, prototypes]).T / temperature
        averaged = (logits - members.log()).masked_fill(itself, float("-inf"))
        return averaged.logsumexp(1) - (logits * alike).sum(1) / alike.sum(1)


def projector(features: int, hidden: int, width: int) -> nn.Sequential:
    """Two layers with batch norm between: (n, features) -> (n, width)."""
    return nn.Sequential(
        nn.Linear(features, hidden), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Linear(hidden, width)
    )


class Branch(nn.Module):
    """The contrastive branch: one projector for features, one for the classifier's weights.

    Args:
        features: width of the features.
        hidden: width of the hidden layers.
        width: of the vectors.
    """

    def __init__(self, features: int, hidden: int, width: int) -> None:
        super().__init__()
        self.of_features = projector(features, hidden, width)
        self.of_weights = projector(features, hidden, width)

    def forward(
        self, features: Tensor, labels: Tensor, weights: Tensor, temperature: float
    ) -> Tensor:
        """The loss of each vector, (batch,).

        Args:
            features: (batch, features) of all views.
            labels: int64 (batch,).
            weights: of the linear classifier, (classes, features).
            temperature: see ``balanced_contrast``.
        """
        vectors = functional.normalize(self.of_features(features).float())
        prototypes = functional.normalize(self.of_weights(weights).float())
        return balanced_contrast(vectors, labels, prototypes, temperature)
