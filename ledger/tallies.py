"""
Tallies: how many entries name a subject, the hash over their indexes, and which of them are control statements.

What an answer note (verify/answer.py) says of each subject.  A warehouse is named by every pallet that passed it, so the
tallies are kept between answers and only grow: a new one reads what was logged since.  Nothing here is trusted by anybody:
the tiles convict a wrong answer.

Source: protocol.md section 1, Bundle (answer note).
"""

import threading
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from sqlalchemy import exists, select
from sqlalchemy.orm import Session, aliased

from ledger.models import SubjectKey
from ledger.units import chunks
from verify.answer import Matches, kind_key
from verify.statement import CONTROL_KINDS

KEPT = 20_000  # tallies of one process; some 400 bytes each
_CONTROL = sorted(map(kind_key, CONTROL_KINDS))
_PARTY = sorted(map(kind_key, ("PartyRegistration", "KeyRevocation")))


@dataclass(slots=True)
class Tally:
    """One subject, from all entries below `size`."""

    size: int = 0
    count: int = 0
    control: tuple[int, ...] = ()
    """Indexes of control statements, ascending."""
    party: tuple[int, ...] = ()
    """Those of them that are registrations and revocations."""
    _hash: Any = field(default_factory=sha256)

    def matches(self) -> Matches:
        """All entries, as the answer note counts them."""
        return Matches(self.count, self._hash.digest())

    def party_matches(self) -> Matches:
        """Registrations and revocations alone."""
        return Matches.of(self.party)

    def grown(self, rows: Iterable[tuple[int, bool, bool]], size: int) -> "Tally":
        """The tally at `size`, after rows (index, is control, is about a party) in ascending order."""
        count, control, party, hashed = self.count, list(self.control), list(self.party), self._hash.copy()
        for index, is_control, is_party in rows:
            count += 1
            hashed.update(index.to_bytes(8, "big"))
            control += [index] * is_control
            party += [index] * is_party
        return Tally(size, count, tuple(control), tuple(party), hashed)


class Tallies:
    """Tallies that one process keeps; threads may share it.  A tally is never changed once it is handed out."""

    def __init__(self) -> None:
        self._kept: OrderedDict[bytes, Tally] = OrderedDict()
        self._lock = threading.Lock()

    def read(self, session: Session, keys: Iterable[bytes], size: int) -> dict[bytes, Tally]:
        """The tallies of `keys` over the entries below `size`."""
        wanted = sorted(set(keys))
        with self._lock:
            known = {key: self._kept[key] for key in wanted if key in self._kept}
        # A tally of a larger tree cannot shrink: whoever asks for an older one reads from the start.
        known = {key: tally if tally.size <= size else Tally() for key, tally in known.items()}
        since: dict[int, list[bytes]] = {}
        for key in wanted:
            since.setdefault(known.get(key, Tally()).size, []).append(key)
        found: dict[bytes, Tally] = {}
        for first, group in since.items():
            for part in chunks(group):
                rows = _rows(session, part, first, size) if first < size else {}
                found |= {key: known.get(key, Tally()).grown(rows.get(key, ()), size) for key in part}
        self._keep(found)
        return found

    def _keep(self, found: dict[bytes, Tally]) -> None:
        with self._lock:
            for key, tally in found.items():
                if tally.size >= self._kept.get(key, tally).size:
                    self._kept[key] = tally
                self._kept.move_to_end(key)
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)


def _rows(session: Session, keys: list[bytes], first: int, size: int) -> dict[bytes, list[tuple[int, bool, bool]]]:
    """What entries [first, size) say of `keys`.  Control is what its keys say it is: so do the tiles, which have no kinds."""
    kind = aliased(SubjectKey)
    control = exists().where(kind.index == SubjectKey.index, kind.key.in_(_CONTROL))
    party = exists().where(kind.index == SubjectKey.index, kind.key.in_(_PARTY))
    wanted = select(SubjectKey.key, SubjectKey.index, control, party).where(SubjectKey.key.in_(keys))
    wanted = wanted.where(SubjectKey.index >= first, SubjectKey.index < size).order_by(SubjectKey.key, SubjectKey.index)
    found: dict[bytes, list[tuple[int, bool, bool]]] = {}
    for key, index, is_control, is_party in session.execute(wanted).yield_per(10_000):
        found.setdefault(bytes(key), []).append((index, bool(is_control), bool(is_party)))
    return found
