"""A real headless Chromium for tests and screenshots, and what it must not do."""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome")


def executable() -> str | None:
    """The first browser found on the path."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


@contextmanager
def launched() -> Iterator[Any]:
    """A running browser; it stops at the end."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=executable(), args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        try:
            yield browser
        finally:
            browser.close()


def watch(page: Any) -> list[str]:
    """Everything that a page does wrong from now on: errors, warnings, requests."""
    faults: list[str] = []
    page.on("console", lambda said: faults.append(f"console {said.type}: {said.text}"))
    page.on("pageerror", lambda error: faults.append(f"error: {error}"))
    page.on("dialog", lambda box: (faults.append(f"dialog: {box.message}"), box.dismiss()))
    page.on(
        "request",
        lambda sent: None if sent.is_navigation_request() else faults.append(f"GET {sent.url}"),
    )
    return faults


def until(page: Any, condition: str, seconds: float = 60) -> None:
    """Wait until an expression holds; the page's policy forbids to wait for it inside the page."""
    end = time.monotonic() + seconds
    while not page.evaluate(condition):
        assert time.monotonic() < end, f"waited {seconds} s for {condition}"
        page.wait_for_timeout(20)


def settle(page: Any) -> None:
    """Wait until what the page puts off is done, too."""
    until(page, "performance.getEntriesByName('settled').length > 0")
