"""The losses of SSD and what a network carries while they are taken.

Li et al., "Self Supervision to Distillation for Long-Tailed Visual Recognition" (ICCV 2021).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional


def own_key_contrast(
    query: Tensor, key: Tensor, queue: Tensor, repels: Tensor, temperature: float
) -> Tensor:
    """Contrast of each query with its own key against those keys of the queue that may repel it.

    -log(exp(q.k / t) / (exp(q.k / t) + sum over repelling k_j of exp(q.k_j / t))), in log space.
    Without a repelling key it is zero.

    Args:
        query: float32 (batch, width), unit vectors.
        key: float32 (batch, width), unit vectors, of another view of the same rows.
        queue: float32 (size, width), unit vectors.
        repels: bool (batch, size), which keys of the queue stand in a row's denominator.
        temperature: t, above 0.

    Returns:
        The loss of each row, float (batch,), at least 0.
    """
    # in half precision a low temperature would lose the differences that count
    with torch.autocast(query.device.type, enabled=False):
        own = (query * key).sum(1, keepdim=True)
        others = (query @ queue.T).masked_fill(~repels, float("-inf"))
        logits = torch.cat([own, others], 1) / temperature
        return logits.logsumexp(1) - logits[:, 0]


def of_another_class(labels: Tensor, queued: Tensor) -> Tensor:
    """Which queued labels, int64 (size,), differ from a row's; places not yet filled (-1) do not.

    Returns:
        bool (batch, size), for labels int64 (batch,).
    """
    return (labels[:, None] != queued) & (queued >= 0)


def distillation(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """T^2 KL(softmax(teacher / T) || softmax(student / T)) of each row.

    Hinton et al., "Distilling the Knowledge in a Neural Network" (2015): with T^2 gradients keep
    their size as T changes; they are T (softmax(student / T) - softmax(teacher / T)).

    Args:
        student: logits (batch, classes).
        teacher: logits (batch, classes), without gradient.
        temperature: T, above 0.

    Returns:
        float32 (batch,), at least 0.
    """
    log_p = functional.log_softmax(student.float() / temperature, 1)
    target = functional.log_softmax(teacher.float() / temperature, 1)
    gaps = functional.kl_div(log_p, target, reduction="none", log_target=True)
    return temperature**2 * gaps.sum(1)


def key_projector(features: int, width: int) -> nn.Sequential:
    """Two layers without batch norm, the hidden one as wide as the features."""
    return nn.Sequential(nn.Linear(features, features), nn.ReLU(), nn.Linear(features, width))


class Distillation(nn.Module):
    """What a student carries while it is trained: its teacher and a second head.

    Args:
        teacher: a trained network; it is never changed.
        head: features to logits, beside the student's own head.
    """

    def __init__(self, teacher: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.teacher, self.head = teacher, head

    @torch.no_grad()
    def target(self, images: Tensor) -> Tensor:
        """The teacher's logits (batch, classes), in evaluation mode."""
        # the loop puts the whole network into training mode before each step
        logits: Tensor = self.teacher.eval()(images)
        return logits
