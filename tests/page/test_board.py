"""The leaderboard in a real browser: sorting, filters, keyboard, details, addresses."""

import re
from typing import Any

import pytest
from playwright.sync_api import expect

from benchmark.boards import text
from tests.page import sample
from tests.page.browser import until
from tests.page.conftest import Open

MAIN = max(sample.tables(), key=lambda table: len(table.rows))
ROWS = {row.label: row for row in MAIN.rows}
ORDERS = {
    "label": lambda row: row.label.lower(),
    "low": lambda row: row.ranks,
    "letters": lambda row: row.letters or None,
    "all": lambda row: row.accuracy.mean,
    "gain": lambda row: row.difference and row.difference.mean,
    "many": lambda row: row.groups[0],
    "medium": lambda row: row.groups[1],
    "few": lambda row: row.groups[2],
    "seeds": lambda row: row.accuracy.n,
    "track": lambda row: ("real", "synthetic", "web", "oracle").index(row.track),
    "budget": lambda row: row.first.budget.label,
    "ece": lambda row: round(row.ece, 4),
    "added": lambda row: row.added,
    "calls": lambda row: row.spent.calls,
    "train": lambda row: round(row.train_seconds, 1),
    "hash": lambda row: row.hash,
}


def labels(page: Any) -> list[str]:
    return page.locator("#board tbody button.open").all_inner_texts()


def head(page: Any, key: str) -> Any:
    return page.locator(f"#board thead th[data-key={key}]")


def in_order(key: str, descending: bool) -> list[str]:
    known = [row for row in MAIN.rows if ORDERS[key](row) is not None]
    rest = [row for row in MAIN.rows if ORDERS[key](row) is None]
    places = {row.label: place for place, row in enumerate(MAIN.rows)}
    first = sorted(known, key=lambda row: places[row.label])
    return [row.label for row in sorted(first, key=ORDERS[key], reverse=descending) + rest]


def reversed_ties(key: str) -> list[str]:
    """Descending, with ties in the order of the table."""
    values = {ORDERS[key](row) for row in MAIN.rows} - {None}
    ordered = sorted(values, reverse=True)
    return [
        row.label for value in [*ordered, None] for row in MAIN.rows if ORDERS[key](row) == value
    ]


def test_every_column_sorts_both_ways(visit: Open) -> None:
    page = visit()
    keys = page.locator("#board thead th").evaluate_all("all => all.map(th => th.dataset.key)")
    assert sorted(keys) == sorted(ORDERS)
    for key in keys:
        for _ in range(2):
            head(page, key).locator("button").click()
            direction = head(page, key).get_attribute("aria-sort")
            expected = in_order(key, False) if direction == "ascending" else reversed_ties(key)
            assert labels(page) == expected, (key, direction)
        assert page.locator("#board th[aria-sort]").count() == 1


def test_first_click_puts_the_best_on_top(visit: Open) -> None:
    page = visit()
    head(page, "few").locator("button").click()
    assert head(page, "few").get_attribute("aria-sort") == "descending"
    head(page, "ece").locator("button").click()
    assert head(page, "ece").get_attribute("aria-sort") == "ascending"


def test_numbers_are_those_of_the_tables(visit: Open) -> None:
    page = visit()
    for label, row in ROWS.items():
        line = page.locator(f"#board tr[data-hash='{row.hash}']").inner_text()
        line = line.replace("\N{MINUS SIGN}", "-")
        assert text.estimate(row.accuracy) in line
        assert all(text.percent(group) in line for group in row.groups)
        assert (text.difference(row.difference) in line) or label == "plain"
        assert row.hash in line


def test_ranks_bold_and_grey(visit: Open) -> None:
    page = visit()
    for row in MAIN.rows:
        line = page.locator(f"#board tr[data-hash='{row.hash}']")
        assert (line.locator("strong").count() > 0) == row.may_be_first
        grey = "unranked" in (line.get_attribute("class") or "")
        assert grey == (row.ranks is None) == (row.accuracy.n < 3)
        assert (line.locator(".star").count() > 0) == row.differs


def test_filters_count_and_reset(visit: Open) -> None:
    page = visit()
    count = page.locator("#count")
    assert count.inner_text() == "9 of 9 rows shown."
    page.get_by_label("synthetic").uncheck()
    assert labels(page) == [row.label for row in MAIN.rows if row.track != "synthetic"]
    assert count.inner_text().startswith("7 of 9 rows shown. Ranks")
    page.get_by_label("Ranked rows only").check()
    assert "single" not in labels(page)
    page.get_by_role("button", name="Reset").click()
    page.get_by_label("Seeds, at least").fill("5")
    assert labels(page) == ["close"]
    page.get_by_role("button", name="Reset").click()
    page.get_by_label("Budget").select_option("uniform(10)")
    assert set(labels(page)) == {"drawn", "dear", "fetched", "bound"}
    page.get_by_label("Component").select_option("drawn")
    assert labels(page) == ["drawn"]
    page.get_by_role("button", name="Reset").click()
    assert labels(page) == [row.label for row in MAIN.rows]


def test_search_takes_several_words(visit: Open) -> None:
    page = visit()
    box = page.get_by_label("Search")
    box.fill("uniform WEB")
    assert labels(page) == ["fetched"]
    box.fill(ROWS["close"].hash[:12])
    assert "close" in labels(page)
    box.fill("nothing like it")
    assert labels(page) == []
    assert page.locator("#count").inner_text().startswith("0 of 9")
    assert page.locator("#cost-plot").inner_text() == "No row to show."


def test_tables_are_picked(visit: Open) -> None:
    page = visit()
    other = next(table for table in sample.tables() if table is not MAIN and len(table.rows) == 1)
    page.locator("#table").select_option(other.key.short_hash)
    assert page.locator("#board-title").inner_text() == "shapes: long"
    assert labels(page) == ["plain"]
    assert page.url.endswith(f"#{other.key.short_hash}")


def test_keyboard_sorts_walks_and_opens(visit: Open) -> None:
    page = visit()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    head(page, "all").locator("button").focus()
    page.keyboard.press("Enter")
    assert head(page, "all").get_attribute("aria-sort") == "descending"
    page.keyboard.press("Space")
    assert head(page, "all").get_attribute("aria-sort") == "ascending"
    assert "ascending" in page.locator("#said").inner_text()
    names = labels(page)
    page.locator("#board tbody button.open").first.focus()
    for key, place in (
        ("ArrowDown", 1),
        ("ArrowDown", 2),
        ("ArrowUp", 1),
        ("End", -1),
        ("Home", 0),
    ):
        page.keyboard.press(key)
        assert page.evaluate("document.activeElement.innerText") == names[place]
    page.keyboard.press("Enter")
    expect(page.locator("#detail-title")).to_have_text(names[0])
    page.keyboard.press("Escape")
    expect(page.locator("#detail")).to_be_hidden()
    assert page.evaluate("document.activeElement.innerText") == names[0]


@pytest.mark.parametrize("label", ["close", sample.HOSTILE])
def test_details_hold_every_exact_command(visit: Open, label: str) -> None:
    page = visit()
    page.locator("#board tbody button.open", has_text=label).click()
    detail = page.locator("#detail")
    expect(page.locator("#detail-title")).to_have_text(label)
    shown = detail.locator(".commands code").all_inner_texts()
    assert shown == [record.command for record in ROWS[label].records]
    body = detail.inner_text()
    for record in ROWS[label].records:
        assert text.percent(record.metrics.accuracy) in body
        assert record.predictions.sha256[:12] in body
    assert ROWS[label].hash in body and "alpha" in body
    assert all(word in body for word in ROWS[label].first.method.knowledge)


def test_a_command_is_copied(visit: Open) -> None:
    page = visit(permissions=["clipboard-read", "clipboard-write"])
    page.locator("#board tr", has_text="better").click(position={"x": 500, "y": 8})
    page.get_by_role("button", name="Copy the command of seed 2").click()
    until(page, "document.querySelector('#said').textContent.includes('Copied')")
    copied(page, ROWS["better"].records[2].command)
    page.get_by_role("button", name="Copy all commands").click()
    copied(page, "\n".join(record.command for record in ROWS["better"].records))


def copied(page: Any, wanted: str) -> None:
    """Wait until the clipboard holds a text."""
    page.wait_for_function("(text) => navigator.clipboard.readText().then((t) => t === text)",
                           arg=wanted)  # fmt: skip


def test_addresses_open_rows_and_go_back(visit: Open) -> None:
    table = MAIN.key.short_hash
    page = visit(f"#{table}/{ROWS['drawn'].hash}")
    expect(page.locator("#detail-title")).to_have_text("drawn")
    page.get_by_role("button", name="Close", exact=True).click()
    assert re.search(f"#{table}$", page.url)
    page.locator("#board tbody button.open", has_text="dear").click()
    assert page.url.endswith(f"#{table}/{ROWS['dear'].hash}")
    page.go_back()
    expect(page.locator("#detail")).to_be_hidden()
    page.evaluate("location.hash = '#nowhere/abc'")
    until(page, "document.querySelector('#said').textContent.includes('No row')")
    expect(page.locator("#detail")).to_be_hidden()


def test_a_cell_of_a_grid_opens_its_runs(visit: Open) -> None:
    page = visit()
    page.locator("#grid-both .heat button", has_text="+20.00").click()
    expect(page.locator("#detail-title")).to_have_text("better")
    expect(page.locator("#detail-where")).to_have_text("Supplies x losses")
    address = page.url
    again = visit("#" + address.partition("#")[2])
    expect(again.locator("#detail-title")).to_have_text("better")


def test_a_dagger_marks_calls_that_were_not_predicted(visit: Open) -> None:
    page = visit()
    assert "8,000 †" in page.locator("#board tr", has_text="dear").inner_text()
    assert "†" not in page.locator("#board tr", has_text="drawn").inner_text()
