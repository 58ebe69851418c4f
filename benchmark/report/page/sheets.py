"""Pictures for the page: sheets of generated images, of grids and of the docs."""

import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from benchmark.errors import IntegrityError
from benchmark.report.page.views import Sheet

# The page carries its pictures; a large one belongs beside it.
MAX_BYTES = 400_000


def find(places: Sequence[Path]) -> list[Sheet]:
    """Every PNG of some places, by path; those over ``MAX_BYTES`` are left out.

    Args:
        places: files, and folders whose own folders are looked into; any may be absent.

    Raises:
        IntegrityError: a file is no PNG.
    """
    paths = sorted({path for place in places for path in _below(place)})
    return [_sheet(path) for path in paths if path.stat().st_size <= MAX_BYTES]


def _below(place: Path) -> Iterator[Path]:
    if place.is_file():
        yield place
    yield from place.glob("*/*.png")


def _sheet(path: Path) -> Sheet:
    content = path.read_bytes()
    try:
        with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
            size = image.size
    except UnidentifiedImageError as error:
        raise IntegrityError("Expected a PNG, but got another file", where=path) from error
    words = path.stem.replace("_", " ").replace("-", " ")
    said = f"{path.parent.name}, {words}"
    return Sheet(content, size, f"Generated images: {said}", f"{said} ({path.as_posix()})")
