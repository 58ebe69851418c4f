"""Vectorised augmentation on resident uint8 images: one gather, one flip, one scaling.

A view is a function from a ``PaddedImages`` and row positions to normalised float images. The
gather reads crops straight out of a zero-padded buffer through a strided window view, so no image
is padded twice and the result is already channels_last.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmark.config import AugmentationConfig
from benchmark.errors import unknown


@dataclass(frozen=True)
class PaddedImages:
    """Images with a border of zeros, ready to be cropped.

    Attributes:
        buffer: uint8 (n, h + 2 pad, w + 2 pad, 3), contiguous.
        pad: width of the border in pixels.
        scale: float (3,), 1 / (255 std).
        shift: float (3,), mean / std.
    """

    buffer: Tensor
    pad: int
    scale: Tensor
    shift: Tensor

    @property
    def windows(self) -> Tensor:
        """A view (n, 2 pad + 1, 2 pad + 1, h, 3 w): every crop of every image, without a copy."""
        n, height, width, channels = self.buffer.shape
        image, row, pixel = height * width * channels, width * channels, channels
        size, offsets = (height - 2 * self.pad, width - 2 * self.pad), 2 * self.pad + 1
        return self.buffer.as_strided(
            (n, offsets, offsets, size[0], size[1] * channels), (image, row, pixel, row, 1)
        )

    def crop(self, index: Tensor, top: Tensor, left: Tensor) -> Tensor:
        """Crops as uint8 (batch, h, w, 3) at the given offsets, all int64 (batch,)."""
        crops: Tensor = self.windows[index, top, left].unflatten(-1, (-1, self.buffer.shape[-1]))
        return crops

    def normalise(self, images: Tensor) -> Tensor:
        """uint8 (batch, h, w, 3) -> float (batch, 3, h, w) in channels_last."""
        return images.float().mul_(self.scale).sub_(self.shift).permute(0, 3, 1, 2)


def pad_images(
    images: Tensor, pad: int, mean: tuple[float, ...], std: tuple[float, ...]
) -> PaddedImages:
    """Surround uint8 images (n, h, w, 3) with ``pad`` zero pixels on each side."""
    n, height, width, channels = images.shape
    buffer = images.new_zeros(n, height + 2 * pad, width + 2 * pad, channels)
    buffer[:, pad : pad + height, pad : pad + width] = images
    spread = torch.tensor(std, device=images.device)
    shift = torch.tensor(mean, device=images.device) / spread
    return PaddedImages(buffer, pad, 1 / (255 * spread), shift)


def weak(
    images: PaddedImages, index: Tensor, config: AugmentationConfig, rng: torch.Generator
) -> Tensor:
    """Random crop from the zero-padded image and a random horizontal flip, then normalisation."""
    n, device = len(index), images.buffer.device
    offsets = torch.randint(0, 2 * images.pad + 1, (2, n), generator=rng).to(device)
    flip = (torch.rand(n, generator=rng) < config.flip).to(device)
    crops = images.crop(index, offsets[0], offsets[1])
    crops = torch.where(flip[:, None, None, None], crops.flip(2), crops)
    return images.normalise(crops)


def plain(
    images: PaddedImages, index: Tensor, config: AugmentationConfig, rng: torch.Generator
) -> Tensor:
    """The image itself, normalised: what evaluation sees."""
    centre = torch.full_like(index, images.pad)
    return images.normalise(images.crop(index, centre, centre))


View = Callable[[PaddedImages, Tensor, AugmentationConfig, torch.Generator], Tensor]
VIEWS: dict[str, View] = {"weak": weak, "plain": plain}


def check_views(names: tuple[str, ...]) -> None:
    """Refuse views that do not exist.

    Raises:
        UsageError: names the nearest ones.
    """
    for name in names:
        if name not in VIEWS:
            raise unknown("view", name, VIEWS, where="hook 'views'")
