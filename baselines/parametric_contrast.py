"""The parametric contrastive loss, and what a network carries while it is trained by it.

Cui et al., "Parametric Contrastive Learning" (ICCV 2021); Cui et al., "Generalized Parametric
Contrastive Learning" (TPAMI 2023).
"""

import copy
import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from baselines.momentum import KeyQueue, follow
from benchmark.component import Batch, Net


def parametric_contrastive_loss(
    logits: Tensor,
    anchors: Tensor,
    others: Tensor,
    labels: Tensor,
    other_labels: Tensor,
    *,
    alpha: float,
    beta: float,
    gamma: float,
    temperature: float,
) -> Tensor:
    """Every class and every sample as candidates of one softmax; the label's ones are positives.

    Cui et al. (2021), section 3. An anchor contrasts with the classes, with the other
    anchors and with ``others``: D_i = sum_c exp(z_ic) + gamma sum_j exp(q_i a_j / t), and

    loss_i = -(beta log(exp(z_iy) / D_i) + alpha sum_{j: y_j = y_i} log(exp(q_i a_j / t) / D_i))
             / (beta + alpha |{j: y_j = y_i}|).

    Args:
        logits: z, the class logits of each anchor with the log prior added, (n, classes).
        anchors: q, unit vectors (n, width).
        others: unit vectors (m, width), without gradient or with one.
        labels: y of the anchors, int64 (n,).
        other_labels: of ``others``, int64 (m,); one below 0 leaves the sample out.
        alpha: weight of each positive sample, at least 0.
        beta: weight of the label's class, above 0.
        gamma: weight of samples among the candidates, at least 0.
        temperature: t, above 0.

    Returns:
        The loss of each anchor, float32 (n,).
    """
    # at low temperatures half precision would lose the differences that count
    with torch.autocast(logits.device.type, enabled=False):
        samples = torch.cat([anchors, others]).float()
        scores = anchors.float() @ samples.T / temperature
        sample_labels = torch.cat([labels, other_labels])
        absent = (sample_labels < 0).repeat(len(labels), 1)
        absent.fill_diagonal_(True)
        shifted = scores + (math.log(gamma) if gamma else -math.inf)
        candidates = torch.cat([logits.float(), shifted.masked_fill(absent, -math.inf)], 1)
        total = candidates.logsumexp(1)
        own = logits.float().gather(1, labels[:, None])[:, 0] - total
        positive = (labels[:, None] == sample_labels) & ~absent
        among = ((scores - total[:, None]) * positive).sum(1)
        return -(beta * own + alpha * among) / (beta + alpha * positive.sum(1))


class Contrast(nn.Module):
    """A projector and a queue of keys with their labels.

    Args:
        projector: features to vectors.
        width: of the vectors.
        size: keys in the queue.
    """

    def __init__(self, projector: nn.Module, width: int, size: int) -> None:
        super().__init__()
        self.projector = projector
        self.queue = KeyQueue(width, size)

    def forward(self, features: Tensor) -> Tensor:
        """Unit vectors: (batch, features) -> float32 (batch, width)."""
        return functional.normalize(self.projector(features).float())


class MomentumContrast(Contrast):
    """A contrast whose keys come from a slow copy of backbone and projector.

    Args:
        net: the network that is trained; its copy starts equal.
        projector: features to vectors.
        width: of the vectors.
        size: keys in the queue.

    Attributes:
        slow: backbone and projector that follow the trained ones.
    """

    def __init__(self, net: Net, projector: nn.Module, width: int, size: int) -> None:
        super().__init__(projector, width, size)
        self.slow = copy.deepcopy(net)
        self.slow.head = copy.deepcopy(projector)

    @torch.no_grad()
    def keys(self, batch: Batch) -> Tensor:
        """What the slow copy makes of the second view: unit vectors, float32 (batch, width)."""
        with self.slow.origins_of(batch):
            return functional.normalize(self.slow(batch.views[0]).float())

    def advance(self, net: Net, momentum: float) -> None:
        """Let the slow copy follow one step; ``net`` is the network that is trained."""
        follow(self.slow.backbone, net.backbone, momentum)
        follow(self.slow.head, self.projector, momentum)
