"""Running out of memory: how it shows, and forward passes in smaller batches where it does.

And how many images a forward pass takes best where memory is no matter.
"""

import gc
from collections.abc import Callable

import torch
from torch import Tensor

from benchmark.errors import BenchError

# of torch's allocators and libraries, which raise plain RuntimeErrors
SIGNS = (
    "DefaultCPUAllocator",
    "CUDA out of memory",
    "CUDA error: out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
    # oneDNN, where it is not told why
    "could not create a memory",
    "could not create a primitive",
    "std::bad_alloc",
)
# on a CPU the outputs of a layer then stay in the cache: 100 images of 32 pixels
CACHE_PIXELS, FEWEST = 100 * 32 * 32, 8


class OutOfMemory(BenchError):
    """What has to be in memory at once does not fit."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an allocation failed, on the device or on the host."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in SIGNS)


def tidy() -> None:
    """Give back what a failed attempt left behind."""
    gc.collect()
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()


def rows_in_cache(size: int, device: torch.device) -> int | None:
    """Images of ``size`` pixels a side that a forward pass takes fastest; None for all there are.

    Measured in docs/speed.md.
    """
    return None if device.type != "cpu" else max(FEWEST, CACHE_PIXELS // size**2)


class Halving:
    """A forward pass in evaluation mode that takes fewer rows at once where memory is short.

    The rows do not act on each other there, so the output is the same.

    Args:
        forward: rows (n, ...) to rows (n, ...).
        limit: the most rows to take at once to begin with; None takes all.
    """

    def __init__(self, forward: Callable[[Tensor], Tensor], limit: int | None = None) -> None:
        self.forward = forward
        self.limit = limit

    def __call__(self, images: Tensor) -> Tensor:
        """The output for all rows.

        Raises:
            OutOfMemory: a single row does not fit.
        """
        limit = min(self.limit or len(images), len(images))
        try:
            if limit == len(images):
                return self.forward(images)
            return torch.cat([self.forward(part) for part in images.split(limit)])
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
        # outside the handler: the error holds on to what the attempt had allocated
        if limit == 1:
            raise OutOfMemory(
                "Not even one image fits into memory",
                where=f"evaluation on {images.device.type}",
                todo="free some memory, or choose a smaller backbone",
            )
        tidy()
        self.limit = max(1, limit // 2)
        return self(images)
