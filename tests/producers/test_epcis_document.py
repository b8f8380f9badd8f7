"""Reading other systems' documents: every event as it was received, every problem with its place."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from producers.epcis.document import MAX_EVENT, Document, check_document, read_document
from producers.epcis.problems import DocumentRefused
from producers.epcis.text import compact, split
from producers.epcis.validate import EventValidator
from verify import strict

VALIDATOR = EventValidator.build()
FARM = "https://id.gs1.org/417/9521234000013"
LOT = "https://id.gs1.org/01/09521234000013/10/H7"
STANDARD = "https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"
EVENT = (
    '{"type":"ObjectEvent","eventTime":"2026-03-02T06:10:00+08:00","eventTimeZoneOffset":"+08:00","action":"OBSERVE",'
    f'"quantityList":[{{"epcClass":"{LOT}","quantity":820.50,"uom":"KGM"}}]}}'
)


def document(*events: str, context: str = f'["{STANDARD}"]', header: str = "") -> str:
    return (
        f'{{"@context":{context},"type":"EPCISDocument","schemaVersion":"2.0","creationDate":"2026-03-02T21:00:00+08:00",'
        f'{header}"epcisBody":{{"eventList":[{",".join(events)}]}}}}'
    )


def read(text: str | bytes, **options: Any) -> Document:
    data = text.encode() if isinstance(text, str) else text
    return read_document(data, name="march.json", issuer=FARM, **options)


def refusal(text: str | bytes, **options: Any) -> tuple[str, str]:
    """Code and pointer of what makes the whole file unreadable."""
    with pytest.raises(DocumentRefused) as caught:
        read(text, **options)
    (problem,) = caught.value.problems
    assert problem.source == "march.json"
    return problem.code, problem.pointer


class TestAsReceived:
    """What is signed is what came."""

    @pytest.mark.parametrize("number", ["820.50", "820.5", "8.205E2", "-0", "12345678901234567890", "1e-7", "0012"])
    def test_a_number_keeps_its_spelling(self, number: str) -> None:
        found = read(document(EVENT.replace("820.50", number))) if number != "0012" else None
        if found is None:
            assert refusal(document(EVENT.replace("820.50", number)))[0] == "not-json"
            return
        assert f'"quantity":{number},' in found.events[0].text
        assert found.events[0].event["quantityList"][0]["quantity"] == Decimal(number)  # type: ignore[index]

    def test_only_white_space_between_tokens_is_dropped(self) -> None:
        spaced = json.dumps(json.loads(EVENT.replace("KGM", "K G")), indent=4, ensure_ascii=False)
        (one,) = read(document(spaced)).events
        assert one.raw_text == spaced
        assert '"uom":"K G"' in one.text
        assert "\n" not in one.text

    def test_escapes_stay_as_they_are_spelt(self) -> None:
        (one,) = read(document(EVENT.replace('"uom"', '"ext:a":"\\u4e2d\\/\\"}","uom"'))).events
        assert '"ext:a":"\\u4e2d\\/\\"}"' in one.text

    def test_the_values_are_those_of_the_text(self) -> None:
        (one,) = read(document(EVENT)).events
        assert strict.parse(one.text) == one.event


class TestStandingAlone:
    """A signed event has no document around it."""

    def test_an_event_takes_the_documents_context_with_it(self) -> None:
        context = f'["{STANDARD}", {{"ext": "https://ns.example/"}}]'
        (one,) = read(document(EVENT, context=context)).events
        assert one.event["@context"] == [STANDARD, {"ext": "https://ns.example/"}]
        VALIDATOR.check(one.event)

    def test_its_own_context_applies_after_the_documents(self) -> None:
        own = '{"@context":[{"ext":"https://inner.example/"},"' + STANDARD + '"],' + EVENT[1:]
        (one,) = read(document(own, context=f'["{STANDARD}",{{"ext":"https://outer.example/"}}]')).events
        assert one.event["@context"] == [STANDARD, {"ext": "https://outer.example/"}, {"ext": "https://inner.example/"}]

    def test_a_single_context_is_kept_as_it_is(self) -> None:
        (one,) = read(document(EVENT, context=f'"{STANDARD}"')).events
        assert one.event["@context"] == STANDARD

    def test_an_event_in_a_bare_list_needs_its_own_context(self) -> None:
        found = read(f"[{EVENT}]")
        assert [(problem.pointer, problem.code) for problem in check_document(found, VALIDATOR)] == [
            ("/0/@context", "missing-member")
        ]

    def test_a_context_that_every_event_would_have_to_carry_has_a_limit(self) -> None:
        huge = json.dumps([STANDARD, {"ext": "https://ns.example/" + "x" * 9000}])
        assert refusal(document(EVENT, context=huge)) == ("too-large", "/@context")


class TestMinted:
    """An event without an eventID gets one from itself, so that a file imported twice changes nothing."""

    def test_a_file_read_twice_gives_the_same_identifiers(self) -> None:
        first, again = read(document(EVENT)), read(json.dumps(json.loads(document(EVENT)), indent=2).replace("820.5", "820.50"))
        assert first.events[0].minted
        assert first.events[0].event["eventID"] == again.events[0].event["eventID"]

    def test_another_party_or_another_event_gets_another(self) -> None:
        one = read(document(EVENT)).events[0].event["eventID"]
        other = read_document(document(EVENT).encode(), name="march.json", issuer="urn:example:other")
        assert one != other.events[0].event["eventID"]
        assert one != read(document(EVENT.replace("820.50", "820.5"))).events[0].event["eventID"]

    def test_a_declaration_of_error_gets_the_identifier_of_the_event_it_repeats(self) -> None:
        declared = EVENT[:-1] + ',"recordTime":"2026-03-03T00:00:00Z","errorDeclaration":'
        declared += '{"declarationTime":"2026-03-03T00:00:00Z"}}'
        found = read(document(EVENT, declared))
        assert found.events[0].event["eventID"] == found.events[1].event["eventID"]
        assert check_document(found, VALIDATOR) == ()

    def test_an_identifier_that_came_with_the_event_is_kept(self) -> None:
        (one,) = read(document('{"eventID":"urn:example:7",' + EVENT[1:])).events
        assert (one.event["eventID"], one.minted) == ("urn:example:7", False)


class TestOneBadEvent:
    """One bad event does not spoil the file; its place is told."""

    BAD = (
        ('{"type":"ObjectEvent","type":"ObjectEvent"}', "duplicate-member", "/type"),
        ('{"a":"\\ud800"}', "lone-surrogate", "/a"),
        ('{"__proto__":1}', "proto", "/__proto__"),
        ('{"a":' + "9" * 65 + "}", "bad-number", "/a"),
        ('{"a":1e99999999999999999999}', "bad-number", "/a"),
        ('{"a":NaN}', "not-json", ""),
        ('{"a":' + "[" * 64 + "]" * 64 + "}", "too-deep", ""),
        ('{"a":"' + "x" * MAX_EVENT + '"}', "too-large", ""),
        ("3", "not-an-event", ""),
        ("[]", "not-an-event", ""),
        ('"{}"', "not-an-event", ""),
    )

    @pytest.mark.parametrize(("bad", "code", "pointer"), BAD)
    def test_the_others_are_read(self, bad: str, code: str, pointer: str) -> None:
        found = read(document(EVENT, bad, EVENT))
        assert [one.pointer for one in found.events] == ["/epcisBody/eventList/0", "/epcisBody/eventList/2"]
        (problem,) = found.problems
        assert (problem.code, problem.pointer) == (code, "/epcisBody/eventList/1" + pointer)
        assert str(problem).startswith("march.json#/epcisBody/eventList/1")

    def test_what_the_schema_refuses_is_told_with_file_and_pointer(self) -> None:
        found = read(document(EVENT, EVENT.replace("KGM", "kg").replace("820.50", "1")))
        assert [str(problem) for problem in check_document(found, VALIDATOR)] == [
            "march.json#/epcisBody/eventList/1/quantityList/0/uom must be a UN/CEFACT unit code such as KGM, LTR or H87; "
            'found "kg" / 应为 UN/CEFACT 计量单位代码,如 KGM、LTR、H87'
        ]

    def test_an_identifier_used_for_two_events_is_told(self) -> None:
        named = '{"eventID":"urn:example:7",' + EVENT[1:]
        found = read(document(named, named.replace("820.50", "1")))
        (problem,) = check_document(found, VALIDATOR)
        assert (problem.code, problem.pointer) == ("duplicate-event", "/epcisBody/eventList/1/eventID")

    def test_a_document_without_its_dates_is_told(self) -> None:
        found = read(document(EVENT).replace('"schemaVersion":"2.0",', ""))
        assert [(one.code, one.pointer) for one in check_document(found, VALIDATOR)] == [("missing-member", "/schemaVersion")]


class TestUnreadable:
    """The file as a whole."""

    @pytest.mark.parametrize(
        ("text", "code", "pointer"),
        [
            (b"\xff\xfe", "not-utf8", ""),
            ("", "not-json", ""),
            ("{", "not-json", ""),
            (document(EVENT)[:-1], "not-json", ""),
            (document(EVENT + " " + EVENT), "not-json", ""),
            ("[" * 200_000, "too-deep", ""),
            ("3", "not-epcis", ""),
            ("{}", "not-epcis", ""),
            ('{"type":"EPCISDocument"}', "not-epcis", "/epcisBody"),
            ('{"type":"EPCISDocument","epcisBody":[]}', "not-epcis", "/epcisBody/eventList"),
            ('{"type":"EPCISDocument","epcisBody":{"eventList":{}}}', "not-epcis", "/epcisBody/eventList"),
            ('{"type":"EPCISQueryDocument","epcisBody":{"queryResults":{}}}', "not-epcis", "/epcisBody/queryResults/resultsBody"),
            ('{"type":"EPCISDocument","epcisBody":{"eventList":[],"a":1,"a":2}}', "duplicate-member", "/epcisBody/a"),
        ],
    )  # fmt: skip
    def test_is_refused(self, text: str | bytes, code: str, pointer: str) -> None:
        assert refusal(text) == (code, pointer)

    def test_a_file_larger_than_the_limit(self) -> None:
        assert refusal(document(EVENT), max_bytes=100) == ("too-large", "")

    def test_more_events_than_the_limit(self) -> None:
        assert refusal(document(*["{}"] * 11), max_events=10) == ("too-large", "/epcisBody/eventList")

    def test_a_byte_order_mark_from_another_system_is_no_obstacle(self) -> None:
        assert len(read(b"\xef\xbb\xbf" + document(EVENT).encode()).events) == 1


def test_a_bare_event_and_a_query_document_are_read_too() -> None:
    bare = f'{{"@context":"{STANDARD}",' + EVENT[1:]
    assert [one.pointer for one in read(bare).events] == [""]
    query = f'{{"@context":"{STANDARD}","type":"EPCISQueryDocument","epcisBody":{{"queryResults":{{"queryName":"q",'
    query += f'"resultsBody":{{"eventList":[{EVENT}]}}}}}}}}'
    found = read(query)
    assert [one.pointer for one in found.events] == ["/epcisBody/queryResults/resultsBody/eventList/0"]
    assert check_document(found, VALIDATOR) == ()


def test_master_data_is_collected_with_its_place() -> None:
    header = (
        '"epcisHeader":{"epcisMasterData":{"vocabularyList":[{"type":"urn:epcglobal:epcis:vtype:Location",'
        '"vocabularyElementList":[{"id":"https://id.gs1.org/414/9521234000020","attributes":[{"id":"urn:x:name","attribute":'
        '"3号棚"},{"id":"urn:x:area","attribute":1.50}],"children":["urn:example:row:1"]}]}]}},'
    )
    (field,) = read(document(EVENT, header=header)).master_data
    assert field.pointer == "/epcisHeader/epcisMasterData/vocabularyList/0/vocabularyElementList/0"
    assert (field.vocabulary, field.id) == ("urn:epcglobal:epcis:vtype:Location", "https://id.gs1.org/414/9521234000020")
    assert field.attributes == (("urn:x:name", "3号棚"), ("urn:x:area", Decimal("1.50")))
    assert field.children == ("urn:example:row:1",)


@pytest.mark.conformance
def test_every_document_of_the_conformance_data_is_read(conformance: Path) -> None:
    files = [*conformance.glob("epcis/examples/*"), *conformance.glob("trace/*"), *conformance.glob("event-hash/*.jsonld")]
    found = [read_document(file.read_bytes(), name=file.name, issuer=FARM) for file in sorted(files)]
    assert len(found) == 63
    assert sum(len(one.events) for one in found) == 151
    assert sum(len(one.master_data) for one in found) == 51
    # GS1's own example of an association names its event twice; all else is read.
    assert [str(problem) for one in found for problem in one.problems] == [
        "AssociationEvent__AssociationEvent-h.jsonld#/epcisBody/eventList/0/eventID "
        "cannot be read: a member occurs twice / 成员重复"
    ]
    for one in found:
        for event in one.events:
            assert strict.parse(event.text) == event.event
            assert {"@context", "eventID"} <= set(event.event)


@pytest.mark.conformance
def test_the_group_buying_chain_is_good_to_the_last_event(conformance: Path) -> None:
    found = read_document((conformance / "trace/groupbuy-chain.jsonld").read_bytes(), name="chain", issuer=FARM)
    assert len(found.events) == 10
    assert check_document(found, VALIDATOR) == ()


PIECES = st.sampled_from(
    ["{", "}", "[", "]", ",", ":", '"', "\\", " ", "1", "1e9", "-", "NaN", "null", '"type"', '"EPCISDocument"', '"epcisBody"',
     '"eventList"', '"@context"', '"eventID"', "{}", "[]", EVENT, "\\ud800", "é", "\ufeff"]
)  # fmt: skip


@given(st.binary(max_size=64) | st.lists(PIECES, max_size=12).map(lambda pieces: "".join(pieces).encode()))
@example(document('{"eventID":1}').encode())
@example(document('{"event\\u0049D":"urn:example:7"}').encode())
@example(document("{}", context="3").encode())
@example(document('{"@context":null}', context='{"a":"\\ud800"}').encode())
@example(b'[{"a":1e99999999999999999999}]')
@example(b'{"type":"EPCISDocument","epcisBody":{"eventList":[]},"a":1e99999999999999999999}')
def test_whatever_bytes_arrive_they_are_read_or_refused(data: bytes) -> None:
    try:
        problems = check_document(read_document(data, name="any", issuer=FARM), VALIDATOR)
    except DocumentRefused as error:
        problems = error.problems
    assert all(problem.source == "any" and problem.code for problem in problems)


TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text('a"\\:,{}[]é', max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('a"\\:,{}[]é', max_size=4), inner, max_size=3),
    max_leaves=10,
)


@given(TREES, st.sampled_from([None, 0, 3]), st.booleans())
def test_cutting_a_text_apart_loses_nothing(value: Any, indent: int | None, ascii_only: bool) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    assert compact(text) == json.dumps(value, separators=(",", ":"), ensure_ascii=ascii_only)
    parts = [(name, json.loads(part)) for name, part in split(text)]
    if isinstance(value, dict):
        assert parts == list(value.items())
    elif isinstance(value, list):
        assert parts == [("", item) for item in value]
    else:
        assert parts == []
