"""
Rendering: one Jinja environment per application, autoescaping, and what every page needs.

Templates hold no rule and no word: words come from messages/, times are printed here.

Source: Jinja2, autoescaping; WCAG 2.2 (3.1.1 language of page).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.datastructures import URL
from starlette.requests import Request
from starlette.responses import HTMLResponse

from api.headers import PAGE_CSP
from api.language import TAGS, Catalog, chosen_language, keep_language, pick_language, pick_name
from verify.gs1 import HOST


@dataclass(frozen=True, slots=True)
class Views:
    """Draws templates; `banner` says on every page that this is a demo."""

    environment: Environment
    catalog: Catalog
    origin: str
    banner: bool
    zone: tzinfo

    @classmethod
    def load(cls, *, origin: str, banner: bool, zone: tzinfo = UTC) -> "Views":
        """Read the catalog and prepare the environment; templates are compiled when first used."""
        environment = Environment(loader=PackageLoader("api"), autoescape=True, undefined=StrictUndefined, trim_blocks=True)
        return cls(environment, Catalog.load(), origin, banner, zone)

    def page(self, request: Request, template: str, *, status: int = 200, here: str = "", **facts: Any) -> HTMLResponse:
        """Render a page in the reader's language; never stored, since most of them are about to change."""
        lang = pick_language(request)
        body = self.environment.get_template(template).render(**self._common(request, lang), here=here, **facts)
        headers = {
            "content-language": TAGS[lang],
            "content-security-policy": PAGE_CSP,
            "cache-control": "no-store",
            "vary": "accept, accept-language, cookie",
        }
        return HTMLResponse(body, status, headers)

    def _common(self, request: Request, lang: str) -> Mapping[str, Any]:
        other, table = "en" if lang == "zh" else "zh", self.catalog.tables[lang]
        return {
            "lang": lang,
            "tag": TAGS[lang],
            "other_tag": TAGS[other],
            "chosen": chosen_language(request),
            "to": lambda path: keep_language(request, path),
            "other_url": _relative(request.url.include_query_params(lang=other)),
            "banner": self.banner,
            "origin": self.origin,
            "t": lambda key, **facts: self.catalog.text(lang, key, **facts),
            "name": lambda names: pick_name(names, lang),
            "kind": lambda kind: table.get(f"kind.{kind}", kind),
            "step": lambda word: table.get(f"step.{word}", str(word or "").replace("_", " ")),
            "told": lambda name, value: told_word(table, name, value),
            "looked": lambda what: look_word(table, what),
            "amount": lambda text: _amount(text, table),
            "when": lambda time_ms: shown_ms(time_ms, self.zone),
            "claimed": shown_claim,
            "short": lambda uri: uri.removeprefix(HOST),
        }


def told_word(words: Mapping[str, str], name: str, value: object) -> str:
    """The word for a member's value, the value where there is none."""
    return words.get(f"{'step' if name == 'bizStep' else f'told.{name}'}.{value}", str(value))


def look_word(words: Mapping[str, str], what: str) -> str:
    """The word for a kind of look as it was written down; a report keeps its own name."""
    kind, _, name = what.partition(" ")
    return words.get(f"look.{what}") or words.get(f"look.{kind}", what).replace("{name}", name)


def shown_ms(time_ms: int | None, zone: tzinfo) -> str:
    """A log's time, ms since 1970, to the second, as clocks show it in `zone`, with its offset."""
    if time_ms is None:
        return "–"
    moment = datetime.fromtimestamp(time_ms / 1000, zone)
    return moment.strftime("%Y-%m-%d %H:%M:%S ") + moment.isoformat()[-6:].replace("+00:00", "UTC")


def shown_claim(text: str) -> str:
    """A party's time as it wrote it, to the minute: RFC 3339 with an offset."""
    return f"{text[:10]} {text[11:16]} {text[19:].lstrip('.0123456789')}"


def _amount(text: str, table: Mapping[str, str]) -> str:
    """A quantity with its UN/CEFACT code in the reader's words; a code that has none there stays."""
    number, _, unit = text.partition(" ")
    return " ".join(filter(None, (number, table.get(f"unit.{unit}", unit))))


def _relative(url: URL) -> str:
    # Path and query alone: a Host header must not decide where a link leads.
    return f"{url.path}?{url.query}"
