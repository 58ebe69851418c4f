"""Thousands of rows: a hundred at a time stand on the page, and all of them sort and filter."""

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.page import many
from tests.page.browser import until
from tests.page.conftest import Open

ROWS = 2_000


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("many") / "index.html"
    path.write_text(many.page(ROWS, 1), encoding="utf-8")
    return path


def column(page: Any, key: str) -> list[str]:
    place = page.locator("#board thead th").evaluate_all(
        "(all, key) => all.findIndex((each) => each.dataset.key === key)", key
    )
    return page.locator(f"#board tbody tr > :nth-child({place + 1})").all_inner_texts()


def test_all_rows_sort_though_a_hundred_are_shown(visit: Open, crowded: Path) -> None:
    page = visit(content=crowded)
    page.locator("#board th[data-key=hash] button").click()
    assert column(page, "hash") == [f"{number:012x}" for number in range(100)]
    page.locator("#board th[data-key=hash] button").click()
    assert column(page, "hash")[0] == f"{ROWS - 1:012x}"


def test_pages_are_turned(visit: Open, crowded: Path) -> None:
    page = visit(content=crowded)
    page.locator("#board th[data-key=hash] button").click()
    words = page.locator("#page-words")
    assert words.inner_text() == "Rows 1 to 100 of 2,000"
    assert page.locator("#page-back").is_disabled()
    page.locator("#page-on").click()
    assert words.inner_text() == "Rows 101 to 200 of 2,000"
    assert column(page, "hash")[0] == f"{100:012x}"
    page.get_by_label("Search").fill("x=17)")
    assert column(page, "hash") == [f"{17:012x}"] and page.locator("#pager").is_hidden()


def test_paper_takes_them_all(visit: Open, crowded: Path) -> None:
    page = visit(content=crowded)
    page.emulate_media(media="print")
    count = "document.querySelectorAll('#board tbody tr').length"
    until(page, f"{count} === {ROWS}")
    page.emulate_media(media="screen")
    until(page, f"{count} === 100")


def test_a_row_far_away_opens_by_its_address(visit: Open, crowded: Path) -> None:
    table = many.table(1, 1).key.short_hash
    page = visit(f"#{table}/{ROWS - 1:012x}", content=crowded)
    expect(page.locator("#detail-title")).to_contain_text(f"x={ROWS - 1}")


@pytest.mark.slow
def test_ten_thousand_records(visit: Open, tmp_path: Path) -> None:
    path = tmp_path / "index.html"
    path.write_text(many.page(10_000, 1), encoding="utf-8")
    page = visit(content=path)
    page.locator("#board th[data-key=hash] button").click()
    assert column(page, "hash")[99] == f"{99:012x}"
    assert page.locator("#count").inner_text() == "10,000 of 10,000 rows shown."
    assert path.stat().st_size < 8 * 2**20
