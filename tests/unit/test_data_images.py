"""Decoding and the one resize and colour path."""

import io

import numpy as np
import pytest
from PIL import Image

from benchmark.data.images import decode, harmonise, is_image_name

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (20, 30, 3), dtype=np.uint8)


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def test_exact_size_is_untouched() -> None:
    square = PIXELS[:, :20]
    got = decode(encoded(Image.fromarray(square)), "a.png", 20, "RGB")
    assert got.dtype == np.uint8
    assert got.flags.writeable
    np.testing.assert_array_equal(got, square)


def test_short_side_then_centre_crop() -> None:
    wide = Image.fromarray(RNG.integers(0, 256, (20, 60, 3), dtype=np.uint8))
    whole = wide.resize((30, 10), Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(
        harmonise(wide, 10, "RGB"), np.asarray(whole.crop((10, 0, 20, 10)))
    )


def test_downscaling_is_antialiased() -> None:
    board = np.indices((64, 64)).sum(0) % 2 * np.uint8(255)
    got = harmonise(Image.fromarray(board.astype(np.uint8)), 8, "RGB")
    assert abs(got.astype(int) - 127).max() <= 12


def test_thin_strips_stay_small() -> None:
    assert harmonise(Image.new("RGB", (1, 50_000), "red"), 32, "RGB").shape == (32, 32, 3)


def test_grey_data_sets_get_three_equal_channels() -> None:
    got = harmonise(Image.fromarray(PIXELS), 12, "L")
    assert (got[..., 0] == got[..., 1]).all()
    assert (got[..., 1] == got[..., 2]).all()
    np.testing.assert_array_equal(
        harmonise(Image.fromarray(PIXELS[:, :20]), 20, "L")[..., 0],
        np.asarray(Image.fromarray(PIXELS[:, :20]).convert("L")),
    )


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGBA", "CMYK", "YCbCr", "I;16", "I", "F"])
def test_every_mode_becomes_rgb(mode: str) -> None:
    image = Image.new("L", (8, 8), 255).convert("I" if mode == "I;16" else mode)
    if mode == "I;16":
        image = Image.fromarray(np.full((8, 8), 65535, np.uint16))
    got = harmonise(image, 8, "RGB")
    assert got.shape == (8, 8, 3)
    assert got.dtype == np.uint8
    assert (got == 255).all()


def test_sixteen_bit_png_keeps_its_high_byte() -> None:
    image = Image.fromarray(np.full((4, 4), 0x8040, np.uint16))
    assert (decode(encoded(image), "deep.png", 4, "RGB") == 0x80).all()


def test_cmyk_jpeg_decodes() -> None:
    data = encoded(Image.new("RGB", (16, 16), (250, 10, 10)).convert("CMYK"), "JPEG")
    got = decode(data, "ink.jpg", 16, "RGB")
    assert got[8, 8, 0] > 200
    assert got[8, 8, 1] < 60


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_lies_over_white(mode: str) -> None:
    if mode == "P":
        data = encoded(Image.new("P", (4, 4), 0), transparency=0)
    else:
        data = encoded(Image.new(mode, (4, 4), 0))
    assert (decode(data, "clear.png", 4, "RGB") == 255).all()


def test_exif_rotation_is_applied() -> None:
    image = Image.fromarray(np.vstack([np.zeros((8, 8), np.uint8), np.full((8, 8), 255, np.uint8)]))
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = decode(encoded(image, "JPEG", exif=exif, quality=95), "phone.jpg", 8, "RGB")
    assert turned[:, 0].mean() > 200
    assert turned[:, -1].mean() < 60


def test_image_names() -> None:
    assert is_image_name("a/b.JPEG")
    assert is_image_name("x.png")
    assert not is_image_name("a/._b.png")
    assert not is_image_name("classes.tsv")
