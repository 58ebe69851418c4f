"""From files to pictures and crops: compared with PIL, with a packed store and with torchvision."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.io import decode_jpeg
from torchvision.transforms import v2

from benchmark.data.images import decode, harmonise
from benchmark.data.streaming.decoding import (
    cropped,
    decoded,
    fitted,
    scaled_down,
    scaled_size,
    seen,
)
from benchmark.errors import IntegrityError
from tests.fixtures.pictures import encoded, odd_files, photograph, turned

FILES = odd_files()


@pytest.mark.parametrize("name", FILES)
def test_a_decoded_file_is_the_picture_that_pil_gives(name: str) -> None:
    got = decoded(FILES[name], name, "RGB")
    with Image.open(io.BytesIO(FILES[name])) as image:
        expected = harmonise(image, None, "RGB")
    assert got.dtype == np.uint8
    assert got.shape == expected.shape
    assert int(np.abs(got.astype(int) - expected).max()) <= 1


@pytest.mark.parametrize("name", FILES)
def test_a_fitted_picture_has_the_pixels_of_a_packed_store(name: str) -> None:
    got = fitted(decoded(FILES[name], name, "RGB"), 32)
    expected = decode(FILES[name], name, 32, "RGB")
    assert int(np.abs(got.astype(int) - expected).max()) <= 1


def test_orientation_is_applied_before_anything_else() -> None:
    upright = photograph(3, 40, 70)
    got = decoded(turned(upright, 6), "x", "RGB")
    assert got.shape == (70, 40, 3)
    # a quarter turn clockwise, up to what the codec loses
    expected = np.rot90(decoded(encoded(upright), "x", "RGB"), -1)
    np.testing.assert_array_equal(got, expected)


def test_grey_data_sets_get_three_equal_channels() -> None:
    got = decoded(FILES["plain.jpg"], "x", "L")
    assert (got == got[..., :1]).all()
    np.testing.assert_array_equal(fitted(got, 16), decode(FILES["plain.jpg"], "x", 16, "L"))


@pytest.mark.parametrize("size", [24, 224])
def test_a_crop_is_torchvisions_to_the_pixel(size: int) -> None:
    data = encoded(photograph(5, 200, 260))
    whole = decode_jpeg(torch.frombuffer(bytearray(data), dtype=torch.uint8))
    rng = np.random.default_rng(0)
    for _ in range(10):
        tall, wide = rng.integers(20, 200), rng.integers(20, 260)
        box = (int(rng.integers(0, 201 - tall)), int(rng.integers(0, 261 - wide)),
               int(tall), int(wide))  # fmt: skip
        expected = v2.functional.resized_crop(whole, *box, [size, size], antialias=True)
        got = cropped(decoded(data, "x", "RGB"), box, size)
        assert int(np.abs(got.astype(int) - expected.permute(1, 2, 0).numpy()).max()) <= 1


def test_crops_of_memory_that_cannot_be_written_are_the_same() -> None:
    picture = np.asarray(photograph(6, 90, 120)).copy()
    expected = cropped(picture, (10, 20, 50, 60), 32)
    picture.flags.writeable = False
    np.testing.assert_array_equal(cropped(picture, (10, 20, 50, 60), 32), expected)


@pytest.mark.parametrize(("height", "width", "expected"), [
    (512, 512, (256, 256)), (375, 500, (256, 341)), (1000, 300, (853, 256)),
    (256, 900, (256, 900)), (64, 64, (64, 64)), (257, 257, (256, 256)),
])  # fmt: skip
def test_short_sides_are_scaled_down_and_never_up(
    height: int, width: int, expected: tuple[int, int]
) -> None:
    assert scaled_size(height, width) == expected
    picture = np.zeros((height, width, 3), np.uint8)
    assert scaled_down(picture).shape[:2] == expected


def test_what_prepare_notes_of_a_file() -> None:
    data = FILES["large.jpg"]
    listed = seen(data, "large.jpg", 32, "RGB", "files")
    stored = seen(data, "large.jpg", 32, "RGB", "store256")
    assert (listed.height, listed.width, listed.picture) == (330, 420, None)
    assert (stored.height, stored.width) == (256, 326)
    assert stored.picture is not None
    assert stored.picture.shape == (256, 326, 3)
    # a row is known by the same pixels in every mode
    np.testing.assert_array_equal(listed.pixels, decode(data, "x", 32, "RGB"))
    np.testing.assert_array_equal(stored.pixels, listed.pixels)


@pytest.mark.parametrize("name", ["large.jpg", "lossless.png", "cmyk.jpg"])
def test_half_a_file_is_refused_by_its_name(name: str) -> None:
    data = FILES[name]
    with pytest.raises(IntegrityError, match=f"Expected a complete image.*{name}"):
        decoded(data[: len(data) // 2], name, "RGB")
