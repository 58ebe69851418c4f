"""Whether bfloat16 is any faster here: a processor without it computes it many times slower."""

import time
from functools import cache

import torch
from torch.nn import functional

from benchmark.system.console import say

SLOWER = 1.25
"""A ratio above this is worth a word; below, it may be noise."""
_ROUNDS = 3


@cache
def half_ratio(device: torch.device) -> float:
    """Time of a small convolution in bfloat16, forward and backward, over that in float32.

    Measured, not looked up: a processor's flags and what the library has code for are two things.
    A tenth of a second where bfloat16 is slow, far less where it is not; once in a process.

    Args:
        device: where.
    """
    # no random numbers: a look at the machine must not move a seed's draws
    images = torch.ones(16, 16, 32, 32, device=device).to(memory_format=torch.channels_last)
    weights = torch.ones(16, 16, 3, 3, device=device, requires_grad=True)
    fastest = {}
    for half in (False, True):
        times = [_seconds(images, weights, half) for _ in range(1 + _ROUNDS)]
        # the first one prepares
        fastest[half] = min(times[1:])
    return fastest[True] / fastest[False]


def _seconds(images: torch.Tensor, weights: torch.Tensor, half: bool) -> float:
    begun = time.perf_counter()
    with torch.autocast(images.device.type, torch.bfloat16, enabled=half):
        loss = functional.conv2d(images, weights, padding=1).float().square().mean()
    loss.backward()
    # reading a number waits for the device
    loss.item()
    return time.perf_counter() - begun


def say_if_slow(device: torch.device, key: str) -> None:
    """Print a line where bfloat16 is slower than float32, before hours go into it.

    Args:
        device: where the training is to run.
        key: the setting that asks for bfloat16.
    """
    ratio = half_ratio(device)
    if ratio > SLOWER:
        say("note", f"bf16 takes about {ratio:.1f} times as long as fp32 on this {device.type}: "
            f"{key}=fp32 is faster here, and an experiment of its own")  # fmt: skip
