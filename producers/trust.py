"""
What a producer verifies before it believes a log: checkpoints, their growth, and the receipt of its own statement.

    open_head         a checkpoint signed by a log of the policy, and the witnesses that cosigned it
    verify_growth     the smaller tree is a prefix of the larger one
    verify_receipt    the log holds exactly this statement, with exactly its subjects, under such a checkpoint

Not here: where the policy comes from (the producer's side, never the receipt).

Source: protocol.md sections 1 and 3; c2sp.org/tlog-proof, tlog-checkpoint, tlog-cosignature.
"""

from dataclasses import dataclass

from verify import subjects
from verify.checkpoint import Checkpoint
from verify.cosignature import verify_cosignature
from verify.entry import Entry
from verify.errors import NotConsistent, NotTrusted, WrongEntry
from verify.merkle import EMPTY_ROOT, Hash, Reader, leaf_hash, prove_consistency, verify_consistency, verify_inclusion
from verify.note import lines_of, open_note, parse_note
from verify.policy import Policy
from verify.proof import TlogProof
from verify.statement import Statement


@dataclass(frozen=True, slots=True)
class Head:
    """A checkpoint that a log of the policy signed."""

    origin: str
    size: int
    root: Hash
    note: str
    """As signed, with every line."""
    witnesses: frozenset[str]
    """Names in the policy of those whose cosignatures verified."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """The log's verified promise about one statement; `proof` is a tlog-proof that stands alone."""

    index: int
    time_ms: int
    """When the log says that it sequenced it, ms since 1970."""
    digest: bytes
    """Of the stored statement."""
    proof: str
    head: Head


def open_head(note_text: str, policy: Policy) -> Head:
    """Verify a checkpoint and every known cosignature.  Raises Malformed, BadSignature, NotTrusted."""
    note = parse_note(note_text)
    checkpoint = Checkpoint.parse(note.text)
    if checkpoint.origin not in [key.name for key in open_note(note, policy.logs)]:
        raise NotTrusted("signed for another origin than the key's", code="wrong-origin")
    signed = set()
    for name, key in policy.witnesses.items():
        for line in lines_of(note, key):
            verify_cosignature(note.text, line, key)
            signed.add(name)
    return Head(checkpoint.origin, checkpoint.size, checkpoint.root, note_text, frozenset(signed))


def verify_growth(old: Head, new: Head, reader: Reader) -> None:
    """
    Verify that the log of `old` only grew to `new`; old.size <= new.size, and `reader` reads the tree of `new`.

    Raises NotConsistent: both notes together are then the evidence.  NotTrusted for two logs.
    """
    if old.origin != new.origin:
        raise NotTrusted(f"this outbox belongs to {old.origin}, not to {new.origin}", code="foreign-log")
    if old.size == 0:  # every tree begins with the empty one
        NotConsistent.unless(old.root == EMPTY_ROOT, "an empty tree with a root")
        return
    proof = prove_consistency(reader, old.size, new.size)
    verify_consistency(old=old.size, new=new.size, old_root=old.root, new_root=new.root, proof=proof)


def verify_receipt(
    statement: Statement, *, time_ms: int, proof_text: str, policy: Policy, stored: Statement | None = None
) -> Receipt:
    """
    Verify that the log holds `statement`, by rebuilding its whole entry.

    `stored` is the statement that the log holds where that was sent before with another signature.

    Raises WrongEntry where `stored` says something else, NotIncluded where time, digest or subjects differ, and what
    `open_head` raises.
    """
    held = stored or statement
    if held.signing_input != statement.signing_input:
        raise WrongEntry("the log calls another statement a duplicate of this one")
    proof = TlogProof.parse(proof_text)
    head = open_head(proof.checkpoint, policy)
    entry = Entry(time_ms, held.digest, subjects.keys(statement))
    leaf = leaf_hash(entry.encode())
    verify_inclusion(leaf, index=proof.index, size=head.size, proof=proof.path, root=head.root)
    return Receipt(proof.index, time_ms, held.digest, proof_text, head)
