"""From the bytes of a file to a picture, and from a picture to what a network is shown.

JPEG goes through torchvision's decoder, which gives the pixels that PIL gives, in less time and
without holding the interpreter's lock. Everything else, CMYK JPEG among it, goes through PIL as
in a packed store. The whole picture is decoded: a decoder that scales while it decodes gives other
pixels.
"""

import hashlib
import struct

import numpy as np
import torch
from PIL import Image
from torch.nn.functional import interpolate
from torchvision.io import ImageReadMode, decode_jpeg

from benchmark.data.cards import Colour
from benchmark.data.images import MAX_PIXELS, decode, harmonise
from benchmark.data.keeping import SHORT_SIDE, PixelMode, Pixels, Seen

_JPEG, _END = b"\xff\xd8\xff", b"\xff\xd9"
# markers of frame headers; those left out define tables
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}


def decoded(data: bytes, name: str, colour: Colour) -> Pixels:
    """The whole picture of an encoded image, upright, uint8 (height, width, 3).

    Args:
        data: the file's bytes.
        name: named in errors.
        colour: "RGB", or "L" for grey in three equal channels.

    Raises:
        IntegrityError: not an image, truncated, or a decompression bomb.
    """
    found = _jpeg(data) if colour == "RGB" and data.startswith(_JPEG) else None
    return decode(data, name, None, colour) if found is None else found


def _jpeg(data: bytes) -> Pixels | None:
    """The picture of a JPEG in grey or RGB; None for others and for damaged or huge ones."""
    # torchvision fills up what is cut off, and takes the memory that a header of 600 bytes asks for
    if not data.rstrip(b"\x00").endswith(_END) or _pixels(data) > MAX_PIXELS:
        return None
    raw = torch.frombuffer(bytearray(data), dtype=torch.uint8)
    try:
        made = decode_jpeg(raw, mode=ImageReadMode.UNCHANGED, apply_exif_orientation=True)
    except RuntimeError:
        return None
    if len(made) not in (1, 3):
        return None
    picture: Pixels = made.expand(3, -1, -1).permute(1, 2, 0).contiguous().numpy()
    return picture


def _pixels(data: bytes) -> int:
    """Height times width in a JPEG's frame header; more than may be where there is none."""
    at = len(_JPEG) - 1
    while data[at : at + 1] == b"\xff" and at + 9 <= len(data):
        marker = data[at + 1]
        if marker in _FRAMES:
            height, width = struct.unpack(">HH", data[at + 5 : at + 9])
            return int(height * width)
        # a byte of 255 may be repeated before a marker
        at += 1 if marker == 0xFF else 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return MAX_PIXELS + 1


def scaled_size(height: int, width: int) -> tuple[int, int]:
    """Height and width once the short side is ``SHORT_SIDE``; what is smaller stays as it is."""
    short = min(height, width)
    if short <= SHORT_SIDE:
        return height, width
    return round(height * SHORT_SIDE / short), round(width * SHORT_SIDE / short)


def scaled_down(picture: Pixels) -> Pixels:
    """A picture with its short side at ``SHORT_SIDE`` at most, whole; bicubic, antialiased."""
    height, width = scaled_size(*picture.shape[:2])
    if (height, width) == picture.shape[:2]:
        return picture
    image = Image.fromarray(picture).resize((width, height), Image.Resampling.BICUBIC)
    return np.array(image, dtype=np.uint8)


def seen(data: bytes, name: str, size: int, colour: Colour, mode: PixelMode) -> Seen:
    """An image file as ``prepare`` notes it: decoded once, by the way training decodes it.

    Raises:
        IntegrityError: not an image, truncated, or a decompression bomb.
    """
    picture = decoded(data, name, colour)
    kept = scaled_down(picture) if mode == "store256" else None
    height, width = (picture if kept is None else kept).shape[:2]
    digest = hashlib.sha256(data).digest()
    return Seen(fitted(picture, size), height, width, len(data), digest, kept)


def fitted(picture: Pixels, size: int) -> Pixels:
    """What a packed store holds of a picture: uint8 (size, size, 3), cropped about the centre."""
    return harmonise(Image.fromarray(picture), size, "RGB")


def cropped(picture: Pixels, box: tuple[int, int, int, int], size: int) -> Pixels:
    """A part of a picture at ``size``: bilinear and antialiased, as torchvision's v2 resizes.

    Args:
        picture: uint8 (height, width, 3).
        box: top, left, height and width, inside the picture.
        size: height and width of the result.

    Returns:
        uint8 (size, size, 3).
    """
    top, left, tall, wide = box
    part = picture[top : top + tall, left : left + wide]
    # torch wants memory that could be written; reading it here also takes it from the disk
    own = torch.from_numpy(part if part.flags.writeable else part.copy())
    shown = own.permute(2, 0, 1)[None]
    made = interpolate(shown, (size, size), mode="bilinear", antialias=True)
    pixels: Pixels = made[0].permute(1, 2, 0).numpy()
    return pixels
