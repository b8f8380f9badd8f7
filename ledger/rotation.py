"""
Rotating the operator's keys that may change within one log.

    clock       a new key signs the time of the newest checkpoint and of all later ones; here
    witnesses   theirs; a renamed witness is another witness (`originmark witness add`)
    parties     a grant of the new key, then a revocation of the old one (`originmark party grant`, `revoke`)
    anchor      a new signer starts at genesis in the contract, without anyone's leave (protocol.md section 4)
    log         never: the genesis names it, and the origin is its name.  A log whose key is lost or stolen is frozen, and a
                successor begins (freezing.py)

What was signed stays signed: old receipts verify for ever under the old lines, which readers keep in their policy.  The genesis
goes on naming the first clock key; the proposed policy names the later ones beside it.

Source: protocol.md sections 1 and 3; c2sp.org/tlog-cosignature.
"""

from dataclasses import replace
from pathlib import Path

from sqlalchemy import CursorResult, update

from ledger.db import Database
from ledger.keys import Keys, clock_name, note_signer
from ledger.models import CheckpointRow
from ledger.problems import Fatal
from ledger.signing import open_signed, sign_checkpoint
from producers.keys import generate_key, write_key
from verify.note import COSIGNER, VerifierKey

NEXT = "clock.next.pem"


def next_clock(folder: Path, origin: str) -> VerifierKey:
    """The clock key that the next rotation takes; made where there is none."""
    if not (folder / NEXT).exists():
        write_key(folder / NEXT, generate_key("EdDSA"))
    return note_signer(folder / NEXT, clock_name(origin), COSIGNER).vkey


def rotate_clock(database: Database, folder: Path, keys: Keys, *, now_ms: int) -> tuple[VerifierKey, Keys]:
    """
    Make a new clock key and have it sign the checkpoint; returns the old verifier key and the new keys.

    The caller holds the sequencer's lock and publishes afterwards.  A crash at any point leaves a key file and a checkpoint
    row that either both belong to the old key, or are finished by doing it again.  Raises Fatal.
    """
    fresh = folder / NEXT
    next_clock(folder, keys.log.name)
    new = replace(keys, clock=note_signer(fresh, clock_name(keys.log.name), COSIGNER))
    with database.writing() as session:
        row = session.get_one(CheckpointRow, keys.log.name)
        # After a crash between the commit below and the renaming the row is the new key's already.
        if new.clock.vkey.format() not in _signers(row.body, new):
            last = open_signed(row.body, keys.log.vkey, keys.clock.vkey)
            time_ms = max(now_ms, row.time_ms)
            signed = sign_checkpoint(new, last, last.checkpoint, [], time_ms // 1000)
            swap = update(CheckpointRow).where(CheckpointRow.origin == row.origin, CheckpointRow.body == row.body)
            done = session.execute(swap.values(body=signed.body, time_ms=time_ms))
            if not isinstance(done, CursorResult) or done.rowcount != 1:
                raise Fatal("the log grew meanwhile")
        session.commit()
    (folder / "clock.pem").replace(folder / f"clock.{keys.clock.vkey.key_id.hex()}.pem")
    fresh.replace(folder / "clock.pem")
    return keys.clock.vkey, new


def _signers(body: str, keys: Keys) -> list[str]:
    try:
        open_signed(body, keys.log.vkey, keys.clock.vkey)
    except Fatal:
        return []
    return [keys.clock.vkey.format()]


def clocks_of(folder: Path, origin: str) -> list[VerifierKey]:
    """Every clock key that a reader may meet: earlier ones, the present one, and the next where it is announced."""
    return [note_signer(path, clock_name(origin), COSIGNER).vkey for path in sorted(folder.glob("clock*.pem"))]
