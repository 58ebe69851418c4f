"""Label smoothing whose strength depends on how many images a class has."""

import math
from collections.abc import Callable
from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional

Shape = Literal["concave", "linear", "convex"]
_CURVES: dict[str, Callable[[Tensor], Tensor]] = {
    "concave": lambda share: torch.sin(share * math.pi / 2),
    "linear": lambda share: share,
    "convex": lambda share: 1 - torch.cos(share * math.pi / 2),
}


def smoothing_of(counts: Tensor, head: float, tail: float, shape: str = "concave") -> Tensor:
    """How much the labels of each class are smoothed: eps_k, growing with the class.

    Zhong et al., "Improving Calibration for Long-Tailed Recognition" (CVPR 2021), section 3.2:
    eps_k = tail + (head - tail) f((n_k - n_min) / (n_max - n_min)) with f(x) = sin(pi x / 2)
    (concave), x (linear), or 1 - cos(pi x / 2) (convex). Where all counts are equal every class is
    as large as the largest and gets ``head``.

    Args:
        counts: images of each class, (classes,), at least 0.
        head: smoothing of the largest class, in [0, 1].
        tail: smoothing of the smallest class, in [0, 1].
        shape: "concave", "linear" or "convex".

    Returns:
        float32 (classes,), between ``tail`` and ``head``.

    Raises:
        ValueError: an unknown shape.
    """
    if shape not in _CURVES:
        raise ValueError(f"Expected one of {', '.join(get_args(Shape))}, but got '{shape}'")
    number = counts.double()
    spread = number.max() - number.min()
    share = torch.where(spread > 0, (number - number.min()) / spread.clamp(min=1e-12), 1.0)
    return (tail + (head - tail) * _CURVES[shape](share)).float()


def smoothed_cross_entropy(out: Tensor, labels: Tensor, eps: Tensor) -> Tensor:
    """Cross-entropy with targets (1 - eps_y) onehot(y) + eps_y / K.

    Zhong et al. (2021), section 3.2. With eps 0 it is plain cross-entropy.

    Args:
        out: logits, (batch, classes).
        labels: int64 (batch,).
        eps: smoothing of each class in [0, 1], (classes,), on the device of ``out``.

    Returns:
        The loss of each example, float32 (batch,).
    """
    minus_log = -functional.log_softmax(out.float(), dim=1)
    own, smooth = minus_log.gather(1, labels[:, None])[:, 0], eps[labels]
    return (1 - smooth) * own + smooth * minus_log.mean(dim=1)
