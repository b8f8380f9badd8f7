"""
The outbox: every signed statement, on disk before anything is sent, kept until somebody beside the operator saw it.

    saved      signed and on disk
    sent       the log may have it; no receipt was verified yet
    published  the receipt verified: seen by the operator only
    witnessed  the policy's quorum cosigned a tree that contains it
    covered    a root in an anchor contract contains it
    refused    the log said no; `problem` says why

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
from producers.seen import Seen
from producers.store import connect, transaction
from producers.trust import Receipt
from verify.statement import Jwk, Statement, parse_statement, thumbprint

SAVED, SENT, PUBLISHED, WITNESSED, COVERED, REFUSED = STATES = (
    "saved", "sent", "published", "witnessed", "covered", "refused",
)  # fmt: skip
_ITEM = "id, statement, state, attempts, saved_ms, problem"


class EventIdTaken(ValueError):
    """An event with this eventID was signed before, and said something else."""


@dataclass(frozen=True, slots=True)
class Item:
    """One statement and where it stands."""

    id: int
    statement: bytes
    """As it travels."""
    state: str
    attempts: int
    saved_ms: int
    problem: Problem | None


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

        A statement is a duplicate where the same was signed before, or the same event by the same issuer.

        Raises EventIdTaken, Malformed.
        """
        stored = duplicate = 0
        with transaction(self._db):
            if jwk is not None:
                row = (thumbprint(jwk), json.dumps(dict(jwk)))
                self._db.execute("INSERT OR IGNORE INTO key (kid, jwk) VALUES (?, ?)", row)
            for raw in statements:
                statement = parse_statement(raw)
                event = event_key(statement.disclosed) if statement.kind == "TraceabilityEvent" else None
                content = content_of(statement.disclosed)
                if self._is_known(statement, event, content):
                    duplicate += 1
                    continue
                self._db.execute(
                    "INSERT INTO item (issuer, kid, kind, event_key, content, signing_input, digest, statement, "
                    "saved_ms, changed_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (statement.issuer, statement.kid, statement.kind, event, content,
                     sha256(statement.signing_input).digest(), statement.digest, raw, now_ms, now_ms),
                )  # fmt: skip
                stored += 1
        return Added(stored, duplicate)

    def has_event(self, issuer: str, event: Mapping[str, object]) -> bool:
        """Whether `issuer` signed this event before.  Raises EventIdTaken where it said something else then."""
        row = self._db.execute(
            "SELECT content FROM item WHERE issuer = ? AND event_key = ?", (issuer, event_key(event))
        ).fetchone()
        if row is not None and row[0] != content_of(event):
            raise EventIdTaken(
                f"the eventID {event.get('eventID')} was signed before, for an event that says something else / "
                "此 eventID 已用于内容不同的事件"
            )
        return row is not None

    def waiting(self, *, after: int, limit: int) -> list[Item]:
        """Items that are to be sent (again), oldest first, with an id above `after`."""
        rows = self._db.execute(
            f"SELECT {_ITEM} FROM item WHERE state IN ('saved', 'sent') AND id > ? ORDER BY id LIMIT ?",  # noqa: S608 - fixed
            (after, limit),
        )
        return [_item(row) for row in rows]

    def refused(self) -> list[Item]:
        """Items that the log refused."""
        rows = self._db.execute(f"SELECT {_ITEM} FROM item WHERE state = 'refused' ORDER BY id")  # noqa: S608 - fixed
        return [_item(row) for row in rows]

    def mark(self, outcomes: Iterable[tuple[int, str, Problem | None]], *, now_ms: int) -> None:
        """Note what attempts to send came to: (item, saved or sent or refused, why), in one transaction."""
        with transaction(self._db):
            self._db.executemany(
                "UPDATE item SET state = ?, problem = ?, attempts = attempts + 1, changed_ms = ? WHERE id = ?",
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

    def retry_refused(self, *, now_ms: int) -> int:
        """Put refused items back to be sent: their reason may be gone, as where a key was granted since."""
        with transaction(self._db):
            return self._db.execute("UPDATE item SET state = 'saved', changed_ms = ? WHERE state = 'refused'", (now_ms,)).rowcount

    def counts(self) -> dict[str, int]:
        """Items by state; every state is there."""
        found = dict(self._db.execute("SELECT state, count(*) FROM item GROUP BY state").fetchall())
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

    def proof(self, digest: bytes) -> str | None:
        """The verified receipt of a statement, a tlog-proof."""
        row = self._db.execute("SELECT proof FROM item WHERE digest = ?", (digest,)).fetchone()
        return None if row is None else cast("str | None", row[0])

    def _is_known(self, statement: Statement, event: str | None, content: bytes) -> bool:
        if event is not None and self.has_event(statement.issuer, statement.disclosed):
            return True
        signed = sha256(statement.signing_input).digest()
        return self._db.execute("SELECT 1 FROM item WHERE signing_input = ?", (signed,)).fetchone() is not None


def event_key(event: Mapping[str, object]) -> str | None:
    """What an issuer may say once: the eventID, or a declaration of error about it, by its time."""
    declaration = event.get("errorDeclaration")
    identifier = event.get("eventID")
    if not isinstance(identifier, str):
        return None
    return f"{identifier} {declaration.get('declarationTime')}" if isinstance(declaration, Mapping) else identifier


def content_of(told: Mapping[str, object]) -> bytes:
    """SHA-256 of what is told, in whatever order and with whatever withheld: only for comparing within one outbox."""
    return sha256(encode(dict(sorted(told.items()))).encode()).digest()


def _item(row: tuple[int, bytes, str, int, int, str | None]) -> Item:
    number, statement, state, attempts, saved_ms, problem = row
    return Item(number, statement, state, attempts, saved_ms, Problem.of(json.loads(problem)) if problem is not None else None)


def _problem_text(problem: Problem | None) -> str | None:
    return None if problem is None else json.dumps(asdict(problem), ensure_ascii=False)
