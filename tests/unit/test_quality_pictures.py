"""Sheets of pictures: what is where, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmark.errors import UsageError
from benchmark.generation.quality.pictures import (
    TILE,
    Grid,
    Neighbours,
    draw_grid,
    write_modifiers,
    write_neighbours,
    write_steps,
)


def plain(value: int, side: int = 8) -> np.ndarray:
    return np.full((side, side, 3), (value, 0, 0), np.uint8)


def values(image: Image.Image, top: int) -> list[int]:
    """The red of the coloured tiles that cross a line of pixels, from left to right."""
    line = np.asarray(image.convert("RGB"))[top]
    red = line[(line[:, 1] == 0) & (line[:, 0] > 0), 0]
    return [int(red[i]) for i in range(len(red)) if i == 0 or red[i] != red[i - 1]]


def opened(path: Path) -> Image.Image:
    with Image.open(path) as image:
        assert image.format == "PNG"
        return image.convert("RGB")


def test_grid_places_pictures_and_leaves_gaps() -> None:
    sheet = draw_grid(Grid({"a": [plain(50), plain(100)], "b": [None, plain(150)]}))
    assert sheet.height == 2 * (TILE + 2)
    assert values(sheet, 10) == [50, 100]
    assert values(sheet, TILE + 12) == [150]


def test_pil_images_and_large_arrays_are_drawn() -> None:
    pictures = [Image.fromarray(plain(60, 100)), plain(70, 200), Image.new("L", (4, 4))]
    assert values(draw_grid(Grid({"a": pictures})), 10) == [60, 70]


def test_modifiers_share_columns(tmp_path: Path) -> None:
    path = tmp_path / "sheet.png"
    write_modifiers(path, {"cat": {"old": plain(10), "red": plain(20)}, "dog": {"red": plain(30)}})
    sheet = opened(path)
    assert values(sheet, 16 + 10) == [10, 20] and values(sheet, 16 + TILE + 12) == [30]
    columns = np.flatnonzero(np.asarray(sheet)[16 + TILE + 12, :, 0] == 30)
    assert columns.min() == np.flatnonzero(np.asarray(sheet)[26, :, 0] == 20).min()
    assert list(tmp_path.iterdir()) == [path]


def test_neighbours_stand_beside_the_candidate(tmp_path: Path) -> None:
    pairs = [Neighbours("x", plain(40), plain(80), 0.987, plain(120), 0.5) for _ in range(2)]
    write_neighbours(tmp_path / "near.png", pairs)
    sheet = opened(tmp_path / "near.png")
    assert sheet.height == 16 + 2 * (TILE + 2 + 16)
    assert values(sheet, 26) == [40, 80, 120]


def test_steps_ascend(tmp_path: Path) -> None:
    write_steps(tmp_path / "steps.png", {50: [plain(90)], 1: [plain(30)]}, ["seed 0"])
    sheet = opened(tmp_path / "steps.png")
    assert values(sheet, 26) == [30] and values(sheet, 26 + TILE + 2) == [90]


def test_notes_widen_the_columns() -> None:
    long = Grid({"a": [plain(1), plain(2)]}, notes=[["a note of some length", ""]])
    assert draw_grid(long).width > draw_grid(Grid({"a": [plain(1), plain(2)]})).width + 50


def test_messages(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="at least one picture to draw, but got none"):
        write_modifiers(tmp_path / "x.png", {})
    with pytest.raises(UsageError, match="but got 1 steps: 1, 50 steps: 2"):
        write_steps(tmp_path / "x.png", {50: [plain(1)] * 2, 1: [plain(1)]})
    assert list(tmp_path.iterdir()) == []
