"""Vectorised augmentation on resident uint8 images: one gather, one flip, one scaling.

A view is a function from images and row positions to normalised float images. Images are
``PaddedImages``, or what ``streaming`` decoded of a batch. The gather reads crops straight out of a
padded buffer through a strided window view, so no image is padded twice and the result is already
channels_last. What recipes may add to crop and flip works on whole batches too:
``random_changes.py`` draws, ``image_ops.py`` computes, ``policies.py`` holds AutoAugment and
RandAugment.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from benchmark.config import AugmentationConfig, Border
from benchmark.data import image_ops, policies
from benchmark.data.random_changes import (
    color_jitter,
    random_flip,
    random_hole,
    random_resized_crop,
    random_rotation,
    sometimes,
    uniform,
)
from benchmark.data.transfers import to_device
from benchmark.errors import UsageError, unknown

STRONG_AREA = 0.2


@dataclass(frozen=True)
class Asked:
    """A batch that is asked for.

    Attributes:
        index: int64 (batch,), positions among the images.
        rng: source of all that is drawn.
        needed: the part whose pixels will be used; None for all.
    """

    index: Tensor
    rng: torch.Generator
    needed: slice | None = None


class Shown(Protocol):
    """Images that a view is made of. Crops are uint8 (batch, 3, h, w) in channels_last."""

    def whole(self, index: Tensor) -> Tensor:
        """The images themselves."""
        ...

    def shifted(self, index: Tensor, rng: torch.Generator) -> Tensor:
        """A random crop of each image with its border, at the image's size."""
        ...

    def resized(self, index: Tensor, scale_min: float, rng: torch.Generator) -> Tensor:
        """A random part of each image, at the image's size."""
        ...

    def normalise(self, images: Tensor) -> Tensor:
        """uint8 (batch, h, w, 3) -> float (batch, 3, h, w) in channels_last."""
        ...


@dataclass(frozen=True)
class PaddedImages:
    """Images with a border, ready to be cropped.

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

    def whole(self, index: Tensor) -> Tensor:
        """The images without their border, uint8 (batch, 3, h, w) in channels_last."""
        centre = torch.full_like(index, self.pad)
        return self.crop(index, centre, centre).permute(0, 3, 1, 2)

    def shifted(self, index: Tensor, rng: torch.Generator) -> Tensor:
        """A random crop of each image with its border, uint8 (batch, 3, h, w) in channels_last."""
        offsets = torch.randint(0, 2 * self.pad + 1, (2, len(index)), generator=rng)
        top, left = to_device(offsets, self.buffer.device)
        return self.crop(index, top, left).permute(0, 3, 1, 2)

    def resized(self, index: Tensor, scale_min: float, rng: torch.Generator) -> Tensor:
        """A random part of each image, enlarged to the image's size."""
        return random_resized_crop(self.whole(index), scale_min, rng)

    def shown(
        self, asked: Asked, views: tuple[str, ...], config: AugmentationConfig
    ) -> list[tuple[Shown, Tensor]]:
        """What each view is made of, and where in it the rows are."""
        return [(self, asked.index)] * len(views)

    def announce(
        self, upcoming: Iterable[Asked], views: tuple[str, ...], config: AugmentationConfig
    ) -> None:
        """Batches to come; resident images need not know."""

    def content(self) -> tuple[Tensor, ...]:
        """What decides the pixels, for a hash of them."""
        return self.buffer, self.scale, self.shift

    def normalise(self, images: Tensor) -> Tensor:
        """uint8 (batch, h, w, 3) -> float (batch, 3, h, w) in channels_last."""
        width = images.shape[2]
        # whole rows at a time: three channels alone are too short for vector instructions
        scale, shift = self.scale.repeat(width), self.shift.repeat(width)
        made = images.flatten(2).float().mul_(scale).sub_(shift)
        shown: Tensor = made.unflatten(2, (width, -1)).permute(0, 3, 1, 2)
        return shown


def pad_images(
    images: Tensor,
    pad: int,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    border: Border = "zero",
) -> PaddedImages:
    """Surround uint8 images (n, h, w, 3) with ``pad`` pixels on each side.

    Args:
        images: left as they are.
        pad: width of the border.
        mean: of each channel on the [0, 1] scale.
        std: of each channel on the [0, 1] scale.
        border: black ("zero"), or the image mirrored at its outermost pixels ("reflect").

    Raises:
        UsageError: the border mirrors more than the image has.
    """
    n, height, width, channels = images.shape
    if border == "reflect":
        rows, columns = (_mirrored(size, pad).to(images.device) for size in (height, width))
        buffer = images[:, rows][:, :, columns]
    else:
        buffer = images.new_zeros(n, height + 2 * pad, width + 2 * pad, channels)
        buffer[:, pad : pad + height, pad : pad + width] = images
    return PaddedImages(buffer, pad, *_scaling(mean, std, images.device))


def unpadded(images: Tensor, mean: tuple[float, ...], std: tuple[float, ...]) -> PaddedImages:
    """Images uint8 (n, h, w, 3) without a border, not copied."""
    return PaddedImages(images, 0, *_scaling(mean, std, images.device))


def _scaling(
    mean: tuple[float, ...], std: tuple[float, ...], device: torch.device
) -> tuple[Tensor, Tensor]:
    """``scale`` and ``shift`` of ``PaddedImages``."""
    spread = torch.tensor(std, device=device)
    return 1 / (255 * spread), torch.tensor(mean, device=device) / spread


def _mirrored(size: int, pad: int) -> Tensor:
    """Positions along a side of ``size`` pixels and a border that mirrors them."""
    if pad >= size:
        raise UsageError(
            f"Expected a reflected border narrower than the image, but got {pad} of {size} pixels",
            where="recipe.augmentation.pad",
            todo="pad less, or set border=zero",
        )
    at = torch.arange(-pad, size + pad).abs()
    return torch.where(at < size, at, 2 * (size - 1) - at)


def weak(images: Shown, index: Tensor, config: AugmentationConfig, rng: torch.Generator) -> Tensor:
    """All of the recipe's augmentation, then normalisation.

    In this order, each where the recipe has it: crop, flip, rotation, colour jitter, policy; and
    a hole in the normalised image.
    """
    shown = random_flip(_cropped(images, index, config, rng), config.flip, rng)
    if config.rotate:
        shown = random_rotation(shown, config.rotate, rng)
    if any(config.jitter):
        shown = color_jitter(shown, config.jitter, 1.0, rng)
    if config.policy != "none":
        shown = policies.apply(shown, *_plan(config, len(index), rng))
    made = images.normalise(shown.permute(0, 2, 3, 1))
    return random_hole(made, config.cutout, rng) if config.cutout else made


def _cropped(
    images: Shown, index: Tensor, config: AugmentationConfig, rng: torch.Generator
) -> Tensor:
    """A random crop of each image, uint8 (batch, 3, h, w) in channels_last."""
    area = smallest_area("weak", config)
    return images.shifted(index, rng) if area is None else images.resized(index, area, rng)


def _plan(config: AugmentationConfig, n: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Operations and levels of the recipe's policy for each image."""
    if config.policy == "randaugment":
        level = config.policy_magnitude / 10
        return policies.draw_randaugment(config.policy_ops, level, n, rng)
    return policies.draw_autoaugment(config.policy.removeprefix("autoaugment_"), n, rng)


def strong(
    images: Shown, index: Tensor, config: AugmentationConfig, rng: torch.Generator
) -> Tensor:
    """The second view of contrastive methods, whatever the recipe's augmentation is.

    A resized crop of 20 to 100 % of the image, a flip with the recipe's probability, colour jitter
    (0.4, 0.4, 0.4, 0.1) with probability 0.8, grey with 0.2 and a Gaussian blur of 0.1 to 2 pixels
    with 0.5. Chen et al., "Improved Baselines with Momentum Contrastive Learning" (2020).
    """
    shown = images.resized(index, STRONG_AREA, rng)
    shown = random_flip(shown, config.flip, rng)
    shown = color_jitter(shown, (0.4, 0.4, 0.4, 0.1), 0.8, rng)
    shown = sometimes(shown, image_ops.grey, 0.2, rng)
    sigma = uniform(len(index), 0.1, 2.0, rng)
    shown = sometimes(shown, image_ops.blur, 0.5, rng, sigma)
    return images.normalise(shown.permute(0, 2, 3, 1))


def plain(images: Shown, index: Tensor, config: AugmentationConfig, rng: torch.Generator) -> Tensor:
    """The image itself, normalised: what evaluation sees."""
    return images.normalise(images.whole(index).permute(0, 2, 3, 1))


View = Callable[[Shown, Tensor, AugmentationConfig, torch.Generator], Tensor]
VIEWS: dict[str, View] = {"weak": weak, "strong": strong, "plain": plain}


def smallest_area(view: str, config: AugmentationConfig) -> float | None:
    """The smallest area of a view's resized crops, as a share; None for a view without them."""
    if view == "weak":
        return config.scale_min if config.crop == "resized" else None
    return STRONG_AREA if view == "strong" else None


def check_views(names: tuple[str, ...]) -> None:
    """Refuse views that do not exist.

    Raises:
        UsageError: names the nearest ones.
    """
    for name in names:
        if name not in VIEWS:
            raise unknown("view", name, VIEWS, where="hook 'views'")
