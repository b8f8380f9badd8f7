"""A browser for the tests of this folder: the system's chromium, else Playwright's own; one context for each test."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]  # fmt: skip
PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="session")
def browser() -> Iterator[object]:
    """A headless chromium; without one the test is skipped with a reason, and fails where CI=true."""
    try:
        from playwright.sync_api import Error, sync_playwright
    except ImportError:
        _absent("playwright is not installed")
    with sync_playwright() as driver:
        try:
            found = driver.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        except Error as error:
            _absent(f"no chromium could be started: {str(error).splitlines()[0]}")
        yield found
        found.close()


def _absent(reason: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def pictures() -> Path:
    """Where screenshots go; git ignores it."""
    folder = Path(__file__).parents[2] / "build" / "pictures"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
