"""What every answer carries, what strangers cannot do, and how the service says that it is well."""

import time
from html import escape
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text
from starlette.testclient import TestClient

from api.app import create_app
from api.language import Catalog
from api.problems import ADVICE
from ledger.candidates import Candidate
from ledger.examiners import examine_here
from ledger.pooling import Parcel
from tests.api.conftest import BASE, Operator, problem_of, start
from tests.support.ledger import FARM, LOT, VALIDATOR
from verify.policy import Policy
from verify.statement import parse_statement

PAGES = ("/", "/log", "/recalls", "/regulator", "/problems/unknown-key")
LOT_QUERY = {"id": LOT}
HTML = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_page_names_its_language_and_loads_nothing_foreign(operator: Operator, path: str, lang: str) -> None:
    answer = operator.client.get(f"{path}?lang={lang}", headers=HTML)
    assert answer.status_code == 200
    assert f'<html lang="{"zh-CN" if lang == "zh" else "en"}">' in answer.text
    csp = answer.headers["content-security-policy"]
    assert "default-src 'none'" in csp
    assert "unsafe" not in csp
    assert "http" not in csp
    assert "<script>" not in answer.text
    assert answer.text.count("<h1") == 1
    assert '<main id="main"' in answer.text


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("path", ["/01/09520123456789/10/LOT1", "/01/09520123456788/10/NONE", "/nowhere"])
def test_whoever_is_led_nowhere_is_told_what_to_do_in_their_language(operator: Operator, path: str, lang: str) -> None:
    answer = operator.client.get(f"{path}?lang={lang}", headers=HTML)
    code = problem_of(operator.client.get(path, headers={"accept": "application/json"}))["code"]
    words = Catalog.load().text(lang, ADVICE[code])
    assert f"<p>{escape(words)}</p>" in answer.text


@pytest.mark.parametrize(("path", "headers"), [("/livez", {}), ("/nowhere", {}), ("/log/checkpoint", {}), ("/", HTML)])
def test_every_answer_carries_the_security_headers(operator: Operator, path: str, headers: dict[str, str]) -> None:
    answer = operator.client.get(path, headers=headers)
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "same-origin"
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]


def test_the_language_follows_the_browser_and_the_link(operator: Operator) -> None:
    chinese = HTML | {"accept-language": "zh-CN,zh;q=0.9,en;q=0.5"}
    assert 'lang="zh-CN"' in operator.client.get("/", headers=chinese).text
    assert '<html lang="en">' in operator.client.get("/?lang=en", headers=chinese).text
    problem = problem_of(operator.client.get("/nowhere", headers={"accept-language": "zh"}))
    assert problem["title"] == problem["titles"]["zh"]


def test_tiles_are_for_everybody_and_for_ever(operator: Operator) -> None:
    width = operator.size
    tile = operator.client.get(f"/log/tile/0/000.p/{width}")
    assert len(tile.content) == 32 * width
    assert tile.headers["access-control-allow-origin"] == "*"
    assert operator.client.get("/log/checkpoint").headers["cache-control"] == "no-cache"
    for path in ("/log/tile/0/..%2f..%2fkeys", "/log/tile/0/999", "/log/tile/64/000", "/log/tile/0/000.p/256"):
        assert problem_of(operator.client.get(path))["code"] == "not-found"


def test_the_proposed_policy_can_be_read_and_warns(operator: Operator) -> None:
    text = operator.client.get("/log/policy").text
    policy = Policy.parse(text)
    assert list(policy.logs) == [operator.keys.log.vkey]
    assert list(policy.clocks) == [operator.keys.clock.vkey]
    assert policy.registrars[0].uri == operator.registrar
    assert text.startswith("#")


def test_ready_means_that_the_served_checkpoint_verifies(operator: Operator) -> None:
    assert operator.client.get("/livez").text == "ok\n"
    assert operator.client.get("/readyz").status_code == 200
    path = operator.settings.data / "tiles" / "checkpoint"
    kept = path.read_bytes()
    path.write_bytes(kept.replace(b"\n1", b"\n2", 1) if b"\n1" in kept else kept[:-9] + b"AAAAAAA=\n")
    try:
        problem = problem_of(operator.client.get("/readyz"))
    finally:
        path.write_bytes(kept)
    assert (problem["status"], problem["code"]) == (503, "not-ready")
    assert operator.client.get("/readyz").status_code == 200


def test_metrics_count_and_name_nobody(operator: Operator) -> None:
    operator.client.get("/recalls")
    text = operator.client.get("/metrics").text
    families = {one.name: one for one in text_string_to_metric_families(text)}
    assert families["originmark_published_entries"].samples[0].value == operator.size
    assert "/recalls" in text
    assert FARM not in text


def test_a_full_pool_asks_to_come_back(tmp_path: Path, sqlite_template: Path) -> None:
    settings, keys, key = start(tmp_path, sqlite_template, pool_limit=1)
    slow = settings.model_copy(update={"sequence_interval_ms": 4_000})
    with TestClient(create_app(slow), base_url=BASE) as client:
        operator = Operator(slow, keys, client, key)
        # The sequencer steps once when it starts, whenever that is; two of four posts in a row find it asleep.
        answers = [operator.post(operator.event(), prefer="respond-async") for _ in range(4)]
    busy = [answer for answer in answers if answer.status_code == 503]
    assert busy
    assert problem_of(busy[0])["code"] == "pool-full"
    assert int(busy[0].headers["retry-after"]) > 0


def test_item_codes_are_taken_only_under_a_signed_root(operator: Operator) -> None:
    answer = operator.client.post("/codes", content=bytes(64), headers={"content-type": "application/octet-stream"})
    assert problem_of(answer)["code"] == "not-committed"


class TestRegulator:
    """A key, never a password; every look is written down before it is answered."""

    def test_without_a_key_there_is_only_the_form(self, operator: Operator) -> None:
        assert 'name="key"' in operator.client.get("/regulator", headers=HTML).text
        answer = operator.client.get("/regulator/subject", params={"id": FARM})
        assert problem_of(answer)["code"] == "sign-in"

    def test_a_wrong_key_is_told_so(self, operator: Operator) -> None:
        answer = operator.client.post("/regulator/session", data={"key": "om_00000000_guess"}, headers=HTML)
        assert answer.status_code == 401
        assert "set-cookie" not in answer.headers

    def test_another_sites_form_signs_nobody_in(self, operator: Operator) -> None:
        for headers in ({"sec-fetch-site": "cross-site"}, {"origin": "https://evil.example"}):
            answer = operator.client.post("/regulator/session", data={"key": operator.regulator_key}, headers=headers)
            assert problem_of(answer)["code"] == "other-site"

    def test_a_signed_in_regulator_searches_and_is_written_down(self, operator: Operator) -> None:
        operator.log(operator.event())
        own = {"sec-fetch-site": "same-origin"}
        form = {"key": operator.regulator_key}
        signed_in = operator.client.post("/regulator/session", data=form, headers=own, follow_redirects=False)
        assert signed_in.status_code == 303
        cookie = signed_in.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "samesite=strict" in cookie.lower()
        try:
            found = operator.client.get("/regulator", params={"q": "H-1"}, headers=HTML)
            assert "/10/H-1" in found.text
            page = operator.client.get("/regulator/subject", params=LOT_QUERY, headers=HTML)
            assert page.status_code == 200
            assert "<caption>" in page.text
            looks = operator.client.get("/regulator/looks", headers=HTML).text
            assert LOT in looks
            assert "H-1" in looks
        finally:
            operator.client.post("/regulator/sign-out", headers=own)
            operator.client.cookies.clear()

    def test_a_program_shows_its_key_as_bearer(self, operator: Operator) -> None:
        good = {"authorization": f"Bearer {operator.regulator_key}"}
        assert operator.client.get("/trace/back", params=LOT_QUERY, headers=good).status_code == 200
        bad = {"authorization": "Bearer om_00000000_guess"}
        assert problem_of(operator.client.get("/trace/back", params=LOT_QUERY, headers=bad))["code"] == "sign-in"

    def test_files_are_for_whom_the_pages_are_and_every_one_is_a_look(self, operator: Operator) -> None:
        operator.log(operator.event(quantityList=[{"epcClass": LOT, "quantity": 5, "uom": "KGM"}]))
        good = {"authorization": f"Bearer {operator.regulator_key}"}
        for path in ("/regulator?q=H-1&format=csv", "/regulator/looks?format=csv", f"/regulator/subject?id={LOT}&format=csv"):
            assert problem_of(operator.client.get(path, headers={"accept": "application/json"}))["code"] == "sign-in", path
        operator.client.get("/regulator", params={"q": "=1+1", "format": "csv"}, headers=good)
        found = operator.client.get("/regulator", params={"q": "H-1", "format": "csv"}, headers=good).content.decode("utf-8-sig")
        assert LOT in found
        looks = operator.client.get("/regulator/looks", params={"format": "csv"}, headers=good).content.decode("utf-8-sig")
        assert [line.rpartition("Agency,")[2] for line in looks.splitlines()[1:3]] == ["search,H-1", "search,'=1+1"]
        assert operator.client.get("/log?format=csv").text.count("\r\nEND,") == 2

    def test_what_a_party_withholds_is_seen_by_the_regulator_alone(self, operator: Operator) -> None:
        raw = operator.withholding("https://secret.example/")
        assert operator.post(raw, "application/vc+sd-jwt").status_code == 201
        good = {"authorization": f"Bearer {operator.regulator_key}"}
        public, regulator = (operator.client.get("/trace/back", params=LOT_QUERY, headers=one).text for one in ({}, good))
        assert "secret.example" not in public
        assert '"withheld":true' in public
        assert "secret.example" in regulator
        kept = operator.client.get(f"/statements/{parse_statement(raw).digest.hex()}")
        assert kept.headers["content-type"] == "application/vc+sd-jwt"
        assert parse_statement(kept.content).withheld == 1


def test_a_process_whose_own_pool_is_not_emptied_is_not_ready(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    pool = operator.client.app.state.service.intake.pool  # type: ignore[attr-defined]
    (one,) = examine_here([operator.event()], time.time_ns() // 1_000_000, VALIDATOR, {})
    assert isinstance(one, Candidate)
    waiting = Parcel([one], received_ms=time.time_ns() // 1_000_000 - 3_600_000)
    with monkeypatch.context() as stuck:
        stuck.setattr(pool, "take", lambda limit: [])  # a sequencer that hangs
        pool.put_back([waiting])
        assert problem_of(operator.client.get("/readyz"))["code"] == "not-ready"
    waiting.ticket.result(10)
    assert operator.client.get("/readyz").status_code == 200


def test_leaves_that_fit_no_commitment_never_wait_for_the_only_writer(operator: Operator) -> None:
    service = operator.client.app.state.service  # type: ignore[attr-defined]
    leaves, kind = bytes(64), {"content-type": "application/octet-stream"}
    with service.database.writing() as session:
        session.execute(text("SELECT 1"))  # from here on nobody else can write on SQLite
        answer = operator.client.post("/codes", content=leaves, headers=kind)
        session.rollback()
    assert problem_of(answer)["code"] == "not-committed"
