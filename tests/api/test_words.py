"""Every word of a page exists in both languages, and negotiation gives what was asked for."""

import re
from pathlib import Path

import pytest
from starlette.requests import Request

from api.accept import HTML, JSON, LINKSET, prefer, wants_html
from api.drawing import draw
from api.language import LANGUAGES, Catalog, pick_language, pick_name
from api.subject_page import TOLD
from api.views import look_word
from ledger.trace import Graph, Node
from ledger.units import Hop
from verify.authority import ROLES
from verify.strict import parse

API = Path(__file__).parents[2] / "api"


def request(query: str = "", **headers: str) -> Request:
    named = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": "GET", "path": "/", "query_string": query.encode(), "headers": named})


@pytest.mark.parametrize("folder", ["api/messages", "verify/messages"])
def test_no_word_stands_twice_in_a_table(folder: str) -> None:
    """The later one would silently take the place of the first."""
    for path in (API.parent / folder).glob("*.json"):
        parse(path.read_bytes())


def test_both_languages_have_the_same_words() -> None:
    tables = Catalog.load().tables
    assert set(tables["en"]) == set(tables["zh"])
    assert all(words.strip() for lang in LANGUAGES for words in tables[lang].values())
    for name, words in tables["en"].items():
        assert set(re.findall(r"\{\w+\}", words)) == set(re.findall(r"\{\w+\}", tables["zh"][name])), name


def test_every_word_that_a_template_asks_for_is_there() -> None:
    known = Catalog.load().tables["en"]
    pages = [page.read_text("utf-8") for page in (API / "templates").glob("*.html")]
    asked = {name for page in pages for name in re.findall(r"""\bt\(["']([\w.]+)["'][,)]""", page)}
    assert asked
    assert asked <= set(known)


def test_what_a_record_tells_has_a_word_in_front() -> None:
    assert {f"told.{name}" for name in TOLD} <= set(Catalog.load().tables["en"])


def test_every_role_of_a_party_has_a_word() -> None:
    assert {f"role.{role}" for role in ROLES} <= set(Catalog.load().tables["en"])


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_name_of_a_sheet_is_one_that_excel_takes(lang: str) -> None:
    names = [word for key, word in Catalog.load().tables[lang].items() if key.startswith("sheet.")]
    assert names
    assert all(len(name) <= 31 and not set("[]:*?/\\'") & set(name) for name in names)


@pytest.mark.parametrize(("what", "english", "chinese"), [
    ("search", "search", "搜索"), ("trace back", "trace back", "回溯"), ("report fsma204", "report fsma204", "报表 fsma204"),
    ("of another version", "of another version", "of another version"),
])  # fmt: skip
def test_a_look_is_told_in_the_reader_s_words(what: str, english: str, chinese: str) -> None:
    tables = Catalog.load().tables
    assert (look_word(tables["en"], what), look_word(tables["zh"], what)) == (english, chinese)


@pytest.mark.parametrize(
    ("header", "query", "lang"),
    [
        ("", "", "en"),
        ("zh-CN,zh;q=0.9", "", "zh"),
        ("fr;q=1.0, en;q=0.2, zh;q=0.8", "", "zh"),
        ("zh", "lang=en", "en"),
        ("de", "lang=zh-TW", "zh"),
        ("zh;q=no, en;q=0.1", "", "en"),
        ("", "lang=xx", "en"),
        ("zh;q=0", "", "en"),
        ("zh; q=0, en; q=0.1", "", "en"),
        ("en;q=0", "", "zh"),
        ("zh;q=0.000, en;q=0", "", "en"),
        ("en; q=0.3, zh-CN; q=0.8", "", "zh"),
    ],
)
def test_the_link_decides_then_the_browser(header: str, query: str, lang: str) -> None:
    assert pick_language(request(query, accept_language=header)) == lang


def test_a_name_falls_back_to_any_language_there_is() -> None:
    assert pick_name({"en": "Rose", "zh": "玫瑰"}, "zh") == "玫瑰"
    assert pick_name({"fr": "Rose"}, "zh") == "Rose"
    assert pick_name(None, "en") == ""


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", HTML),
        ("application/json", JSON),
        ("*/*", JSON),
        ("", JSON),
        ("application/linkset+json", LINKSET),
        ("text/html;q=0.2, application/json;q=0.9", JSON),
        ("image/png", None),
    ],
)
def test_a_browser_gets_the_page_and_a_program_the_evidence(accept: str, chosen: str | None) -> None:
    assert prefer(request(accept=accept), (JSON, HTML, LINKSET)) == chosen
    assert not wants_html(request("format=json", accept=accept))


def test_a_circle_of_lots_is_drawn_and_not_followed_for_ever() -> None:
    nodes = tuple(Node(name, "lot", "self", 0) for name in "abc")
    hops = tuple(Hop(source, target, 1, "transform") for source, target in ("ab", "bc", "ca"))
    drawing = draw(Graph("a", "back", nodes, hops, (), False), str)
    assert drawing is not None
    assert len(drawing.boxes) == 3
