"""
Judging: what only the order decides.  One Judge sees one batch, in index order, inside the ordering transaction.

    signature under a granted key       unknown-key, bad-signature …
    an earlier copy                     the same signing input: the stored statement's place, whatever the signature
    key validity                        granted below this index, not revoked below it
    authority of the control kinds      verify/authority.py
    event ID                            new for this issuer, but for error declarations and adoptions of the logged one
    serials                             none of a committed lot in clear before its sale

What passes gets the next index and its rows; what does not leaves nothing behind.  The common statement costs no query of
its own: what the log has of a batch is looked up at once, and its rows are written at once.

Source: protocol.md section 2.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from ledger.batch import Batch
from ledger.candidates import Candidate, candidate_of, read_stored
from ledger.earlier import Sequenced, earlier
from ledger.finding import has_digest
from ledger.models import StatementRow
from ledger.problems import Fatal, Refused
from ledger.project import CONTENT, Told, derive, drop, store, told_rows
from ledger.registry import SqlHistory
from verify.authority import check_control, check_serials, key_at
from verify.entry import Entry
from verify.errors import NotGranted, VerificationError
from verify.merkle import Hash
from verify.statement import CONTROL_KINDS, verify_signature

MAX_KEYS = 65_536  # keys remembered as good, 300 bytes each


@dataclass(frozen=True, slots=True)
class Mark:
    """A Judge's state that `reset` returns to."""

    index: int
    entries: int
    known: dict[bytes, Sequenced]
    events: dict[bytes, bytes]


class Judge:
    """
    Gives indexes from `index` on, all with the time `time_ms`.  Reads and writes through `session`, never commits.

    `in_force` is kept from batch to batch by a caller who empties it when a batch was not committed.
    """

    def __init__(
        self, session: Session, origin: str, *, index: int, time_ms: int, in_force: set[tuple[str, str]] | None = None
    ) -> None:
        self.history = SqlHistory(session, origin)
        self.batch = Batch(session, time_ms)
        self._session = session
        self._index = index
        self._time_ms = time_ms
        self._known: dict[bytes, Sequenced] = {}
        self._events: dict[bytes, bytes] = {}
        self._in_force = set() if in_force is None else in_force
        """Who speaks by which key, as of the last control statement: a later index changes nothing, so batches share it."""

    @property
    def leaves(self) -> list[Hash]:
        """Leaf hashes of the entries so far."""
        return self.batch.leaves

    def look_up(self, candidates: Sequence[Candidate]) -> None:
        """Fetch at once what the log has of these signing inputs and event IDs.  Call before judging them."""
        found = earlier(self._session, candidates)
        self._known |= found.places
        self._events |= found.events

    def judge(self, candidate: Candidate) -> Sequenced:
        """Give the statement its place, or raise Refused."""
        control = candidate.kind in CONTROL_KINDS
        if control:
            self.flush()
        try:
            copy = self._check_signer(candidate)
            if copy is not None:
                return self._merge(candidate, copy)._replace(repeated=True)
            if control:
                check_control(candidate.record().statement, self._index, self.history)
            if candidate.serials:
                check_serials(candidate.serials, self._index, self.history)
            placed = self._place(candidate, self._repeats(candidate))
        except VerificationError as error:
            raise Refused.of(error) from None
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            # A member of a shape that no rule foresaw.  One statement must not stop the log for everybody.
            raise Refused("malformed", f"a member has a shape that cannot be judged: {error}") from error
        if control:
            self.flush()
            self._forget()
        return placed

    def flush(self) -> None:
        """Write the rows gathered so far, so that questions to the database see them."""
        self.batch.flush()

    def mark(self) -> Mark:
        """Remember this state; the caller sets a savepoint beside it."""
        self.flush()
        return Mark(self._index, len(self.batch.leaves), dict(self._known), dict(self._events))

    def reset(self, mark: Mark) -> None:
        """Return to a mark whose savepoint the caller has rolled back to."""
        self._index, self._known, self._events = mark.index, mark.known, mark.events
        self.batch.cut(mark.entries)
        self._forget()

    def _forget(self) -> None:
        self.history.forget()
        self._in_force.clear()

    def _check_signer(self, candidate: Candidate) -> Sequenced | None:
        """
        The earlier copy where there is one; else the key is its party's here.  Raises NotGranted, BadSignature.

        Both are asked once for each key, since only a control statement changes the answer.
        """
        who = (candidate.issuer, candidate.kid)
        known = who in self._in_force
        if not known or not candidate.verified:
            self._check_granted(candidate)
        copy = self._known.get(candidate.signing_input_hash)
        if copy is None and not known:
            key_at(self.history, *who, self._index)
            if len(self._in_force) >= MAX_KEYS:
                self._in_force.clear()
            self._in_force.add(who)
        return copy

    def _check_granted(self, candidate: Candidate) -> None:
        grants = self.history.grants(candidate.kid, self._index)
        if not grants:
            raise NotGranted("no registrar bound this key to anybody here", code="unknown-key", where="/header/kid")
        if not candidate.verified:
            verify_signature(candidate.record().statement, grants[0].jwk)

    def _repeats(self, candidate: Candidate) -> bool:
        """Whether the event ID is another's on purpose.  Raises Refused where it is taken."""
        if candidate.event_key is None:
            return False
        if candidate.declares_error:
            return True
        holder = self._events.get(candidate.event_key)
        if holder is None:
            return False
        adopts = candidate.kind == "Adoption"
        if adopts and candidate.record().statement.subject.get("adopts") == holder.hex():
            return True
        where = "/credentialSubject" + ("/event" if adopts else "") + "/eventID"
        raise Refused("event-id-taken", f"{candidate.event_id} names the event of statement {holder.hex()}", where=where)

    def _place(self, candidate: Candidate, repeats: bool) -> Sequenced:
        index, digest = self._index, candidate.digest
        rows = candidate.rows if candidate.rows is not None else self._control_rows(candidate)
        self.batch.add(index, candidate, Entry(self._time_ms, digest, candidate.keys).encode(), rows, repeats)
        self._index += 1
        self._known[candidate.signing_input_hash] = placed = Sequenced(index, digest, self._time_ms)
        if candidate.event_key is not None and not repeats:
            self._events[candidate.event_key] = digest
        return placed

    def _control_rows(self, candidate: Candidate) -> Told:
        record = candidate.record()
        rows = told_rows(record)
        if candidate.kind == "Withdrawal":
            ((target, _),) = rows["withdrawals"]
            rows = {"withdrawals": [(target, self._index_of(target))]}
        elif candidate.kind == "Erasure":
            self._erase(bytes.fromhex(record.statement.subject["digest"]), self._index)
        return rows

    def _index_of(self, digest: bytes) -> int | None:
        return self._session.scalar(select(StatementRow.index).where(has_digest(digest)))

    def _erase(self, digest: bytes, by_index: int) -> None:
        """Drop what the log kept of a statement but its place, digest and keys.  The judgement of Erasure came before."""
        gone = update(StatementRow).where(has_digest(digest), StatementRow.jws.is_not(None))
        self._session.execute(gone.values(jws=None, disclosures=[], valid_from="", erased_by=by_index))
        target = self._index_of(digest)
        if target is not None:
            drop(self._session, target)

    def _merge(self, candidate: Candidate, copy: Sequenced) -> Sequenced:
        """Keep the disclosures that a later copy brings, and tell its derived rows again."""
        if not candidate.disclosures:
            return copy
        self.flush()
        row = self._session.scalars(select(StatementRow).where(StatementRow.index == copy.index)).one()
        merged = list(dict.fromkeys([*row.disclosures, *candidate.disclosures]))
        if row.jws is None or len(merged) == len(row.disclosures):
            return copy
        try:
            told = reread(row.jws, merged, row.digest).record(row.index)
        except Fatal:
            # Each copy is good and both are not: the issuer signed two values for one member.  The first one stays.
            return copy
        row.disclosures = merged
        self._session.flush()
        drop(self._session, row.index)
        rows = derive(told, self._index_of)
        store(self._session, {table: rows[table] for table in CONTENT if table in rows})
        return copy


def stored_candidate(row: StatementRow) -> Candidate:
    """Read back a stored statement with every disclosure the log has.  Raises Fatal where it is not what was stored."""
    return reread(row.jws or b"", row.disclosures, row.digest)


def reread(jws: bytes, disclosures: Sequence[str], digest: bytes) -> Candidate:
    """Read stored parts of a statement.  Raises Fatal where they are damaged."""
    try:
        return candidate_of(read_stored(jws, disclosures, digest, 0, 0))
    except Refused as error:
        raise Fatal(f"the stored statement {digest.hex()} cannot be read: {error}") from None
