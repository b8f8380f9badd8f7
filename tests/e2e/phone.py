"""
A shopper's phone: a slow processor on a slow network, and what it is shown by when.

The networks are DevTools' emulation, which leaves out the look-up of the name and the handshakes: about three round trips more.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.conftest import PHONE
from tests.support.site import Site

SLOWDOWN = 4  # of the processor
AXE = Path(__file__).parents[2] / "tests/js/node_modules/axe-core/axe.min.js"
RULES = "axe.run({runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']})"


@dataclass(frozen=True, slots=True)
class Network:
    """How slow: round trip in ms, kbit/s."""

    name: str
    latency: int
    rate: float


NETWORKS = (Network("slow 4G (Lighthouse)", 150, 1_638.4), Network("a village's 4G", 400, 400))


@dataclass(frozen=True, slots=True)
class Visit:
    """When the page showed what, in ms after it was asked for; and how often the server was asked before the verdict."""

    paint: float
    proof: float
    verdict: float
    requests: int


def visit(browser: Any, site: Site, path: str, network: Network) -> Visit:
    """Open a page for the first time, and wait for its verdict."""
    context = browser.new_context(viewport=PHONE)
    page = context.new_page()
    link = context.new_cdp_session(page)
    rate = network.rate * 1000 / 8
    link.send("Network.enable")
    conditions = {"offline": False, "latency": network.latency, "downloadThroughput": rate, "uploadThroughput": rate}
    link.send("Network.emulateNetworkConditions", conditions)
    link.send("Emulation.setCPUThrottlingRate", {"rate": SLOWDOWN})
    site.requests.clear()
    page.goto(site.url + path)
    page.locator("body[data-exit]").wait_for()
    asked = "(names) => names.map((name) => performance.getEntriesByName(name)[0].startTime)"
    paint, proof, verdict = page.evaluate(asked, ["first-contentful-paint", "proof", "verdict"])
    context.close()
    return Visit(paint, proof, verdict, len(site.requests))


def violations(page: Any) -> list[tuple[str, str]]:
    """What axe-core finds on an open page (rule, element); the page's policy must be bypassed, for axe comes from outside."""
    page.add_script_tag(path=str(AXE))
    return [(one["id"], one["nodes"][0]["html"][:120]) for one in page.evaluate(RULES)["violations"]]
