"""A contact sheet: one look at a pool tells whether the classes are what they should be."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from benchmark.system.files import write_atomic

COLUMNS = 10
MAX_ROWS = 100
_TILE = 64
_GAP = 2
_TEXT = 14


def _tile(path: Path) -> Image.Image:
    with Image.open(path, formats=["PNG"]) as image:
        small = max(image.size) < _TILE
        how = Image.Resampling.NEAREST if small else Image.Resampling.LANCZOS
        return image.convert("RGB").resize((_TILE, _TILE), how)


def _label_width(labels: Sequence[str], font: ImageFont.FreeTypeFont) -> int:
    return int(max((font.getlength(text) for text in labels), default=0)) + 4 * _GAP


def draw_sheet(rows: Mapping[str, Sequence[Path]], columns: int = COLUMNS) -> Image.Image:
    """Tile images: one row a class, its label at the left.

    Args:
        rows: paths of images by label text, in the order to be shown; at most ``MAX_ROWS`` rows
            are drawn.
        columns: images a row.
    """
    shown = list(rows.items())[:MAX_ROWS]
    font = _font()
    left = _label_width([text for text, _ in shown], font)
    size = (left + columns * (_TILE + _GAP), max(len(shown), 1) * (_TILE + _GAP))
    sheet = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(sheet)
    for index, (text, paths) in enumerate(shown):
        top = index * (_TILE + _GAP)
        pen.text((2 * _GAP, top + _TILE // 2), text, fill="black", font=font, anchor="lm")
        for column, path in enumerate(paths[:columns]):
            sheet.paste(_tile(path), (left + column * (_TILE + _GAP), top))
    return sheet


def _font() -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size=_TEXT)
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise TypeError("Expected Pillow with FreeType support")
    return font


def write_sheet(path: Path, rows: Mapping[str, Sequence[Path]], columns: int = COLUMNS) -> None:
    """Write the contact sheet of ``rows`` as a PNG, whole or not at all."""
    buffer = io.BytesIO()
    draw_sheet(rows, columns).save(buffer, format="PNG")
    write_atomic(path, lambda file: file.write(buffer.getvalue()))
