"""Asking as strangers' tools do: for a head alone, by addresses that are nearly right, for forms that nobody offers."""

import csv
import io
import re
from html import unescape

import pytest

from api.demo.cast import CHEN
from producers.control import RecallNotice, Scope
from tests.api.conftest import Operator, problem_of
from tests.support.ledger import LOT, ORIGIN, p256

HTML = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
READ = (
    "/", "/log", "/log/checkpoint", "/log/policy", "/log/tile/0/000.p/2", "/anchors", "/recalls", "/regulator", "/reports",
    "/livez", f"/trace/back?id={LOT}", f"/reports/fsma204?id={LOT}", "/problems/high-s", "/.well-known/gs1resolver", LOT[18:],
    "/openapi.json", "/static/style.css", "/nowhere", "/log/tile/0/999", "/regulator/looks",
)  # fmt: skip
DIFFER = {"x-request-id", "date"}


@pytest.mark.parametrize("path", READ)
@pytest.mark.parametrize("headers", [{}, HTML], ids=["program", "browser"])
def test_a_head_says_what_the_whole_answer_would_without_its_body(operator: Operator, path: str, headers: dict[str, str]) -> None:
    operator.log(operator.event())
    whole, head = operator.client.get(path, headers=headers), operator.client.head(path, headers=headers)
    assert head.status_code == whole.status_code
    assert head.content == b""
    assert {name: head.headers[name] for name in head.headers.keys() - DIFFER} == {
        name: whole.headers[name] for name in whole.headers.keys() - DIFFER}  # fmt: skip


def test_what_cannot_be_read_has_no_head_either_and_says_what_it_takes(operator: Operator) -> None:
    answer = operator.client.head("/statements")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    posted = operator.client.post("/log/checkpoint")
    assert problem_of(posted)["code"] == "method-not-allowed"
    assert set(posted.headers["allow"].split(", ")) == {"GET", "HEAD"}


def test_a_head_is_described_nowhere_beside_the_whole_answer(operator: Operator) -> None:
    described = operator.client.get("/openapi.json").json()["paths"]
    assert "get" in described["/log/checkpoint"]
    assert [path for path, operations in described.items() if "head" in operations] == []


@pytest.mark.parametrize("path", ["/log/", "/recalls/", "/regulator/", "/static", "/reports/"])
def test_nobody_is_sent_to_a_host_that_somebody_else_named(operator: Operator, path: str) -> None:
    answer = operator.client.get(path, headers={"host": "evil.example"}, follow_redirects=False)
    assert problem_of(answer)["code"] == "not-found"
    assert "location" not in answer.headers
    assert "evil.example" not in answer.text


@pytest.mark.parametrize(("path", "asked", "offered"), [
    (f"/trace/back?id={LOT}&", "pdf", ("json", "csv", "xlsx")), ("/recalls?", "pdf", ("json", "csv", "xlsx")),
    ("/anchors?", "CSV", ("json", "csv", "xlsx")), (f"/reports/fsma204?id={LOT}&", "doc", ("xlsx", "csv", "json")),
    ("/log?", "json", ("csv", "xlsx")), ("/regulator?q=x&", "pdf", ("csv", "xlsx")),
    (f"{LOT[18:]}?", "pdf", ("bundle", "json")), (f"{LOT[18:]}?", "csv", ("bundle", "json")),
])  # fmt: skip
def test_a_form_that_is_not_offered_is_refused_with_those_that_are(
    operator: Operator, path: str, asked: str, offered: tuple[str, ...]
) -> None:  # fmt: skip
    operator.log(operator.event())
    problem = problem_of(operator.client.get(f"{path}format={asked}", headers={"accept": "application/json"}))
    assert (problem["code"], problem["where"]) == ("bad-parameter", "query/format")
    assert all(f"'{one}'" in problem["detail"] for one in offered), problem["detail"]


@pytest.mark.parametrize(("lang", "heading"), [("en", "What is recalled"), ("zh", "召回对象")])
def test_open_recalls_are_handed_out_as_the_page_tells_them(operator: Operator, lang: str, heading: str) -> None:
    words = {"en": "pesticide", "zh": "农药"}
    name = f"urn:uuid:00000000-0000-4000-8000-0000000000{lang.encode().hex()[:2]}"
    notice = RecallNotice(id=name, log=ORIGIN, scope=Scope(lots=[LOT]), class_="I", reason=words, instructions=words)
    agency, key = f"https://agency.example/{lang}", p256(f"agency {lang}")
    operator.log(operator.grant(agency, key, "authority"))
    (index,) = operator.log(operator.sign(notice, agency, key))
    page = operator.client.get(f"/recalls?lang={lang}", headers=HTML).text
    assert f'href="/recalls?format=csv&amp;lang={lang}"' in page
    told = operator.client.get(f"/recalls?format=csv&lang={lang}")
    assert told.headers["content-disposition"] == 'attachment; filename="recalls.csv"'
    lines = list(csv.DictReader(io.StringIO(told.content.decode("utf-8-sig"))))
    assert (lines[0][heading], lines[0]["Index" if lang == "en" else "序号"]) == (LOT, str(index))
    assert words[lang] in lines[0].values()
    assert operator.client.get("/recalls?format=xlsx").content.startswith(b"PK")


@pytest.mark.parametrize("form", ["csv", "xlsx"])
def test_anchors_are_handed_out_as_a_file(operator: Operator, form: str) -> None:
    told = operator.client.get(f"/anchors?format={form}")
    assert told.headers["content-disposition"] == f'attachment; filename="anchors.{form}"'
    assert (b"END,rows: 0" in told.content) == (form == "csv")


def test_a_report_of_a_time_that_ends_before_it_begins_is_refused(operator: Operator) -> None:
    asked = {"id": LOT, "format": "json", "from": "2026-12-01T00:00:00Z", "until": "2026-11-01T00:00:00Z"}
    problem = problem_of(operator.client.get("/reports/fsma204", params=asked))
    assert problem["code"] == "bad-parameter"
    assert "later than" in problem["detail"]
    asked["from"] = asked["until"]
    assert operator.client.get("/reports/fsma204", params=asked).status_code == 200


ENGLISH = HTML | {"accept-language": "en"}
LINK = re.compile(r'<a [^>]*href="(/[^"]*)"(?![^>]* hreflang)')


def test_who_chose_a_language_keeps_it_from_page_to_page(operator: Operator) -> None:
    operator.log(operator.event(quantityList=[{"epcClass": LOT, "quantity": 5, "uom": "KGM"}]))
    known = ENGLISH | {"authorization": f"Bearer {operator.regulator_key}"}
    found = ["/?lang=zh", "/regulator?q=H-1&lang=zh", f"/trace/back?id={LOT}&lang=zh", "/nowhere?lang=zh"]
    pages: dict[str, str] = {}
    for path in found:  # grows while it is walked
        answer = operator.client.get(path, headers=known)
        if answer.headers["content-type"].startswith("text/html"):
            pages[path] = re.findall(r'<html lang="([^"]+)">', answer.text)[0]
            found += [link for link in map(unescape, LINK.findall(answer.text)) if link not in found]
    assert {path for path, lang in pages.items() if lang != "zh-CN"} == set()
    assert len(pages) > 12
    assert {"/log?lang=zh", "/problems/not-found?lang=zh", "/regulator/looks?lang=zh"} <= pages.keys()


@pytest.mark.parametrize("form", [{"label": LOT}, {"label": LOT, "lang": "zh"}])
def test_a_label_that_is_typed_in_opens_in_the_language_of_the_form(operator: Operator, form: dict[str, str]) -> None:
    answer = operator.client.get("/open", params=form, follow_redirects=False)
    assert answer.headers["location"] == LOT[18:] + ("?lang=zh" if "lang" in form else "")
    page = operator.client.get("/?lang=zh" if "lang" in form else "/", headers=ENGLISH).text
    assert ('<input type="hidden" name="lang" value="zh">' in page) == ("lang" in form)


def test_who_signs_in_and_out_keeps_the_language(operator: Operator) -> None:
    own, key = HTML | {"sec-fetch-site": "same-origin"}, {"key": operator.regulator_key}
    assert 'action="/regulator/session?lang=zh"' in operator.client.get("/regulator?lang=zh", headers=ENGLISH).text
    for action, data in (("session", key), ("sign-out", {})):
        url = f"/regulator/{action}?lang=zh"
        answer = operator.client.post(url, data=data, headers=own, follow_redirects=False)
        assert (answer.status_code, answer.headers["location"]) == (303, "/regulator?lang=zh")
    operator.client.cookies.clear()


def test_who_chose_no_language_has_addresses_without_one(operator: Operator) -> None:
    page = operator.client.get("/log", headers=ENGLISH | {"accept-language": "zh"}).text
    assert '<a href="/recalls">' in page
    assert '<a href="/log?lang=en" lang="en" hreflang="en">' in page


def test_a_chinese_reader_is_told_of_looks_and_roles_in_chinese(operator: Operator) -> None:
    known = ENGLISH | {"authorization": f"Bearer {operator.regulator_key}"}
    for path in (f"/trace/back?id={LOT}&format=json", f"/reports/fsma204?id={LOT}", f"/regulator/subject?id={LOT}", "/recalls"):
        operator.client.get(path, headers=known)
    page = operator.client.get("/regulator/looks?lang=zh", headers=known).text
    file = operator.client.get("/regulator/looks?lang=zh&format=csv", headers=known).content.decode("utf-8-sig")
    assert not re.findall("trace back|report fsma204|>subject<|,subject,|入账时间", page + file)
    assert [word for word in ("查看时间", "回溯", "报表 fsma204", "对象") if word not in page or word not in file] == []
    operator.log(operator.grant(CHEN.uri, p256("party"), "producer", "brand-owner"))
    party = CHEN.uri.removeprefix("https://id.gs1.org")
    assert "品牌方, 生产者" in operator.client.get(f"{party}?lang=zh", headers=known).text
    assert operator.client.get(party).json()["keys"][0]["roles"] == ["brand-owner", "producer"]


def test_a_chinese_reader_gets_a_chinese_report_and_a_program_its_codes(operator: Operator) -> None:
    operator.log(operator.event(quantityList=[{"epcClass": LOT, "quantity": 5, "uom": "KGM"}]))
    file = operator.client.get(f"/reports/fsma204?id={LOT}&format=csv&lang=zh").content.decode("utf-8-sig")
    assert not re.findall("# [A-Z]|stands|Harvest|if applicable|cut short", re.sub(r"术语.*# 关于", "", file, flags=re.S))
    assert "# 采收" in file
    tables = operator.client.get(f"/reports/fsma204?id={LOT}&format=json&lang=zh").json()["tables"]
    assert "Harvest" in {one["name"] for one in tables}
