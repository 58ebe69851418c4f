"""Random changes of batches of images: every draw comes from the generator given, on the CPU.

Images are uint8 (n, 3, h, w) on any device. How many numbers a function draws depends on its
settings and the number of images alone, never on what was drawn before.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from benchmark.data import image_ops
from benchmark.data.transfers import to_device

TRIES = 10
RATIO = (3 / 4, 4 / 3)


def uniform(n: int, low: float, high: float, rng: torch.Generator) -> Tensor:
    """``n`` numbers in [low, high), float (n,)."""
    return low + (high - low) * torch.rand(n, generator=rng)


def random_flip(images: Tensor, chance: float, rng: torch.Generator) -> Tensor:
    """Mirror each image left to right with a probability of ``chance``."""
    flip = to_device(torch.rand(len(images), generator=rng) < chance, images.device)
    return torch.where(flip[:, None, None, None], images.flip(3), images)


def sometimes(
    images: Tensor,
    op: Callable[..., Tensor],
    chance: float,
    rng: torch.Generator,
    *parameters: Tensor,
) -> Tensor:
    """Apply ``op`` to each image with a probability of ``chance``, in place.

    Args:
        images: changed in place and returned.
        op: of ``image_ops``.
        chance: in [0, 1].
        rng: source of the decisions.
        parameters: of ``op``, one value an image, on the CPU.
    """
    rows = (torch.rand(len(images), generator=rng) < chance).nonzero()[:, 0]
    image_ops.change(images, rows, op, *(each[rows] for each in parameters))
    return images


def random_boxes(
    n: int, height: int | Tensor, width: int | Tensor, scale_min: float, rng: torch.Generator
) -> Tensor:
    """Boxes of Inception-style cropping: area and aspect ratio are drawn, then the place.

    The area is uniform in [scale_min, 1] of the image's and the ratio log-uniform in [3/4, 4/3];
    the first of ten tries that fits is taken, else the largest central box of an allowed ratio.

    Args:
        n: how many images.
        height: of the images, or int64 (n,) of each.
        width: of the images, or int64 (n,) of each.
        scale_min: in (0, 1].
        rng: source of randomness.

    Returns:
        int64 (n, 4): top, left, height and width.
    """
    whole = torch.stack([torch.as_tensor(side).expand(n) for side in (height, width)], 1)
    heights, widths = whole.split(1, 1)
    area = heights * widths * uniform(n * TRIES, scale_min, 1.0, rng).view(n, TRIES)
    low, high = (math.log(bound) for bound in RATIO)
    ratio = uniform(n * TRIES, low, high, rng).view(n, TRIES).exp()
    wide, tall = (area * ratio).sqrt().round().long(), (area / ratio).sqrt().round().long()
    fits = (wide > 0) & (wide <= widths) & (tall > 0) & (tall <= heights)
    first = fits.long().argmax(1, keepdim=True)
    sides = torch.cat([tall.gather(1, first), wide.gather(1, first)], 1)
    place = torch.rand(n, 2, generator=rng)
    boxes = torch.cat([_below(place, whole - sides + 1), sides], 1)
    for row in (~fits.any(1)).nonzero()[:, 0].tolist():
        boxes[row] = torch.tensor(_central_box(*whole[row].tolist()))
    return boxes


def _below(share: Tensor, bound: Tensor) -> Tensor:
    """Whole numbers from 0 to ``bound`` - 1 by uniform shares."""
    return torch.minimum((share * bound).long(), bound - 1)


def _central_box(height: int, width: int) -> tuple[int, int, int, int]:
    tall = min(height, round(width / RATIO[0]))
    wide = min(width, round(height * RATIO[1]))
    return (height - tall) // 2, (width - wide) // 2, tall, wide


def random_resized_crop(images: Tensor, scale_min: float, rng: torch.Generator) -> Tensor:
    """A random part of each image, enlarged to the image's size."""
    n, _, height, width = images.shape
    boxes = random_boxes(n, height, width, scale_min, rng)
    return image_ops.crop_resized(images, boxes.to(images.device))


def random_rotation(images: Tensor, degrees: float, rng: torch.Generator) -> Tensor:
    """Each image turned by up to ``degrees`` either way; black comes in at the corners."""
    angle = uniform(len(images), -degrees, degrees, rng)
    return image_ops.rotate(images, angle.to(images.device), 0)


def color_jitter(
    images: Tensor,
    strengths: tuple[float, float, float, float],
    chance: float,
    rng: torch.Generator,
) -> Tensor:
    """Brightness, contrast, saturation and hue changed in an order drawn for each image.

    Args:
        images: changed in place and returned.
        strengths: factors are uniform in [max(0, 1 - s), 1 + s] for the first three, the hue turns
            by up to the fourth either way, as a share of the circle; 0 leaves one out.
        chance: probability that an image is changed at all.
        rng: source of randomness.
    """
    n = len(images)
    chosen = torch.rand(n, 1, generator=rng) < chance
    order = torch.rand(n, 4, generator=rng).argsort(1).masked_fill(~chosen, -1)
    ops = (image_ops.brightness, image_ops.contrast, image_ops.saturation, image_ops.hue)
    amounts = [uniform(n, max(0.0, 1 - s), 1 + s, rng) for s in strengths[:3]]
    amounts.append(uniform(n, -strengths[3], strengths[3], rng))
    for turn in range(4):
        for number, op in enumerate(ops):
            if strengths[number]:
                rows = (order[:, turn] == number).nonzero()[:, 0]
                image_ops.change(images, rows, op, amounts[number][rows])
    return images


def random_hole(images: Tensor, side: int, rng: torch.Generator) -> Tensor:
    """Cutout: a square hole around a uniform pixel of each normalised image, in place."""
    n, (height, width) = len(images), images.shape[2:]
    top = torch.randint(height, (n,), generator=rng).to(images.device)
    left = torch.randint(width, (n,), generator=rng).to(images.device)
    return image_ops.cut_out(images, top, left, side)
