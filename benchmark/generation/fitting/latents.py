"""Training images as the autoencoder sees them, encoded once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from benchmark.data.images import harmonise

_AT_ONCE = 8


@dataclass(frozen=True)
class Latents:
    """Normal distributions of the latents of some images, float32 on the CPU.

    Attributes:
        means: (n, channels, height, width).
        deviations: the same shape.
        places: where each training row is found in them.
        shift: taken off a sample before it is scaled.
        scale: factor that the denoiser expects.
    """

    means: Tensor
    deviations: Tensor
    places: dict[int, int]
    shift: float
    scale: float

    def sample(self, rows: Sequence[int], rng: torch.Generator) -> Tensor:
        """Latents (rows, channels, height, width) of training rows, as the denoiser expects."""
        index = torch.tensor([self.places[row] for row in rows])
        spread = torch.randn(self.means[index].shape, generator=rng)
        return (self.means[index] + self.deviations[index] * spread - self.shift) * self.scale


def pixels(images: NDArray[np.uint8], size: int, vae: Any) -> Tensor:
    """Images (n, height, width, 3) as the autoencoder's input (n, 3, size, size) in [-1, 1]."""
    resized = np.stack([harmonise(Image.fromarray(image), size, "RGB") for image in images])
    scaled = torch.from_numpy(resized).permute(0, 3, 1, 2).float().div(127.5).sub(1)
    return scaled.to(vae.device, vae.dtype)


@torch.no_grad()
def encode(
    vae: Any,
    images: NDArray[np.uint8],
    rows: Sequence[int],
    size: int,
    pause: Callable[[], None] = lambda: None,
) -> Latents:
    """Encode training images in fixed batches.

    Args:
        vae: the pipeline's autoencoder.
        images: uint8 (n, height, width, 3) all training images.
        rows: those that are encoded.
        size: height and width of the pictures that the generator draws.
        pause: called before each batch.
    """
    found = []
    for start in range(0, len(rows), _AT_ONCE):
        pause()
        chunk = images[np.asarray(rows[start : start + _AT_ONCE])]
        found.append(vae.encode(pixels(chunk, size, vae)).latent_dist)
    return Latents(
        means=torch.cat([each.mean.float().cpu() for each in found]),
        deviations=torch.cat([each.std.float().cpu() for each in found]),
        places={row: place for place, row in enumerate(rows)},
        shift=float(getattr(vae.config, "shift_factor", None) or 0),
        scale=float(vae.config.scaling_factor),
    )
