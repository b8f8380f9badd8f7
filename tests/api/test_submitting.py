"""A statement is answered with its receipt; sending it again is always safe; a bad line holds up nobody."""

import json
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from tests.api.conftest import Operator, problem_of
from tests.support.ledger import FARM, p256
from verify.checkpoint import Checkpoint
from verify.entry import Entry
from verify.merkle import leaf_hash, verify_inclusion
from verify.note import open_note, parse_note
from verify.proof import TlogProof
from verify.statement import P256_ORDER, parse_statement
from verify.strict import b64u_encode
from verify.subjects import keys


def rows_of(answer: Any) -> list[dict[str, Any]]:
    assert answer.headers["content-type"].startswith("application/jsonl")
    return [json.loads(line) for line in answer.text.splitlines()]


def test_the_receipt_proves_exactly_this_statement(operator: Operator) -> None:
    raw = operator.event()
    answer = operator.post(raw).json()
    statement, proof = parse_statement(raw), TlogProof.parse(answer["proof"])
    note = parse_note(proof.checkpoint)
    open_note(note, [operator.keys.log.vkey])
    checkpoint = Checkpoint.parse(note.text)
    entry = Entry(answer["time"], statement.digest, keys(statement))
    verify_inclusion(leaf_hash(entry.encode()), index=proof.index, size=checkpoint.size, proof=proof.path, root=checkpoint.root)
    assert answer["digest"] == statement.digest.hex()
    assert answer["index"] == proof.index
    assert operator.client.get(f"/statements/{answer['digest']}/proof").text.startswith("c2sp.org/tlog-proof@v1\n")


def test_a_statement_is_read_back_byte_for_byte(operator: Operator) -> None:
    raw = operator.event()
    digest = operator.post(raw).json()["digest"]
    answer = operator.client.get(f"/statements/{digest}")
    assert (answer.content, answer.headers["content-type"]) == (raw, "application/vc+jwt")
    assert operator.client.get(f"/statements/{'0' * 64}").status_code == 404


def test_sending_again_is_answered_with_the_first_receipt(operator: Operator) -> None:
    raw = operator.event()
    first = operator.post(raw)
    size = operator.size
    again = operator.post(raw)
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() | {"status": "published"} == first.json()
    assert operator.size == size


def test_a_second_signature_over_the_same_words_is_the_same_statement(operator: Operator) -> None:
    statement = parse_statement(operator.event())
    first = operator.post(statement.jws).json()
    der = p256("farm").sign(statement.signing_input, ec.ECDSA(SHA256()))  # draws a fresh random number
    r, s = decode_dss_signature(der)
    signature = r.to_bytes(32, "big") + min(s, P256_ORDER - s).to_bytes(32, "big")
    resigned = statement.signing_input + b"." + b64u_encode(signature).encode()
    assert resigned != statement.jws
    answer = operator.post(resigned).json()
    assert (answer["status"], answer["index"], answer["digest"]) == ("duplicate", first["index"], first["digest"])


def test_a_batch_stores_the_good_lines_and_reports_the_bad_ones_in_order(operator: Operator) -> None:
    good, also = operator.event(), operator.event()
    lines = [good, b"rubbish", operator.event(FARM, p256("nobody")), also, good]
    size = operator.size
    rows = rows_of(operator.post(b"\n".join(lines) + b"\n", "text/plain"))
    assert [row["line"] for row in rows] == [1, 2, 3, 4, 5]
    assert [row["status"] for row in rows] == ["published", "refused", "refused", "published", "duplicate"]
    assert [row["problem"]["code"] for row in rows if "problem" in row] == ["not-a-jws", "unknown-key"]
    assert rows[4]["index"] == rows[0]["index"]
    assert operator.size == size + 2


def test_lines_of_json_strings_are_taken_too(operator: Operator) -> None:
    lines = [json.dumps(operator.event().decode()), "{}", '"half']
    rows = rows_of(operator.post("\n".join(lines).encode(), "application/jsonl"))
    assert [row["status"] for row in rows] == ["published", "refused", "refused"]
    assert rows[1]["problem"]["code"] == "bad-line"


def test_rollback_logs_all_lines_or_none(operator: Operator) -> None:
    size = operator.size
    for bad in (b"rubbish", operator.event(FARM, p256("nobody"))):
        body = b"\n".join([operator.event(), bad])
        rows = rows_of(operator.post(body, "text/plain", gs1_capture_error_behaviour="rollback"))
        assert [row["status"] for row in rows] == ["refused", "refused"]
        assert rows[0]["problem"]["code"] == "rolled-back"
    assert operator.size == size


def test_who_does_not_want_to_wait_is_told_where_to_look(operator: Operator) -> None:
    raw = operator.event()
    answer = operator.post(raw, prefer="respond-async")
    assert answer.status_code in (201, 202)
    path = answer.headers["location"].removeprefix("http://localhost:8000")
    assert path == f"/statements/{parse_statement(raw).digest.hex()}"
    operator.log(operator.event())  # published in order, so the first one is too
    assert operator.client.get(path).content == raw


def test_a_refused_statement_says_why_also_later(operator: Operator) -> None:
    raw = operator.event(FARM, p256("nobody"))
    operator.post(raw)
    answer = operator.client.get(f"/statements/{parse_statement(raw).digest.hex()}")
    assert problem_of(answer)["code"] == "unknown-key"


def test_an_event_id_names_one_event_of_its_issuer(operator: Operator) -> None:
    event_id = "urn:uuid:00000000-0000-4000-8000-00000000abcd"
    operator.log(operator.event(eventID=event_id))
    answer = operator.post(operator.event(eventID=event_id, action="OBSERVE"))
    problem = problem_of(answer)
    assert (answer.status_code, problem["code"], problem["where"]) == (409, "event-id-taken", "/credentialSubject/eventID")
