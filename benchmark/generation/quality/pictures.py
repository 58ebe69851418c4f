"""Sheets of pictures: classes by modifier, candidates beside their nearest, steps of sampling."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from benchmark.errors import UsageError
from benchmark.generation.sheet import MAX_ROWS, _font, _label_width
from benchmark.system.files import write_atomic

MAX_COLUMNS = 100
TILE = 64
_GAP = 2
_LINE = 16

Picture = Image.Image | NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Grid:
    """What a sheet shows.

    Attributes:
        rows: pictures by the label at their left; None leaves a place empty.
        titles: above the columns; none for no titles.
        notes: one line under each picture, in the shape of ``rows``; none for no notes.
    """

    rows: Mapping[str, Sequence[Picture | None]]
    titles: Sequence[str] = ()
    notes: Sequence[Sequence[str]] = ()


@dataclass(frozen=True, eq=False)
class Neighbours:
    """A candidate with the real images nearest to it.

    Attributes:
        title: of the candidate.
        candidate: the picture.
        test: the nearest test image.
        test_score: its similarity.
        train: the nearest training image.
        train_score: its similarity.
    """

    title: str
    candidate: Picture
    test: Picture
    test_score: float
    train: Picture
    train_score: float


def write_modifiers(path: Path, classes: Mapping[str, Mapping[str, Picture]]) -> None:
    """One row a class, one column a modifier; a class without a modifier leaves it empty.

    Raises:
        UsageError: there is nothing to draw.
        StorageError: the file cannot be written.
    """
    titles = list(dict.fromkeys(name for found in classes.values() for name in found))
    rows = {name: [found.get(title) for title in titles] for name, found in classes.items()}
    write_grid(path, Grid(rows, titles))


def write_neighbours(path: Path, found: Sequence[Neighbours]) -> None:
    """One row a candidate: itself, the nearest test image, the nearest training image.

    Raises:
        UsageError: there is nothing to draw.
        StorageError: the file cannot be written.
    """
    # numbered, because two candidates may have one title
    rows = {
        f"{n}  {each.title}": [each.candidate, each.test, each.train]
        for n, each in enumerate(found)
    }
    notes = [["", f"{each.test_score:.3f}", f"{each.train_score:.3f}"] for each in found]
    write_grid(path, Grid(rows, ("candidate", "test", "train"), notes))


def write_steps(
    path: Path, steps: Mapping[int, Sequence[Picture]], titles: Sequence[str] = ()
) -> None:
    """One row a number of sampling steps, ascending; a column shares its seed.

    Raises:
        UsageError: there is nothing to draw, or the rows differ in length.
        StorageError: the file cannot be written.
    """
    if len({len(row) for row in steps.values()}) > 1:
        lengths = ", ".join(f"{n} steps: {len(row)}" for n, row in sorted(steps.items()))
        raise UsageError(
            f"Expected as many pictures at each number of steps, but got {lengths}",
            where=path,
            todo="draw the same seeds for each",
        )
    rows = {f"{n} step{'s' * (n != 1)}": row for n, row in sorted(steps.items())}
    write_grid(path, Grid(rows, titles))


def write_grid(path: Path, grid: Grid) -> None:
    """Write a sheet as a PNG, whole or not at all.

    Raises:
        UsageError: there is nothing to draw.
        StorageError: the file cannot be written.
    """
    if not any(grid.rows.values()):
        raise UsageError(
            "Expected at least one picture to draw, but got none",
            where=path,
            todo="draw the pool first",
        )
    buffer = io.BytesIO()
    draw_grid(grid).save(buffer, format="PNG")
    write_atomic(path, lambda file: file.write(buffer.getvalue()))


def draw_grid(grid: Grid) -> Image.Image:
    """The sheet as a picture: at most ``MAX_ROWS`` rows and ``MAX_COLUMNS`` columns."""
    font, labels = _font(), list(grid.rows)[:MAX_ROWS]
    columns = min(MAX_COLUMNS, max(len(row) for row in grid.rows.values()))
    cell = _cell_size(grid, font)
    left, top = _label_width(labels, font), _LINE if grid.titles else 0
    sheet = Image.new("RGB", (left + columns * cell[0], top + len(labels) * cell[1]), "white")
    pen = ImageDraw.Draw(sheet)
    for column, title in enumerate(grid.titles[:columns]):
        _write(pen, (left + column * cell[0], 0), title, font)
    for row, label in enumerate(labels):
        corner = (left, top + row * cell[1])
        pen.text((2 * _GAP, corner[1] + TILE // 2), label, fill="black", font=font, anchor="lm")
        notes = grid.notes[row] if grid.notes else ()
        _draw_row(sheet, corner, cell[0], grid.rows[label][:columns], notes, font)
    return sheet


def _cell_size(grid: Grid, font: ImageFont.FreeTypeFont) -> tuple[int, int]:
    words = [*grid.titles[:MAX_COLUMNS], *(note for row in grid.notes for note in row)]
    width = max(TILE + _GAP, _label_width(words, font))
    return width, TILE + _GAP + (_LINE if grid.notes else 0)


def _draw_row(
    sheet: Image.Image,
    corner: tuple[int, int],
    width: int,
    row: Sequence[Picture | None],
    notes: Sequence[str],
    font: ImageFont.FreeTypeFont,
) -> None:
    pen = ImageDraw.Draw(sheet)
    for column, picture in enumerate(row):
        place = (corner[0] + column * width, corner[1])
        if picture is not None:
            sheet.paste(_tile(picture), place)
        if column < len(notes):
            _write(pen, (place[0], place[1] + TILE), notes[column], font)


def _write(
    pen: ImageDraw.ImageDraw, place: tuple[int, int], text: str, font: ImageFont.FreeTypeFont
) -> None:
    pen.text(place, text, fill="black", font=font, anchor="la")


def _tile(picture: Picture) -> Image.Image:
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    small = max(image.size) < TILE
    how = Image.Resampling.NEAREST if small else Image.Resampling.LANCZOS
    return image.convert("RGB").resize((TILE, TILE), how)
