"""
Which language a reader gets, and the words in it.

`?lang=` decides, then Accept-Language, then English.  A catalog is one flat JSON file per language; a name that is missing
there is a fault of ours and raises.

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
    asked = request.query_params.get("lang", "")[:2].lower()
    if asked in LANGUAGES:
        return asked
    weighed = []
    for part in request.headers.get("accept-language", "").split(",")[:16]:
        tag, _, weight = part.strip().partition(";q=")
        if tag[:2].lower() in LANGUAGES:
            weighed.append((_weight(weight), tag[:2].lower()))
    # max() keeps the first of equals, as the header's own order does.
    return max(weighed, key=lambda pair: pair[0])[1] if weighed else LANGUAGES[0]


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
