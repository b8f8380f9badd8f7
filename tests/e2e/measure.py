"""
Print what a scan costs a shopper: `make scan`, or `python -m tests.e2e.measure [TIMES]`.

Bytes on the wire against the aims, then the time to first paint, to the proof and to the whole verdict on a slow phone:
the median of so many first visits (5).  An idle machine is needed; the load is printed.
"""

import os
import shutil
import sys
from statistics import median
from typing import Any

from playwright.sync_api import sync_playwright
from rich.console import Console
from rich.table import Table

from tests.e2e.conftest import FLAGS, PHONE
from tests.e2e.phone import AXE, NETWORKS, SLOWDOWN, Network, violations, visit
from tests.e2e.sizes import Scan, rows
from tests.support.site import Site, serving

AIM_MS = 1_000


def main() -> None:
    """Both languages."""
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    console = Console(width=100)
    with sync_playwright() as driver, serving() as site:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        for lang in ("zh", "en"):
            scan = Scan.of(lang)
            site.pages[f"/{lang}"] = scan.page
            console.print(_sizes(scan, lang))
            console.print(_times(browser, site, lang, times))
            console.print(f"axe-core: {_found(browser, site, lang)}\n")
        browser.close()


def _sizes(scan: Scan, lang: str) -> Table:
    table = _table(f"{lang}: bytes, one item with its way of {scan.records} records", "part", "raw", "brotli", "aim")
    for row in rows(scan):
        table.add_row(*row)
    return table


def _times(browser: Any, site: Site, lang: str, times: int) -> Table:
    title = f"{lang}: ms, processor / {SLOWDOWN}, median of {times} (load {os.getloadavg()[0]:.1f})"
    table = _table(title, "network", "first paint", "proof", "whole verdict", "requests", "aim")
    for network in NETWORKS:
        table.add_row(*_row(browser, site, lang, times, network), f"{AIM_MS:,}")
    return table


def _row(browser: Any, site: Site, lang: str, times: int, network: Network) -> list[str]:
    visits = [visit(browser, site, f"/{lang}", network) for _ in range(times)]
    middle = (median(getattr(one, name) for one in visits) for name in ("paint", "proof", "verdict"))
    name = f"{network.name}: {network.latency} ms, {network.rate:,.0f} kbit/s"
    return [name, *(f"{value:,.0f}" for value in middle), str(max(one.requests for one in visits))]


def _found(browser: Any, site: Site, lang: str) -> str:
    if not AXE.exists():
        return "not installed: npm ci in tests/js/"
    context = browser.new_context(viewport=PHONE, bypass_csp=True)
    page = context.new_page()
    page.goto(f"{site.url}/{lang}")
    page.locator("body[data-exit]").wait_for()
    page.click("summary")
    found = violations(page)
    context.close()
    return str(found) if found else "no violations"


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left")
    for at, column in enumerate(columns):
        table.add_column(column, justify="right" if at else "left")
    return table


if __name__ == "__main__":
    main()
