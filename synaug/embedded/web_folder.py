"""A stand-in for web images of digits: font renderings in class folders, used as they are.

    python -m synaug.embedded.web_folder OUT [--per-class 150] [--seed 0]

The renderings are what the embedded generator was trained on, so as a supply they show what it
could give at best, and what an honest domain gap costs. ``metadata.jsonl`` says that they bring
the knowledge "font-renderings".
"""

import argparse
import importlib.util
import io
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmark.errors import BenchError, DataError, UsageError
from benchmark.seeds import numpy_generator
from benchmark.system.files import canonical_json, write_text

PER_CLASS: Final = 150
KNOWLEDGE: Final = "font-renderings"
LICENCE: Final = "fonts bundled with matplotlib (DejaVu, STIX and BaKoMa licences)"


def check() -> None:
    """Refuse to begin without the fonts.

    Raises:
        DataError: matplotlib, which bundles them, is not installed.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise DataError(
            "Expected matplotlib, whose fonts are drawn, but it is not installed",
            where=__name__,
            todo="run: pip install 'synaug-bench[build]'",
        )


def make(folder: Path, per_class: int = PER_CLASS, seed: int = 0) -> None:
    """Write ``<class>/<number>.png`` (32 pixels, grey) and ``metadata.jsonl``.

    Args:
        folder: where to write.
        per_class: images of each class, at least 1; image i depends on ``seed``, class and i only.
        seed: of the renderings.

    Raises:
        DataError: matplotlib is not installed.
        UsageError: ``per_class`` is below 1.
    """
    check()
    if per_class < 1:
        raise UsageError(
            f"Expected at least 1 image a class, but got {per_class}", where="per_class"
        )
    lines = []
    for name, data in _images(per_class, seed):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        row = {"file_name": name, "generator": "matplotlib fonts", "knowledge": KNOWLEDGE,
               "licence": LICENCE, "network_calls": 0}  # fmt: skip
        lines.append(canonical_json(row) + "\n")
    write_text(folder / "metadata.jsonl", "".join(lines))


def _images(per_class: int, seed: int) -> Iterator[tuple[str, bytes]]:
    from synaug.embedded.fonts import DIGITS, draw_style, render

    for digit, name in enumerate(DIGITS):
        for index in range(per_class):
            rng = numpy_generator(seed, "web folder", digit, index)
            yield f"{name}/{index:05d}.png", _png(render(digit, draw_style(rng), rng))


def _png(pixels: NDArray[np.uint8]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def main(args: Sequence[str] | None = None) -> int:
    """Write the folder and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m synaug.embedded.web_folder")
    parser.add_argument("out", type=Path, help="folder to write")
    parser.add_argument("--per-class", type=int, default=PER_CLASS)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(args)
    try:
        make(given.out, given.per_class, given.seed)
    except BenchError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
