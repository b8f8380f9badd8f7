"""The top of a scan page, before the phone has judged: it says no more, and no less, than the phone will say."""

from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Any, ClassVar

import pytest

from api.language import Catalog
from api.scan import summarise
from ledger.described import descriptions
from ledger.erasure import erasure_statement
from ledger.gathering import MAX_DOCUMENTS
from producers.epcis import build, kde
from producers.kinds import Certificate, CommitmentCertificate, MasterData, Subject
from tests.ledger_read.season import AGENCY, BOX, DOOR_WANG, FARM, H1, P1, STRANGER, WANG, Season, lots
from verify.bundle import parse_bundle
from verify.verifier import Verification

CATALOG = Catalog.load()
MARK = "(a third party's claim)"


def shown(season: Season, lang: str = "en") -> tuple[dict[str, Any], Verification]:
    """What the page says, and what a phone finds in the same bundle."""
    body = season.bundle(season.label())
    run = season.verify(season.label(), body)
    return summarise(parse_bundle(body), season.policy(), lang=lang, catalog=CATALOG), run


class TestRecalls:
    @pytest.mark.parametrize(
        ("scope", "is_reached"),
        [({}, True), ({"until": "2025-12-31T00:00:00Z"}, False), ({"from_": "2025-01-01T00:00:00Z"}, True),
         ({"from_": "2025-01-01T00:00:00Z", "until": "2025-12-31T00:00:00Z"}, False)],
    )  # fmt: skip
    def test_goods_outside_the_window_of_a_recall_are_not_called_recalled(
        self, season: Season, scope: dict[str, str], is_reached: bool
    ) -> None:
        season.recall(AGENCY, products=[BOX], reason="broken glass", **scope)
        found, run = shown_whatever(season)
        assert ("broken glass" in found["recall"]) == is_reached
        assert (run == "failed") == is_reached

    def test_a_recall_that_was_closed_is_over(self, season: Season) -> None:
        notice = season.recall(AGENCY, lots=[P1], reason="broken glass")
        assert shown_whatever(season)[0]["recall"]
        season.recall(AGENCY, lots=[P1], closes=digest_at(season, notice))
        assert not shown_whatever(season)[0]["recall"]


def digest_at(season: Season, index: int) -> str:
    return season.entries()[index][9:41].hex()


def shown_whatever(season: Season) -> tuple[dict[str, Any], str]:
    """What the page says, and the phone's answer about recalls, reached or not."""
    found, run = shown(season)
    return found, run.answers["recall"]


class TestWhoSaysIt:
    def test_an_honest_way_has_no_mark(self, season: Season) -> None:
        found, _ = shown(season)
        assert len(found["journey"]) > 5
        assert not any(row["mark"] for row in found["journey"])

    def test_a_stranger_who_says_that_it_was_destroyed_is_a_third_party(self, season: Season) -> None:
        season.grant(STRANGER, "retailer")
        season.tell(STRANGER, "lie", partial(build.destroy, lots((P1, "5", "H87"))), place=DOOR_WANG)
        found, _ = shown(season)
        assert [row["index"] for row in found["journey"] if row["mark"] == MARK] == [season.told["lie"]]

    def test_what_was_withdrawn_is_not_shown(self, season: Season) -> None:
        season.withdraw(WANG, season.told["sell Wang"])
        found, _ = shown(season)
        assert season.told["sell Wang"] not in [row["index"] for row in found["journey"]]


    def test_no_stranger_names_the_product_a_place_or_the_farm(self, season: Season) -> None:
        before, _ = shown(season)
        season.grant(STRANGER, "retailer")
        # So that the farm is a place, too.
        season.tell(STRANGER, "lie", partial(build.destroy, lots((P1, "1", "H87"))), place=FARM)
        for uri in (BOX, DOOR_WANG, FARM):
            season.say(STRANGER, MasterData(id=uri, type="Place", name={"en": "Stranger Foods"}, holder=STRANGER))
        season.say(WANG, MasterData(id=DOOR_WANG, type="Place", name={"en": "Wang's door"}, holder=WANG))
        after, _ = shown(season)
        assert "Wang's door" in [row["where"] for row in after["journey"]]
        assert (after["product"], after["farm"], after["dates"]) == (before["product"], before["farm"], before["dates"])
        assert not any("Stranger Foods" in (row["who"], row["where"]) for row in after["journey"])

    def test_a_stranger_who_described_a_place_first_does_not_keep_its_owner_from_naming_it(self, season: Season) -> None:
        season.grant(STRANGER, "retailer")
        for party, name in ((STRANGER, "Stranger Foods"), (WANG, "Wang's door"), (STRANGER, "Stranger Foods again")):
            season.say(party, MasterData(id=DOOR_WANG, type="Place", name={"en": name}, holder=party))
        wheres = {row["where"] for row in shown(season)[0]["journey"]}
        assert ("Wang's door" in wheres, "Stranger Foods" in wheres, "Stranger Foods again" in wheres) == (True, False, False)

    def test_an_owner_that_describes_a_place_over_and_over_is_called_by_its_newest_name(self, season: Season) -> None:
        for number in range(MAX_DOCUMENTS + 2):
            season.say(WANG, MasterData(id=DOOR_WANG, type="Place", name={"en": f"Door {number}"}, holder=WANG))
        found, _ = shown(season)
        assert f"Door {MAX_DOCUMENTS + 1}" in [row["where"] for row in found["journey"]]
        assert found["product"] == "Leaf lettuce, box of 500 g"

    def test_what_its_owner_no_longer_describes_nobody_else_names(self, season: Season) -> None:
        season.grant(STRANGER, "retailer")
        season.say(STRANGER, MasterData(id=BOX, type="Product", name={"en": "Stranger Foods"}, holder=STRANGER))
        with season.rig.database.reading() as session:
            season.withdraw(FARM, descriptions(session, [BOX], 10**6)[-1].index)
        assert shown(season)[0]["product"] == BOX

    @pytest.mark.parametrize("name", [None, 5, ["x"], {}, {"en": {"a": 1}}])
    def test_master_data_of_any_shape_breaks_no_page(self, season: Season, name: Any) -> None:
        before, _ = shown(season)
        season.grant(STRANGER, "retailer")
        season.say(STRANGER, Shapeless(id=DOOR_WANG, name=name, geo={"lat": [1]}))
        season.say(WANG, Shapeless(id=DOOR_WANG, name=name, geo={"lat": [1]}))
        assert shown(season)[0]["product"] == before["product"]

    def test_a_stranger_who_claims_to_have_made_it_sets_neither_farm_nor_dates(self, season: Season) -> None:
        before, _ = shown(season)
        season.grant(STRANGER, "retailer")
        packed = partial(build.pack, facts=kde.Packing("x", date(2019, 1, 2), tlc_source=DOOR_WANG))
        season.tell(STRANGER, "lie", partial(packed, lots((H1, "1", "KGM")), lots((P1, "1", "H87"))), place=DOOR_WANG)
        after, _ = shown(season)
        assert (after["farm"], after["dates"]) == (before["farm"], before["dates"])
        assert "2019" not in after["dates"]


class TestPapers:
    @pytest.mark.parametrize(("lang", "kinds"), [("en", ["Certificate", "Laboratory report"]), ("zh", ["认证证书", "检测报告"])])
    def test_certificates_and_reports_are_named_with_who_signed_them(self, season: Season, lang: str, kinds: list[str]) -> None:
        found, _ = shown(season, lang)
        assert [paper["what"] for paper in found["papers"]] == kinds
        certificate, report = found["papers"]
        assert {"organic", "C-1"} <= set(certificate["says"].split(" · "))
        assert "2027-01-01" in certificate["says"]
        assert ("pass" if lang == "en" else "合格") in report["says"]
        assert not certificate["mark"]
        assert not report["mark"]

    def test_a_certificate_by_somebody_who_is_no_certifier_is_a_third_partys_claim(self, season: Season) -> None:
        season.say(FARM, paper("issuer"))
        assert [one["mark"] for one in shown(season)[0]["papers"] if "C-9" in one["says"]] == [MARK]

    def test_a_promise_or_a_copy_by_somebody_who_never_had_the_goods_is_a_third_partys_claim(self, season: Season) -> None:
        season.grant(STRANGER, "retailer")
        season.say(STRANGER, paper("copy"))
        season.say(STRANGER, promise_of(STRANGER))
        season.say(STRANGER, promise_of(FARM))
        marks = [one["mark"] for one in shown(season)[0]["papers"] if "C-9" in one["says"] or "2026-11-18" in one["says"]]
        assert marks == [f"(copy, not signed by the certifier) {MARK}", MARK, MARK]

    def test_a_stranger_who_tells_a_hundred_papers_crowds_out_no_certificate(self, season: Season) -> None:
        season.grant(STRANGER, "retailer")
        honest = [one["what"] for one in shown(season)[0]["papers"]]
        for _ in range(MAX_DOCUMENTS):
            season.say(STRANGER, promise_of(STRANGER))
        found = [one["what"] for one in shown(season)[0]["papers"] if not one["mark"]]
        assert found == honest

    def test_a_copy_is_called_a_copy(self, season: Season) -> None:
        season.say(FARM, paper("copy"))
        marks = [one["mark"] for one in shown(season)[0]["papers"] if "C-9" in one["says"]]
        assert marks == ["(copy, not signed by the certifier)"]

    def test_a_farms_own_promise_is_shown_with_its_day(self, season: Season) -> None:
        season.say(FARM, promise_of(FARM))
        (promise,) = [one for one in shown(season)[0]["papers"] if one["what"] == "Commitment certificate"]
        assert (promise["says"], promise["mark"]) == ("2026-11-18", "")


def paper(attestation: str) -> Any:
    """A certificate that the farm itself tells."""
    return Certificate(
        id="urn:uuid:00000000-0000-4000-8000-0000000000c9", scheme="organic", number="C-9", holder=FARM, subjects=[BOX],
        valid_from="2026-01-01T00:00:00Z", valid_until="2027-01-01T00:00:00Z", attestation=attestation,
        document_hash="00" * 32, lookup="https://certifier.example/C-9",
    )  # fmt: skip


def promise_of(party: str) -> CommitmentCertificate:
    """A commitment certificate about the lot, as if this party had it."""
    return CommitmentCertificate(
        id="urn:uuid:00000000-0000-4000-8000-0000000000e1", form="producer", lot=P1, holder=party, product=BOX,
        quantity={"amount": "400", "uom": "H87"}, basis=["self-commitment"], origin={"en": "Chongming"},
        issued="2026-11-18T08:00:00+08:00",
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Shapeless(Subject):
    """Master data whose members are of any shape, as a careless program signs it."""

    kind: ClassVar[str] = "MasterData"
    id: str
    name: object
    geo: object


def test_the_scan_says_how_many_records_were_erased_and_why(season: Season) -> None:
    index = season.told["sell Wang"]
    with season.rig.database.reading() as session:
        raw = erasure_statement(session, season.rig.keys.registrar, index=index, ground="PIPL art. 47", now_ms=season.rig.now_ms)
    season.rig.log(raw)
    found, run = shown(season)
    assert "was kept: 1. Ground: PIPL art. 47" in found["erased"]
    assert next(step.facts["erased"] for step in run.steps if step.name == "keys") == 1
