"""AutoAugment and RandAugment on whole batches: draw a plan for every image, then carry it out.

Cubuk et al., "AutoAugment: Learning Augmentation Strategies from Data" (CVPR 2019);
Cubuk et al., "RandAugment" (CVPRW 2020). Tables of policies are torchvision's.
"""

from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor

from benchmark.data import image_ops

# colour of what moves into an image, as in the ports of AutoAugment that long-tail code uses
FILL = 128
RANDAUGMENT_OPS = 14

Op = Callable[[Tensor, Tensor], Tensor]


def _translate(images: Tensor, level: Tensor, axis: int) -> Tensor:
    moved = level * (150 / 331 * images.shape[3 - axis])
    zero = torch.zeros_like(moved)
    right, down = (moved, zero) if axis == 0 else (zero, moved)
    return image_ops.translate(images, right, down, FILL)


# levels are shares of an operation's range: in [-1, 1] where it has two directions, else in [0, 1]
OPS: dict[str, Op] = {
    "Identity": lambda images, level: images,
    "ShearX": lambda images, level: image_ops.shear(images, 0.3 * level, 0 * level, FILL),
    "ShearY": lambda images, level: image_ops.shear(images, 0 * level, 0.3 * level, FILL),
    "TranslateX": lambda images, level: _translate(images, level, 0),
    "TranslateY": lambda images, level: _translate(images, level, 1),
    "Rotate": lambda images, level: image_ops.rotate(images, 30 * level, FILL),
    "Brightness": lambda images, level: image_ops.brightness(images, 1 + 0.9 * level),
    "Color": lambda images, level: image_ops.saturation(images, 1 + 0.9 * level),
    "Contrast": lambda images, level: image_ops.contrast(images, 1 + 0.9 * level),
    "Sharpness": lambda images, level: image_ops.sharpness(images, 1 + 0.9 * level),
    "Posterize": lambda images, level: image_ops.posterize(images, (8 - 4 * level).round()),
    "Solarize": lambda images, level: image_ops.solarize(images, 255 * (1 - level)),
    "AutoContrast": lambda images, level: image_ops.autocontrast(images),
    "Equalize": lambda images, level: image_ops.equalize(images),
    "Invert": lambda images, level: 255 - images,
}
NAMES = tuple(OPS)
TWO_WAYS = torch.tensor([NAMES.index("ShearX") <= at <= NAMES.index("Sharpness")
                         for at in range(len(NAMES))])  # fmt: skip


@cache
def _table(name: str) -> tuple[Tensor, Tensor, Tensor]:
    """Operation, probability and level of the two operations of each sub-policy, all (25, 2)."""
    from torchvision.transforms import AutoAugment, AutoAugmentPolicy

    rows = AutoAugment(AutoAugmentPolicy(name)).policies
    parts = [part for row in rows for part in row]
    ops = torch.tensor([NAMES.index(op) for op, _, _ in parts])
    chances = torch.tensor([chance for _, chance, _ in parts])
    levels = torch.tensor([(bin_ or 0) / 9 for _, _, bin_ in parts])
    return ops.view(-1, 2), chances.view(-1, 2), levels.view(-1, 2)


def draw_autoaugment(name: str, n: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Two operations for each of ``n`` images, from a sub-policy drawn uniformly.

    Args:
        name: "cifar10" or "imagenet".
        n: how many images.
        rng: source of randomness.

    Returns:
        Indices into ``NAMES``, int64 (n, 2), and levels, float (n, 2). An operation that its
        probability left out is the identity.
    """
    row = _pick(25, (n,), rng)
    ops, chances, levels = (part[row] for part in _table(name))
    kept = torch.rand(n, 2, generator=rng) < chances
    return torch.where(kept, ops, 0), _directed(ops, levels, rng)


def draw_randaugment(
    count: int, level: float, n: int, rng: torch.Generator
) -> tuple[Tensor, Tensor]:
    """``count`` operations for each of ``n`` images, drawn uniformly with replacement.

    Args:
        count: operations an image.
        level: share of the range of every operation, in [0, 1].
        n: how many images.
        rng: source of randomness.

    Returns:
        Indices into ``NAMES``, int64 (n, count), and levels, float (n, count).
    """
    ops = _pick(RANDAUGMENT_OPS, (n, count), rng)
    return ops, _directed(ops, torch.full(ops.shape, float(level)), rng)


def _pick(below: int, shape: tuple[int, ...], rng: torch.Generator) -> Tensor:
    return torch.randint(below, shape, generator=rng)


def _directed(ops: Tensor, levels: Tensor, rng: torch.Generator) -> Tensor:
    """Levels with a sign drawn where the operation has two directions."""
    back = torch.rand(ops.shape, generator=rng) < 0.5
    return torch.where(back & TWO_WAYS[ops], -levels, levels)


def apply(images: Tensor, ops: Tensor, levels: Tensor) -> Tensor:
    """Carry out each image's operations, one after the other.

    Args:
        images: uint8 (n, 3, h, w), changed in place and returned.
        ops: int64 (n, count), on the CPU.
        levels: float (n, count), on the CPU.
    """
    for chosen, level in zip(ops.unbind(1), levels.unbind(1), strict=True):
        for op in chosen.unique().tolist():
            rows = (chosen == op).nonzero()[:, 0]
            image_ops.change(images, rows, OPS[NAMES[op]], level[rows])
    return images
