"""Augmentation against torchvision's and PIL's crop, flip and normalisation."""

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from torch import Tensor
from torchvision.transforms import v2

from benchmark.config import AugmentationConfig
from benchmark.data.augmentation import PaddedImages, pad_images, plain, weak
from benchmark.training import evaluate

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)
N, SIZE, PAD = 40, 32, 4


def pixels(n: int = N, height: int = SIZE, width: int = SIZE) -> Tensor:
    rng = np.random.default_rng(0)
    return torch.from_numpy(rng.integers(0, 256, (n, height, width, 3), dtype=np.uint8))


def padded(images: Tensor, pad: int = PAD) -> PaddedImages:
    return pad_images(images, pad, MEAN, STD)


def draws(n: int, seed: int) -> tuple[Tensor, Tensor]:
    """The offsets and flips that ``weak`` draws from a generator with this seed."""
    rng = torch.Generator().manual_seed(seed)
    return torch.randint(0, 2 * PAD + 1, (2, n), generator=rng), torch.rand(n, generator=rng) < 0.5


def with_pil(image: Tensor, top: int, left: int, flip: bool) -> Tensor:
    """Pad, crop and flip by PIL, scale and normalise by torchvision."""
    picture = ImageOps.expand(Image.fromarray(image.numpy()), PAD, 0)
    picture = picture.crop((left, top, left + SIZE, top + SIZE))
    picture = ImageOps.mirror(picture) if flip else picture
    scaled = v2.functional.to_dtype(v2.functional.to_image(picture), torch.float32, scale=True)
    return v2.functional.normalize(scaled, list(MEAN), list(STD))


def test_weak_equals_pad_crop_flip_normalise_of_pil() -> None:
    images, index = pixels(), torch.arange(N).flip(0)
    got = weak(
        padded(images),
        index,
        AugmentationConfig(pad=PAD, flip=0.5),
        torch.Generator().manual_seed(3),
    )
    offsets, flips = draws(N, 3)
    expected = torch.stack([
        with_pil(images[row], int(offsets[0, k]), int(offsets[1, k]), bool(flips[k]))
        for k, row in enumerate(index.tolist())
    ])  # fmt: skip
    assert flips.any()
    assert not flips.all()
    assert float((got - expected).abs().max()) < 1e-5


def test_plain_equals_torchvision_normalisation() -> None:
    images = pixels()
    got = plain(padded(images), torch.arange(N), AugmentationConfig(pad=PAD, flip=1),
                torch.Generator())  # fmt: skip
    scaled = images.permute(0, 3, 1, 2).float() / 255
    expected = v2.functional.normalize(scaled, list(MEAN), list(STD))
    assert float((got - expected).abs().max()) < 1e-5


def test_the_plain_view_is_what_evaluation_sees() -> None:
    images = pixels(7)
    shown = plain(padded(images), torch.arange(7), AugmentationConfig(pad=PAD, flip=1),
                  torch.Generator())  # fmt: skip
    seen = evaluate.logits(
        torch.nn.Flatten(), images.numpy(), MEAN, STD, torch.device("cpu")
    ).reshape(7, 3, SIZE, SIZE)
    assert np.array_equal(seen, shown.numpy())


@pytest.mark.parametrize("view", [weak, plain])
def test_views_are_channels_last_floats(view: object) -> None:
    got = view(padded(pixels()), torch.arange(8), AugmentationConfig(pad=PAD, flip=0.5),  # type: ignore[operator]
               torch.Generator())  # fmt: skip
    assert got.shape == (8, 3, SIZE, SIZE)
    assert got.dtype == torch.float32
    assert got.is_contiguous(memory_format=torch.channels_last)


def test_images_need_not_be_square() -> None:
    images = pixels(3, 10, 6)
    crops = padded(images, 2).crop(torch.tensor([1]), torch.tensor([0]), torch.tensor([4]))
    assert crops.shape == (1, 10, 6, 3)
    assert torch.equal(crops[0, 2:, :4], images[1, :8, 2:])
    assert not crops[0, :2].any()
    assert not crops[0, :, 4:].any()


@pytest.mark.parametrize(("flip", "mirrored"), [(0.0, False), (1.0, True)])
def test_flip_probability_at_its_ends(flip: float, mirrored: bool) -> None:
    images, settings = padded(pixels(), 0), AugmentationConfig(pad=0, flip=flip)
    got = weak(images, torch.arange(N), settings, torch.Generator())
    still = plain(images, torch.arange(N), settings, torch.Generator())
    assert torch.equal(got, still.flip(3) if mirrored else still)


def test_every_offset_is_drawn() -> None:
    marked = torch.zeros(1, 1, 1, 3, dtype=torch.uint8) + 255
    images = pad_images(marked, 1, (0.0,) * 3, (1.0,) * 3)
    got = weak(images, torch.zeros(900, dtype=torch.long), AugmentationConfig(pad=1, flip=0),
               torch.Generator().manual_seed(0))  # fmt: skip
    # the one bright pixel is hit by one crop in nine
    assert abs(float(got.mean()) - 1 / 9) < 4 * (8 / 81 / 900) ** 0.5


def test_one_generator_state_gives_one_batch() -> None:
    images, settings = padded(pixels()), AugmentationConfig(pad=PAD, flip=0.5)
    one, two = (
        weak(images, torch.arange(N), settings, torch.Generator().manual_seed(5)) for _ in range(2)
    )
    other = weak(images, torch.arange(N), settings, torch.Generator().manual_seed(6))
    assert torch.equal(one, two)
    assert not torch.equal(one, other)
