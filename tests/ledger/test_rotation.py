"""Keys that change: what was signed under the old ones is good for ever, and what comes after bears the new ones."""

import pytest

from ledger.db import Database
from ledger.keys import load_keys
from ledger.problems import Fatal
from ledger.receipts import receipt
from ledger.rotation import clocks_of, next_clock, rotate_clock
from producers.sign import format_proof
from tests.support.ledger import FARM, ORIGIN, Rig, p256
from verify.checkpoint import Checkpoint
from verify.cosignature import verify_cosignature
from verify.merkle import leaf_hash, verify_inclusion
from verify.note import VerifierKey, lines_of, open_note, parse_note
from verify.proof import TlogProof
from verify.statement import parse_statement

KEY = p256("farm")


@pytest.fixture
def rig(database: Database, tmp_path) -> Rig:
    rig = Rig(database, tmp_path).create()
    rig.log(rig.grant(FARM, KEY))
    return rig


def rotated(rig: Rig) -> Rig:
    """The ledger after a rotation, as a new process finds it."""
    rotate_clock(rig.database, rig.folder / "keys", rig.keys, now_ms=rig.now_ms)
    fresh = Rig(rig.database, rig.folder, now_ms=rig.now_ms + 1000, numbers=rig.numbers)
    fresh.sequencer.recover()
    return fresh


def check_receipt(proof: TlogProof, entry: bytes, log: VerifierKey, clock: VerifierKey) -> None:
    """As a stranger does who holds the policy of that day."""
    note = parse_note(proof.checkpoint)
    open_note(note, [log])
    (line,) = lines_of(note, clock)
    verify_cosignature(note.text, line, clock)
    head = Checkpoint.parse(note.text)
    verify_inclusion(leaf_hash(entry), index=proof.index, size=head.size, proof=proof.path, root=head.root)


def test_an_old_receipt_verifies_under_the_old_clock_and_a_new_one_under_the_new(rig: Rig) -> None:
    old_clock, raw = rig.keys.clock.vkey, rig.event(FARM, KEY)
    (index,) = rig.log(raw)
    with rig.database.reading() as session:
        old = receipt(session, rig.store, parse_statement(raw).digest).proof
    after = rotated(rig)
    new_clock = after.keys.clock.vkey
    assert new_clock != old_clock
    after.log(after.event(FARM, KEY))
    with after.database.reading() as session:
        new = receipt(session, after.store, parse_statement(raw).digest).proof
    entry = after.entry(index).encode()
    check_receipt(TlogProof.parse(format_proof(old)), entry, rig.keys.log.vkey, old_clock)
    check_receipt(TlogProof.parse(format_proof(new)), entry, rig.keys.log.vkey, new_clock)
    assert not lines_of(parse_note(new.checkpoint), old_clock)


def test_the_next_clock_is_known_before_it_signs_and_the_earlier_one_after(rig: Rig) -> None:
    folder, old = rig.folder / "keys", rig.keys.clock.vkey
    coming = next_clock(folder, ORIGIN)
    assert set(clocks_of(folder, ORIGIN)) == {coming, old}
    assert rotated(rig).keys.clock.vkey == coming
    assert set(clocks_of(folder, ORIGIN)) == {coming, old}


def test_a_rotation_cut_off_after_its_commit_is_finished_by_doing_it_again(rig: Rig) -> None:
    folder = rig.folder / "keys"
    kept = {path.name: path.read_bytes() for path in folder.glob("clock*.pem")}
    rotate_clock(rig.database, folder, rig.keys, now_ms=rig.now_ms)
    made = (folder / "clock.pem").read_bytes()
    for path in folder.glob("clock*.pem"):
        path.unlink()
    for name, data in {**kept, "clock.next.pem": made}.items():  # as the files were between commit and renaming
        (folder / name).touch(mode=0o600)
        (folder / name).write_bytes(data)
    rotate_clock(rig.database, folder, load_keys(folder, ORIGIN), now_ms=rig.now_ms)
    assert (folder / "clock.pem").read_bytes() == made
    rig.keys = load_keys(folder, ORIGIN)
    rig.fresh_sequencer().recover()
    rig.log(rig.event(FARM, KEY))


def test_a_farm_changes_its_key_and_what_it_signed_before_stays(rig: Rig) -> None:
    (before,) = rig.log(rig.event(FARM, KEY))
    rig.log(rig.grant(FARM, p256("farm-2")), rig.revoke(FARM, KEY, by=FARM, with_key=p256("farm-2")))
    (refused,) = rig.send(rig.event(FARM, KEY))
    assert refused.refused is not None
    assert refused.refused.code == "revoked-key"
    rig.log(rig.event(FARM, p256("farm-2")))
    assert rig.entry(before).digest


def test_the_log_key_is_not_rotated_but_succeeded(rig: Rig) -> None:
    (rig.folder / "keys" / "log.pem").write_bytes((rig.folder / "keys" / "clock.pem").read_bytes())
    stranger = Rig(rig.database, rig.folder, now_ms=rig.now_ms + 1000)
    with pytest.raises(Fatal, match="not ours"):
        stranger.sequencer.recover()
