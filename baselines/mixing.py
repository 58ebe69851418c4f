"""Blending of images, shared by the components that mix."""

import torch
from torch import Tensor


def beta_sample(alpha: float, rng: torch.Generator) -> float:
    """One draw from Beta(alpha, alpha), by two Gamma draws from ``rng``."""
    concentration = torch.full((2,), alpha, dtype=torch.float64)
    gamma = torch._standard_gamma(concentration, generator=rng)
    total = float(gamma.sum())
    # torch clamps a draw that underflows to the smallest normal number; where both did (at tiny
    # alpha) the limit of Beta is a fair coin on {0, 1}
    if total > 2 * torch.finfo(torch.float64).tiny:
        return float(gamma[0]) / total
    return float(torch.rand(1, generator=rng) < 0.5)


def blend(images: Tensor, others: Tensor, share: Tensor | float) -> Tensor:
    """``share`` of ``images`` and the rest of ``others``; ``share`` is scalar or (batch,)."""
    if isinstance(share, Tensor) and share.dim():
        share = share[:, None, None, None]
    return others + share * (images - others)


def permuted_targets(
    targets: tuple[tuple[Tensor, Tensor], ...], order: Tensor
) -> tuple[tuple[Tensor, Tensor], ...]:
    """The target pairs of the batch in another order."""
    return tuple((labels[order], weight[order]) for labels, weight in targets)
