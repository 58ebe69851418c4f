"""Copies from the host to a device that the host does not wait for."""

import torch
from torch import Tensor


def to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """A tensor on ``device``; itself where it is there already.

    A plain copy to a GPU waits until the GPU has done all it was asked before. From pinned memory
    it need not, and torch's allocator keeps that memory until the copy is done.
    """
    if tensor.device.type == "cpu" and device.type == "cuda":
        tensor = tensor.pin_memory()
    # the other way the host would read values that have not arrived
    return tensor.to(device, non_blocking=device.type != "cpu")
