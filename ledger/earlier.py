"""
What the log has already of statements that come: the place of an earlier copy, and who took an event ID.

Unique are the signing input of a statement and the event ID of an issuer.  One hash leads to both: a second copy of a statement
that takes an event ID has the same event ID, so that what leads to its holder leads to the copy.  Only who takes none, or
repeats one on purpose, is found by the signing input.

No constraint of the database holds what is unique.  One writer judges it, inside the transaction that orders, from everything
that was committed below the checkpoint which that transaction then replaces; a second writer by mistake fails to replace it.

Source: protocol.md sections 1 and 2; DECISIONS.md, "Eight bytes find, the whole hash decides".
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy.orm import Session

from ledger.candidates import Candidate, event_key
from ledger.db import chunks
from ledger.finding import head

_TAKEN = (
    'SELECT s."index", s.digest, e.time_ms, s.signing_input_hash, s.issuer, s.event_id, s.repeats '
    'FROM hash_heads h JOIN statements s ON s."index" = h."index" JOIN entries e ON e."index" = h."index" WHERE h.head'
)


class Sequenced(NamedTuple):
    """
    The statement's place and time (ms since 1970); `repeated` where an earlier copy took it.

    A tuple, since each statement makes one under the ordering transaction.
    """

    index: int  # type: ignore[assignment]  # hides a method of tuples that nobody asks for
    digest: bytes
    time_ms: int
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class Earlier:
    """What the log has, and maybe more than was asked for: heads collide."""

    places: dict[bytes, Sequenced] = field(default_factory=dict)
    """By signing input."""
    events: dict[bytes, bytes] = field(default_factory=dict)
    """Digest of the statement that took an event ID, by event key."""


def heads_of(digest: bytes, signing_input_hash: bytes, key: bytes | None) -> tuple[int, ...]:
    """What a statement is found by, each once; `key` is the event key that it takes, None where it takes none."""
    name, taken = head(digest), head(signing_input_hash if key is None else key)
    return (name, taken) if name != taken else (name,)


def earlier(session: Session, candidates: Sequence[Candidate]) -> Earlier:
    """What the log has of these candidates, and of their event IDs."""
    wanted = {head(hashed) for one in candidates for hashed in _names(one)}
    found = Earlier()
    for index, digest, time_ms, signing_input_hash, issuer, event_id, repeats in _taken(session, sorted(wanted)):
        found.places[signing_input_hash] = Sequenced(index, digest, time_ms)
        key = None if repeats else event_key(issuer, event_id)
        if key is not None:
            found.events[key] = digest
    return found


def _names(one: Candidate) -> tuple[bytes, ...]:
    """The hashes that lead to whatever could stand against it."""
    if one.event_key is None:
        return (one.signing_input_hash,)
    # A copy of what repeats an event ID on purpose took none; a copy of anything else took this one.
    may_repeat = one.declares_error or one.kind == "Adoption"
    return (one.event_key, one.signing_input_hash) if may_repeat else (one.event_key,)


def _taken(session: Session, heads: Sequence[int]) -> Iterator[Sequence[Any]]:
    connection = session.connection()
    if connection.dialect.name == "sqlite":
        for part in chunks(heads):
            yield from connection.exec_driver_sql(f"{_TAKEN} IN ({','.join('?' * len(part))})", tuple(part))
    elif heads:
        # One text: the driver's own way with a list takes four times as long.
        yield from connection.exec_driver_sql(f"{_TAKEN} = ANY(%s::int8[])", (f"{{{','.join(map(str, heads))}}}",))
