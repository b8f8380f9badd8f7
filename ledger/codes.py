"""
Item codes, from the operator's side: leaf hashes that the farm hands in, and the proof that a scanned serial is one of them.

    lot_of_leaves   whose 32 bytes a code, in order, these are: their root is the one that the farm signed in its LabelCommitment
    store_leaves    keep them
    prove_code      which code a serial is, and its path to that root

The operator holds no serial: a leaf hash is made of lot, index and 100 random bits, so it can neither mint a code nor know
one before it is scanned.  No account is needed to hand leaves in, since only the right ones fit a signed root.

A leaf depends on the code's index, and a scan does not tell it: each index is tried in turn against the stored leaves, one
hash each.  At 65,536 codes that is tens of milliseconds, which is why a commitment of more is not served (the farm tops up).

Source: protocol.md section 1, Item code; RFC 6962 section 2.1.
"""

from hashlib import sha256

from sqlalchemy import select
from sqlalchemy.orm import Session

from ledger.models import CommitmentRow, LabelTree
from ledger.units import ANY
from verify.bundle import ItemProof
from verify.merkle import Hash, prove_inclusion, root, roots_reader

MAX_CODES = 65_536  # of one commitment; 2 MiB of leaves
LEAF = 32  # bytes


class LeavesRefused(ValueError):
    """These are not the leaf hashes of any label commitment in the log."""


def lot_of_leaves(session: Session, leaves: bytes) -> tuple[Hash, str]:
    """
    The root of these leaf hashes, and the lot (canonical URI) of the commitment that has it.  Reads only.

    Anybody may ask, with 2 MiB at a time: so nothing is hashed or looked for while the one writer waits.
    Raises LeavesRefused: not a list of 1 to 65,536 hashes, or no commitment has their root and count.
    """
    hashes = _hashes(leaves)
    if len(leaves) % LEAF or not 0 < len(hashes) <= MAX_CODES:
        raise LeavesRefused(f"1 to {MAX_CODES} hashes of {LEAF} bytes were expected")
    found = root(roots_reader(hashes), len(hashes))
    wanted = select(CommitmentRow.lot).where(CommitmentRow.root == found, CommitmentRow.count == len(hashes))
    lot = session.scalar(wanted.limit(1))
    if lot is None:
        raise LeavesRefused("no commitment in the log has this root and count: log the LabelCommitment first")
    return found, lot


def store_leaves(session: Session, found: Hash, lot: str, leaves: bytes) -> None:
    """Keep what `lot_of_leaves` found to be a commitment's.  Handing it in twice changes nothing.  The caller commits."""
    if session.get(LabelTree, found) is None:
        session.add(LabelTree(root=found, lot=lot, leaves=leaves))
        session.flush()


def prove_code(session: Session, lot: str, serial: str, *, before: int = ANY) -> ItemProof | None:
    """Prove that `serial` is one of the codes of `lot` (canonical URI); None where it is not, or the leaves are missing."""
    wanted = (
        select(CommitmentRow.index, LabelTree.leaves)
        .join(LabelTree, LabelTree.root == CommitmentRow.root)
        .where(CommitmentRow.lot == lot, CommitmentRow.index < before)
        .order_by(CommitmentRow.index)
    )
    for index, leaves in session.execute(wanted):
        code = _find(lot, serial, leaves)
        if code is not None:
            hashes = _hashes(leaves)
            return ItemProof(index, code, tuple(prove_inclusion(roots_reader(hashes), code, len(hashes))))
    return None


def code_leaf(lot: str, code: int, serial: str) -> bytes:
    """The leaf hash of code number `code`: SHA-256(0x00 || SHA-256(lot URI) || u32 index || serial)."""
    return sha256(b"\x00" + sha256(lot.encode()).digest() + code.to_bytes(4, "big") + serial.encode()).digest()


def _find(lot: str, serial: str, leaves: bytes) -> int | None:
    head, tail = sha256(b"\x00" + sha256(lot.encode()).digest()), serial.encode()
    for code in range(len(leaves) // LEAF):
        tried = head.copy()
        tried.update(code.to_bytes(4, "big") + tail)
        if leaves.startswith(tried.digest(), code * LEAF):
            return code
    return None


def _hashes(leaves: bytes) -> list[bytes]:
    return [leaves[at : at + LEAF] for at in range(0, len(leaves), LEAF)]
