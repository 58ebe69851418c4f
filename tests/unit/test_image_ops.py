"""Batched image operations against torchvision's, one image at a time."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as tv

from benchmark.data import image_ops
from benchmark.data.random_changes import random_boxes

N, HEIGHT, WIDTH = 12, 20, 28
FACTORS = torch.linspace(0.1, 1.9, N)

Batched = Callable[[Tensor, Tensor], Tensor]
Single = Callable[[Tensor, float], Tensor]


def pictures(n: int = N, height: int = HEIGHT, width: int = WIDTH) -> Tensor:
    """Smooth random images with some noise, channels_last: neither flat nor pure noise."""
    rng = torch.Generator().manual_seed(0)
    coarse = torch.rand(n, 3, 4, 4, generator=rng)
    smooth = torch.nn.functional.interpolate(coarse, (height, width), mode="bilinear")
    noise = 0.1 * torch.rand(n, 3, height, width, generator=rng)
    images = (smooth * 0.9 + noise).mul(255).to(torch.uint8)
    return images.contiguous(memory_format=torch.channels_last)


def difference(one: Tensor, other: Tensor) -> int:
    """The largest difference of two uint8 images, in grey levels."""
    return int((one.int() - other.int()).abs().max())


@pytest.mark.parametrize(
    ("ours", "theirs", "parameters"),
    [
        (image_ops.brightness, tv.adjust_brightness, FACTORS),
        (image_ops.contrast, tv.adjust_contrast, FACTORS),
        (image_ops.saturation, tv.adjust_saturation, FACTORS),
        (image_ops.sharpness, tv.adjust_sharpness, FACTORS),
        (image_ops.hue, tv.adjust_hue, torch.linspace(-0.5, 0.5, N)),
        (image_ops.solarize, tv.solarize, torch.linspace(0.3, 254.3, N)),
    ],
    ids=lambda part: getattr(part, "__name__", ""),
)
def test_an_operation_equals_torchvisions(
    ours: Batched, theirs: Single, parameters: Tensor
) -> None:
    images = pictures()
    got = ours(images, parameters)
    expected = torch.stack(
        [theirs(image, float(value)) for image, value in zip(images, parameters, strict=True)]
    )
    assert got.dtype == torch.uint8
    # a value that falls on a whole number up to rounding may be cut off below it
    assert difference(got, expected) <= 1
    assert float((got != expected).float().mean()) < 0.01
    assert not torch.equal(got, images)


def test_posterize_keeps_the_highest_bits() -> None:
    images, bits = pictures(9), torch.arange(9.0)
    got = image_ops.posterize(images, bits)
    for image, kept, each in zip(images, got, range(9), strict=True):
        assert torch.equal(kept, tv.posterize(image, each))


@pytest.mark.parametrize("name", ["autocontrast", "equalize"])
def test_statistics_are_those_of_each_image_alone(name: str) -> None:
    images = pictures()
    got = getattr(image_ops, name)(images)
    assert torch.equal(got, torch.stack([getattr(tv, name)(image) for image in images]))


def test_grey_equals_torchvisions_three_channels() -> None:
    images = pictures()
    expected = torch.stack([tv.rgb_to_grayscale(image, 3) for image in images])
    assert difference(image_ops.grey(images), expected) == 0


def test_a_rotation_equals_torchvisions() -> None:
    images, degrees = pictures(), torch.linspace(-31.3, 33.7, N)
    got = image_ops.rotate(images, degrees, 128)
    expected = torch.stack(
        [tv.rotate(image, float(a), fill=128) for image, a in zip(images, degrees, strict=True)]
    )
    # a place half-way between two pixels may go to either
    assert float((got != expected).float().mean()) < 0.005


def test_a_quarter_turn_is_exact() -> None:
    images = pictures(2, 16, 16)
    turned = image_ops.rotate(images, torch.tensor([90.0, 180.0]), 0)
    assert torch.equal(turned[0], images[0].rot90(1, (1, 2)))
    assert torch.equal(turned[1], images[1].rot90(2, (1, 2)))


@pytest.mark.parametrize("axis", [0, 1])
def test_a_shear_equals_torchvisions_about_the_corner(axis: int) -> None:
    images, amounts = pictures(), torch.linspace(-0.3, 0.3, N)
    zero = torch.zeros(N)
    got = image_ops.shear(images, *((amounts, zero) if axis == 0 else (zero, amounts)), 128)
    expected = []
    for image, amount in zip(images, amounts, strict=True):
        angles = [0.0, 0.0]
        angles[axis] = float(torch.rad2deg(torch.atan(amount)))
        expected.append(
            tv.affine(image, 0.0, [0, 0], 1.0, angles, fill=[128.0] * 3, center=[0.0, 0.0])
        )
    assert float((got != torch.stack(expected)).float().mean()) < 0.005


def test_a_translation_moves_whole_pixels_and_fills() -> None:
    images = pictures(2)
    got = image_ops.translate(images, torch.tensor([3.9, -2.0]), torch.tensor([0.0, 1.2]), 7)
    assert torch.equal(got[0, :, :, 3:], images[0, :, :, :-3])
    assert bool((got[0, :, :, :3] == 7).all())
    assert torch.equal(got[1, :, 1:, :-2], images[1, :, :-1, 2:])
    assert bool((got[1, :, :1] == 7).all())


def test_a_blur_equals_torchvisions_away_from_the_border() -> None:
    images, sigmas = pictures(), torch.linspace(0.1, 2.0, N)
    got = image_ops.blur(images, sigmas)
    expected = torch.stack(
        [
            tv.gaussian_blur(image, [17, 17], float(s))
            for image, s in zip(images, sigmas, strict=True)
        ]
    )
    assert difference(got[:, :, 8:-8, 8:-8], expected[:, :, 8:-8, 8:-8]) <= 1


def test_a_blur_keeps_a_flat_image_and_repeats_the_border() -> None:
    flat = torch.full((1, 3, 8, 8), 200, dtype=torch.uint8)
    assert torch.equal(image_ops.blur(flat, torch.tensor([2.0])), flat)
    row = pictures(1, 1, 9)
    wide = torch.nn.functional.pad(row.float(), (8, 8, 0, 0), mode="replicate").to(torch.uint8)
    inner = image_ops.blur(wide, torch.tensor([1.5]))[..., 8:-8]
    assert difference(image_ops.blur(row, torch.tensor([1.5])), inner) == 0


def test_a_resized_crop_equals_torchvisions() -> None:
    images = pictures()
    boxes = random_boxes(N, HEIGHT, WIDTH, 0.08, torch.Generator().manual_seed(1))
    got = image_ops.crop_resized(images, boxes)
    expected = torch.stack(
        [
            # torchvision rounds uint8 images twice, once an axis
            tv.resized_crop(image.float(), *box.tolist(), [HEIGHT, WIDTH], antialias=True)
            for image, box in zip(images, boxes, strict=True)
        ]
    )
    assert got.is_contiguous(memory_format=torch.channels_last)
    expected = expected.round().to(torch.uint8)
    assert difference(got, expected) <= 1
    assert float((got != expected).float().mean()) < 0.01


def test_the_whole_image_as_a_box_is_the_image() -> None:
    images = pictures(2)
    boxes = torch.tensor([[0, 0, HEIGHT, WIDTH]] * 2)
    assert torch.equal(image_ops.crop_resized(images, boxes), images)


def test_a_hole_is_a_square_of_zeros_cut_off_at_the_border() -> None:
    images = torch.ones(2, 3, 10, 12)
    got = image_ops.cut_out(images, torch.tensor([5, 0]), torch.tensor([6, 11]), 4)
    assert got is images
    expected = torch.ones(2, 3, 10, 12)
    expected[0, :, 3:7, 4:8] = 0
    expected[1, :, :2, 9:] = 0
    assert torch.equal(got, expected)


def test_an_image_comes_out_the_same_whatever_stands_beside_it() -> None:
    images, factor = pictures(), FACTORS
    for op in (image_ops.contrast, image_ops.saturation, image_ops.sharpness, image_ops.blur):
        alone = op(images[3:4], factor[3:4])
        assert torch.equal(op(images, factor)[3:4], alone)


def test_only_the_given_rows_change() -> None:
    images, before = pictures(), pictures()
    image_ops.change(images, torch.tensor([1, 4]), image_ops.brightness, torch.tensor([0.0, 1.0]))
    assert not images[1].any()
    assert torch.equal(images[torch.arange(N) != 1], before[torch.arange(N) != 1])


def test_tiny_images_are_not_sharpened() -> None:
    images = pictures(2, 2, 2)
    assert torch.equal(image_ops.sharpness(images, torch.tensor([0.0, 1.9])), images)
