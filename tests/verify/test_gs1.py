"""Canonical URIs: the shared vectors, GS1's own answers, and what must hold for any text whatever."""

import json
import random
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.vectors import load
from verify import gs1
from verify.errors import Malformed

CASES = load("gs1")
ALPHABET = "!\"%&'()*+,-./0123456789:;<=>?ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"  # GS1's 82 characters
GTIN = "09520123456788"
ANSWERS = {
    "canonical_uri": lambda given: {"uri": gs1.canonical_uri(given)},
    "subjects_of_uri": lambda given: {"uris": gs1.subjects_of_uri(given)},
    "product_of": lambda given: {"uri": gs1.product_of(given)},
    "level": lambda given: {"level": gs1.level(given)},
    "check_digit": lambda given: {"digit": gs1.check_digit(given)},
    "matches_prefix": lambda given: {"matches": gs1.matches_prefix(**given)},
    "parse_label": lambda given: {"uris": gs1.parse_label(given["uri"], short_gtin=given["short_gtin"]).uris()},
}
WEB = Path(__file__).resolve().parents[2] / "verify" / "web"
SCRIPT = """
const {canonicalUri} = await import(process.argv[1]);
let text = "";
for await (const part of process.stdin) text += part;
const answer = (uri) => { try { return canonicalUri(uri); } catch (error) { return error.code ?? String(error); } };
process.stdout.write(JSON.stringify(JSON.parse(text).map(answer)));
"""


@pytest.mark.parametrize("name", CASES)
def test_the_vectors_that_python_and_the_page_share(name: str) -> None:
    case = CASES[name]
    if "error" in case:
        with pytest.raises(Malformed) as caught:
            ANSWERS[case["fn"]](case["input"])
        assert caught.value.code == case["error"]["code"]
    else:
        assert ANSWERS[case["fn"]](case["input"]) == case["expect"]


def _answer(uri: str) -> str:
    try:
        return gs1.canonical_uri(uri)
    except Malformed as error:
        return error.code


def _mutated(seed: int, count: int) -> list[str]:
    """Identifiers of the vectors with a few characters or segments changed, as a mistake or an attack would."""
    chance = random.Random(seed)
    known = [case["input"] for case in CASES.values() if isinstance(case["input"], str)]
    pieces = [*"0123456789/.%:?#*-_~@[]+'()!&\"<>|^` \n\u0660\uff11"]
    pieces += ["%2F", "%2e", "..", "01", "10", "21", "gtin", "urn:", "HTTP"]
    found = []
    for _ in range(count):
        text = chance.choice(known)
        for _ in range(chance.randint(1, 3)):
            at = chance.randint(0, len(text))
            text = text[:at] + chance.choice([*pieces, ""]) + text[at + chance.choice((0, 0, 1, 2)) :]
        found.append(text)
    return found


@pytest.mark.node
def test_the_page_and_python_agree_on_identifiers_with_mistakes_in_them() -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("no Node on PATH")
    texts = _mutated(7, 20_000)
    command = [node, "--input-type=module", "-e", SCRIPT, (WEB / "gs1.js").as_uri()]
    said = subprocess.run(command, input=json.dumps(texts), capture_output=True, text=True, check=True, timeout=120).stdout
    assert [pair for pair in zip(texts, json.loads(said), map(_answer, texts), strict=True) if pair[1] != pair[2]] == []


@pytest.mark.conformance
class TestGs1Engine:
    """The verdicts of GS1's own syntax engine over 71 links; two of its switches are named in our argument `short_gtin`."""

    OUTSIDE = re.compile("[?&](999|89)=")  # AIs that do not exist; ours knows the AIs that identify and judges no other

    def test_a_label_is_read_as_gs1_reads_it(self, conformance: Path) -> None:
        cases = json.loads((conformance / "gs1/digital-link-parse.json").read_text())
        judged = [case for case in cases if case["ok"] or not self.OUTSIDE.search(case["uri"])]
        assert (len(cases), len(judged)) == (71, 68)
        for case in judged:
            assert self._verdict(case["uri"], short=case["ok"]) == case["ok"], case["uri"]

    def test_it_finds_the_same_values(self, conformance: Path) -> None:
        cases = json.loads((conformance / "gs1/digital-link-parse.json").read_text())
        for case in (case for case in cases if case["ok"]):
            link = gs1.parse_label(case["uri"], short_gtin=True)
            elements = "".join(ai + value for ai, value in ((link.key, link.value), *link.qualifiers))
            assert case["ais"].replace("^", "").startswith(elements)

    @staticmethod
    def _verdict(uri: str, short: bool) -> bool:
        try:
            gs1.parse_label(uri, short_gtin=short)
        except Malformed:
            return False
        return True

    def test_every_ai_of_the_table_is_in_the_dictionary_with_the_same_qualifiers(self, conformance: Path) -> None:
        text = (conformance / "gs1/gs1-syntax-dictionary.txt").read_text()
        listed = dict(re.findall(r"^(\d{2,4})\s(.*?)#", text, re.MULTILINE))
        for ai, orders in gs1._KEYS.items():
            wanted = "|".join(",".join(order) for order in orders)
            assert re.search(r"dlpkey(?:=(\S+))?(?:\s|$)", listed[ai]).expand(r"\1") == wanted
        assert set(gs1._VALUES) <= set(listed)

    def test_an_event_hash_finds_the_same_identifiers(self, conformance: Path) -> None:
        """CBV's event hash leaves an apostrophe as it is; our canonical form encodes all that is not unreserved."""
        prehash = (conformance / "event-hash/epclist_normalisation.prehashes").read_text()
        document = json.loads((conformance / "event-hash/epclist_normalisation.jsonld").read_text())
        wanted = re.findall(r"epc=(.*?)(?=epc=|action=)", prehash)
        found = [gs1.canonical_uri(epc) for epc in document["epcisBody"]["eventList"][0]["epcList"]]
        assert sorted(found) == sorted(uri.replace("'", "%27") for uri in wanted)


segments = st.one_of(
    st.sampled_from([*gs1._VALUES, *gs1._ALPHAS, "..", "", "a"]),
    st.from_regex("[0-9]{8,18}", fullmatch=True),
    st.text(ALPHABET, max_size=21),
)
links = st.builds(
    lambda host, parts, tail: host + "/".join(["", *parts]) + tail,
    st.sampled_from(["https://id.gs1.org", "http://shop.example", "HTTPS://A", "https://a:443", "urn:epc:id"]),
    st.lists(segments, max_size=8),
    st.sampled_from(["", "?10=A", "#x", "/", "?17=261231&&x"]),
)
epcs = st.builds(
    lambda space, scheme, parts: f"urn:epc:{space}:{scheme}:{'.'.join(parts)}",
    st.sampled_from(["id", "class", "idpat", "tag"]),
    st.sampled_from([*gs1._SCHEMES, "gid"]),
    st.lists(st.one_of(st.from_regex("[0-9]{0,13}", fullmatch=True), st.text(ALPHABET, max_size=5), st.just("*")), max_size=5),
)


@given(st.one_of(links, epcs, st.text(), st.text(ALPHABET + "%#[]@$~")))
def test_a_canonical_uri_is_its_own_canonical_uri(text: str) -> None:
    try:
        uris = gs1.subjects_of_uri(text)
    except Malformed:
        return
    for uri in uris:
        assert gs1.subjects_of_uri(uri) == [uri]
        assert gs1.level(uri) in ("item", "lot", "product", "sscc", "place", "party", "asset", "other")
        assert gs1.matches_prefix(uri, uri)


@given(st.one_of(links, st.text()), st.booleans())
def test_no_label_does_more_than_be_refused(text: str, short: bool) -> None:
    try:
        link = gs1.parse_label(text, short_gtin=short)
    except Malformed:
        return
    assert link.uris() == gs1.subjects_of_uri(text)


@given(st.text(ALPHABET, min_size=1, max_size=20), st.data())
def test_a_lot_has_one_uri_however_its_code_is_encoded(lot: str, data: Any) -> None:
    spelled = "".join(
        f"%{ord(char):02{data.draw(st.sampled_from('xX'))}}" if char in '"%<>/?' or data.draw(st.booleans()) else char
        for char in lot
    )
    uri = gs1.lot_uri(GTIN, lot)
    assert gs1.canonical_uri(f"https://shop.example/a/01/{GTIN}/10/{spelled}") == uri
    assert unquote(uri.rsplit("/", 1)[1]) == lot
    assert re.fullmatch("(?:[A-Za-z0-9._~-]|%[0-9A-F]{2})+", uri.rsplit("/", 1)[1])
    assert gs1.read(uri) == gs1.DigitalLink("01", GTIN, (("10", lot),))


@given(st.from_regex("[0-9]{13}", fullmatch=True), st.integers(0, 13), st.integers(1, 9))
def test_one_wrong_digit_is_always_found(data: str, at: int, by: int) -> None:
    gtin = data + gs1.check_digit(data)
    wrong = gtin[:at] + str((int(gtin[at]) + by) % 10) + gtin[at + 1 :]
    assert gs1.level(f"https://id.gs1.org/01/{gtin}") == "product"
    with pytest.raises(Malformed, match="check digit"):
        gs1.canonical_uri(f"https://id.gs1.org/01/{wrong}")


@pytest.mark.parametrize("serial", ["", "a" * 21, "a b", "é", "\n"])
def test_a_serial_that_no_label_can_carry_is_refused(serial: str) -> None:
    with pytest.raises(Malformed):
        gs1.canonical_uri(f"https://id.gs1.org/01/{GTIN}/21/{quote(serial, safe='')}")


def test_a_path_of_a_million_segments_is_refused_as_fast_as_a_short_one() -> None:
    with pytest.raises(Malformed):
        gs1.canonical_uri("https://id.gs1.org" + "/10/A" * 1_000_000)


def test_a_label_says_its_product_lot_and_serial() -> None:
    link = gs1.parse_label(f"https://shop.example/01/{GTIN}/10/H7/21/X")
    assert (link.parts["01"], link.parts["10"], link.parts["21"]) == (GTIN, "H7", "X")
    assert "01" not in gs1.parse_label("https://shop.example/414/9520123456788").parts
