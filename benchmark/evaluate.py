"""Evaluation: a plain module and test images in, predictions out. No component code runs here."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from benchmark.data.augmentation import pad_images

BATCH = 500


@torch.inference_mode()
def logits(
    net: nn.Module,
    images: NDArray[np.uint8],
    mean: tuple[float, ...],
    std: tuple[float, ...],
    device: torch.device,
) -> NDArray[np.float32]:
    """Logits (n, classes) of uint8 images (n, h, w, 3), in fp32 and evaluation mode."""
    net.eval()
    found = []
    for start in range(0, len(images), BATCH):
        part = torch.from_numpy(np.ascontiguousarray(images[start : start + BATCH])).to(device)
        padded = pad_images(part, 0, mean, std)
        found.append(net(padded.normalise(padded.buffer)).float().cpu().numpy())
    return np.concatenate(found)
