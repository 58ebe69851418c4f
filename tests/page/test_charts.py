"""The charts: what they show, by pointer, by keyboard, and as tables."""

from typing import Any

from playwright.sync_api import expect

from benchmark.boards import text
from tests.page import sample
from tests.page.browser import until
from tests.page.conftest import Open

MAIN = max(sample.tables(), key=lambda table: len(table.rows))
ROWS = {row.label: row for row in MAIN.rows}


def lines(page: Any, where: str) -> list[list[str]]:
    """The cells of a table behind a chart."""
    page.locator(f"{where} summary").first.click()
    rows = page.locator(f"{where} tbody tr")
    return [row.locator("th, td").all_inner_texts() for row in rows.all()]


def test_the_front_holds_ranked_rows_that_nothing_cheaper_reaches(visit: Open) -> None:
    page = visit()
    found = {name: front for name, _, _, _, front in lines(page, "#cost-numbers")}
    assert set(found) == set(ROWS)
    assert {name for name, front in found.items() if front == "yes"} == {"close", "drawn"}


def test_the_front_follows_axes_and_filters(visit: Open) -> None:
    page = visit()
    page.locator("#cost-x").select_option("train")
    page.locator("#cost-y").select_option("few")
    page.get_by_label("real").uncheck()
    found = lines(page, "#cost-numbers")
    assert {line[0] for line in found} == {"drawn", "dear", "fetched", "bound"}
    few = text.percent(ROWS["drawn"].groups[2])
    assert any(line[0] == "drawn" and line[3].startswith(few) for line in found)
    assert "Few against training, seconds" in page.locator("#cost-plot title").text_content()


def test_points_are_named_on_hover_and_open_on_click(visit: Open) -> None:
    page = visit()
    page.locator("#cost").scroll_into_view_if_needed()
    mark = page.locator("#cost-plot path.t-web").bounding_box()
    middle = mark["x"] + mark["width"] / 2, mark["y"] + mark["height"] / 2
    page.mouse.move(*middle)
    assert page.locator("#cost-tip").inner_text().startswith("fetched: ")
    page.mouse.click(*middle)
    expect(page.locator("#detail-title")).to_have_text("fetched")


def test_points_are_walked_by_arrow_keys(visit: Open) -> None:
    page = visit()
    page.locator("#cost-y").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "cost-hit"
    page.keyboard.press("End")
    assert page.locator("#said").inner_text().startswith("dear: ")
    page.keyboard.press("ArrowLeft")
    name = page.locator("#said").inner_text().partition(":")[0]
    assert name in {"drawn", "fetched"}
    page.keyboard.press("Enter")
    expect(page.locator("#detail-title")).to_have_text(name)


def test_curves_show_the_chosen_rows(visit: Open) -> None:
    page = visit()
    legend = page.locator("#tail-legend li span")
    assert legend.all_inner_texts() == ["plain", "close", "drawn", "fetched", "bound"]
    page.get_by_label("Show better in the curves").check()
    page.get_by_label("Show dear in the curves").check()
    assert legend.all_inner_texts() == ["close", "drawn", "fetched", "bound", "better", "dear"]
    assert not page.get_by_label("Show plain in the curves").is_checked()
    page.get_by_role("button", name="Take drawn out of the curves").click()
    assert "drawn" not in legend.all_inner_texts()
    assert page.locator("#tail-plot path.line").count() == 5


def test_numbers_along_the_tail(visit: Open) -> None:
    page = visit()
    found = lines(page, "#tail-numbers")
    records = ROWS["plain"].records
    shares = [sum(r.metrics.per_class.correct[0] for r in records) / 100 / len(records)]
    assert found[0][:4] == ["1", "100", "Many", "one"]
    assert found[0][4].startswith(text.percent(shares[0]))
    assert [line[1] for line in found] == ["100", "20", "8", "2"]
    groups = {line[0]: line[1:] for line in lines(page, "#group-numbers")}
    assert groups["drawn"][2].startswith(text.percent(ROWS["drawn"].groups[2]))


def test_heat_map_changes_its_measure(visit: Open) -> None:
    page = visit()
    cells = page.locator("#grid-both .heat td")
    shown = " ".join(" ".join(cells.all_inner_texts()).split())
    assert "+20.00* significant ± 5.00" in shown and "the plain one" in shown
    picker = page.locator("#measure-both")
    picker.select_option("few")
    shown = " ".join(cells.all_inner_texts())
    assert text.percent(ROWS["drawn"].groups[2]) in shown and "missing" in shown
    assert page.evaluate("document.activeElement.id") == "measure-both"


def test_missing_cells_give_their_command(visit: Open) -> None:
    page = visit()
    page.get_by_text("1 experiment with missing runs").click()
    shown = page.locator("#grid-both .commands code").all_inner_texts()
    assert shown == ["python -m benchmark run method=x seed=0,1,2"]


def test_a_figure_has_its_curve_its_reference_and_its_numbers(visit: Open) -> None:
    page = visit()
    figure = page.locator("#grid-curve")
    assert figure.locator("path.line").count() == 2  # in the legend and in the chart
    assert figure.locator("path.band").count() == 1
    assert figure.locator("text.label").all_text_contents() == ["close"]
    found = lines(page, "#grid-curve details")
    assert [line[0] for line in found] == ["more: plain", "more: better", "more: drawn", "close"]
    assert [line[1] for line in found] == ["100", "200", "400", "\N{EN DASH}"]


def test_charts_follow_the_width(visit: Open) -> None:
    page = visit()
    before = page.locator("#tail-plot svg").get_attribute("width")
    page.set_viewport_size({"width": 500, "height": 900})
    until(page, f"document.querySelector('#tail-plot svg').getAttribute('width') !== '{before}'")
    assert page.evaluate("document.documentElement.scrollWidth") == 500


def test_numbers_of_one_table_stay_when_another_is_shown(visit: Open) -> None:
    page = visit()
    other = next(table for table in sample.tables() if table.key != MAIN.key)
    page.locator("#table").select_option(other.key.short_hash)
    until(page, "document.querySelectorAll('#tail-legend li').length === 1")
    page.locator("#table").select_option(MAIN.key.short_hash)
    until(page, "document.querySelectorAll('#tail-legend li').length === 5")
    assert page.locator("#board tbody tr").count() == len(MAIN.rows)
