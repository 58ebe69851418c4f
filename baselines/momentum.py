"""A slow copy of a module and a queue of what it made, shared by contrastive components.

He et al., "Momentum Contrast for Unsupervised Visual Representation Learning" (CVPR 2020).
"""

import torch
from torch import Tensor, nn


@torch.no_grad()
def follow(slow: nn.Module, fast: nn.Module, momentum: float) -> None:
    """Move the parameters of ``slow`` a little towards those of ``fast``; copy its buffers.

    He et al. (2020), eq. 2: slow <- momentum * slow + (1 - momentum) * fast. Two modules of one
    architecture; nothing is recorded for autograd.

    Args:
        slow: changed in place.
        fast: left as it is.
        momentum: in [0, 1]; 0 copies, 1 keeps the slow one.

    Raises:
        ValueError: the two have other numbers of parameters or buffers.
    """
    for old, new in zip(slow.parameters(), fast.parameters(), strict=True):
        old.lerp_(new, 1 - momentum)
    for held, current in zip(slow.buffers(), fast.buffers(), strict=True):
        held.copy_(current)


class KeyQueue(nn.Module):
    """The last ``size`` keys and their labels, the oldest replaced first.

    A place that was not filled yet has the label -1 and features of zero.

    Args:
        width: of a key.
        size: how many keys are held; it may be larger than the training set, or smaller than a
            batch, whose last keys are then held.

    Attributes:
        features: float (size, width).
        labels: int64 (size,), -1 where nothing was pushed yet.
        at: int64 scalar, the place of the next key.
    """

    features: Tensor
    labels: Tensor
    at: Tensor

    def __init__(self, width: int, size: int) -> None:
        super().__init__()
        self.register_buffer("features", torch.zeros(size, width))
        self.register_buffer("labels", torch.full((size,), -1))
        self.register_buffer("at", torch.zeros((), dtype=torch.long))

    def entries(self) -> tuple[Tensor, Tensor]:
        """Copies of features and labels, which a later ``push`` leaves alone.

        Autograd keeps what a loss used: use these in it, then push before ``backward``.
        """
        return self.features.clone(), self.labels.clone()

    @torch.no_grad()
    def push(self, keys: Tensor, labels: Tensor) -> None:
        """Put keys (batch, width) and labels int64 (batch,) in; the oldest ones go."""
        size = len(self.labels)
        keys, labels = keys[-size:], labels[-size:]
        places = (self.at + torch.arange(len(keys), device=self.at.device)) % size
        self.features[places] = keys.to(self.features.dtype)
        self.labels[places] = labels
        self.at.add_(len(keys)).remainder_(size)
