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


def random_box(height: int, width: int, share: float, rng: torch.Generator) -> tuple[slice, slice]:
    """Rows and columns of a box that leaves about ``share`` of the image uncovered.

    Sides are floor(side * sqrt(1 - share)), around a uniform pixel, clipped at the borders.
    """
    cut = (1.0 - share) ** 0.5
    sides = []
    for size in (height, width):
        half, centre = int(size * cut) // 2, int(torch.randint(size, (1,), generator=rng))
        sides.append(slice(max(centre - half, 0), min(centre + half, size)))
    return sides[0], sides[1]


def pasted(images: Tensor, others: Tensor, rows: slice, columns: slice) -> tuple[Tensor, Tensor]:
    """Images with a box of others in them; the given ones stay as they are.

    Args:
        images: (batch, channels, height, width).
        others: images of the same shape.
        rows: of the box, within the image.
        columns: of the box.

    Returns:
        The images, channels_last, and the share of each image that was kept, a scalar.
    """
    made = images.clone(memory_format=torch.channels_last)
    made[:, :, rows, columns] = others[:, :, rows, columns]
    height, width = images.shape[-2:]
    share = (rows.stop - rows.start) * (columns.stop - columns.start) / (height * width)
    return made, torch.full((), 1 - share, device=images.device)


def permuted_targets(
    targets: tuple[tuple[Tensor, Tensor], ...], order: Tensor
) -> tuple[tuple[Tensor, Tensor], ...]:
    """The target pairs of the batch in another order."""
    return tuple((labels[order], weight[order]) for labels, weight in targets)
