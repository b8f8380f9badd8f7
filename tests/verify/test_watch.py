"""
The monitor: it remembers one checkpoint, lets the log grow, and is loud about everything else.

The logs here are folders of tiles as ledger/tiles.py writes them, with keys of the tests' own.
"""

import json
import time
from collections.abc import Sequence
from functools import partial
from hashlib import sha256
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledger.objects import open_objects
from ledger.tiles import RightEdge, TileStore
from producers.sign import Signer, cosign, sign_note
from verify import watch
from verify.checkpoint import Checkpoint, Evidence, verify_evidence
from verify.merkle import Hash, leaf_hash
from verify.note import COSIGNER, LOG
from verify.tiles import tile_path

LOG_KEY, CLOCK, WITNESS, STRANGER = (
    Signer(name, kind, Ed25519PrivateKey.from_private_bytes(sha256(name.encode()).digest()))
    for name, kind in (("log.example/w", LOG), ("log.example/w/clock", COSIGNER), ("w.example", COSIGNER), ("log.example/x", LOG))
)
POLICY = f"log {LOG_KEY.vkey.format()}\nclock {CLOCK.vkey.format()}\nwitness w {WITNESS.vkey.format()}\nquorum w\nmax-age 3600\n"


def leaves(count: int, salt: str = "", common: int = 0) -> list[Hash]:
    """Leaf hashes; two salts agree in the first `common`."""
    return [leaf_hash(f"{salt if index >= common else ''}/{index}".encode()) for index in range(count)]


class Place:
    """A log's folder, and what a reader has beside it."""

    def __init__(self, folder: Path) -> None:
        self.log, self.state, self.evidence, self.policy = (folder / name for name in ("log", "state", "caught", "policy.txt"))
        self.log.mkdir()
        self.evidence.mkdir()
        self.policy.write_text(POLICY)

    def serve(
        self, tree: Sequence[Hash], *, key: Signer = LOG_KEY, witnesses: Sequence[Signer] = (WITNESS,), age_s: int = 0
    ) -> str:
        """Put the whole log there; returns its checkpoint."""
        edge, tiles = RightEdge().extend(tree)
        TileStore(open_objects(str(self.log))).write(tiles, {}, repair=True)
        body = sign_note(Checkpoint(key.name, edge.size, edge.root()).format(), [key])
        text = body.rpartition("\n\n")[0] + "\n"
        body += "".join(cosign(text, one, int(time.time()) - age_s) for one in (CLOCK, *witnesses))
        (self.log / "checkpoint").write_text(body)
        return body

    def look(self, source: str | None = None) -> int:
        """The monitor's exit code."""
        return watch.main(["watch", source or str(self.log), "--policy", str(self.policy), "--state", str(self.state), "--once",
                           "--evidence", str(self.evidence)])  # fmt: skip

    def judge(self, *more: str) -> int:
        """The exit code for the one file of evidence."""
        (path,) = self.evidence.iterdir()
        return watch.main(["evidence", str(path), "--policy", str(self.policy), *more])


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Nothing served yet."""
    return Place(tmp_path)


@pytest.mark.parametrize("sizes", [(1, 1), (1, 2), (3, 255), (255, 256), (256, 257), (257, 70_000), (65_536, 65_537)])
def test_honest_growth_is_quiet(place: Place, sizes: tuple[int, int]) -> None:
    for size in sizes:
        body = place.serve(leaves(size))
        assert place.look() == 0
        assert place.state.read_text() == body
    assert not list(place.evidence.iterdir())


def test_a_log_may_begin_empty(place: Place) -> None:
    for size in (0, 0, 5):
        place.serve(leaves(size))
        assert place.look() == 0


def test_it_reads_over_http_and_takes_the_full_tile_where_the_partial_one_is_gone(place: Place) -> None:
    place.serve(leaves(300))
    place.look()
    place.serve(leaves(600))
    (place.log / tile_path(0, 1, 44)).unlink()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(place.log)))
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        assert place.look(f"http://127.0.0.1:{server.server_port}") == 0
        assert place.look(f"http://127.0.0.1:{server.server_port}/nowhere") == 3
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Quiet(SimpleHTTPRequestHandler):
    """A file server that keeps no journal."""

    def log_message(self, *_: object) -> None: ...


@pytest.mark.parametrize(("old", "new"), [(5, 5), (5, 9), (8, 9), (8, 300), (256, 600), (300, 600), (511, 512)])
def test_a_fork_is_an_alarm_and_the_evidence_convicts_offline(
    place: Place, old: int, new: int, capsys: pytest.CaptureFixture[str]
) -> None:
    last = place.serve(leaves(old))
    place.look()
    place.serve(leaves(new, "forked", common=old - 1))
    assert place.look() == 1
    assert "FORK" in capsys.readouterr().err
    assert place.state.read_text() == last  # what it remembers stays
    for one in place.log.rglob("*"):
        one.unlink() if one.is_file() else None
    assert place.judge() == 0
    (path,) = place.evidence.iterdir()
    assert verify_evidence(Evidence.parse(path.read_bytes()), [LOG_KEY.vkey])[0] == LOG_KEY.vkey


def test_a_fork_that_is_smaller_than_what_was_seen_is_convicted_by_the_tiles_it_forgot_to_remove(place: Place) -> None:
    place.serve(leaves(600))
    place.look()
    edge, _ = RightEdge().extend(leaves(300, "forked"))
    place.serve(leaves(600))
    (place.log / "checkpoint").write_text(sign_note(Checkpoint(LOG_KEY.name, 300, edge.root()).format(), [LOG_KEY]))
    assert place.look() == 1
    assert place.judge() == 0


@pytest.mark.parametrize("size", [0, 3, 299])
def test_a_rollback_is_an_alarm_and_no_conviction(place: Place, size: int, capsys: pytest.CaptureFixture[str]) -> None:
    place.serve(leaves(300))
    place.look()
    place.serve(leaves(size))
    assert place.look() == 1
    assert "ROLLBACK" in capsys.readouterr().err
    assert place.judge() in (1, 3)


def test_tiles_that_do_not_give_the_signed_root_are_an_alarm_and_its_two_notes_are_kept(place: Place) -> None:
    place.serve(leaves(300))
    place.look()
    place.serve(leaves(600))
    tile = place.log / tile_path(0, 1)
    tile.write_bytes(bytes(32) + tile.read_bytes()[32:])
    assert place.look() == 1
    assert place.judge() == 3  # nobody can tell yet
    tile.unlink()
    place.serve(leaves(600))
    assert place.judge("--log", str(place.log)) == 1  # both may be true


def test_a_claim_becomes_a_conviction_by_the_newer_trees_tiles(place: Place, tmp_path: Path) -> None:
    older = place.serve(leaves(4))
    newer = place.serve(leaves(9, "forked"))
    (place.evidence / "claim.txt").write_text(Evidence(older, newer).format())
    assert place.judge() == 3
    assert place.judge("--log", str(place.log), "--out", str(tmp_path / "whole.txt")) == 0
    assert watch.main(["evidence", str(tmp_path / "whole.txt"), "--policy", str(place.policy)]) == 0


def test_a_missing_tile_is_grey_and_nothing_is_remembered(place: Place) -> None:
    last = place.serve(leaves(300))
    place.look()
    place.serve(leaves(600))
    (place.log / tile_path(0, 1)).unlink()
    (place.log / tile_path(0, 1, 44)).unlink()
    assert place.look() == 3
    assert place.state.read_text() == last


class TestWhatOthersHaveSeen:
    """What a witness shows of a log is held against what we remember, with the log's own tiles between them."""

    def compared(self, place: Place, body: str) -> int:
        other = place.log.parent / "other"
        other.mkdir()
        (other / "checkpoint").write_text(body)
        words = ["--policy", str(place.policy), "--state", str(place.state), "--evidence", str(place.evidence), "--once"]
        return watch.main(["watch", str(other), "--log", str(place.log), *words])

    @pytest.mark.parametrize("size", [1, 299, 300, 600])
    def test_who_saw_less_or_more_of_the_same_log_is_no_alarm_and_not_remembered(self, place: Place, size: int) -> None:
        body = place.serve(leaves(size), witnesses=())
        last = place.serve(leaves(300))
        assert place.look() == 0
        place.serve(leaves(600))
        assert self.compared(place, body) == 0
        assert place.state.read_text() == last

    @pytest.mark.parametrize("size", [3, 299, 300])
    def test_who_saw_another_log_convicts_it(self, place: Place, size: int) -> None:
        body = place.serve(leaves(size, "forked"))
        place.serve(leaves(300))
        place.look()
        assert self.compared(place, body) == 1
        assert place.judge() == 0

    def test_without_a_memory_there_is_nothing_to_compare(self, place: Place) -> None:
        assert self.compared(place, place.serve(leaves(5))) == 1


class TestWhoSigned:
    """Signatures are judged under the reader's policy, and before anything is remembered."""

    def test_another_key_is_an_alarm(self, place: Place) -> None:
        place.serve(leaves(5), key=Signer(LOG_KEY.name, LOG, STRANGER.private))
        assert place.look() == 1
        assert not place.state.exists()

    def test_another_log_is_an_alarm(self, place: Place) -> None:
        place.serve(leaves(5), key=STRANGER)
        assert place.look() == 1

    def test_two_logs_in_one_policy_do_not_share_a_memory(self, place: Place) -> None:
        place.policy.write_text(POLICY + f"log {STRANGER.vkey.format()}\n")
        place.serve(leaves(5))
        assert place.look() == 0
        place.serve(leaves(5), key=STRANGER)
        assert place.look() == 1

    def test_a_cosignature_that_does_not_verify_is_an_alarm(self, place: Place) -> None:
        body = place.serve(leaves(5))
        line = cosign(Checkpoint(LOG_KEY.name, 6, bytes(32)).format(), WITNESS, int(time.time()))
        (place.log / "checkpoint").write_text(body[: body.index("— w.example")] + line)
        assert place.look() == 1

    def test_too_few_witnesses_are_grey_and_the_tree_is_remembered(self, place: Place) -> None:
        place.serve(leaves(5), witnesses=())
        assert place.look() == 3
        place.serve(leaves(5, "forked"))
        assert place.look() == 1

    @pytest.mark.parametrize(("age_s", "code"), [(3500, 0), (3700, 3), (-200, 0), (-400, 3)])
    def test_an_old_checkpoint_is_grey_and_one_from_the_future_too(self, place: Place, age_s: int, code: int) -> None:
        place.serve(leaves(5), age_s=age_s)
        assert place.look() == code

    @pytest.mark.parametrize("body", ["", "\n\n", "<html>", "log.example/w\n5\n", "x" * 70_000])
    def test_what_is_no_checkpoint_is_an_alarm(self, place: Place, body: str) -> None:
        (place.log / "checkpoint").write_text(body)
        assert place.look() == 1

    def test_a_damaged_memory_is_an_alarm_that_names_it(self, place: Place, capsys: pytest.CaptureFixture[str]) -> None:
        place.serve(leaves(5))
        place.look()
        place.state.write_text(place.state.read_text().replace("\n5\n", "\n6\n"))
        assert place.look() == 1
        assert str(place.state) in capsys.readouterr().err

    def test_evidence_that_cannot_be_kept_hides_no_alarm(self, place: Place, capsys: pytest.CaptureFixture[str]) -> None:
        place.serve(leaves(5))
        place.look()
        place.evidence.rmdir()
        place.serve(leaves(5, "forked"))
        place.evidence.write_text("a file where the folder should be")
        assert place.look() == 2  # said before it watches
        place.evidence.unlink()
        assert place.look() == 1
        assert list(place.evidence.iterdir())


class TestEvidence:
    """A file of evidence has one form, and convicts only by the key it is about."""

    @pytest.fixture
    def body(self, place: Place) -> str:
        """A conviction."""
        return Evidence(place.serve(leaves(5)), place.serve(leaves(5, "forked"))).format()

    def test_it_is_read_back_as_it_was_printed(self, body: str) -> None:
        assert Evidence.parse(body).format() == body

    @pytest.mark.parametrize("at", range(0, 900, 17))
    def test_with_one_character_changed_it_convicts_nobody(self, place: Place, body: str, at: int) -> None:
        at %= body.index("— log.example/w/clock")  # whose lines it does not need
        changed = body[:at] + ("A" if body[at] != "A" else "B") + body[at + 1 :]
        (place.evidence / "one.txt").write_text(changed)
        assert place.judge() in (1, 2)

    def test_against_another_log_it_says_nothing(self, place: Place, body: str) -> None:
        (place.evidence / "one.txt").write_text(body)
        place.policy.write_text(f"log {STRANGER.vkey.format()}\n")
        assert place.judge() == 1

    def test_two_honest_checkpoints_convict_nobody(self, place: Place) -> None:
        (place.evidence / "one.txt").write_text(Evidence(place.serve(leaves(5)), place.serve(leaves(9))).format())
        assert place.judge("--log", str(place.log)) == 1

    @pytest.mark.parametrize("text", ["", "originmark/evidence/v1\n\na\n\nb\n\nc\n\nd\n", json.dumps({}), "\n\n" * 4])
    def test_anything_else_is_no_evidence(self, place: Place, text: str) -> None:
        (place.evidence / "one.txt").write_text(text)
        assert place.judge() in (1, 2)


def test_a_wrong_policy_is_a_usage_error(place: Place) -> None:
    place.policy.write_text("nonsense\n")
    assert place.look() == 2


def test_without_once_it_looks_until_something_is_wrong(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    stages = iter([lambda: place.serve(leaves(9)), lambda: place.serve(leaves(9), witnesses=()),
                   lambda: (place.log / "checkpoint").unlink(), lambda: place.serve(leaves(9, "forked"))])  # fmt: skip
    monkeypatch.setattr("verify.watch.time.sleep", lambda seconds: next(stages)())
    place.serve(leaves(5))
    assert watch.main(["watch", str(place.log), "--policy", str(place.policy), "--state", str(place.state),
                       "--evidence", str(place.evidence)]) == 1  # fmt: skip
    assert place.judge() == 0
