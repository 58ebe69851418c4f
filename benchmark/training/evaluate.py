"""Evaluation: a plain module and test images in, predictions out. No component code runs here."""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmark.data.augmentation import unpadded
from benchmark.data.transfers import to_device
from benchmark.training.memory import Halving, rows_in_cache
from benchmark.training.team import ALONE, Team

BATCH = 500


@torch.inference_mode()
def logits(
    net: nn.Module,
    images: NDArray[np.uint8],
    mean: tuple[float, ...],
    std: tuple[float, ...],
    device: torch.device,
    team: Team = ALONE,
) -> NDArray[np.float32]:
    """Logits (n, classes) of uint8 images (n, h, w, 3), in fp32 and evaluation mode.

    Several processes take the batches that one would take, each some of them, and all get the
    logits of all images.

    Raises:
        OutOfMemory: not even one image fits into memory.
    """
    net.eval()

    def scores(part: Tensor) -> Tensor:
        shown = unpadded(to_device(part, device), mean, std)
        found: Tensor = net(shown.normalise(shown.buffer)).float()
        return found

    forward, found = Halving(scores, rows_in_cache(images.shape[1], device)), []
    for start in _own_starts(len(images), team):
        part = np.ascontiguousarray(images[start : start + BATCH])
        found.append(forward(torch.from_numpy(part)))
    # read once: reading each batch would leave a GPU idle while the next one is made
    own = torch.cat(found).cpu().numpy() if found else np.zeros((0, 0), np.float32)
    return team.rows_of_all(own)


def _own_starts(images: int, team: Team) -> range:
    """Where the batches of this process begin: neighbours, so that the order is kept."""
    batches = math.ceil(images / BATCH)
    first, last = (place * batches // team.size for place in (team.here.rank, team.here.rank + 1))
    return range(first * BATCH, min(last * BATCH, images), BATCH)
