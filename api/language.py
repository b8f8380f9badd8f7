"""
Which language a reader gets, and the words in it.

`?lang=` decides, then Accept-Language, then English.  Who chose by the address keeps the choice from page to page: links carry
it on, so that no cookie is needed and every page has an address of its own.  A catalog is one flat JSON file per language; a
name that is missing there is a fault of ours and raises.

Source: RFC 9110 section 12.5.4.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources

from starlette.requests import Request

LANGUAGES = ("en", "zh")
TAGS: Mapping[str, str] = {"en": "en", "zh": "zh-CN"}
"""For the `lang` attribute and Content-Language."""


@dataclass(frozen=True, slots=True)
class Catalog:
    """The words of every page, per language."""

    tables: Mapping[str, Mapping[str, str]]

    @classmethod
    def load(cls) -> "Catalog":
        """Read the tables that are shipped with this package."""
        folder = resources.files("api").joinpath("messages")
        return cls({lang: json.loads(folder.joinpath(f"{lang}.json").read_text("utf-8")) for lang in LANGUAGES})

    def text(self, lang: str, key: str, /, **facts: object) -> str:
        """The words for `key`, with {facts} filled in.  Raises KeyError."""
        words = self.tables[lang][key]
        for fact, value in facts.items():
            words = words.replace("{" + fact + "}", str(value))
        return words


def pick_language(request: Request) -> str:
    """The reader's language: en or zh."""
    return chosen_language(request) or _accepted(request.headers.get("accept-language", ""))


def chosen_language(request: Request) -> str:
    """The language that the address names; empty where it names none of ours."""
    asked = request.query_params.get("lang", "")[:2].lower()
    return asked if asked in LANGUAGES else ""


def keep_language(request: Request, path: str) -> str:
    """The address of another page of ours, in the language that the reader chose, if any was chosen."""
    chosen = chosen_language(request)
    return f"{path}{'&' if '?' in path else '?'}lang={chosen}" if chosen else path


def _accepted(header: str) -> str:
    weights: dict[str, float] = {}
    for part in header.split(",")[:16]:
        tag, _, weight = part.replace(" ", "").lower().partition(";q=")
        if tag[:2] in LANGUAGES:
            weights[tag[:2]] = max(_weight(weight), weights.get(tag[:2], 0.0))
    # max() keeps the first of equals, as the header's own order does.
    best = max(weights, key=lambda lang: weights[lang], default="")
    # A weight of 0 means "not acceptable": then any other language is better.
    return best if weights.get(best) else next((lang for lang in LANGUAGES if lang not in weights), LANGUAGES[0])


def pick_name(names: object, lang: str) -> str:
    """The text for `lang` of {"en": ..., "zh": ...}, else any that is there."""
    if not isinstance(names, dict):
        return str(names or "")
    return str(names.get(lang) or names.get("zh") or names.get("en") or next(iter(names.values()), ""))


def _weight(text: str) -> float:
    try:
        return min(max(float(text), 0.0), 1.0) if text else 1.0
    except ValueError:
        return 0.0
