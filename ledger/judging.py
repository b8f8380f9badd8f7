"""
Judging: what only the order decides.  One Judge sees one batch, in index order, inside the ordering transaction.

    signature under a granted key       unknown-key, bad-signature …
    an earlier copy                     the same signing input: the stored statement's place, whatever the signature
    key validity                        granted below this index, not revoked below it
    authority of the control kinds      verify/authority.py
    event ID                            new for this issuer, but for error declarations and adoptions of the logged one
    serials                             none of a committed lot in clear before its sale

What passes gets the next index and its rows; what does not leaves nothing behind.

Source: protocol.md section 2.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import select, tuple_, update
from sqlalchemy.orm import Session

from ledger.admission import Candidate, read_candidate
from ledger.db import chunks
from ledger.models import Base, EntryRow, StatementRow
from ledger.problems import Fatal, Refused
from ledger.project import CONTENT, derive, drop, store
from ledger.registry import SqlHistory
from ledger.shown import Audience, statement_of
from verify.authority import check_control, check_serials, key_at
from verify.entry import Entry
from verify.errors import NotGranted, VerificationError
from verify.merkle import Hash, leaf_hash
from verify.statement import CONTROL_KINDS, verify_signature


@dataclass(frozen=True, slots=True)
class Sequenced:
    """The statement's place; `repeated` where an earlier copy took it."""

    index: int
    digest: bytes
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class Mark:
    """A Judge's state that `reset` returns to."""

    index: int
    leaves: int
    known: dict[bytes, Sequenced]
    events: dict[tuple[str, str], bytes]


class Judge:
    """Gives indexes from `index` on, all with the time `time_ms`.  Reads and writes through `session`, never commits."""

    def __init__(self, session: Session, origin: str, *, index: int, time_ms: int) -> None:
        self.leaves: list[Hash] = []
        self.history = SqlHistory(session, origin)
        self._session = session
        self._index = index
        self._time_ms = time_ms
        self._known: dict[bytes, Sequenced] = {}
        self._events: dict[tuple[str, str], bytes] = {}
        self._rows: dict[type[Base], list[dict[str, Any]]] = {}

    def look_up(self, batch: Sequence[Candidate]) -> None:
        """Fetch at once what the log has of a batch's signing inputs and event IDs.  Call before judging it."""
        for part in chunks({one.signing_input_hash for one in batch}):
            held = select(StatementRow.signing_input_hash, StatementRow.index, StatementRow.digest)
            for name, index, digest in self._session.execute(held.where(StatementRow.signing_input_hash.in_(part))):
                self._known[name] = Sequenced(index, digest, repeated=True)
        for pairs in chunks({(one.statement.issuer, one.event_id) for one in batch if one.event_id is not None}):
            taken = select(StatementRow.issuer, StatementRow.event_id, StatementRow.digest).where(StatementRow.repeats == 0)
            where = tuple_(StatementRow.issuer, StatementRow.event_id).in_(pairs)
            for issuer, event_id, digest in self._session.execute(taken.where(where)):
                self._events[issuer, event_id or ""] = digest

    def judge(self, candidate: Candidate) -> Sequenced:
        """Give the statement its place, or raise Refused."""
        control = candidate.statement.kind in CONTROL_KINDS
        if control:
            self.flush()
        try:
            earlier = self._check_signature(candidate)
            if earlier is not None:
                return self._merge(candidate, earlier)
            key_at(self.history, candidate.statement.issuer, candidate.statement.kid, self._index)
            check_control(candidate.statement, self._index, self.history)
            self._check_serials(candidate)
            placed = self._place(candidate, self._repeats(candidate))
        except VerificationError as error:
            raise Refused.of(error) from None
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            # A member of a shape that no rule foresaw.  One statement must not stop the log for everybody.
            raise Refused("malformed", f"a member has a shape that cannot be judged: {error}") from error
        if control:
            self.flush()
            self.history.forget()
        return placed

    def flush(self) -> None:
        """Write the rows gathered so far, so that questions to the database see them."""
        rows, self._rows = self._rows, {}
        store(self._session, rows)

    def mark(self) -> Mark:
        """Remember this state; the caller sets a savepoint beside it."""
        self.flush()
        return Mark(self._index, len(self.leaves), dict(self._known), dict(self._events))

    def reset(self, mark: Mark) -> None:
        """Return to a mark whose savepoint the caller has rolled back to."""
        self._index, self._known, self._events = mark.index, mark.known, mark.events
        del self.leaves[mark.leaves :]
        self._rows.clear()
        self.history.forget()

    def _check_signature(self, candidate: Candidate) -> Sequenced | None:
        """The earlier copy where there is one.  Raises NotGranted, BadSignature."""
        statement = candidate.statement
        grants = self.history.grants(statement.kid, self._index)
        if not grants:
            raise NotGranted("no registrar bound this key to anybody here", code="unknown-key", where="/header/kid")
        if not candidate.verified:
            verify_signature(statement, grants[0].jwk)
        return self._known.get(candidate.signing_input_hash)

    def _check_serials(self, candidate: Candidate) -> None:
        event, uris = candidate.record.event, candidate.record.uris
        if (event is None or not event.is_selling) and any("/21/" in uri for uri in uris):
            check_serials(uris, self._index, self.history)

    def _repeats(self, candidate: Candidate) -> bool:
        """Whether the event ID is another's on purpose.  Raises Refused where it is taken."""
        event, statement = candidate.record.event, candidate.statement
        if event is None or candidate.event_id is None:
            return False
        if event.error_declaration:
            return True
        holder = self._events.get((statement.issuer, candidate.event_id))
        if holder is None:
            return False
        if statement.kind == "Adoption" and statement.subject.get("adopts") == holder.hex():
            return True
        where = "/credentialSubject" + ("/event" if statement.kind == "Adoption" else "") + "/eventID"
        raise Refused("event-id-taken", f"{candidate.event_id} names the event of statement {holder.hex()}", where=where)

    def _place(self, candidate: Candidate, repeats: bool) -> Sequenced:
        statement, index = candidate.statement, self._index
        entry = Entry(self._time_ms, statement.digest, candidate.record.keys).encode()
        told = derive(replace(candidate.record, index=index, time_ms=self._time_ms), self._index_of)
        row = {
            "digest": statement.digest, "index": index, "signing_input_hash": candidate.signing_input_hash,
            "kind": statement.kind, "issuer": statement.issuer, "kid": statement.kid, "event_id": candidate.event_id,
            "repeats": int(repeats), "valid_from": statement.payload["validFrom"], "jws": statement.jws,
            "disclosures": candidate.disclosures, "erased_by": None,
        }  # fmt: skip
        leaf = leaf_hash(entry)
        held = {"index": index, "time_ms": self._time_ms, "digest": statement.digest, "entry": entry, "leaf": leaf}
        self._gather({EntryRow: [held], StatementRow: [row]})
        self._gather(told)
        if statement.kind == "Erasure":
            self._erase(bytes.fromhex(statement.subject["digest"]), index)
        self.leaves.append(leaf)
        self._index += 1
        placed = Sequenced(index, statement.digest)
        self._known[candidate.signing_input_hash] = replace(placed, repeated=True)
        if candidate.event_id is not None and not repeats:
            self._events[statement.issuer, candidate.event_id] = statement.digest
        return placed

    def _gather(self, rows: Mapping[type[Base], Sequence[dict[str, Any]]]) -> None:
        for table, more in rows.items():
            self._rows.setdefault(table, []).extend(more)

    def _index_of(self, digest: bytes) -> int | None:
        return self._session.scalar(select(StatementRow.index).where(StatementRow.digest == digest))

    def _erase(self, digest: bytes, by_index: int) -> None:
        """Drop what the log kept of a statement but its place, digest and keys.  The judgement of Erasure came before."""
        gone = update(StatementRow).where(StatementRow.digest == digest, StatementRow.jws.is_not(None))
        self._session.execute(gone.values(jws=None, disclosures=[], valid_from="", erased_by=by_index))
        target = self._index_of(digest)
        if target is not None:
            drop(self._session, target)

    def _merge(self, candidate: Candidate, earlier: Sequenced) -> Sequenced:
        """Keep the disclosures that a later copy brings, and tell its derived rows again."""
        if not candidate.disclosures:
            return earlier
        self.flush()
        row = self._session.scalars(select(StatementRow).where(StatementRow.index == earlier.index)).one()
        merged = list(dict.fromkeys([*row.disclosures, *candidate.disclosures]))
        if row.jws is None or len(merged) == len(row.disclosures):
            return earlier
        try:
            told = reread(row.jws, merged, row.digest)
        except Fatal:
            # Each copy is good and both are not: the issuer signed two values for one member.  The first one stays.
            return earlier
        row.disclosures = merged
        self._session.flush()
        drop(self._session, row.index)
        rows = derive(replace(told.record, index=row.index), self._index_of)
        store(self._session, {table: rows[table] for table in CONTENT if table in rows})
        return earlier


def stored_candidate(row: StatementRow) -> Candidate:
    """Read back a stored statement with every disclosure the log has.  Raises Fatal where it is not what was stored."""
    return reread(row.jws or b"", row.disclosures, row.digest)


def reread(jws: bytes, disclosures: Sequence[str], digest: bytes) -> Candidate:
    """Read stored parts of a statement.  Raises Fatal where they are damaged."""
    try:
        candidate = read_candidate(statement_of(jws, disclosures, Audience.REGULATOR))
    except (VerificationError, Refused, ValueError) as error:
        raise Fatal(f"the stored statement {digest.hex()} cannot be read: {error}") from None
    if candidate.statement.digest != digest:
        raise Fatal(f"the stored statement {digest.hex()} has another digest")
    return candidate
