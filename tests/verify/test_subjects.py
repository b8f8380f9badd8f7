"""Subjects: what the public index of the log says a statement is about."""

from hashlib import sha256
from typing import Any, cast

import pytest

from tests.support.vectors import load
from verify import strict, subjects
from verify.errors import Malformed
from verify.statement import KINDS, Disclosure, Statement

CASES = {name: case for name, case in load("subjects").items() if case["fn"] in ("subject_uris", "subject_keys")}
FARM = "https://id.gs1.org/417/9520123456788"


def _statement(given: dict[str, str]) -> Statement:
    """A parsed statement, as far as its subjects go; `shown` are the members that disclosures brought."""
    payload: dict[str, Any] = {
        "type": ["VerifiableCredential", given["kind"]],
        "issuer": given["issuer"],
        "credentialSubject": strict.parse(given["subject"]),
    }
    shown = cast(dict[str, Any], strict.parse(given.get("shown", "{}")))
    disclosures = tuple(Disclosure("", "", name, value) for name, value in shown.items())
    subject = payload["credentialSubject"]
    who = (given["kind"], given["issuer"], "")
    return Statement("", "", b"", {}, payload, disclosures, *who, subject, b"", b"", b"")


ANSWERS = {
    "subject_uris": lambda given: {"uris": list(subjects.uris(_statement(given)))},
    "subject_keys": lambda given: {"keys": [key.hex() for key in subjects.keys(_statement(given))]},
}


@pytest.mark.parametrize("name", CASES)
def test_the_vectors_that_python_and_the_page_share(name: str) -> None:
    case = CASES[name]
    if "error" in case:
        with pytest.raises(Malformed) as caught:
            ANSWERS[case["fn"]](case["input"])
        assert caught.value.code == case["error"]["code"]
    else:
        assert ANSWERS[case["fn"]](case["input"]) == case["expect"]


def test_every_kind_has_a_vector() -> None:
    assert {case["input"]["kind"] for case in CASES.values()} == KINDS


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if "expect" in case])
def test_the_keys_of_an_entry_are_the_hashes_of_its_uris_in_order(name: str) -> None:
    statement = _statement(CASES[name]["input"])
    keys = subjects.keys(statement)
    assert list(keys) == sorted(set(keys))
    assert {sha256(uri.encode()).digest() for uri in subjects.uris(statement)} <= set(keys)
    assert sha256(FARM.encode()).digest() in keys


def test_a_refusal_says_where_in_the_statement() -> None:
    scope = '{"scope": {"lots": ["https://id.gs1.org/01/09520123456789/10/A"]}}'
    with pytest.raises(Malformed) as caught:
        subjects.uris(_statement({"kind": "RecallNotice", "issuer": FARM, "subject": scope}))
    assert (caught.value.code, caught.value.where) == ("bad-check-digit", "/credentialSubject/lots")


def test_a_thousand_and_twenty_four_subjects_are_the_most() -> None:
    def recall(count: int) -> Statement:
        lots = ",".join(f'"https://id.gs1.org/01/09520123456788/10/{number}"' for number in range(count))
        return _statement({"kind": "RecallNotice", "issuer": FARM, "subject": f'{{"scope": {{"lots": [{lots}]}}}}'})

    assert len(subjects.keys(recall(1022))) == 1024  # with the issuer and the kind
    with pytest.raises(Malformed, match="split"):
        subjects.keys(recall(1023))
