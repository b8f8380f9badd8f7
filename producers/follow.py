"""
Following the log: it may only grow, others must have seen it, and nothing may stand in it under our name that we did not send.

    Watch      every checkpoint that is met is held against the largest one verified before
    pin        which policy to believe by
    follow     the current checkpoint; which items the quorum or an anchor covers by consistency; entries under our own name

What cannot be asked is not green: it is named in `Followed.unchecked`.  Not here: receipts (delivery.py).

Source: protocol.md section 3 ("A producer's outbox keeps an item until ...").
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from producers.answers import Unexpected
from producers.client import LogClient
from producers.outbox import COVERED, WITNESSED, Outbox
from producers.seen import Alarm
from producers.tiles import TileReader, verify_entries
from producers.trust import Head, open_head, verify_growth
from verify import gs1
from verify.entry import Entry
from verify.errors import NotConsistent, VerificationError
from verify.merkle import prove_consistency, verify_consistency
from verify.policy import DEV_CHAIN_IDS, AnchorPin, Policy
from verify.statement import parse_statement
from verify.verifier import Heads

WINDOW = 4_096  # entries between two notes of how far was read: 16 tiles


class Watch:
    """One log as one outbox has seen it."""

    def __init__(self, outbox: Outbox, client: LogClient, policy: Policy, *, now_ms: int) -> None:
        self.outbox, self.client, self.policy, self.now_ms = outbox, client, policy, now_ms

    def refresh(self) -> Head:
        """Read the current checkpoint and hold it against what was seen.  Raises LogError, VerificationError."""
        head = open_head(self.client.checkpoint(), self.policy)
        self.advance(head)
        return head

    def advance(self, head: Head) -> None:
        """Verify that `head` and the stored one are of one growing tree, store the larger and lift what it covers."""
        self.hold(head)
        seen = self.outbox.seen.head()
        if seen is None or head.size > seen.size:
            self.outbox.seen.advance(head)
        self.lift(head)

    def hold(self, head: Head) -> None:
        """
        Hold a head against the stored one: both are of one growing tree.

        Raises NotConsistent and leaves an alarm with both notes: together they convict the log.  Raises LogError.
        """
        seen = self.outbox.seen.head()
        if seen is not None:
            old, new = (seen, head) if seen.size <= head.size else (head, seen)
            try:
                verify_growth(old, new, TileReader(self.client, new.size))
            except NotConsistent as error:
                detail = f"{error.message}\n{old.note}\n{new.note}"
                self.outbox.seen.alarm(Alarm("fork", f"{head.origin} {old.size}-{new.size}", detail, self.now_ms))
                raise

    def lift(self, head: Head) -> None:
        """Mark as witnessed what a head covers that was verified to be of this tree, if the quorum cosigned it."""
        if self.policy.met_by(head.witnesses):
            self.outbox.cover(head.size, WITNESSED, now_ms=self.now_ms)


def pin(outbox: Outbox, client: LogClient, text: str, *, now_ms: int) -> Policy:
    """
    Believe a log by this policy from now on, once it has shown a checkpoint that this policy vouches for and that continues
    what the outbox saw: a wrong file must not take the place of the right one.

    Raises LogError, Malformed, BadSignature, NotTrusted, NotConsistent.
    """
    policy = Policy.parse(text)
    if text != outbox.seen.policy():
        Watch(outbox, client, policy, now_ms=now_ms).hold(open_head(client.checkpoint(), policy))
        outbox.seen.pin(text)
    return policy


@dataclass(slots=True)
class Followed:
    """What one round established."""

    head: Head
    read: int = 0
    """Entries that were read, each under the signed root."""
    unchecked: list[str] = field(default_factory=list)
    """What could not be asked, in words."""


def follow(
    watch: Watch, *, heads: Heads | None = None, parties: Sequence[str] = (), on_read: Callable[[int, int], None] | None = None
) -> Followed:
    """
    Take one round.  `heads` reads anchor contracts from the producer's own RPC; `parties` are names to watch beside those
    that signed in this outbox; `on_read` is told (entries read, size).

    Raises LogError where the log cannot be asked, VerificationError where what it shows does not verify.
    """
    head = watch.refresh()
    done = Followed(head)
    for pin in watch.policy.anchors:
        done.unchecked += _cover_by_anchor(watch, head, pin, heads)
    names = {gs1.canonical_uri(party) for party in (*parties, *watch.outbox.issuers())}
    own = {sha256(name.encode()).digest() for name in names}
    reader = TileReader(watch.client, head.size)
    for first in range(watch.outbox.seen.followed(), head.size, WINDOW):
        last = min(first + WINDOW, head.size)
        entries = reader.entries(first, last)
        verify_entries(reader, entries, first, head.root)
        # Entries and what they showed are noted in one transaction: a crash reads a window twice, never not at all.
        watch.outbox.seen.follow(last, list(_foreign(watch, entries, first, own, names)))
        done.read += len(entries)
        if on_read is not None:
            on_read(last, head.size)
    return done


def _cover_by_anchor(watch: Watch, head: Head, pin: AnchorPin, heads: Heads | None) -> Iterator[str]:
    name = f"chain {pin.chain_id}, {pin.contract}"
    if pin.chain_id in DEV_CHAIN_IDS:
        yield f"{name}: a chain on somebody's desk proves nothing to others / 开发链不能作为锚定依据"
        return
    if heads is None:
        yield f"{name}: no RPC was given / 未提供 RPC 地址"
        return
    try:
        size, root = heads(pin)
    except OSError as error:
        yield f"{name}: {error}"
        return
    if not 0 < size <= head.size:
        yield f"{name}: holds size {size}, the checkpoint {head.size}"
        return
    proof = prove_consistency(TileReader(watch.client, head.size), size, head.size)
    try:
        verify_consistency(old=size, new=head.size, old_root=root, new_root=head.root, proof=proof)
    except NotConsistent as error:
        watch.outbox.seen.alarm(Alarm("anchor-mismatch", name, f"size {size}: {error.message}\n{head.note}", watch.now_ms))
        raise
    watch.outbox.cover(size, COVERED, now_ms=watch.now_ms)


def _foreign(watch: Watch, entries: Sequence[bytes], first: int, own: set[bytes], names: set[str]) -> Iterator[Alarm]:
    for index, data in enumerate(entries, first):
        entry = Entry.decode(data)
        if own.isdisjoint(entry.keys) or watch.outbox.has_digest(entry.digest):
            continue
        said = _who_says(watch, entry, names)
        if said is not None:
            code, detail = said
            yield Alarm(code, entry.digest.hex(), f"index {index}: {detail}", watch.now_ms)


def _who_says(watch: Watch, entry: Entry, names: set[str]) -> tuple[str, str] | None:
    """The alarm that an entry under our name deserves; None where somebody else speaks about us, as a registrar does."""
    try:
        statement = parse_statement(watch.client.statement(entry.digest))
    except Unexpected as error:
        if error.status not in (404, 410):
            raise
        return "not-shown", "names us, and its content is not shown / 涉及本方,但内容未公开"
    except VerificationError as error:
        return "not-shown", f"names us, and what is shown is no statement / 涉及本方,但内容无效: {error.message}"
    if statement.digest != entry.digest:
        return "not-shown", "names us, and another statement is shown in its place / 涉及本方,但内容被替换"
    if statement.issuer not in names:
        return None
    if statement.kid in watch.outbox.kids():
        return "foreign-entry", f"{statement.kind} signed with our key, not sent from here / 用本方密钥签名,但并非由此发出"
    return "foreign-key", f"{statement.kind} under our name with the key {statement.kid} / 以本方名义、用其他密钥签名"
