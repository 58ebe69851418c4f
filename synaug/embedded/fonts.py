"""Captioned pictures of digits, drawn with the fonts that matplotlib bundles.

Every picture and every caption is a pure function of the NumPy generator handed in. A picture is
made by turning eight *dials* (stroke weight, height, slant ...); a dial turned far enough earns the
picture an *attribute* (``bold``, ``small``, ``slanted`` ...) that its caption may mention.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

SIZE: Final = 32
"""Side of a picture, in pixels."""

DIGITS: Final[tuple[str, ...]] = (
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
)
"""Class names; a digit's position is its label."""

_SUPERSAMPLING: Final = 2
_GLYPH_POINTS: Final = 96
_GLYPH_PADDING: Final = 6
_MENTION: Final = 0.6
_PLAIN: Final = 0.12
_MODIFIERS_MAX: Final = 4


@dataclass(frozen=True)
class Font:
    """One bundled font file and the attributes its digits have by themselves."""

    file: str
    serif: bool = False
    bold: bool = False
    italic: bool = False
    light: bool = False
    """Strokes so fine that eroding them would tear the digit apart."""


FONTS: Final[tuple[Font, ...]] = (
    Font("DejaVuSans.ttf"),
    Font("DejaVuSans-Bold.ttf", bold=True),
    Font("DejaVuSans-Oblique.ttf", italic=True),
    Font("DejaVuSerif.ttf", serif=True),
    Font("DejaVuSerif-Bold.ttf", serif=True, bold=True),
    Font("DejaVuSerif-Italic.ttf", serif=True, italic=True),
    Font("STIXGeneral.ttf", serif=True, light=True),
    Font("STIXGeneralBol.ttf", serif=True, bold=True),
    Font("STIXGeneralItalic.ttf", serif=True, italic=True, light=True),
    Font("STIXGeneralBolIta.ttf", serif=True, bold=True, italic=True),
    Font("cmr10.ttf", serif=True, light=True),
    Font("cmb10.ttf", serif=True, bold=True),
    Font("cmss10.ttf", light=True),
    Font("cmti10.ttf", serif=True, italic=True, light=True),
    Font("cmtt10.ttf", light=True),
)
"""The fonts drawn from, all under matplotlib's ``mpl-data/fonts/ttf``.

DejaVu Sans Mono is left out: its zero carries a dot."""


@dataclass(frozen=True)
class Dial:
    """One continuous property of a picture.

    It lies in its plain range, or in a named one: (low, high, probability) by attribute.
    """

    plain: tuple[float, float]
    named: Mapping[str, tuple[float, float, float]]

    def turn(self, rng: np.random.Generator) -> tuple[float, str | None]:
        """Draw a value and the attribute it earns, or None where it lies in the plain range."""
        draw = rng.random()
        for attribute, (low, high, probability) in self.named.items():
            if draw < probability:
                return float(rng.uniform(low, high)), attribute
            draw -= probability
        return float(rng.uniform(*self.plain)), None


DIALS: Final[Mapping[str, Dial]] = {
    "weight": Dial((-0.4, 1.4), {"bold": (2.6, 3.4, 0.14), "thin": (-2.4, -0.6, 0.22)}),
    "shear": Dial((-0.08, 0.12), {"slanted": (0.28, 0.48, 0.1), "leaning": (-0.48, -0.28, 0.14)}),
    "height": Dial((25.5, 29.5), {"large": (30.0, 31.5, 0.14), "small": (16.0, 21.0, 0.14)}),
    "aspect": Dial((0.85, 1.12), {"wide": (1.35, 1.6, 0.14), "narrow": (0.54, 0.7, 0.14)}),
    "rotation": Dial((-5.0, 5.0), {"tilted": (12.0, 22.0, 0.12)}),
    "wobble": Dial((0.2, 0.5), {"wobbly": (1.1, 1.7, 0.2)}),
    "blur": Dial((0.3, 0.7), {"blurry": (1.3, 1.8, 0.12)}),
    "ink": Dial((0.88, 1.0), {"faint": (0.4, 0.65, 0.12)}),
}
"""Stroke weight (glyph pixels added on each side), shear (pixels to the right a pixel up), height
(pixels), width relative to the font's own, rotation (degrees, either way), elastic warp (pixels,
for a digit of full height), Gaussian blur (pixels) and peak intensity."""

MODIFIERS: Final[Mapping[str, tuple[str, ...]]] = {
    "bold": ("bold", "heavy", "thick"),
    "thin": ("thin", "light", "fine"),
    "slanted": ("slanted", "italic"),
    "leaning": ("leaning", "backward"),
    "large": ("large", "big"),
    "small": ("small", "tiny"),
    "wide": ("wide", "broad"),
    "narrow": ("narrow", "condensed"),
    "tilted": ("tilted", "rotated"),
    "wobbly": ("wobbly", "wavy", "handwritten"),
    "blurry": ("blurry", "soft"),
    "faint": ("faint", "pale"),
    "serif": ("serif", "ornate"),
}
"""Attribute -> the words that captions use for it."""

WORDS: Final[tuple[str, ...]] = (
    "a",
    "an",
    "photo",
    "of",
    *DIGITS,
    *(word for words in MODIFIERS.values() for word in words),
)
"""Every word the generator is taught; any other word is spelled letter by letter."""


@dataclass(frozen=True)
class Style:
    """A font, a value for each dial, and the attributes that follow from them."""

    font: Font
    values: Mapping[str, float]
    attributes: tuple[str, ...]


@dataclass(frozen=True)
class Picture:
    """One rendering: (32, 32) uint8 pixels, white on black, with its label and attributes."""

    pixels: NDArray[np.uint8]
    digit: int
    attributes: tuple[str, ...]


def font_path(font: Font) -> Path:
    """Return where the installed matplotlib keeps this font."""
    return Path(matplotlib.get_data_path()) / "fonts" / "ttf" / font.file


@cache
def _glyph(font: Font, digit: int) -> NDArray[np.float32]:
    """Return the digit's coverage in [0, 1], cropped, then padded for later thickening."""
    canvas = Image.new("L", (2 * _GLYPH_POINTS, 2 * _GLYPH_POINTS))
    ink = ImageFont.truetype(str(font_path(font)), _GLYPH_POINTS)
    ImageDraw.Draw(canvas).text((_GLYPH_POINTS // 2, _GLYPH_POINTS // 4), str(digit), 255, ink)
    cropped = np.asarray(canvas.crop(canvas.getbbox()), dtype=np.float32) / 255
    return np.pad(cropped, _GLYPH_PADDING)


def draw_style(rng: np.random.Generator) -> Style:
    """Draw a font and turn every dial; a font that is already bold or italic settles that dial."""
    font = FONTS[int(rng.integers(len(FONTS)))]
    values: dict[str, float] = {}
    attributes: list[str] = []
    for name, dial in DIALS.items():
        value, attribute = dial.turn(rng)
        inherent = _inherent(font, name)
        if inherent is not None:
            value, attribute = inherent
        values[name] = value
        if attribute is not None:
            attributes.append(attribute)
    if rng.random() < 0.5:
        values["rotation"] = -values["rotation"]
    if font.serif:
        attributes.append("serif")
    return Style(font, values, tuple(attributes))


def _inherent(font: Font, dial: str) -> tuple[float, str] | None:
    if dial == "weight" and font.bold:
        return 1.0, "bold"
    if dial == "shear" and font.italic:
        return 0.1, "slanted"
    return None


@cache
def _weighted(font: Font, digit: int, radius: int) -> NDArray[np.float32]:
    """Return the glyph, its strokes thicker (or thinner) by ``radius`` pixels on each side."""
    glyph = _glyph(font, digit)
    if radius > 0:
        return np.asarray(ndimage.grey_dilation(glyph, size=2 * radius + 1), dtype=np.float32)
    if radius < 0 and not font.light:
        return np.asarray(ndimage.grey_erosion(glyph, size=1 - 2 * radius), dtype=np.float32)
    return glyph


def _warp_field(rng: np.random.Generator, amplitude: float, side: int) -> NDArray[np.float64]:
    """Return a smooth (2, side, side) displacement, about ``amplitude`` pixels at a point."""
    coarse = rng.standard_normal((2, 5, 5)) * amplitude
    return np.asarray(ndimage.zoom(coarse, (1, side / 5, side / 5), order=2))


def _sources(
    style: Style, glyph: NDArray[np.float32], warp: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Map each canvas pixel to the glyph position it shows, as (2, side, side) rows and columns."""
    side = warp.shape[-1]
    values = style.values
    rows, columns = np.mgrid[:side, :side] - (side - 1) / 2.0 + warp
    angle = np.deg2rad(values["rotation"])
    down = rows * np.cos(angle) - columns * np.sin(angle)
    right = rows * np.sin(angle) + columns * np.cos(angle) + values["shear"] * down
    scale = values["height"] * _SUPERSAMPLING / (glyph.shape[0] - 2 * _GLYPH_PADDING)
    width = scale * (glyph.shape[1] - 2 * _GLYPH_PADDING)
    aspect = min(values["aspect"], 0.9 * side / width)
    centre = (np.array(glyph.shape, dtype=np.float64) - 1) / 2
    return np.stack([down / scale + centre[0], right / (scale * aspect) + centre[1]])


def render(digit: int, style: Style, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Draw one digit in a style; ``rng`` moves it by a pixel at most and bends its strokes.

    Returns (32, 32) uint8, white on black.
    """
    side = SIZE * _SUPERSAMPLING
    glyph = _weighted(style.font, digit, round(style.values["weight"]))
    bend = style.values["wobble"] * style.values["height"] / SIZE
    warp = _warp_field(rng, bend * _SUPERSAMPLING, side)
    shift = rng.uniform(-1, 1, size=(2, 1, 1)) * _SUPERSAMPLING
    canvas = ndimage.map_coordinates(glyph, _sources(style, glyph, warp + shift), order=1)
    small = canvas.reshape(SIZE, _SUPERSAMPLING, SIZE, _SUPERSAMPLING).mean(axis=(1, 3))
    soft = ndimage.gaussian_filter(small, style.values["blur"])
    peak = style.values["ink"] / max(float(soft.max()), 0.2)
    return np.asarray(np.rint(np.clip(soft * peak, 0, 1) * 255), dtype=np.uint8)


def draw_picture(rng: np.random.Generator) -> Picture:
    """Draw a digit, a style and the picture they give."""
    digit = int(rng.integers(len(DIGITS)))
    style = draw_style(rng)
    return Picture(render(digit, style, rng), digit, style.attributes)


def pseudo_word(rng: np.random.Generator) -> str:
    """Invent a lower-case word of two to nine letters, half of the time pronounceable."""
    length = int(rng.integers(2, 10))
    if rng.random() < 0.5:
        return "".join(rng.choice(list("abcdefghijklmnopqrstuvwxyz"), size=length))
    kinds = ("bcdfghlmnprstvw", "aeiouy")
    start = int(rng.integers(2))
    return "".join(str(rng.choice(list(kinds[(start + i) % 2]))) for i in range(length))


def draw_caption(digit: int, attributes: Sequence[str], rng: np.random.Generator) -> str:
    """Caption a picture as ``a photo of [a] {modifiers} {class}``, at times with invented words.

    Each true attribute is mentioned with probability 0.6, four at most. Half of the captions carry
    one or two invented words, so that a modifier never seen in training leaves the class alone.
    """
    plain = rng.random() < _PLAIN
    mentioned = [a for a in attributes if not plain and rng.random() < _MENTION]
    words = [str(rng.choice(MODIFIERS[a])) for a in mentioned]
    words = [words[i] for i in rng.permutation(len(words))[:_MODIFIERS_MAX]]
    words.append(DIGITS[digit])
    if not plain and rng.random() < 0.55:
        for _ in range(1 + int(rng.random() < 0.35)):
            # Mostly before the class name, where prompts put their modifiers.
            last = len(words) + int(rng.random() < 0.15)
            words.insert(int(rng.integers(last)), pseudo_word(rng))
    if rng.random() < 0.4:
        words.insert(0, "an" if words[0][0] in "aeiou" else "a")
    return " ".join(["a photo of", *words])
