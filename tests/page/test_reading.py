"""For every reader: names, order, contrast in both themes, phone, paper, no script."""

from pathlib import Path
from typing import Any

import pytest

from tests.page.conftest import Open

HERE = Path(__file__).parent
AUDIT = (HERE / "audit.js").read_text(encoding="utf-8")
CONTRAST = (HERE / "contrast.js").read_text(encoding="utf-8")
THEMES = pytest.mark.parametrize("theme", ["light", "dark"])


def opened(page: Any) -> Any:
    """With everything that folds unfolded."""
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    return page


def test_everything_has_a_name_and_a_place(visit: Open) -> None:
    page = opened(visit())
    assert page.evaluate(AUDIT) == []
    page.locator("#board tbody button.open").first.click()
    assert opened(page).evaluate(AUDIT) == []


def test_the_audit_finds_faults(visit: Open) -> None:
    page = visit()
    page.evaluate("""() => {
      document.querySelector("#theme").textContent = "";
      document.querySelector("img").alt = "";
      document.querySelector("main").insertAdjacentHTML("afterbegin", "<h5>x</h5><h4>y</h4>");
      document.querySelector("#cost-title").id = "tail-title";
    }""")
    found = " ".join(page.evaluate(AUDIT))
    for word in ("no name: button", "without alt", "skips a level", "id twice", "names nothing"):
        assert word in found


@THEMES
def test_text_stands_out(visit: Open, theme: str) -> None:
    page = opened(visit(color_scheme=theme))
    found = page.evaluate(CONTRAST)
    assert found["faults"] == [] and found["count"] > 300
    page.locator("#measure-both").select_option("all")
    page.locator("#board tbody button.open").first.click()
    assert opened(page).evaluate(CONTRAST)["faults"] == []


def test_the_contrast_check_finds_faults(visit: Open) -> None:
    page = visit()
    page.evaluate("document.querySelector('h1').style.color = '#ddd'")
    assert any("H1" in fault for fault in page.evaluate(CONTRAST)["faults"])


def test_theme_follows_the_system_until_switched(visit: Open) -> None:
    paper = "getComputedStyle(document.body).backgroundColor"
    page = visit(color_scheme="dark")
    dark = page.evaluate(paper)
    page.get_by_role("button", name="Light theme").click()
    light = page.evaluate(paper)
    assert light != dark
    page.reload()
    assert page.evaluate(paper) == light
    page.get_by_role("button", name="Dark theme").click()
    assert page.evaluate(paper) == dark
    assert visit(color_scheme="light").evaluate(paper) == light


@pytest.mark.parametrize("width", [320, 375, 900, 1440])
def test_the_page_never_scrolls_sideways(visit: Open, width: int) -> None:
    page = opened(visit(width=width))
    assert page.evaluate("document.documentElement.scrollWidth") == width
    page.locator("#board tbody button.open").first.click()
    opened(page)
    assert page.evaluate("document.querySelector('#detail').scrollWidth") <= width


def test_on_a_phone_the_names_stay_while_the_table_scrolls(visit: Open) -> None:
    page = visit(width=375)
    left = "document.querySelector('#board tbody th').getBoundingClientRect().left"
    before = page.evaluate(left)
    page.evaluate("document.querySelector('.scroll.tall').scrollLeft = 300")
    assert page.evaluate("document.querySelector('.scroll.tall').scrollLeft") == 300
    assert page.evaluate(left) == before


def test_paper_has_all_sections_and_no_controls(visit: Open) -> None:
    page = visit(color_scheme="dark")
    page.emulate_media(media="print")
    assert page.locator(".controls:visible, button.copy:visible, #theme:visible").count() == 0
    for section in ("boards", "cost", "tail", "grids", "pictures", "published", "reading"):
        assert page.locator(f"#{section} h2").is_visible()
    overflow = "all => all.map((each) => getComputedStyle(each).overflowX)"
    assert set(page.locator(".scroll").evaluate_all(overflow)) == {"visible"}
    white = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert white == "rgb(253, 253, 251)"
    assert len(page.pdf()) > 10_000


def test_without_script_the_tables_stand_as_text(visit: Open) -> None:
    page = visit(java_script_enabled=False)
    said = page.locator("main").inner_text()
    assert "Without JavaScript" in said and "shapes: long" in said
    line = page.locator("[data-static] tr", has_text="drawn").first.inner_text()
    assert "87.44" in line and "synthetic" in line
    assert page.locator(".controls:visible").count() == 0
    assert "Supplies x losses" in said and "12.30" in said


def test_motion_is_reduced_on_demand(visit: Open) -> None:
    behaviour = "getComputedStyle(document.documentElement).scrollBehavior"
    assert visit(reduced_motion="reduce").evaluate(behaviour) == "auto"
    assert visit(reduced_motion="no-preference").evaluate(behaviour) == "smooth"
