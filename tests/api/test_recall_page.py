"""What people read of a recall: what is recalled, by whom, since when, for which window, and whether it is over."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from html import unescape
from uuid import UUID

import pytest

from api.language import Catalog
from api.recall_page import shown
from producers.control import RecallNotice, Scope
from producers.kinds import MasterData
from tests.api.conftest import Operator
from tests.support.ledger import AGENCY, FARM, GTIN, LOT, ORIGIN, p256
from verify.statement import parse_statement

HTML = {"accept": "text/html"}
PLACE = "https://farm.example/slope"


def notice(number: int, scope: Scope, closes: str | None = None) -> RecallNotice:
    return RecallNotice(id=UUID(int=number).urn, log=ORIGIN, scope=scope, class_="II", reason={"en": f"Residue {number}"},
                        instructions={"en": "Do not eat"}, closes=closes)  # fmt: skip


def recall(operator: Operator, number: int, scope: Scope, *, closed: bool = False) -> tuple[int, str]:
    """The index and digest of a recall, which an authority issues and perhaps closes."""
    told = operator.sign(notice(number, scope), AGENCY, p256("agency"))
    (index,), digest = operator.log(told), parse_statement(told.decode()).digest.hex()
    if closed:
        operator.log(operator.sign(notice(number + 1, scope, digest), AGENCY, p256("agency")))
    return index, digest


def text_of(operator: Operator, path: str, lang: str = "en") -> str:
    """A page as somebody reads it, and its title first."""
    answer = operator.client.get(f"{path}?lang={lang}", headers=HTML)
    assert answer.status_code == 200, answer.text
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", answer.text)).split())


@pytest.fixture(scope="module")
def told(operator: Operator) -> Operator:
    """A log with a named product and place, a lot, and an authority."""
    operator.log(operator.grant(AGENCY, p256("agency"), "authority"))
    for uri, kind, name in ((GTIN, "Product", "Fuji apples"), (PLACE, "Place", "East slope")):
        told = MasterData(id=uri, type=kind, name={"en": name, "zh": name}, holder=FARM)
        operator.log(operator.sign(told, FARM, p256("farm")))
    operator.log(operator.event(readPoint={"id": PLACE}))
    return operator


@pytest.mark.parametrize(("scope", "named"), [
    (Scope(lots=(LOT,)), ["lot Fuji apples H-1", LOT]), (Scope(products=(GTIN,)), ["product Fuji apples", GTIN]),
    (Scope(places=(PLACE,)), ["place East slope", PLACE]),
])  # fmt: skip
def test_a_recall_names_what_is_recalled_who_says_so_since_when_and_where_in_the_log(
    told: Operator, scope: Scope, named: Sequence[str]
) -> None:
    index, digest = recall(told, 10, scope)
    logged = told.client.get("/log?format=csv").text
    at = next(line.split(",")[1] for line in logged.splitlines() if line.startswith(f"{index},"))
    for path in (f"/recalls/{digest}", "/recalls"):
        page = text_of(told, path)
        for words in (*named, AGENCY, f"Issued (log time) {at[:10]} {at[11:19]} UTC", f"Log index {index}"):
            assert words in page, (path, words)


@pytest.mark.parametrize(("since", "until", "words"), [
    ("2026-11-01T00:00:00Z", "2026-11-20T12:00:00+08:00", "from 2026-11-01 00:00:00 UTC until 2026-11-20 04:00:00 UTC"),
    ("2026-11-01T00:00:00Z", None, "from 2026-11-01 00:00:00 UTC "),
    (None, "2026-11-20T00:00:00Z", "until 2026-11-20 00:00:00 UTC"),
])  # fmt: skip
def test_a_recall_of_a_certain_time_says_which_and_any_other_says_none(
    told: Operator, since: str | None, until: str | None, words: str
) -> None:
    window = Catalog.load().text("en", "recalls.window")
    for number, scope in ((20, Scope(lots=(LOT,), from_=since, until=until)), (21, Scope(lots=(LOT,)))):
        _, digest = recall(told, number, scope)
        page = text_of(told, f"/recalls/{digest}")
        assert (window in page) == (words in page) == (number == 20)
    assert words in text_of(told, "/recalls")


def test_a_window_that_begins_with_the_calendar_is_shown_where_clocks_are_behind() -> None:
    first = int(datetime(1, 1, 1, tzinfo=UTC).timestamp() * 1000)
    assert shown(first, timezone(timedelta(hours=-5))) == "0001-01-01 00:00 +00:00"


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_recall_that_is_over_is_not_called_open(told: Operator, lang: str) -> None:
    words = Catalog.load().tables[lang]
    _, digest = recall(told, 30, Scope(lots=(LOT,)), closed=True)
    page = told.client.get(f"/recalls/{digest}?lang={lang}", headers=HTML).text
    title = page.partition("<title>")[2].partition("</title>")[0]
    assert words["recalls.title"] not in page.replace(words["nav.recalls"], "")
    assert words["recalls.is_closed"] in title
    assert "Residue 30" in title
    _, still_open = recall(told, 40, Scope(lots=(LOT,)))
    assert words["recalls.is_closed"] not in told.client.get(f"/recalls/{still_open}?lang={lang}", headers=HTML).text


def test_whether_it_is_still_there_stands_beside_the_place_where_a_phone_shows_it(told: Operator) -> None:
    _, digest = recall(told, 50, Scope(lots=(LOT,)))
    page = told.client.get(f"/recalls/{digest}?lang=en", headers=HTML).text
    headings = re.findall(r'<th scope="col">(.*?)</th>', page)
    assert headings[:2] == ["Where", "Still there?"]
    first = page.partition("<tbody>")[2].partition("</tr>")[0]
    assert re.findall(r"<td[^>]*>(.*?)</td>", first)[:2] == ["East slope", "may still be there"]


def test_programs_are_told_the_window(told: Operator) -> None:
    _, digest = recall(told, 31, Scope(lots=(LOT,), from_="2026-01-01T08:00:00+08:00"))
    scope = told.client.get(f"/recalls/{digest}").json()["scope"]
    assert (scope["from"], "until" in scope) == ("2026-01-01T00:00:00.000+00:00", False)


def test_a_regulator_sees_the_places_that_were_withheld_from_the_public_and_the_look_is_recorded(told: Operator) -> None:
    shop = "https://quiet-shop.example/"
    told.log(told.withholding(shop))
    _, digest = recall(told, 33, Scope(lots=(LOT,)))
    assert shop not in told.client.get(f"/recalls/{digest}").text
    key = {"authorization": f"Bearer {told.regulator_key}"}
    answer = told.client.get(f"/recalls/{digest}", headers=key)
    assert shop in answer.json()["reach"]["parties"]
    assert answer.headers["cache-control"] == "no-store"
    assert digest in told.client.get("/regulator/looks?format=csv", headers=key).text
