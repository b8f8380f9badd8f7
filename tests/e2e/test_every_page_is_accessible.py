"""
Every page of the service, seen with a stranger's and an inspector's eyes, in both languages, under WCAG 2.2 AA.

The scan page has its own (test_scan_page.py).  What a machine can find is the least; axe-core finds it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2
import pytest

from api.demo.cast import CHEN
from api.demo.stage import KEY
from tests.e2e.phone import AXE, violations
from tests.support.demo import play_season, serving_demo
from tests.support.service import free_port

pytestmark = [pytest.mark.browser, pytest.mark.chain, pytest.mark.xdist_group("browser")]
SIZES = {
    "phone": {"width": 390, "height": 844}, "desk": {"width": 1280, "height": 800},
    "magnified": {"width": 180, "height": 320},  # a small phone at 200 %
}  # fmt: skip
AXED = {"zh": "phone", "en": "desk"}


@dataclass(frozen=True)
class Place:
    """A played demo: its address, a lot that was recalled, the notice of it, and the inspector's key."""

    url: str
    lot: str
    recall: str
    key: str

    def pages(self) -> dict[str, str]:
        """Every page that people look at, by name."""
        lot = quote(self.lot, safe="")
        return {
            "front": "/", "log": "/log", "recalls": "/recalls", "recall": f"/recalls/{self.recall}",
            "problem": "/problems/high-s", "missing": "/nowhere", "place": CHEN.place.removeprefix("https://id.gs1.org"),
            "desk": "/regulator", "search": "/regulator?q=" + quote("苹果"), "subject": f"/regulator/subject?id={lot}",
            "looks": "/regulator/looks", "pallet": "/00/095210020000000023", "back": f"/trace/back?id={lot}",
            "forward": f"/trace/forward?id={lot}",
        }  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    if not AXE.exists():
        pytest.skip("axe-core is not installed: run npm ci in tests/js/")
    port = free_port()
    with serving_demo(tmp_path_factory.mktemp("pages") / "var", port) as stage:
        play_season(stage, port)
        url = f"http://localhost:{port}"
        (recall,) = httpx2.get(f"{url}/recalls", headers={"accept": "application/json"}).json()["recalls"]
        yield Place(url, recall["scope"]["lots"][0], recall["digest"], (stage.settings.data / KEY).read_text("utf-8").strip())


@pytest.fixture
def page(browser: Any, request: pytest.FixtureRequest) -> Iterator[Any]:
    # axe comes from outside the page's own policy, which lets nothing in.
    context = browser.new_context(viewport=SIZES[request.node.callspec.params["size"]], bypass_csp=True)
    yield context.new_page()
    context.close()


def sign_in(page: Any, place: Place) -> None:
    page.goto(f"{place.url}/regulator")
    page.fill("input[name=key]", place.key)
    page.keyboard.press("Enter")  # without a mouse
    page.wait_for_selector("input[name=q]")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("lang", ["zh", "en"])
def test_no_page_keeps_anybody_out(page: Any, place: Place, lang: str, size: str, pictures: Path) -> None:
    # Every size is asked whether it fits in both languages; what axe finds, it finds in one size of each.
    judge = violations if size == AXED[lang] else lambda page: []
    found = {}
    page.goto(f"{place.url}/regulator?lang={lang}")
    found["sign in"] = judge(page)
    sign_in(page, place)
    for name, path in place.pages().items():
        page.goto(f"{place.url}{path}{'&' if '?' in path else '?'}lang={lang}")
        page.screenshot(path=str(pictures / f"{name}-{lang}-{size}.png"), full_page=True)
        found[name] = judge(page)
        assert page.locator("html").get_attribute("lang") == {"zh": "zh-CN", "en": "en"}[lang]
        wide = page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
        found[name] += [("scrolls-sideways", path)] if wide else []
    assert {name: what for name, what in found.items() if what} == {}
