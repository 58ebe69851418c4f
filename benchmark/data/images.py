"""One way from image bytes or a PIL image to uint8 pixels, shared by real and added images.

Were the two resized or coloured differently, a classifier would learn the difference.
"""

import io
import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from benchmark.data.cards import Colour
from benchmark.errors import BenchError, IntegrityError

FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "GIF", "TIFF", "PPM")
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".gif", ".tif", ".tiff", ".ppm", ".pgm")
MAX_PIXELS = 100_000_000
PROCESSING = "exif upright; alpha over white; 8-bit RGB; bicubic short side, centre crop; v1"

_BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    IndexError,
    TypeError,
    KeyError,
    struct.error,
    zlib.error,
    OverflowError,
    MemoryError,
    Warning,
)


def is_image_name(name: str) -> bool:
    """Whether a file name has a suffix of an image and is not a hidden file."""
    return name.lower().endswith(SUFFIXES) and not name.rpartition("/")[2].startswith(".")


def decode(
    data: bytes, name: str, size: int | None, colour: Colour, *, max_pixels: int = MAX_PIXELS
) -> NDArray[np.uint8]:
    """Pixels of an encoded image, uint8 (size, size, 3), or (h, w, 3) where no size is given.

    Args:
        data: the file's bytes.
        name: named in errors.
        size: height and width of the result; None keeps the whole image at its own.
        colour: "RGB" or "L".
        max_pixels: larger images are refused before their pixels are decoded.

    Raises:
        IntegrityError: not an image, truncated, or a decompression bomb.
    """
    try:
        return _decode(data, name, size, colour, max_pixels)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _bomb(name, "more", max_pixels) from error
    except _BROKEN as error:
        raise IntegrityError(
            f"Expected a complete image, but got {_reason(data, error)}",
            where=name,
            todo="replace or remove this file, then prepare again",
        ) from error


def _decode(
    data: bytes, name: str, size: int | None, colour: Colour, max_pixels: int
) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        pixels = image.width * image.height
        if pixels > max_pixels:
            raise _bomb(name, f"{pixels:,}", max_pixels)
        return harmonise(image, size, colour)


def _bomb(name: str, pixels: str, limit: int) -> BenchError:
    return IntegrityError(
        f"Expected at most {limit:,} pixels, but got {pixels}",
        where=name,
        todo="remove this file or scale it down",
    )


def _reason(data: bytes, error: BaseException) -> str:
    if not data:
        return "an empty file"
    if isinstance(error, UnidentifiedImageError):
        return "bytes that are not an image"
    return " ".join(str(error).split()) or type(error).__name__


def harmonise(image: Image.Image, size: int | None, colour: Colour) -> NDArray[np.uint8]:
    """The pixels of a PIL image in the form in which all images are trained on.

    Upright by its EXIF tag, alpha laid over white, 8 bits, short side scaled to ``size``
    (bicubic, antialiased) and cropped about the centre. An image of exactly ``size`` is not
    resampled.

    Args:
        image: any mode: grey, palette, CMYK, 16-bit, with or without alpha.
        size: height and width of the result, >= 1; None only makes the image upright RGB.
        colour: "L" collapses to grey in three equal channels.

    Returns:
        uint8 (size, size, 3), or (h, w, 3) where no size is given.
    """
    image = to_rgb(ImageOps.exif_transpose(image))
    if colour == "L":
        image = image.convert("L").convert("RGB")
    if size is not None and image.size != (size, size):
        image = _fit(image, size)
    return np.array(image, dtype=np.uint8)


def _fit(image: Image.Image, size: int) -> Image.Image:
    # the same pixels as scaling all and cropping, but a thin strip does not grow huge
    side = min(image.size)
    left, top = (image.width - side) / 2, (image.height - side) / 2
    box = (left, top, left + side, top + side)
    return image.resize((size, size), Image.Resampling.BICUBIC, box=box)


def to_rgb(image: Image.Image) -> Image.Image:
    """An 8-bit RGB image of any mode: alpha laid over white, 16 bits by their high byte."""
    if image.mode.startswith("I") or image.mode == "F":
        image = _eight_bit(image)
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        image = _over_white(image)
    return image if image.mode == "RGB" else image.convert("RGB")


def _over_white(image: Image.Image) -> Image.Image:
    if image.mode in ("La", "RGBa"):
        image = image.convert({"La": "LA", "RGBa": "RGBA"}[image.mode])
    layer = image.convert("RGBA")
    white = Image.new("RGBA", layer.size, "white")
    return Image.alpha_composite(white, layer).convert("RGB")


def _eight_bit(image: Image.Image) -> Image.Image:
    """16-bit integers by their high byte; other wide values are clipped to 0..255."""
    values: NDArray[Any] = np.asarray(image)
    if image.mode.startswith("I;16") or (image.mode == "I" and values.max(initial=0) > 255):
        values = values.astype(np.int64).clip(0, 65535) >> 8
    return Image.fromarray(np.nan_to_num(values).clip(0, 255).astype(np.uint8))
