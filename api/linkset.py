"""
The links of one Digital Link, as a linkset and by type.

Source: RFC 9264 (linksets); GS1-conformant resolver standard; GS1 web vocabulary for the link types.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

VOCABULARY = "https://gs1.org/voc/"
DEFAULT = "defaultLink"


@dataclass(frozen=True, slots=True)
class Link:
    """One target; `languages` where it exists in several."""

    href: str
    title: str
    media: str
    languages: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """As a target object of a linkset."""
        body: dict[str, Any] = {"href": self.href, "title": self.title, "type": self.media}
        return body | ({"hreflang": list(self.languages)} if self.languages else {})


def links_of(base_url: str, path: str, uri: str) -> Mapping[str, Sequence[Link]]:
    """Every link of `path` (as scanned) about the canonical `uri`, by type; exactly one is the default."""
    page = Link(f"{base_url}{path}", "Product page, verified on your phone", "text/html", ("en", "zh-CN"))
    bundle = Link(f"{base_url}{path}?format=bundle", "Evidence bundle, verifiable offline", "application/json")
    asked = quote(uri, safe="")
    back = Link(f"{base_url}/trace/back?id={asked}", "Where it came from", "application/json")
    forward = Link(f"{base_url}/trace/forward?id={asked}", "Where it went", "application/json")
    recalls = Link(f"{base_url}/recalls", "Open recalls", "text/html", ("en", "zh-CN"))
    return {
        DEFAULT: (page,), "pip": (page,), "traceability": (back, forward), "verificationService": (bundle,),
        "recallStatus": (recalls,),
    }  # fmt: skip


def linkset_of(base_url: str, path: str, links: Mapping[str, Sequence[Link]]) -> dict[str, Any]:
    """The linkset document."""
    targets = {VOCABULARY + name: [link.as_json() for link in found] for name, found in links.items()}
    return {"linkset": [{"anchor": f"{base_url}{path}", **targets}]}


def by_type(links: Mapping[str, Sequence[Link]], asked: str) -> Sequence[Link]:
    """The links of one type: `gs1:pip`, `pip` or its whole address; empty where there is none."""
    return links.get(asked.removeprefix(VOCABULARY).removeprefix("gs1:"), ())


def resolver_description(base_url: str) -> dict[str, Any]:
    """What `/.well-known/gs1resolver` answers."""
    return {
        "name": "Originmark 源印", "resolverRoot": base_url, "supportedPrimaryKeys": ["00", "01", "414", "417", "8003"],
        "linkTypeDefaultCanBeLinkset": False,
    }  # fmt: skip
