"""Every refusal has its own type, says where the fault is, and leaves nothing behind."""

import json
from base64 import urlsafe_b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from producers.sign import jwk_of, sign, sign_bytes
from tests.api.conftest import Operator, problem_of
from tests.support.ledger import FARM, GTIN, event_body, p256, payload, quantity
from verify.statement import P256_ORDER, parse_statement, thumbprint

Forge = Callable[[Operator], bytes]


def b64u(text: str) -> str:
    return urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def signed_text(header: dict[str, Any], body: str) -> bytes:
    """A signature over exactly these texts, past every check of ours."""
    signing_input = f"{b64u(json.dumps(header, separators=(',', ':')))}.{b64u(body)}"
    signature = urlsafe_b64encode(sign_bytes(signing_input.encode(), p256("farm"))).rstrip(b"=").decode()
    return f"{signing_input}.{signature}".encode()


def farm_header(**more: str) -> dict[str, Any]:
    kid = thumbprint(jwk_of(p256("farm").public_key()))
    return {"alg": "ES256", "kid": kid, "typ": "vc+jwt"} | more


def event_text(**changes: Any) -> str:
    return payload("TraceabilityEvent", FARM, event_body(900_001, **changes))


def wrong_alg(operator: Operator) -> bytes:
    return signed_text(farm_header(alg="EdDSA"), event_text())


def extra_member(operator: Operator) -> bytes:
    return signed_text(farm_header(jku="https://evil.example/keys"), event_text())


def duplicate_keys(operator: Operator) -> bytes:
    return signed_text(farm_header(), event_text().replace('"issuer":', '"issuer":"https://other.example/","issuer":', 1))


def other_spelling(operator: Operator) -> bytes:
    """The last character of base64url has bits that count for nothing: another spelling of the same bytes."""
    head, _, last = operator.event().decode().rpartition(".")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return f"{head}.{last[:-1]}{alphabet[alphabet.index(last[-1]) ^ 1]}".encode()


def malleable(operator: Operator) -> bytes:
    statement = parse_statement(operator.event())
    r, s = statement.signature[:32], int.from_bytes(statement.signature[32:], "big")
    forged = urlsafe_b64encode(r + (P256_ORDER - s).to_bytes(32, "big")).rstrip(b"=")
    return statement.signing_input + b"." + forged


def tampered(operator: Operator) -> bytes:
    statement = parse_statement(operator.event())
    head, _, signature = statement.jws.split(b".")
    changed = b64u(statement.payload_text.replace('"quantity":100', '"quantity":999'))
    return head + b"." + changed.encode() + b"." + signature


def far_ahead(operator: Operator) -> bytes:
    time = (datetime.now(UTC) + timedelta(hours=25)).isoformat(timespec="milliseconds")
    return operator.event(eventTime=time, eventTimeZoneOffset="+00:00")


def too_many_subjects(operator: Operator) -> bytes:
    items = [f"https://id.gs1.org/01/09520001000010/21/S{number}" for number in range(1_025)]
    text = payload("TraceabilityEvent", FARM, event_body(900_002, epcList=items, quantityList=None))
    return sign(text, p256("farm"))


def revoked(operator: Operator) -> bytes:
    key = p256("stolen")
    operator.log(operator.grant("https://victim.example/", key), operator.revoke("https://victim.example/", key))
    return operator.event("https://victim.example/", key)


def granted_too_late(operator: Operator) -> bytes:
    return operator.event("https://later.example/", p256("later"))


CASES: list[tuple[str, Forge, int, str, str]] = [
    ("unknown-key", lambda op: op.event(FARM, p256("nobody")), 403, "unknown-key", "/header/kid"),
    ("key-not-granted-yet", granted_too_late, 403, "unknown-key", "/header/kid"),
    ("key-revoked-in-log-order", revoked, 403, "revoked-key", "/header/kid"),
    ("another-partys-key", lambda op: op.event("https://rival.example/", p256("farm")), 403, "other-party-key", "/issuer"),
    ("wrong-alg", wrong_alg, 401, "wrong-alg", "/header/alg"),
    ("malleable-signature", malleable, 401, "high-s", "/signature"),
    ("tampered-payload", tampered, 401, "bad-signature", "/signature"),
    ("event-a-day-ahead", far_ahead, 503, "event-in-future", "/credentialSubject/eventTime"),
    ("extra-header-member", extra_member, 400, "bad-header", "/header"),
    ("duplicate-json-keys", duplicate_keys, 400, "duplicate-member", "/issuer"),
    ("non-canonical-base64url", other_spelling, 400, "bad-base64", ""),
    ("unknown-action", lambda op: op.event(action="BORROW"), 422, "wrong-value", "/credentialSubject/action"),
    ("epcis-rule-break", lambda op: op.event(bizTransactionList=[{"type": "po"}]), 400, "missing-member",
     "/credentialSubject/bizTransactionList/0/bizTransaction"),
    ("wrong-check-digit", lambda op: op.event(quantityList=[quantity(GTIN[:-1] + "1/10/H-1", 1)]), 422,
     "bad-check-digit", "/credentialSubject/quantityList/0/epcClass"),
    ("too-many-subjects", too_many_subjects, 413, "too-many-subjects", "/credentialSubject"),
    ("over-64-kib", lambda op: op.event() + b"A" * 65_536, 413, "too-large", ""),
    ("not-a-statement", lambda op: b"hello", 400, "not-a-jws", ""),
]  # fmt: skip


@pytest.mark.parametrize(("forge", "status", "code", "where"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_a_bad_statement_is_refused_by_name_and_leaves_nothing(
    operator: Operator, forge: Forge, status: int, code: str, where: str
) -> None:
    raw = forge(operator)
    before = operator.size
    answer = operator.post(raw)
    problem = problem_of(answer)
    assert (answer.status_code, problem["code"]) == (status, code), problem
    assert problem["where"] == where, problem
    assert operator.size == before
    assert ("retry-after" in answer.headers) == (status == 503)
    explained = operator.client.get(f"/problems/{code}")
    assert explained.status_code == 200


def test_a_body_over_the_limit_is_cut_off_while_it_streams(operator: Operator) -> None:
    def endless() -> Any:
        for _ in range(40):
            yield b"A" * 1_048_576

    answer = operator.client.post("/statements", content=endless(), headers={"content-type": "text/plain"})
    assert problem_of(answer)["code"] == "body-too-large"
    assert answer.status_code == 413


def test_ten_thousand_and_one_lines_are_refused_as_a_whole(operator: Operator) -> None:
    answer = operator.post(b"x\n" * 10_001, "text/plain")
    assert problem_of(answer)["code"] == "too-many-lines"


def test_a_form_post_is_no_submission(operator: Operator) -> None:
    answer = operator.post(b"a=b", "application/x-www-form-urlencoded")
    assert (answer.status_code, problem_of(answer)["code"]) == (415, "not-supported")


def test_an_ed25519_key_signs_as_well_as_p256(operator: Operator) -> None:
    machine = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    operator.log(operator.grant("https://machine.example/", machine))
    assert operator.post(operator.event("https://machine.example/", machine)).status_code == 201
