"""Named random streams: a seed and a list of names give one reproducible generator.

No component name enters a stream that methods share, so seed *s* of two methods sees the same
order of rows, the same augmentation and the same initial backbone.
"""

import contextlib
import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

Name = str | int


def derive(seed: int, *names: Name) -> int:
    """A 63-bit seed for the stream ``names`` of ``seed``; equal arguments give equal seeds."""
    text = "/".join([str(seed), *map(str, names)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def numpy_generator(seed: int, *names: Name) -> np.random.Generator:
    """A NumPy generator for one named stream."""
    return np.random.default_rng(derive(seed, *names))


def torch_generator(seed: int, *names: Name) -> "torch.Generator":
    """A CPU torch generator for one named stream.

    CPU generators use the low 32 bits of a seed only, so the derived seed is folded to 32 bits.
    """
    import torch

    return torch.Generator().manual_seed(derive(seed, *names) & 0xFFFFFFFF)


def seed_torch(seed: int, *names: Name) -> None:
    """Seed torch's global generators for one named stream.

    ``torch.manual_seed`` formats a stack trace for every device type that is absent, which costs
    more than a millisecond; this reaches the generators in use directly.
    """
    import torch

    value = derive(seed, *names) & 0xFFFFFFFF
    torch.default_generator.manual_seed(value)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(value)


@contextlib.contextmanager
def scoped_global_seed(seed: int, *names: Name) -> Iterator[None]:
    """Seed torch's global generator inside the block and restore it after.

    For code that cannot take a generator: module initialisers, dropout, stochastic depth.
    """
    import torch

    # a process of several that each have a GPU must not open the others'
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    with torch.random.fork_rng(devices=devices):
        seed_torch(seed, *names)
        yield
