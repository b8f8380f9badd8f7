"""
The outbox: every signed statement, on disk before anything is sent, kept until somebody beside the operator saw it.

    saved      signed and on disk
    sent       the log may have it; no receipt was verified yet
    published  the receipt verified: seen by the operator only
    witnessed  the policy's quorum cosigned a tree that contains it
    covered    a root in an anchor contract contains it
    refused    the log said no; `problem` says why (refusals.py)

Nothing here is deleted: it is also the farm's own archive, and how a second import knows what was signed.  What belongs
together is one transaction (store.py).  Not here: sending (delivery.py), following the log (follow.py).

Source: protocol.md sections 1 and 3.
"""

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Self, cast

from producers.answers import Problem
from producers.epcis.text import encode
from producers.refusals import ITEM, Item, Refusals, item_of
from producers.seen import Seen
from producers.store import connect, transaction
from producers.trust import Receipt
from verify.statement import Jwk, Statement, parse_statement, thumbprint

SAVED, SENT, PUBLISHED, WITNESSED, COVERED, REFUSED = STATES = (
    "saved", "sent", "published", "witnessed", "covered", "refused",
)  # fmt: skip


class EventIdTaken(ValueError):
    """An event with this eventID was signed before, and said something else."""


@dataclass(frozen=True, slots=True)
class Added:
    """How many statements were new, and how many were there already."""

    stored: int
    duplicate: int


class Outbox:
    """An open outbox; used by one thread, closed by `with`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection
        self.seen = Seen(connection)
        self.refusals = Refusals(connection)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open or create an outbox.  Raises OutboxRefused for another file or one of a newer version."""
        return cls(connect(path))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._db.close()

    def add(self, statements: Iterable[bytes], *, now_ms: int, jwk: Jwk | None = None) -> Added:
        """
        Save signed statements, all or none; `jwk` is the key that signed them, where it is known.

        A statement is a duplicate where the same was signed before, or the same event by the same issuer.  What the log
        refused does not count as told: the same statement is sent again, the event signed with another key takes its place.

        Raises EventIdTaken, Malformed.
        """
        stored = duplicate = 0
        with transaction(self._db):
            self._keep(jwk)
            for raw in statements:
                statement = parse_statement(raw)
                is_new = self._save(raw, statement, now_ms)
                stored, duplicate = stored + is_new, duplicate + (not is_new)
        return Added(stored, duplicate)

    def replace(self, again: Mapping[int, bytes], *, now_ms: int, jwk: Jwk) -> int:
        """Save statements in place of refused items, all or none; `jwk` signed them.  How many.  Raises Malformed."""
        with transaction(self._db):
            self._keep(jwk)
            for item, raw in again.items():
                self.refusals.end(item, now_ms=now_ms)
                self._save(raw, parse_statement(raw), now_ms)
        return len(again)

    def _keep(self, jwk: Jwk | None) -> None:
        if jwk is not None:
            row = (thumbprint(jwk), json.dumps(dict(jwk)))
            self._db.execute("INSERT OR IGNORE INTO key (kid, jwk) VALUES (?, ?)", row)

    def _save(self, raw: bytes, statement: Statement, now_ms: int) -> bool:
        told = told_by(statement)
        event, content, signed = event_key(told), content_of(told), sha256(statement.signing_input).digest()
        if event is not None and self.has_event(statement.issuer, told):
            if statement.kind != "Adoption":
                return False
            event = None  # a record that was told already, under a key that was revoked since
        self.refusals.make_way(statement.issuer, event, signed)
        if self._db.execute("SELECT 1 FROM item WHERE signing_input = ?", (signed,)).fetchone():
            return self.refusals.send_again(signed, event, now_ms=now_ms)
        self._db.execute(
            "INSERT INTO item (issuer, kid, kind, event_key, content, signing_input, digest, statement, "
            "saved_ms, changed_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (statement.issuer, statement.kid, statement.kind, event, content, signed, statement.digest, raw, now_ms, now_ms),
        )
        return True

    def has_event(self, issuer: str, event: Mapping[str, object]) -> bool:
        """Whether `issuer` told the log this event, or will.  Raises EventIdTaken where it said something else then."""
        row = self._db.execute(
            "SELECT content FROM item WHERE issuer = ? AND event_key = ? AND state != 'refused'", (issuer, event_key(event))
        ).fetchone()
        if row is not None and row[0] != content_of(event):
            raise EventIdTaken(
                f"the eventID {event.get('eventID')} was signed before, for an event that says something else / "
                "此 eventID 已用于内容不同的事件"
            )
        return row is not None

    def waiting(self, *, after: int, limit: int) -> list[Item]:
        """Items that are to be sent (again), oldest first, with an id above `after`."""
        due = "state IN ('saved', 'sent') AND ended IS NULL AND id > ?"
        rows = self._db.execute(f"SELECT {ITEM} FROM item WHERE {due} ORDER BY id LIMIT ?", (after, limit))  # noqa: S608 - fixed
        return [item_of(row) for row in rows]

    def mark(self, outcomes: Iterable[tuple[int, str, Problem | None]], *, now_ms: int) -> None:
        """
        Note what attempts to send came to: (item, saved or sent or refused, why), in one transaction.

        What ended meanwhile stays ended: another command, sending at the same time, was refused and told it otherwise.
        """
        with transaction(self._db):
            self._db.executemany(
                "UPDATE item SET state = ?, problem = ?, attempts = attempts + 1, changed_ms = ? WHERE id = ? AND ended IS NULL",
                [(state, _problem_text(problem), now_ms, item) for item, state, problem in outcomes],
            )

    def settle(self, receipts: Mapping[int, Receipt], *, now_ms: int) -> None:
        """Note verified receipts by item; the items are now published."""
        with transaction(self._db):
            self._db.executemany(
                "UPDATE item SET state = 'published', problem = NULL, attempts = attempts + 1, changed_ms = ?, "
                "stored_digest = ?, log_index = ?, time_ms = ?, proof = ? WHERE id = ?",
                [(now_ms, r.digest, r.index, r.time_ms, r.proof, item) for item, r in receipts.items()],
            )

    def cover(self, size: int, state: str, *, now_ms: int) -> int:
        """Note that a tree of `size`, consistent with the stored head, was witnessed or covered; how many items it lifts."""
        below = (PUBLISHED,) if state == WITNESSED else (PUBLISHED, WITNESSED)
        marks = ", ".join("?" * len(below))
        with transaction(self._db):
            return self._db.execute(
                f"UPDATE item SET state = ?, changed_ms = ? WHERE state IN ({marks}) AND log_index < ?",  # noqa: S608 - marks only
                (state, now_ms, *below, size),
            ).rowcount

    def counts(self) -> dict[str, int]:
        """Items by state; every state is there.  What was refused and has ended counts no more."""
        found = dict(self._db.execute("SELECT state, count(*) FROM item WHERE ended IS NULL GROUP BY state").fetchall())
        return {state: cast(int, found.get(state, 0)) for state in STATES}

    def older(self, states: Sequence[str], before_ms: int) -> int:
        """How many items stand in one of `states` since before `before_ms`."""
        marks = ", ".join("?" * len(states))
        query = f"SELECT count(*) FROM item WHERE state IN ({marks}) AND saved_ms < ?"  # noqa: S608 - marks only
        return int(self._db.execute(query, (*states, before_ms)).fetchone()[0])

    def issuers(self) -> list[str]:
        """Every party that signed something here."""
        return [row[0] for row in self._db.execute("SELECT DISTINCT issuer FROM item ORDER BY issuer")]

    def kids(self) -> set[str]:
        """Thumbprints of every key that signed something here."""
        return {row[0] for row in self._db.execute("SELECT DISTINCT kid FROM item")}

    def jwk(self, kid: str) -> Jwk | None:
        """The public key of this thumbprint, where it signed here."""
        row = self._db.execute("SELECT jwk FROM key WHERE kid = ?", (kid,)).fetchone()
        return None if row is None else cast(Jwk, json.loads(row[0]))

    def has_digest(self, digest: bytes) -> bool:
        """Whether a statement of this digest was sent from here."""
        query = "SELECT 1 FROM item WHERE digest = ? OR stored_digest = ?"
        return self._db.execute(query, (digest, digest)).fetchone() is not None

    def statement(self, digest: bytes) -> bytes | None:
        """The statement of a digest, as it was signed here."""
        row = self._db.execute("SELECT statement FROM item WHERE digest = ?", (digest,)).fetchone()
        return None if row is None else cast(bytes, row[0])

    def proof(self, digest: bytes) -> str | None:
        """The verified receipt of a statement, a tlog-proof."""
        row = self._db.execute("SELECT proof FROM item WHERE digest = ?", (digest,)).fetchone()
        return None if row is None else cast("str | None", row[0])


def told_by(statement: Statement) -> Mapping[str, object]:
    """The event that a statement tells, also as an Adoption; the whole subject of any other kind."""
    told: Mapping[str, object] = statement.disclosed
    event = told.get("event") if statement.kind == "Adoption" else None
    return event if isinstance(event, Mapping) else told


def event_key(event: Mapping[str, object]) -> str | None:
    """What an issuer may say once, None for what is no event: the eventID, or a declaration of error about it, by its time."""
    declaration = event.get("errorDeclaration")
    identifier = event.get("eventID")
    if not isinstance(identifier, str):
        return None
    return f"{identifier} {declaration.get('declarationTime')}" if isinstance(declaration, Mapping) else identifier


def content_of(told: Mapping[str, object]) -> bytes:
    """SHA-256 of what is told, in whatever order and with whatever withheld: only for comparing within one outbox."""
    return sha256(encode(dict(sorted(told.items()))).encode()).digest()


def _problem_text(problem: Problem | None) -> str | None:
    return None if problem is None else json.dumps(asdict(problem), ensure_ascii=False)
