"""Quantities made from class counts, as tensors on the training device."""

from functools import lru_cache

import torch
from torch import Tensor


@lru_cache(maxsize=32)
def counts_tensor(counts: tuple[int, ...], device: torch.device) -> Tensor:
    """Counts as float (classes,), a class without images counted as one."""
    return torch.tensor(counts, dtype=torch.float32, device=device).clamp(min=1)


@lru_cache(maxsize=32)
def effective_number_weights(counts: tuple[int, ...], beta: float, device: torch.device) -> Tensor:
    """Class-balanced weights (1 - beta) / (1 - beta^n), scaled to sum to the number of classes.

    Cui et al., "Class-Balanced Loss Based on Effective Number of Samples" (CVPR 2019), eq. 2.
    """
    number = counts_tensor(counts, device).double()
    weights = (1 - beta) / (1 - beta**number)
    return (weights * len(counts) / weights.sum()).float()


@lru_cache(maxsize=32)
def log_prior(counts: tuple[int, ...], device: torch.device) -> Tensor:
    """The log prior log(n_k / N), float32 (classes,); a class without images counts as one.

    Menon et al., "Long-tail Learning via Logit Adjustment" (ICLR 2021), section 2.
    """
    number = counts_tensor(counts, device).double()
    return (number / number.sum()).log().float()


def adjusted_logits(out: Tensor, log_pi: Tensor, tau: float) -> Tensor:
    """Logits plus tau log pi: the loss of Menon et al. (2021) adds it, use takes it off (-tau).

    Args:
        out: logits z, (batch, classes).
        log_pi: log class prior, (classes,).
        tau: strength; 0 leaves the logits as they are.

    Returns:
        float32 (batch, classes).
    """
    return out.float() + tau * log_pi


def class_balanced_rows(labels: Tensor, n: int, rng: torch.Generator, power: float = 1.0) -> Tensor:
    """``n`` positions drawn with replacement, a row of class k with probability ~ 1 / n_k^power.

    Args:
        labels: int64 (rows,).
        n: rows to draw.
        rng: source of randomness.
        power: 1 draws classes uniformly, 0 rows uniformly.
    """
    counts = torch.bincount(labels).double()
    weights = counts.clamp(min=1).pow(-power)[labels]
    return torch.multinomial(weights, n, replacement=True, generator=rng)
