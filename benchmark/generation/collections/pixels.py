"""Whether bytes are a sound image, and what its pixels hash to."""

import hashlib
import io
from dataclasses import dataclass

from PIL import Image, ImageOps, UnidentifiedImageError

from benchmark.data import images
from benchmark.errors import BenchError, IntegrityError

MAX_BYTES = 64 << 20
MAX_PIXELS = 50_000_000
_SUFFIXES = {"PNG": ".png", "BMP": ".bmp", "WEBP": ".webp", "GIF": ".gif", "TIFF": ".tif",
             "PPM": ".ppm"}  # fmt: skip


@dataclass(frozen=True)
class Sound:
    """An image that decodes to the end.

    Attributes:
        sha256: of the bytes.
        pixel_sha256: of width, height and the upright 8-bit RGB pixels.
        suffix: of a file of this format, whatever the file was called.
    """

    sha256: str
    pixel_sha256: str
    suffix: str


def examine(
    data: bytes, name: str, *, max_bytes: int = MAX_BYTES, max_pixels: int = MAX_PIXELS
) -> Sound:
    """Decode an image completely.

    Args:
        data: the file's bytes.
        name: named in errors.
        max_bytes: longer files are refused.
        max_pixels: larger images are refused before their pixels are decoded.

    Raises:
        IntegrityError: too large, not an image, truncated, or a decompression bomb.
    """
    if len(data) > max_bytes:
        raise _refused(f"Expected at most {max_bytes:,} bytes, but got {len(data):,}", name)
    try:
        return _examine(data, name, max_pixels)
    except BenchError:
        raise
    except Exception as error:  # decoders raise whatever comes to them on hostile bytes
        raise _refused(f"Expected a complete image, but got {_reason(data, error)}", name) from None


def _examine(data: bytes, name: str, max_pixels: int) -> Sound:
    with Image.open(io.BytesIO(data), formats=images.FORMATS) as image:
        if image.width * image.height > max_pixels:
            size = f"{image.width} x {image.height}"
            raise _refused(f"Expected at most {max_pixels:,} pixels, but got {size}", name)
        rgb = images.to_rgb(ImageOps.exif_transpose(image))
        digest = hashlib.sha256(f"{rgb.width}x{rgb.height}:".encode() + rgb.tobytes())
        suffix = _SUFFIXES.get(image.format or "", ".jpg")
    return Sound(hashlib.sha256(data).hexdigest(), digest.hexdigest(), suffix)


def _refused(problem: str, name: str) -> IntegrityError:
    return IntegrityError(problem, where=name, todo="replace or remove this file")


def _reason(data: bytes, error: Exception) -> str:
    if not data:
        return "an empty file"
    if isinstance(error, UnidentifiedImageError):
        return "bytes that are not an image"
    return " ".join(str(error).split()) or type(error).__name__
