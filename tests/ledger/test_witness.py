"""
Witnesses: the tlog-witness protocol from both sides, over a real socket where that matters.

The known answer: log key of seed 00..1f, witness of seed 20..3f, the tree of RFC 6962's eight leaves, 2023-03-20.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledger.db import Database
from ledger.publishing import NotPublished
from ledger.witness import LocalWitness, Reply, Witness, WitnessFailed, collect, format_request, over_http, parse_request
from producers.sign import Signer, sign_note
from tests.support.ledger import FARM, Rig, p256
from verify.checkpoint import Checkpoint
from verify.cosignature import verify_cosignature
from verify.merkle import leaf_hash, prove_consistency, root, roots_reader
from verify.note import COSIGNER, LOG, lines_of, parse_note

LOG_KEY = Signer("example.com/kat", LOG, Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
WITNESS_KEY = Signer("witness.example/w1", COSIGNER, Ed25519PrivateKey.from_private_bytes(bytes(range(32, 64))))
LEAVES = [leaf_hash(bytes.fromhex(text)) for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657",
          "606162636465666768696a6b6c6d6e6f")]  # fmt: skip
READER = roots_reader(LEAVES)
KNOWN = (
    "— witness.example/w1 IDJKvgAAAABkGFDL7ZFvUOre+H7rPg+rgMyaf3oOOut2IhEGY22OITzj24Sx+Yhk1lOA5r+365V6BE5a7cRA++ljfdWcLDOH6IFw"
    "Ag==\n"
)


def note(size: int, key: Signer = LOG_KEY, tree: object = READER) -> str:
    """The signed checkpoint of the first `size` leaves."""
    return sign_note(Checkpoint(key.name, size, root(tree, size)).format(), [key])


def request(old: int, new: int, **changes: object) -> str:
    """An add-checkpoint request."""
    return format_request(old, prove_consistency(READER, old, new) if old else [], note(new, **changes))


@pytest.fixture
def local(tmp_path: Path) -> LocalWitness:
    """A witness that knows the one log."""
    return LocalWitness(WITNESS_KEY, [LOG_KEY.vkey], tmp_path / "witness.json", lambda: 1679315147)


def test_the_cosignature_of_the_reference_vector(local: LocalWitness) -> None:
    assert local.add_checkpoint(request(0, 6)).status == 200
    assert local.add_checkpoint(request(6, 8)) == Reply(200, KNOWN)


def test_a_request_is_read_back_as_it_was_printed() -> None:
    old, proof, body = parse_request(request(6, 8))
    assert format_request(old, proof, body) == request(6, 8)


class TestAnswers:
    """The checks "in order and answers" of tlog-witness."""

    def test_an_unknown_log_is_404(self, local: LocalWitness) -> None:
        other = Signer("example.com/other", LOG, LOG_KEY.private)
        assert local.add_checkpoint(request(0, 6, key=other)).status == 404

    def test_a_log_key_that_is_not_the_logs_is_403(self, local: LocalWitness) -> None:
        thief = Signer("example.com/kat", LOG, WITNESS_KEY.private)
        assert local.add_checkpoint(request(0, 6, key=thief)).status == 403

    def test_an_old_size_above_the_new_one_is_400(self, local: LocalWitness) -> None:
        assert local.add_checkpoint(format_request(7, [], note(6))).status == 400

    def test_another_old_size_is_409_and_names_ours(self, local: LocalWitness) -> None:
        local.add_checkpoint(request(0, 6))
        assert local.add_checkpoint(request(0, 8)) == Reply(409, "6\n")

    def test_a_fork_is_422_and_forgets_nothing(self, local: LocalWitness) -> None:
        local.add_checkpoint(request(0, 6))
        fork = roots_reader([leaf_hash(b"other"), *LEAVES[1:]])
        proof = prove_consistency(fork, 6, 8)
        assert local.add_checkpoint(format_request(6, proof, note(8, tree=fork))).status == 422
        assert local.add_checkpoint(format_request(6, [], note(6, tree=fork))).status == 422
        assert local.add_checkpoint(request(6, 8)).status == 200

    def test_the_same_tree_again_is_cosigned_again(self, local: LocalWitness) -> None:
        local.add_checkpoint(request(0, 6))
        assert local.add_checkpoint(request(6, 6)).status == 200

    @pytest.mark.parametrize("body", ["", "old x\n\n", "old 1\n", "old 01\n\nnote", "new 1\n\nnote"])
    def test_anything_else_is_400(self, local: LocalWitness, body: str) -> None:
        assert local.add_checkpoint(body).status == 400


def test_a_restarted_witness_remembers_what_it_cosigned(local: LocalWitness) -> None:
    local.add_checkpoint(request(0, 6))
    again = LocalWitness(WITNESS_KEY, [LOG_KEY.vkey], local.state, local.now_s)
    assert again.add_checkpoint(request(0, 8)) == Reply(409, "6\n")


@contextmanager
def served(witness: LocalWitness) -> Iterator[str]:
    """The witness behind HTTP on loopback."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            reply = witness.add_checkpoint(self.rfile.read(int(self.headers["content-length"])).decode())
            self.send_response(reply.status)
            self.end_headers()
            self.wfile.write(reply.text.encode())

        def log_message(self, *_: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def prove_to(new: int) -> object:
    """What the client asks for a proof."""
    return lambda old: prove_consistency(READER, old, new) if old else []


def test_over_http_the_witness_corrects_what_we_remember(local: LocalWitness) -> None:
    with served(local) as url:
        witness = Witness(WITNESS_KEY.vkey, over_http(url, 5))
        witness.cosign(note(6), prove_to(6))
        forgetful = Witness(WITNESS_KEY.vkey, over_http(url, 5))
        line = forgetful.cosign(note(8), prove_to(8))
    assert line == KNOWN
    assert forgetful.size == 8


def test_a_witness_that_is_away_fails_and_the_others_are_kept(local: LocalWitness) -> None:
    away = Witness(Signer("away.example/w", COSIGNER, LOG_KEY.private).vkey, over_http("http://127.0.0.1:9", 1))
    lines, failed = collect([away, Witness(WITNESS_KEY.vkey, local.add_checkpoint)], note(6), prove_to(6))
    assert list(lines) == ["witness.example/w1"]
    assert [type(error) for error in failed] == [WitnessFailed]


def test_a_signature_by_another_key_is_not_taken(local: LocalWitness) -> None:
    liar = Witness(Signer(WITNESS_KEY.name, COSIGNER, LOG_KEY.private).vkey, local.add_checkpoint)
    with pytest.raises(WitnessFailed, match="does not verify"):
        liar.cosign(note(6), prove_to(6))


class TestPublishing:
    """A checkpoint is cosigned before it is served."""

    def witness_for(self, rig: Rig) -> LocalWitness:
        return LocalWitness(WITNESS_KEY, [rig.keys.log.vkey], rig.folder / "w.json", lambda: rig.now_ms // 1000)

    def test_what_is_served_carries_the_cosignature(self, farm: Rig) -> None:
        farm.witnesses = [Witness(WITNESS_KEY.vkey, self.witness_for(farm).add_checkpoint)]
        farm.fresh_sequencer()
        farm.log(farm.event(FARM, p256("farm")))
        served = parse_note(farm.store.read_checkpoint() or "")
        (line,) = lines_of(served, WITNESS_KEY.vkey)
        verify_cosignature(served.text, line, WITNESS_KEY.vkey)

    def test_without_its_quorum_a_strict_log_answers_nobody_and_stands(self, database: Database, tmp_path: Path) -> None:
        rig = Rig(database, tmp_path)
        local = self.witness_for(rig)
        up = [True]

        def submit(body: str) -> Reply:
            if not up[0]:
                raise OSError("away")
            return local.add_checkpoint(body)

        rig.witnesses, rig.quorum = [Witness(WITNESS_KEY.vkey, submit)], 1
        rig.fresh_sequencer()
        rig.create().log(rig.grant(FARM, p256("farm")))
        up[0] = False
        first = rig.submit(rig.event(FARM, p256("farm")))
        for _ in range(2):
            with pytest.raises(NotPublished):
                rig.step()
        second = rig.submit(rig.event(FARM, p256("farm")))
        assert [rig.results(one)[0].state for one in (first, second)] == ["pending", "pending"]
        up[0] = True
        rig.step()
        assert [rig.results(one)[0].state for one in (first, second)] == ["published", "published"]

    def test_a_witness_that_saw_a_larger_tree_refuses_a_restored_database(self, farm: Rig) -> None:
        local = self.witness_for(farm)
        farm.witnesses, farm.quorum = [Witness(WITNESS_KEY.vkey, local.add_checkpoint)], 1
        farm.fresh_sequencer()
        farm.log(farm.event(FARM, p256("farm")))
        ahead = Checkpoint(farm.keys.log.name, 9, bytes(32))
        local.state.write_text('{"%s": [9, "%s"]}' % (ahead.origin, "A" * 43 + "="))  # noqa: UP031 - braces of JSON
        farm.submit(farm.event(FARM, p256("farm")))
        with pytest.raises(NotPublished):
            farm.step()
