from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.page import sample
from tests.page.browser import executable, launched, settle, watch

Open = Callable[..., Any]


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    pytest.importorskip("playwright", reason="needs playwright (extra `test`)")
    if executable() is None:
        pytest.skip("needs chromium, chromium-browser or google-chrome on the path")
    with launched() as found:
        yield found


@pytest.fixture(scope="session")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    return sample.save(tmp_path_factory.mktemp("page"))


@pytest.fixture
def visit(browser: Any, address: str) -> Iterator[Open]:
    """Open the page; whatever it does wrong fails the test that opened it."""
    contexts: list[Any] = []
    faults: list[list[str]] = []

    def go(
        fragment: str = "", *, content: Path | None = None, width: int = 1200, **options: Any
    ) -> Any:
        context = browser.new_context(viewport={"width": width, "height": 900}, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        faults.append(watch(page))
        page.goto((content.as_uri() if content else address) + fragment)
        if options.get("java_script_enabled", True):
            settle(page)
        return page

    yield go
    for context in contexts:
        context.close()
    assert [each for found in faults for each in found] == []
