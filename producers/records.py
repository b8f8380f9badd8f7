"""
Records: what a party tells, as the exact payload text that is then signed once.

    record(subject, issuer=, at=)          the payload text of a value of kinds.py or control.py, with members withheld where
                                           that is wanted
    event_record(text, issuer=)            the same for an EPCIS event, whose text is embedded as it came
    sign_record(record, key)               the statement as it travels

The text is built once, members in a fixed order, so that the same facts give the same bytes.  Not here: who may say it
(the log and its readers judge), what an event looks like (epcis/).

Source: W3C VC Data Model 2.0; RFC 9901 for withheld members; protocol.md section 1.
"""

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from producers.epcis.text import assemble, encode, split
from producers.kinds import Subject
from producers.sign import PrivateKey, disclosure, sign
from verify import gs1, subjects
from verify.errors import Malformed
from verify.statement import CONTEXT, KINDS, WITHHOLDABLE, parse_statement
from verify.strict import b64u_encode

# VC 2.0 wants every term defined; this second context defines those that no other does.
UNDEFINED_TERMS = "https://www.w3.org/ns/credentials/undefined-terms/v2"


class NotWithholdable(ValueError):
    """This member decides what a record is about, or the kind has no such member to withhold."""


@dataclass(frozen=True, slots=True)
class Record:
    """What will be signed: the exact payload, and the disclosures that open its withheld members."""

    payload_text: str
    disclosures: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Withholding:
    """Members of a subject that travel apart from the statement, and which of them everybody may see."""

    names: Collection[str] = ()
    """Those that are not there are passed over: not every event has a price."""
    public: Collection[str] = ()


NOTHING = Withholding()


def record(subject: Subject, *, issuer: str, at: datetime, withhold: Withholding = NOTHING) -> Record:
    """
    Make the record of `subject`, told by `issuer` (any notation of its URI) and valid from `at` (aware).

    Raises Malformed for an issuer that is no canonical URI, NotWithholdable, ValueError for a time without offset.
    """
    return _record(subject.kind, subject.text(), issuer, rfc3339(at), withhold)


def event_record(text: str, *, issuer: str, withhold: Withholding = NOTHING) -> Record:
    """
    Make the record of one EPCIS event from its JSON text, which is not re-serialised; valid from its `eventTime`.

    Raises Malformed where the text is no object with an `eventTime`, NotWithholdable.
    """
    return _record("TraceabilityEvent", text, issuer, event_time(text), withhold)


def adoption(text: str, *, adopts: str, issuer: str) -> Record:
    """Make the record that tells an event again under a new key; `adopts` is the digest (hex) signed with the revoked one."""
    told = assemble([("adopts", json.dumps(adopts)), ("event", text)])
    return _record("Adoption", told, issuer, event_time(text), NOTHING)


def sign_record(made: Record, key: PrivateKey) -> bytes:
    """
    Sign a record; the result has passed what every reader checks, its subjects included.

    Raises Malformed: over 64 KiB, a subject that is no canonical URI, over 1,024 subject keys.
    """
    statement = sign(made.payload_text, key, made.disclosures)
    subjects.keys(parse_statement(statement))
    return statement


def rfc3339(moment: datetime) -> str:
    """Print a time with its offset, to the millisecond."""
    if moment.utcoffset() is None:
        raise ValueError("a time needs its offset")
    return moment.isoformat(timespec="milliseconds")


def event_time(text: str) -> str:
    """The event's own `eventTime`, as spelt: a file imported twice must give the same bytes."""
    value = json.loads(dict(split(text)).get("eventTime", "null"))
    if not isinstance(value, str):
        raise Malformed("an event has an eventTime", code="missing-member", where="/eventTime")
    return value


def _record(kind: str, subject: str, issuer: str, valid_from: str, withhold: Withholding) -> Record:
    if kind not in KINDS:
        raise ValueError(f"{kind} is no kind of statement")
    if unknown := set(withhold.names) - WITHHOLDABLE.get(kind, frozenset()):
        raise NotWithholdable(f"{kind}: {', '.join(sorted(unknown))} may not be withheld / 不可隐藏")
    parts = list(split(subject))
    hidden = {name: disclosure(name, value) for name, value in parts if name in withhold.names}
    payload = [
        ("@context", encode([CONTEXT, UNDEFINED_TERMS])),
        ("type", encode(["VerifiableCredential", kind])),
        ("issuer", encode(gs1.canonical_uri(issuer))),
        ("validFrom", encode(valid_from)),
    ]
    if not hidden:
        return Record(assemble([*payload, ("credentialSubject", subject)]))
    digests = {name: _digest(text) for name, text in hidden.items()}
    # Sorted, or the order of the digests would tell which member is which.
    shown = [(name, value) for name, value in parts if name not in hidden]
    payload.append(("credentialSubject", assemble([*shown, ("_sd", encode(sorted(digests.values())))])))
    payload.append(("_sd_alg", encode("sha-256")))
    if public := sorted(digest for name, digest in digests.items() if name in withhold.public):
        payload.append(("public", encode(public)))
    return Record(assemble(payload), tuple(hidden.values()))


def _digest(text: str) -> str:
    return b64u_encode(sha256(text.encode()).digest())
