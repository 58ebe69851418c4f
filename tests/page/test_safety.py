"""The page runs nothing but its own script, asks nothing of a network, and shows texts as texts."""

from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from benchmark.report.page import build
from benchmark.report.page.encoding import script_json
from tests.page import sample
from tests.page.browser import settle, watch
from tests.page.conftest import Open


class Elements(HTMLParser):
    """Every start tag with its attributes."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(content)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


@pytest.fixture(scope="module")
def content() -> str:
    return sample.page()


def test_texts_never_become_markup(content: str) -> None:
    found = Elements(content).found
    assert [tag for tag, _ in found].count("script") == 3
    assert all("onerror" not in attributes for _, attributes in found)
    images = [attributes["src"] or "" for tag, attributes in found if tag == "img"]
    assert len(images) == 1 and images[0].startswith("data:image/png;base64,")
    assert "<!--" not in content.partition("<script>")[0]


def test_nothing_is_loaded_from_elsewhere(content: str) -> None:
    for tag, attributes in Elements(content).found:
        for name in ("src", "href", "action", "srcset", "poster", "data"):
            value = attributes.get(name)
            assert value is None or value.startswith(("#", "data:")), (tag, value)
    assert "http" not in build.ASSETS.joinpath("style.css").read_text("utf-8")
    assert "@import" not in content and "url(" not in content


@pytest.mark.parametrize(
    "text",
    ["</script>", "<!--", "<script", "]]>", "\u2028\u2029", "&amp;", "\\", '"', "\x00", "\ud800"],
)
def test_any_text_survives_inside_a_script_element(text: str) -> None:
    import json

    dumped = script_json([text])
    assert json.loads(dumped) == [text]
    assert dumped.isascii() and not set("<>&") & set(dumped)


def test_numbers_that_are_none_are_refused() -> None:
    with pytest.raises(ValueError, match="Out of range"):
        script_json([float("nan")])


def test_hostile_texts_are_shown_as_they_are(visit: Open) -> None:
    page = visit()
    assert page.locator("#board tbody button.open", has_text=sample.HOSTILE).count() == 1
    assert page.locator("main img").count() == 1
    assert page.locator("#published h3").inner_text() == f"Table 1 {sample.HOSTILE}"
    assert page.locator("#grid-list").get_by_text(sample.HOSTILE).count() == 1
    page.get_by_label("Component").select_option(sample.HOSTILE)
    assert page.locator("#board tbody tr").count() == 1


def test_the_policy_stops_what_is_foreign(browser: Any, tmp_path: Path, content: str) -> None:
    """It names the hashes of the page's own script and style, so that nothing else takes effect."""
    foreign = (
        "<script>window.foreign = 1</script><style>h1 { display: none }</style>"
        "<img src='https://example.org/x.png' alt=''>"
    )
    changed = sample.save(tmp_path, content.replace("</main>", f"{foreign}</main>"))
    context = browser.new_context()
    page = context.new_page()
    faults = watch(page)
    page.goto(changed)
    settle(page)
    assert page.evaluate("window.foreign") is None
    assert page.locator("h1").is_visible()
    assert page.locator("main img").last.evaluate("image => image.naturalWidth") == 0
    for directive in ("script-src", "style-src", "img-src"):
        assert any(directive in fault for fault in faults)
    assert page.locator("#board tbody tr").count() == 9
    context.close()


def test_addresses_cannot_run_anything(visit: Open) -> None:
    page = visit("#%3Cimg src=x onerror=alert(1)%3E/javascript:alert(1)")
    assert page.locator("main img").count() == 1
    expect(page.locator("#detail")).to_be_hidden()


def test_a_broken_address_is_harmless(visit: Open) -> None:
    page = visit("#%E0%A4%A/x")
    assert page.locator("#board tbody tr").count() == 9


def test_it_works_without_storage(visit: Open, browser: Any, address: str) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.add_init_script(
        "Object.defineProperty(window, 'localStorage', { get() { throw new Error('no') } })"
    )
    page.goto(address)
    page.locator("#theme").click()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    context.close()
