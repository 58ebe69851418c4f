"""Pictures of the page as it follows from the committed records, for the docs.

python -m tests.page.screenshots [FOLDER]     writes page-375.png, page-900.png, ... there
"""

import io
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from benchmark import api
from benchmark.grid import grid_results
from benchmark.report.page.pages import pages
from tests.page import sample
from tests.page.browser import launched, settle, watch

FOLDER = Path("docs/images")
MAX_BYTES = 250_000


@dataclass(frozen=True)
class Shot:
    """One picture: a window, and what to show in it."""

    name: str
    width: int
    height: int
    dark: bool = False
    section: str = ""
    opened: bool = False


SHOTS = (
    Shot("page-375", 375, 1500),
    Shot("page-900", 900, 1500),
    Shot("page-1440", 1440, 1600),
    Shot("page-charts", 1440, 1500, section="cost"),
    Shot("page-dark", 1440, 1250, dark=True, opened=True),
)


def content() -> str:
    """The page of the committed records."""
    results = grid_results.results(api.all_records())
    (found,) = pages(api.DEFAULT_RECORDS.parent, api.leaderboards(), results).values()
    return found


def take(browser: Any, address: str, shot: Shot) -> bytes:
    """A PNG that is small enough for a repository."""
    context = browser.new_context(
        viewport={"width": shot.width, "height": shot.height},
        color_scheme="dark" if shot.dark else "light", reduced_motion="reduce",
    )  # fmt: skip
    page = context.new_page()
    faults = watch(page)
    page.goto(f"{address}#{shot.section}" if shot.section else address)
    settle(page)
    if shot.section:
        page.locator(f"#{shot.section}").evaluate("each => each.scrollIntoView()")
    if shot.opened:
        page.locator("#glance tbody tr").nth(1).locator("button").click()
    page.wait_for_timeout(300)
    png = page.screenshot()
    context.close()
    assert not faults, faults
    return small(png)


def small(png: bytes) -> bytes:
    """The same picture in ``MAX_BYTES``, of fewer colours only if it has to be."""
    image = Image.open(io.BytesIO(png)).convert("RGB")
    steps = (image.quantize(colours, dither=Image.Dither.NONE) for colours in (256, 128, 64, 32))
    for each in (image, *steps):
        buffer = io.BytesIO()
        each.save(buffer, "PNG", optimize=True)
        if buffer.tell() <= MAX_BYTES:
            break
    return buffer.getvalue()


def main() -> None:
    """Write every picture and print its size."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    with tempfile.TemporaryDirectory() as temporary, launched() as browser:
        address = sample.save(Path(temporary), content())
        for shot in SHOTS:
            png = take(browser, address, shot)
            (folder / f"{shot.name}.png").write_bytes(png)
            print(f"{folder / shot.name}.png {shot.width}x{shot.height}, {len(png):,} bytes")


if __name__ == "__main__":
    main()
