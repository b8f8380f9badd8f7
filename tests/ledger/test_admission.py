"""What needs no order is refused at the door: with its code, its place, and nothing stored."""

from datetime import timedelta
from hashlib import sha256

import pytest
from sqlalchemy import func, select

from ledger.models import EntryRow, ParcelRow
from ledger.problems import REASONS, Refused
from producers.control import Withdrawal
from producers.sign import disclosure, sign
from tests.support.ledger import FARM, GTIN, HUB, LOT, Rig, event_body, p256, payload
from verify.entry import Entry
from verify.strict import b64u_encode


def refusal(rig: Rig, raw: bytes) -> Refused:
    """The refusal of one statement."""
    (result,) = rig.submit(raw).found
    assert isinstance(result, Refused), result
    return result


BAD = {
    "not a JWS": (b"hello", "not-a-jws", None),
    "over 64 KiB": (b"a" * 65_537, "too-large", None),
    "not UTF-8": (b"\xff\xfe.a.b", "not-a-jws", None),
    "key binding": (b"e30.e30.AAAA~x", "key-binding", None),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_statement_is_refused(farm: Rig, name: str) -> None:
    raw, code, where = BAD[name]
    found = refusal(farm, raw)
    assert (found.code, found.where) == (code, where)
    with farm.database.reading() as session:
        assert session.scalar(select(func.count()).where(ParcelRow.state == "waiting")) == 0


def test_the_place_of_a_fault_is_a_pointer_into_the_event(farm: Rig) -> None:
    found = refusal(farm, farm.event(FARM, p256("farm"), eventTimeZoneOffset="later"))
    assert found.where == "/credentialSubject/eventTimeZoneOffset"
    found = refusal(farm, farm.event(FARM, p256("farm"), bizTransactionList=[{"type": "po"}]))
    assert found.where == "/credentialSubject/bizTransactionList/0/bizTransaction"


def test_an_event_without_an_id_cannot_be_logged(farm: Rig) -> None:
    assert refusal(farm, farm.event(FARM, p256("farm"), eventID=None)).where == "/credentialSubject/eventID"


def test_an_event_from_a_phone_whose_clock_runs_ahead_is_taken_up_to_a_day(farm: Rig) -> None:
    farm.log(farm.event(FARM, p256("farm"), eventTime=later(farm, hours=23)))
    found = refusal(farm, farm.event(FARM, p256("farm"), eventTime=later(farm, hours=25)))
    assert found.code == "event-in-future"
    assert found.retry_after_s is not None
    assert found.reason.status == 503


def later(rig: Rig, *, hours: int) -> str:
    """A time that many hours ahead of the log's clock."""
    return (rig.at() + timedelta(hours=hours)).isoformat(timespec="seconds")


def test_the_schema_is_checked_on_the_disclosed_form(farm: Rig) -> None:
    told = disclosure("bizTransactionList", '[{"type":"po"}]')
    body = {**event_body(5), "_sd": [b64u_encode(sha256(told.encode()).digest())]}
    whole = sign(payload("TraceabilityEvent", FARM, body, _sd_alg="sha-256"), p256("farm"), [told])
    assert refusal(farm, whole).where == "/credentialSubject/bizTransactionList/0/bizTransaction"
    farm.log(whole.split(b"~")[0] + b"~")


def test_a_thousand_subjects_are_enough(farm: Rig) -> None:
    items = [f"urn:x1:{number}" for number in range(1_030)]
    assert refusal(farm, farm.event(FARM, p256("farm"), epcList=items, quantityList=None)).code == "too-many-subjects"


def test_an_identifier_that_no_index_can_hold_is_refused(farm: Rig) -> None:
    found = refusal(farm, farm.event(FARM, p256("farm"), readPoint={"id": "https://farm.example/" + "x" * 1_100}))
    assert found.code == "uri-too-long"


def test_a_nul_in_a_text_does_not_stop_the_log(farm: Rig) -> None:
    """PostgreSQL holds no NUL in a text: one statement must not block all others."""
    name = {"id": f"{GTIN}/10/H-1", "type": "Product\x00", "name": {"en": "a\x00b"}}
    farm.log(sign(payload("MasterData", FARM, name), p256("farm")), farm.event(FARM, p256("farm")))


def test_a_signature_by_another_key_is_refused_before_the_pool(farm: Rig) -> None:
    head, body, _ = farm.event(FARM, p256("farm")).split(b".")
    assert refusal(farm, b".".join((head, body, b"A" * 86))).code == "bad-signature"


def test_a_full_pool_asks_to_come_back_and_keeps_nothing(farm: Rig) -> None:
    raws = [farm.event(FARM, p256("farm")) for _ in range(3)]
    farm.submit(raws[0])
    with pytest.raises(Refused) as busy:
        farm.submit(*raws[1:], limit=1)
    assert (busy.value.code, busy.value.reason.status) == ("pool-full", 503)
    assert busy.value.retry_after_s
    farm.step()
    farm.log(*raws[1:])


def test_a_statement_for_another_log_cannot_be_replayed_here(farm: Rig) -> None:
    told = Withdrawal.of(bytes(32), origin="log.example/other", keys=[bytes(32)], reason="x")
    (outcome,) = farm.send(farm.sign(told, FARM, p256("farm")))
    assert outcome.refused is not None
    assert (outcome.refused.code, outcome.refused.where) == ("foreign-log", "/credentialSubject/log")


def test_only_the_issuer_or_its_registrar_takes_a_statement_back(farm: Rig) -> None:
    farm.log(farm.grant(HUB, p256("hub"), "warehouse"))
    raw = farm.event(FARM, p256("farm"))
    (index,) = farm.log(raw)
    with farm.database.reading() as session:
        entry = Entry.decode(session.get_one(EntryRow, index).entry)
    told = Withdrawal.of(entry.digest, origin=farm.keys.log.name, keys=entry.keys, reason="wrong field")
    (theirs,) = farm.send(farm.sign(told, HUB, p256("hub")))
    assert theirs.refused is not None
    assert theirs.refused.code == "not-issuer"
    farm.log(farm.sign(told, FARM, p256("farm")))


def test_every_reason_has_a_title_in_both_languages() -> None:
    for code, reason in REASONS.items():
        assert reason.en.isascii(), code
        assert not reason.zh.isascii(), code
        assert 400 <= reason.status < 600, code


def test_a_request_of_many_lines_keeps_its_order(farm: Rig) -> None:
    raws = [farm.event(FARM, p256("farm")) if number % 3 else b"bad" for number in range(30)]
    outcomes = farm.send(*raws)
    assert [one.state for one in outcomes] == ["published" if number % 3 else "refused" for number in range(30)]
    assert [one.index for one in outcomes if one.index] == list(range(2, 22))


ODD_SHAPES = {
    "closes is no digest": {"closes": "not hexadecimal"},
    "lots is a text": {"scope": {"lots": LOT}},
    "class is a list": {"class": ["I"]},
    "scope is empty": {"scope": {}},
    "reason has a NUL": {"reason": {"en": "a\x00b"}},
}


@pytest.mark.parametrize("name", ODD_SHAPES)
@pytest.mark.parametrize("role", ["producer", "authority"])
def test_no_shape_of_a_recall_stops_the_log_for_everybody(farm: Rig, name: str, role: str) -> None:
    farm.log(farm.grant(HUB, p256("hub"), role, mint=[GTIN]))
    words = {"en": "x"}
    body = {"id": "urn:uuid:00000000-0000-4000-8000-000000000009", "log": farm.keys.log.name, "scope": {"lots": [LOT]},
            "class": "I", "reason": words, "instructions": words}  # fmt: skip
    odd = sign(payload("RecallNotice", HUB, {**body, **ODD_SHAPES[name]}), p256("hub"))
    outcome, good = farm.send(odd, farm.event(FARM, p256("farm")))
    assert outcome.state in ("refused", "published")
    assert good.state == "published"
