"""
What a scan costs on the wire, in bytes: the page, and what it is made of.

The aims are one initial TCP window; "to the proof" is what must arrive before the phone can make the proof.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from api import inline, scanpage
from api.scan import filed_under
from tests.support.scene import LABEL, scene, summary
from tests.support.site import Page, brotli
from verify.bundle import parse_bundle

AIMS: Mapping[str, int] = {"proof script": 8_192, "bundle": 5_120, "to the proof": 14_336, "whole page": 14_336}


@dataclass(frozen=True, slots=True)
class Scan:
    """The page of the season's item in one language, as a server would send it."""

    page: Page
    bundle: str
    records: int

    @classmethod
    def of(cls, lang: str) -> "Scan":
        """Play the season and draw its page."""
        played = scene()
        bundle = played.bundle(int(time.time()))
        subjects = filed_under(parse_bundle(bundle))
        html, csp = scanpage.scan_page(
            bundle_json=bundle, lang=lang, messages=scanpage.words(lang), policy=played.shop.policy(), rpc=[], label=LABEL,
            summary=summary(bundle, lang), subjects=subjects,
        )  # fmt: skip
        return cls(Page(html, csp), bundle, len(subjects))

    def parts(self) -> Iterator[tuple[str, str]]:
        """Each part that has a size of its own."""
        run, html = inline.inlined(), self.page.html
        yield "proof script", run.proof
        yield "rest of the script", run.rest
        yield "style", run.style
        yield "bundle", self.bundle
        yield "to the proof", html[: html.index(run.proof) + len(run.proof)]
        yield "whole page", html


def rows(scan: Scan) -> Iterator[tuple[str, str, str, str]]:
    """Name, bytes raw, bytes with brotli, aim."""
    for name, text in scan.parts():
        data = text.encode()
        yield name, f"{len(data):,}", f"{len(brotli(data)):,}", f"{AIMS[name]:,}" if name in AIMS else ""
