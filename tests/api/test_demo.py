"""The demo's season over real HTTP: what is on every label verifies, one lot is recalled, and a second start keeps it all."""

import csv
import io
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta, timezone
from functools import partial
from html import unescape
from pathlib import Path

import httpx2
import pytest
from openpyxl import load_workbook

from api.demo.cast import CENTRAL, CHEN, LIN, PUDONG, WANG, YUNNAN
from api.demo.play import Item
from api.demo.stage import ITEMS, KEY, MARK, NotOurs, Stage, set_up
from ledger.audit import audit_ledger
from ledger.running import database_of, store_of
from tests.support.demo import play_season, serving_demo
from tests.support.service import free_port
from verify.anchor import read_head
from verify.errors import VerificationError
from verify.policy import Policy
from verify.verifier import Verification, verify_bundle

AS_DATA = {"accept": "application/json"}
CHINA = timezone(timedelta(hours=8))
get = partial(httpx2.get, timeout=60)  # a machine with much to do is slow, and not wrong


@dataclass
class Played:
    """A season that was played, and its server."""

    stage: Stage
    url: str
    items: list[Item]

    def verify(self, path: str) -> Verification:
        """What the command line does with a label."""
        bundle = get(self.url + path, headers={"accept": "application/json"}).content
        policy = Policy.parse(self.stage.policy.read_text("utf-8"))
        return verify_bundle(
            bundle, policy=policy, label=self.url + path, heads=lambda pin: read_head(pin, [f"{self.url}/devchain"])
        )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo") / "var"


@pytest.fixture(scope="module")
def played(folder: Path) -> Iterator[Played]:
    port = free_port()
    with serving_demo(folder, port) as stage:
        yield Played(stage, f"http://localhost:{port}", play_season(stage, port))


@pytest.mark.chain
class TestFirstStart:
    """Every record went through the real interface, signed by its own party's key."""

    def test_roses_are_verified_back_to_the_greenhouse(self, played: Played) -> None:
        run = played.verify(played.items[0].path)
        assert run.answers == {"record": "verified", "item": "stated", "recall": "stated"}
        assert run.state(12) == "verified"

    def test_the_recalled_apples_say_so_and_their_neighbours_do_not(self, played: Played) -> None:
        assert played.verify(played.items[1].path).answers["recall"] == "stated"
        recalled = played.verify(played.items[2].path)
        assert recalled.answers["recall"] == "failed"
        assert recalled.answers["record"] == "verified"

    def test_a_made_up_code_of_the_right_lot_is_no_code_of_the_farm(self, played: Played) -> None:
        forged = played.items[0].path[:-20] + "0" * 20
        run = played.verify(forged)
        assert run.answers["item"] == "unchecked"

    def test_a_page_about_one_label_does_not_pass_for_another(self, played: Played) -> None:
        bundle = get(played.url + played.items[0].path, headers={"accept": "application/json"}).content
        policy = Policy.parse(played.stage.policy.read_text("utf-8"))
        with pytest.raises(VerificationError) as failed:
            verify_bundle(bundle, policy=policy, label=played.url + played.items[1].path)
        assert failed.value.step == 11

    def test_a_browser_gets_one_page_under_a_hash(self, played: Played) -> None:
        answer = get(played.url + played.items[2].path + "?lang=zh", headers={"accept": "text/html"})
        assert answer.headers["content-type"].startswith("text/html")
        assert "sha256-" in answer.headers["content-security-policy"]
        assert answer.headers["cache-control"] == "no-store"
        assert "已召回" in answer.text
        assert "红富士苹果" in answer.text

    def test_links_are_listed_and_followed_by_type(self, played: Played) -> None:
        url = played.url + played.items[0].path
        linkset = get(url, headers={"accept": "application/linkset+json"})
        assert linkset.headers["content-type"] == "application/linkset+json"
        (shown,) = linkset.json()["linkset"]
        assert len(shown["https://gs1.org/voc/defaultLink"]) == 1
        assert get(url, params={"linkType": "linkset"}).json() == linkset.json()
        followed = get(url, params={"linkType": "gs1:traceability"}, follow_redirects=False)
        assert followed.status_code == 307
        assert "/trace/back?id=" in followed.headers["location"]
        assert get(url, params={"linkType": "gs1:recipeInfo"}).status_code == 404

    def test_a_place_is_told_without_a_bundle(self, played: Played) -> None:
        path = CENTRAL.place.removeprefix("https://id.gs1.org")
        told = get(played.url + path, headers={"accept": "application/json"}).json()
        assert told["master"]["name"]["zh"] == "昆山中心仓"
        assert told["records"]

    def test_a_product_lists_what_its_owner_says_and_other_origins_may_read_it(self, played: Played) -> None:
        path = played.items[0].path.partition("/10/")[0]
        told = get(played.url + path, headers={"accept": "application/json"}).json()
        assert told["master"]["name"]["en"] == "Roses, bunch of 20"
        allowed = httpx2.options(played.url + path)
        assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (204, "*")
        assert httpx2.head(played.url + path).status_code == 200

    @pytest.mark.parametrize(("lang", "told"), [("en", "Roses, bunch of 20"), ("zh", "玫瑰 20枝")])
    def test_a_trace_is_handed_out_as_the_table_that_people_see(self, played: Played, lang: str, told: str) -> None:
        asked = {"id": "https://id.gs1.org" + played.items[0].path.partition("/21/")[0], "lang": lang}
        page = get(f"{played.url}/trace/forward", params=asked, headers={"accept": "text/html"}).text
        assert "H87" not in page
        assert ("240 pieces" if lang == "en" else "240 件") in page
        answer = get(f"{played.url}/trace/forward", params=asked | {"format": "csv"})
        assert answer.headers["content-disposition"] == 'attachment; filename="trace-forward.csv"'
        lines = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))
        assert page.count('<td class="time">') == next(at for at, line in enumerate(lines) if not line) - 1
        assert {len(line) for line in lines[: page.count('<td class="time">') + 1]} == {16}
        packed = next(line for line in lines if line[5] == "240")
        assert (packed[3][: len(told)], packed[6]) == (told, "H87")
        book = get(f"{played.url}/trace/forward", params=asked | {"format": "xlsx"}).content
        cells = list(load_workbook(io.BytesIO(book)).worksheets[0].iter_rows(values_only=True))
        assert [str(cell) for cell in cells[0][:16]] == lines[0]

    @pytest.mark.parametrize(("lang", "to", "place", "handover"), [
        ("en", "To", "To (place)", "Hand-over"), ("zh", "接收方", "送达地点", "交接")])  # fmt: skip
    def test_a_trace_forward_names_who_got_it_and_confirms_hand_overs_alone(
        self, played: Played, lang: str, to: str, place: str, handover: str
    ) -> None:
        asked = {"id": "https://id.gs1.org" + played.items[2].path.partition("/21/")[0], "lang": lang}
        page = get(f"{played.url}/trace/forward", params=asked, headers={"accept": "text/html"}).text
        table = get(f"{played.url}/trace/forward", params=asked | {"format": "csv"}).content.decode("utf-8-sig")
        told = [line for line in csv.DictReader(io.StringIO(table)) if line[place] is not None]
        got = {(line[to], line[place]) for line in told if line[to]}
        assert got == {(party.name[lang], party.place_name[lang]) for party in (CENTRAL, PUDONG, WANG)}
        assert {bool(line[handover]) for line in told if line[to]} == {True}
        assert {line[handover] for line in told if not line[to]} == {""}
        svg = page.partition("<svg")[2].partition("</svg>")[0]
        assert all(party.place_name[lang] in svg for party in (CENTRAL, PUDONG, WANG))

    @pytest.mark.parametrize("lang", ["en", "zh"])
    def test_every_table_is_handed_out_as_a_file_with_as_many_rows_as_people_see(self, played: Played, lang: str) -> None:
        lot = "https://id.gs1.org" + played.items[1].path.partition("/21/")[0]
        (recall,) = get(f"{played.url}/recalls").json()["recalls"]
        bearer = {"authorization": f"Bearer {played.stage.regulator_key}", "accept": "text/html"}
        place = CENTRAL.place.removeprefix("https://id.gs1.org")
        for path, asked, tag in (
            ("/log", {}, "tr"), (f"/recalls/{recall['digest']}", {}, "tr"), (place, {}, "tr"),
            ("/regulator", {"q": "苹果"}, "li"), ("/regulator/looks", {}, "tr"), ("/regulator/subject", {"id": lot}, "tr"),
        ):  # fmt: skip
            page = get(played.url + path, params=asked | {"lang": lang}, headers=bearer).text
            links = [unescape(link) for link in re.findall(r'href="([^"]+format=(?:csv|xlsx)&amp;lang=[^"]*)"', page)]
            assert len(links) in (2, 6), path
            csv_file, xlsx_file = (get(played.url + link, headers=bearer) for link in links[:2])
            assert (csv_file.status_code, xlsx_file.status_code) == (200, 200), path
            assert "attachment" in csv_file.headers["content-disposition"]
            lines = list(csv.reader(io.StringIO(csv_file.content.decode("utf-8-sig"))))
            ends = [line for line in lines if line[:1] == ["END"]]
            book = load_workbook(io.BytesIO(xlsx_file.content))
            assert len(ends) == len(book.worksheets), path
            first = page.partition("<tbody>" if tag == "tr" else "<h2>")[2].partition("</tbody>" if tag == "tr" else "</ul>")[0]
            shown = first.count(f"<{tag}>") + (path == "/regulator/looks")  # to ask for the file is a look of its own
            assert int(ends[0][1].partition(" ")[2]) == shown, path
            heading = next(line for line in lines if len(line) > 1)
            assert [str(cell) for cell in next(book.worksheets[0].iter_rows(values_only=True))][: len(heading)] == heading

    @pytest.mark.parametrize("lang", ["en", "zh"])
    def test_every_product_place_and_party_has_a_page_for_people(self, played: Played, lang: str) -> None:
        product = played.items[0].path.partition("/10/")[0]
        uris = (YUNNAN.place, YUNNAN.uri, CENTRAL.place, WANG.uri)
        for path in (product, *(uri.removeprefix("https://id.gs1.org") for uri in uris)):
            answer = get(f"{played.url}{path}?lang={lang}", headers={"accept": "text/html"})
            assert (answer.status_code, answer.headers["content-type"][:9]) == (200, "text/html"), path

    def test_the_recall_names_the_shop_that_has_the_boxes(self, played: Played) -> None:
        (recall,) = get(f"{played.url}/recalls").json()["recalls"]
        reach = get(f"{played.url}/recalls/{recall['digest']}").json()["reach"]
        assert WANG.place in [stop["place"] for stop in reach["stops"]]
        assert LIN.place not in [stop["place"] for stop in reach["stops"]]

    def test_a_box_leads_back_to_its_farm_and_a_harvest_forward_to_its_pick_up_points(self, played: Played) -> None:
        item = "https://id.gs1.org" + played.items[0].path
        back = get(f"{played.url}/trace/back", params={"id": item}, headers=AS_DATA).json()
        assert YUNNAN.uri in {one["issuer"] for one in back["events"]}
        (harvest,) = [node["id"] for node in back["nodes"] if node["kind"] == "lot" and node["depth"] == 1]
        forward = get(f"{played.url}/trace/forward", params={"id": harvest}, headers=AS_DATA).json()
        places = {one["biz_location"] for one in forward["events"] if one["biz_step"] == "retail_selling"}
        assert places == {CHEN.place, WANG.place, LIN.place}

    def test_the_regulator_downloads_the_fsma_workbook(self, played: Played) -> None:
        lot = "https://id.gs1.org" + played.items[1].path.partition("/21/")[0]
        bearer = {"authorization": f"Bearer {played.stage.regulator_key}"}
        names = [one["name"] for one in get(f"{played.url}/reports").json()["reports"]]
        answer = get(f"{played.url}/reports/{names[0]}", params={"id": lot, "format": "xlsx"}, headers=bearer)
        assert answer.status_code == 200, answer.text
        assert answer.content.startswith(b"PK")

    def test_every_row_of_the_demo_s_workbook_is_complete(self, played: Played) -> None:
        """The demo shows what the rule asks for: nothing is missing, and nothing is counted that is."""
        lots = ["https://id.gs1.org" + item.path.partition("/21/")[0] for item in played.items]
        bearer = {"authorization": f"Bearer {played.stage.regulator_key}"}
        asked = {"id": lots, "format": "json"}
        found = get(f"{played.url}/reports/fsma204", params=asked, headers=bearer).json()["tables"]
        tables = {table["name"]: table for table in found}
        assert tables["Missing"]["rows"] == []
        keys = [column["key"] for column in tables["Summary"]["columns"]]
        told = [dict(zip(keys, row, strict=True)) for row in tables["Summary"]["rows"]]
        assert {line["sheet"] for line in told if line["rows"] != "0"} == {"Harvest", "InitialPacking", "Shipping", "Receiving"}
        assert all(line["complete"] == line["rows"] for line in told)

    def test_the_chain_answers_this_machine_only_about_the_contract(self, played: Played) -> None:
        call = {"jsonrpc": "2.0", "id": 1, "method": "eth_sendTransaction", "params": []}
        assert "error" in httpx2.post(f"{played.url}/devchain", json=call).json()


@pytest.mark.chain
def test_a_second_start_keeps_everything_and_anchors_again(played: Played, folder: Path) -> None:
    assert played.verify(played.items[0].path).steps
    copy = folder.parent / "copy"
    # The first server still runs on its own folder: the second start is of a copy, as after a move to another machine.
    shutil.copytree(folder, copy)
    port = free_port()
    with serving_demo(copy, port) as stage:
        assert not stage.is_new
        assert stage.regulator_key == played.stage.regulator_key
        again = Played(stage, f"http://localhost:{port}", played.items)
        assert again.verify(played.items[0].path).answers["record"] == "verified"
    database = database_of(stage.settings)
    try:
        policy = Policy.parse(stage.policy.read_text("utf-8"))
        report = audit_ledger(database, store_of(stage.settings), policy.logs[0], policy.clocks[0])
    finally:
        database.close()
    assert report.entries > 70


def test_somebodys_real_log_is_never_played_over(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    with pytest.raises(NotOurs):
        set_up(tmp_path, "http://localhost:8000")


def test_a_season_that_was_cut_short_is_begun_anew(tmp_path: Path) -> None:
    data = tmp_path / "var"
    first = set_up(data, "http://localhost:8000")
    assert (data / MARK).exists()
    assert not (data / ITEMS).exists()
    second = set_up(data, "http://localhost:8000")
    assert first.regulator_key != second.regulator_key
    assert (data / KEY).stat().st_mode & 0o077 == 0
