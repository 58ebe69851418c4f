"""What recipes add to crop and flip, and the strong view: ranges, order, randomness, refusals."""

import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torchvision.transforms import v2

from benchmark.config import AugmentationConfig, parse
from benchmark.data import image_ops, random_changes
from benchmark.data.augmentation import VIEWS, PaddedImages, pad_images, plain, strong, weak
from benchmark.data.random_changes import random_boxes
from benchmark.errors import UsageError
from benchmark.identity import plain as hashed
from tests.unit.test_image_ops import difference, pictures

MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.25, 0.3)
NEUTRAL = AugmentationConfig(pad=0, flip=0.0)
OPTIONS: list[dict[str, Any]] = [
    {"border": "reflect", "pad": 3},
    {"crop": "resized"},
    {"rotate": 15.0},
    {"jitter": (0.4, 0.4, 0.4, 0.1)},
    {"policy": "autoaugment_cifar10"},
    {"policy": "autoaugment_imagenet"},
    {"policy": "randaugment", "policy_magnitude": 9.0},
    {"cutout": 8},
]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def store(n: int = 16, height: int = 16, width: int = 16, **changes: Any) -> PaddedImages:
    images = pictures(n, height, width).permute(0, 2, 3, 1).contiguous()
    settings = replace(NEUTRAL, **changes)
    return pad_images(images, settings.pad, MEAN, STD, settings.border)


def pixels(images: Tensor) -> Tensor:
    """Back from normalised images to uint8."""
    scale = torch.tensor(STD)[:, None, None]
    shift = torch.tensor(MEAN)[:, None, None]
    return ((images * scale + shift) * 255).round().clamp(0, 255).to(torch.uint8)


def augmented(seed: int = 0, n: int = 16, size: int = 16, **changes: Any) -> Tensor:
    settings = replace(NEUTRAL, **changes)
    return weak(store(n, size, size, **changes), torch.arange(n), settings, generator(seed))


def test_neutral_settings_leave_hash_and_image_alone() -> None:
    assert hashed(AugmentationConfig(pad=4, flip=0.5)) == {"pad": 4, "flip": 0.5}
    images, rows = store(), torch.arange(16)
    assert torch.equal(
        weak(images, rows, NEUTRAL, generator()), plain(images, rows, NEUTRAL, generator())
    )


@pytest.mark.parametrize("option", OPTIONS, ids=str)
def test_every_option_acts_and_enters_the_hash(option: dict[str, Any]) -> None:
    base: dict[str, Any] = {"pad": 3} if "pad" in option else {}
    assert not torch.equal(augmented(**option), augmented(**base))
    assert hashed(replace(NEUTRAL, **option)) != hashed(replace(NEUTRAL, **base))


@pytest.mark.parametrize("option", [*OPTIONS, {}], ids=str)
@pytest.mark.parametrize("shape", [(1, 8, 8), (5, 12, 20), (3, 33, 16)], ids=str)
def test_views_keep_shape_layout_and_the_stored_images(
    option: dict[str, Any], shape: tuple[int, int, int]
) -> None:
    n, height, width = shape
    images = store(n, height, width, **option)
    before = images.buffer.clone()
    for view in VIEWS.values():
        got = view(images, torch.arange(n), replace(NEUTRAL, **option), generator())
        assert got.shape == (n, 3, height, width)
        assert got.dtype == torch.float32
        assert got.is_contiguous(memory_format=torch.channels_last)
        assert bool(got.isfinite().all())
    assert torch.equal(images.buffer, before)


@pytest.mark.parametrize("view", [weak, strong])
def test_randomness_comes_from_the_generator_alone(view: Any) -> None:
    everything = {key: value for option in OPTIONS for key, value in option.items()}
    everything |= {"flip": 0.5, "crop": "pad"}
    images, settings = store(**everything), replace(NEUTRAL, **everything)
    states = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()  # type: ignore[index]
    one, two, other = (view(images, torch.arange(16), settings, generator(k)) for k in (5, 5, 6))
    assert torch.equal(one, two)
    assert not torch.equal(one, other)
    assert random.getstate() == states[0]
    assert np.random.get_state()[1].tolist() == states[1]  # type: ignore[index]
    assert torch.equal(torch.get_rng_state(), states[2])


@pytest.mark.parametrize("option", OPTIONS, ids=str)
def test_what_was_drawn_does_not_move_the_stream(option: dict[str, Any]) -> None:
    """After a batch the generator stands where it stands after any other images."""
    settings, left = replace(NEUTRAL, **option), []
    for seed in (0, 1):
        rng, rows = generator(7), torch.arange(16).roll(seed)
        weak(store(**option), rows, settings, rng)
        left.append(rng.get_state())
    assert torch.equal(left[0], left[1])


def test_crop_and_flip_draw_first_so_options_do_not_change_them() -> None:
    more = augmented(3, pad=2, flip=0.5, cutout=4)
    base = augmented(3, pad=2, flip=0.5)
    kept = more != 0
    assert torch.equal(more[kept], base[kept])
    assert 0.8 < float(kept.float().mean()) < 1


def test_a_reflected_border_is_numpys() -> None:
    images = store(pad=5, border="reflect")
    inner = images.buffer[:, 5:-5, 5:-5]
    expected = np.pad(inner.numpy(), ((0, 0), (5, 5), (5, 5), (0, 0)), mode="reflect")
    assert np.array_equal(images.buffer.numpy(), expected)


def test_a_rotation_stays_in_its_range_and_fills_black() -> None:
    size, n = 33, 64
    white = torch.full((n, 3, size, size), 255, dtype=torch.uint8)
    white[:, :, :, size // 2] = 0
    turned = random_changes.random_rotation(white, 15.0, generator())
    # the dark column, 14 pixels above the centre, moves sideways by sin(angle) x 14 pixels
    top = turned[:, 0, 2, 10:-10].float().argmin(1) + 10 - size // 2
    assert 3 <= int(top.abs().max()) <= 4
    assert set(top.sign().tolist()) == {-1, 0, 1}
    assert bool((turned[:, :, 0, 0] == 0).any())


def test_cutout_zeroes_one_hole_of_the_normalised_image() -> None:
    n, size, side = 400, 16, 6
    holes = (augmented(n=n, size=size, cutout=side) == 0).all(1)
    rows, columns = holes.any(2).sum(1), holes.any(1).sum(1)
    assert torch.equal(holes.sum((1, 2)), rows * columns)
    assert int(rows.max()) == int(columns.max()) == side
    assert int(rows.min()) == int(columns.min()) == side // 2
    # every pixel may be the centre: the mean covered side is exact
    expected = sum(min(c + 3, size) - max(c - 3, 0) for c in range(size)) / size
    assert abs(float(rows.float().mean()) - expected) < 0.2


def test_jitter_draws_factors_in_the_range_and_changes_all_images() -> None:
    flat = torch.full((2000, 3, 1, 1), 100, dtype=torch.uint8)
    got = random_changes.color_jitter(flat.clone(), (0.4, 0, 0, 0), 1.0, generator()).float()
    assert 60 <= float(got.min()) < 61
    assert 138 < float(got.max()) <= 140
    assert abs(float(got.mean()) - 99.5) < 5 * 80 / 12**0.5 / 2000**0.5
    some = random_changes.color_jitter(flat.clone(), (0.4, 0, 0, 0), 0.25, generator())
    assert abs(float((some[:, 0, 0, 0] != 100).float().mean()) - 0.25) < 0.06


def test_jitter_orders_its_operations_anew_for_each_image() -> None:
    """Cut off at white before or after it is darkened, a grey pixel gives different results."""
    bright = torch.full((300, 3, 2, 2), 250, dtype=torch.uint8)
    bright[:, :, 0] = 0
    rng = generator(2)
    got = random_changes.color_jitter(bright.clone(), (0.4, 0.9, 0, 0), 1.0, rng)
    rng = generator(2)
    torch.rand(300, 1, generator=rng)
    order = torch.rand(300, 4, generator=rng).argsort(1)
    light = random_changes.uniform(300, 0.6, 1.4, rng)
    contrast = random_changes.uniform(300, 0.1, 1.9, rng)
    light_first = (order == 0).long().argmax(1) < (order == 1).long().argmax(1)
    one = image_ops.contrast(image_ops.brightness(bright, light), contrast)
    two = image_ops.brightness(image_ops.contrast(bright, contrast), light)
    assert torch.equal(got, torch.where(light_first[:, None, None, None], one, two))
    assert 100 < int(light_first.sum()) < 200
    assert not torch.equal(one, two)


def test_boxes_follow_the_distribution_of_torchvisions_crops() -> None:
    n, height, width = 3000, 60, 80
    boxes = random_boxes(n, height, width, 0.08, generator()).double()
    crop, picture = v2.RandomResizedCrop((height, width)), torch.zeros(3, height, width)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        theirs = torch.tensor(
            [[crop.make_params([picture])[key] for key in ("top", "left", "height", "width")]
             for _ in range(n)]
        ).double()  # fmt: skip
    for column in range(4):
        a, b = boxes[:, column], theirs[:, column]
        error = ((a.var() + b.var()) / n) ** 0.5
        assert abs(float(a.mean() - b.mean())) < 4 * float(error)
        assert abs(float(a.std() / b.std()) - 1) < 0.08


def test_boxes_lie_inside_the_image_and_have_the_asked_size() -> None:
    top, left, tall, wide = random_boxes(5000, 32, 24, 0.2, generator()).unbind(1)
    assert int(top.min()) == int(left.min()) == 0
    assert int((top + tall).max()) == 32
    assert int((left + wide).max()) == 24
    # sides are rounded to whole pixels
    assert float((tall * wide).min()) > 0.9 * 0.2 * 32 * 24
    ratio = wide / tall
    assert float(ratio.min()) > 0.75 * 0.85
    assert float(ratio.max()) < 4 / 3 * 1.15


@pytest.mark.parametrize(("height", "width"), [(4, 100), (100, 4), (9, 9)])
def test_where_no_try_fits_the_box_is_torchvisions_central_one(height: int, width: int) -> None:
    """A crop of the whole area fits a long image under no allowed ratio."""
    crop, picture = v2.RandomResizedCrop((8, 8), scale=(1, 1)), torch.zeros(3, height, width)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        found = crop.make_params([picture])
    expected = [found[key] for key in ("top", "left", "height", "width")]
    if height != width:
        assert random_boxes(3, height, width, 1.0, generator()).tolist() == [expected] * 3
    assert list(random_changes._central_box(height, width)) == expected or height == width


def test_the_strong_view_follows_its_recipe_step_by_step() -> None:
    """The same draws, carried out by torchvision image by image."""
    n, settings = 24, replace(NEUTRAL, flip=0.5)
    images, rng = store(n, 32, 32), generator(11)
    shown = images.buffer.permute(0, 3, 1, 2)
    boxes = random_boxes(n, 32, 32, 0.2, rng)
    parts = image_ops.crop_resized(shown, boxes)
    parts = random_changes.random_flip(parts, 0.5, rng)
    parts = random_changes.color_jitter(parts, (0.4, 0.4, 0.4, 0.1), 0.8, rng)
    colourless, sigma, blurred = (torch.rand(n, generator=rng) for _ in range(3))
    made = []
    for row, part in enumerate(parts):
        part = v2.functional.rgb_to_grayscale(part, 3) if colourless[row] < 0.2 else part
        if blurred[row] < 0.5:
            part = v2.functional.gaussian_blur(part, [17, 17], float(0.1 + 1.9 * sigma[row]))
        made.append(part[:, 8:-8, 8:-8])
    got = pixels(strong(images, torch.arange(n), settings, generator(11)))
    assert difference(got[:, :, 8:-8, 8:-8], torch.stack(made)) <= 1


def test_the_strong_view_changes_images_as_often_as_published() -> None:
    n = 3000
    images = store(n, 8, 8)
    got = pixels(strong(images, torch.arange(n), NEUTRAL, generator()))
    no_colour = (got.amax(1) == got.amin(1)).flatten(1).all(1)
    assert abs(float(no_colour.float().mean()) - 0.2) < 5 * (0.16 / n) ** 0.5
    still = pixels(plain(images, torch.arange(n), NEUTRAL, generator()))
    assert float((got != still).flatten(1).any(1).float().mean()) > 0.95


def test_the_strong_view_flips_with_the_recipes_probability() -> None:
    """Images that are not the same in a mirror, such as digits, are not flipped."""
    ramp = torch.arange(16, dtype=torch.uint8).mul(16).view(1, 1, 16, 1).expand(200, 16, 16, 3)
    images = pad_images(ramp.contiguous(), 0, MEAN, STD)
    for flip, falling in ((0.0, 0), (1.0, 200), (0.5, None)):
        got = strong(images, torch.arange(200), replace(NEUTRAL, flip=flip), generator())
        count = int((got[:, 0, :, 0].mean(1) > got[:, 0, :, -1].mean(1)).sum())
        assert count == falling if falling is not None else 60 < count < 140


def test_a_border_that_nothing_sees_is_refused() -> None:
    with pytest.raises(UsageError, match="no border where crops are resized, but got pad=4"):
        AugmentationConfig(pad=4, flip=0.5, crop="resized")


def test_a_border_that_mirrors_too_much_is_refused() -> None:
    with pytest.raises(UsageError, match="narrower than the image, but got 8 of 8 pixels"):
        store(1, 8, 8, pad=8, border="reflect")


@pytest.mark.parametrize(
    ("key", "value"),
    [("policy", "autoaugment"), ("border", "black"), ("rotate", 181), ("cutout", -1),
     ("jitter", [0.4, 0.4, 0.4]), ("jitter", [0, 0, 0, 0.6]), ("scale_min", 0)],
)  # fmt: skip
def test_impossible_settings_are_refused_by_name(key: str, value: Any) -> None:
    with pytest.raises(UsageError) as error:
        parse(AugmentationConfig, {"pad": 0, "flip": 0.5, key: value}, "recipe.augmentation")
    assert str(error.value.where).startswith(f"recipe.augmentation.{key}")
