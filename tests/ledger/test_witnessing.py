"""
A witness of our own: what it cosigns, what it refuses, what it remembers, and what it keeps as evidence.

The known answer: log key of seed 00..1f, witness of seed 20..3f, the tree of RFC 6962's eight leaves, 2023-03-20.
"""

import os
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.witnessing.app import create_witness_app
from ledger.witnessing.cosigner import Cosigner
from ledger.witnessing.memory import MAX_CLAIMS, Memory, MemoryRefused, Remembered
from ledger.witnessing.wire import MAX_PROOF, MAX_REQUEST, SIZE_TYPE, Reply, format_request, log_path, parse_request
from producers.sign import Signer, sign_note
from tests.support.trees import reader_of, some_leaves
from tests.support.witness import KNOWN, LOG_KEY, NOW_S, OTHER, READER, WITNESS_KEY, cosigner, note, request, serving
from tests.support.witnesses import PEERS, need_peer
from verify.checkpoint import Checkpoint, Evidence, verify_evidence
from verify.errors import VerificationError
from verify.merkle import EMPTY_ROOT, prove_consistency, root
from verify.note import LOG, parse_note

ORIGIN = LOG_KEY.name


@pytest.fixture
def witness(tmp_path: Path) -> Cosigner:
    """A witness that knows the one log."""
    return cosigner(tmp_path)


def test_the_cosignature_of_the_reference_vector(witness: Cosigner) -> None:
    assert witness.add_checkpoint(request(0, 6)).status == 200
    assert witness.add_checkpoint(request(6, 8)) == Reply(200, KNOWN)


class TestRequests:
    """The body of add-checkpoint has one form."""

    @given(
        old=st.integers(0, 2**53 - 1), proof=st.lists(st.binary(min_size=32, max_size=32), max_size=MAX_PROOF),
        size=st.integers(0, 2**53 - 1), top=st.binary(min_size=32, max_size=32),
    )  # fmt: skip
    def test_what_was_printed_is_read_back(self, old: int, proof: list[bytes], size: int, top: bytes) -> None:
        body = sign_note(Checkpoint(ORIGIN, size, top).format(), [LOG_KEY])
        read = parse_request(format_request(old, proof, body))
        assert (read.old, list(read.proof), read.checkpoint) == (old, proof, Checkpoint(ORIGIN, size, top))
        assert read.note == parse_note(body)

    @given(st.one_of(st.binary(max_size=400), st.text(max_size=200), st.text("old 0123+\n—=AQg", max_size=200)))
    def test_any_other_bytes_are_malformed_and_nothing_worse(self, body: bytes | str) -> None:
        with pytest.raises(VerificationError):
            parse_request(body)

    @given(at=st.integers(0, 700), byte=st.integers(0, 255))
    def test_a_request_with_one_byte_changed_is_malformed_or_says_something_else(self, at: int, byte: int) -> None:
        good = request(6, 8).encode()
        at %= len(good)
        bad = good[:at] + bytes([byte]) + good[at + 1 :]
        if bad != good:
            with suppress(VerificationError):
                assert parse_request(bad) != parse_request(good)

    @pytest.mark.parametrize(
        "body",
        ["", "\n\n", "old x\n\n", "old 1\n", "old 01\n\n", "old +1\n\n", "old 1 \n\n", "old 1\r\n\n", "new 1\n\n", "old\n\n",
         "old -1\n\n", "old 9007199254740992\n\n", "old ٦\n\n", "old 1\n" + "A" * 43 + "=\n" + "\n\n", "old 1\nAAAA\n\n",
         "old 1\n" + "A" * 42 + "B=\n\n"],
    )  # fmt: skip
    def test_another_spelling_is_400(self, witness: Cosigner, body: str) -> None:
        assert witness.add_checkpoint(body + note(8)).status == 400

    def test_64_hashes_are_too_many_and_63_are_read(self, witness: Cosigner) -> None:
        assert witness.add_checkpoint(format_request(0, [bytes(32)] * 64, note(8))).status == 400
        assert witness.add_checkpoint(format_request(0, [bytes(32)] * 63, note(8))).status == 422

    def test_a_line_of_a_stranger_is_ignored(self, witness: Cosigner) -> None:
        stranger = Signer("stranger.example", LOG, WITNESS_KEY.private)
        body = note(6) + stranger.sign(Checkpoint(ORIGIN, 6, bytes(32)).format())
        assert witness.add_checkpoint(format_request(0, [], body)).status == 200
        assert "stranger" not in witness.memory.heads(ORIGIN)[0].note


class TestAnswers:
    """The checks "in order and answers" of tlog-witness."""

    def test_an_unknown_log_is_404(self, witness: Cosigner) -> None:
        assert witness.add_checkpoint(request(0, 6, key=Signer("example.com/other", LOG, LOG_KEY.private))).status == 404

    def test_a_log_key_that_is_not_the_logs_is_403(self, witness: Cosigner) -> None:
        assert witness.add_checkpoint(request(0, 6, key=Signer(ORIGIN, LOG, WITNESS_KEY.private))).status == 403

    def test_a_changed_text_under_a_good_signature_is_403(self, witness: Cosigner) -> None:
        assert witness.add_checkpoint(request(0, 6).replace("\n6\n", "\n7\n")).status == 403

    def test_an_old_size_above_the_new_one_is_400(self, witness: Cosigner) -> None:
        assert witness.add_checkpoint(request(7, 6)).status == 400

    def test_another_old_size_is_409_and_names_ours(self, witness: Cosigner) -> None:
        witness.add_checkpoint(request(0, 6))
        assert witness.add_checkpoint(request(0, 8)) == Reply(409, "6\n")
        assert witness.add_checkpoint(request(7, 8)) == Reply(409, "6\n")

    def test_an_older_tree_of_the_same_log_is_409(self, witness: Cosigner) -> None:
        witness.add_checkpoint(request(0, 6))
        assert witness.add_checkpoint(request(4, 5)) == Reply(409, "6\n")

    def test_the_same_tree_again_is_cosigned_again(self, witness: Cosigner) -> None:
        witness.add_checkpoint(request(0, 6))
        assert witness.add_checkpoint(request(6, 6)).status == 200

    def test_the_empty_tree_has_one_root(self, witness: Cosigner) -> None:
        empty = sign_note(Checkpoint(ORIGIN, 0, EMPTY_ROOT).format(), [LOG_KEY])
        false = sign_note(Checkpoint(ORIGIN, 0, bytes(32)).format(), [LOG_KEY])
        assert witness.add_checkpoint(format_request(0, [], false)).status == 422
        assert witness.add_checkpoint(format_request(0, [], empty)).status == 200
        assert witness.add_checkpoint(request(0, 8)).status == 200

    def test_a_clock_that_ran_back_signs_nothing(self, tmp_path: Path) -> None:
        now = [NOW_S]
        witness = cosigner(tmp_path, now_s=lambda: now[0])
        witness.add_checkpoint(request(0, 6))
        now[0] -= 1
        assert witness.add_checkpoint(request(6, 8)).status == 503

    def test_a_second_key_of_a_log_is_taken_once_it_is_followed(self, witness: Cosigner) -> None:
        new = Signer(ORIGIN, LOG, WITNESS_KEY.private)
        witness.add_checkpoint(request(0, 6))
        witness.memory.follow(new.vkey)
        assert witness.add_checkpoint(request(6, 8, key=new)).status == 200


class TestMemory:
    """What was cosigned is never forgotten, and never taken back."""

    def test_a_restarted_witness_remembers_what_it_cosigned(self, witness: Cosigner, tmp_path: Path) -> None:
        witness.add_checkpoint(request(0, 6))
        assert cosigner(tmp_path).add_checkpoint(request(0, 8)) == Reply(409, "6\n")

    def test_a_crash_between_remembering_and_answering_costs_a_signature_and_never_a_second_tree(self, tmp_path: Path) -> None:
        class Died(BaseException):
            """The process ended here."""

        @dataclass(frozen=True, slots=True)
        class Dying(Memory):
            def swap(self, old: Remembered, new: Remembered) -> bool:
                assert Memory(self.path).swap(old, new)
                raise Died

        witness = cosigner(tmp_path)
        with pytest.raises(Died):
            replace(witness, memory=Dying(witness.memory.path)).add_checkpoint(request(0, 6))
        again = cosigner(tmp_path)
        assert again.add_checkpoint(request(0, 6)) == Reply(409, "6\n")
        assert again.add_checkpoint(request(6, 6)).status == 200
        assert again.add_checkpoint(request(6, 6, tree=OTHER)).status == 422

    @pytest.mark.parametrize("size", range(2, 8))
    def test_of_racing_growths_one_is_cosigned_and_the_others_corrected(self, witness: Cosigner, size: int) -> None:
        witness.add_checkpoint(request(0, size - 1))
        start = threading.Barrier(4)
        answers: list[Reply] = []

        def race(new: int) -> None:
            start.wait()
            answers.append(witness.add_checkpoint(request(size - 1, new)))

        threads = [threading.Thread(target=race, args=(new,)) for new in (size, 8, size, 8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        won = witness.memory.heads(ORIGIN)[0].size
        assert sorted(one.status for one in answers) == [200, 409, 409, 409]
        assert {one.text for one in answers if one.status == 409} == {f"{won}\n"}

    def test_a_lost_memory_is_not_made_anew_in_silence(self, tmp_path: Path) -> None:
        with pytest.raises(MemoryRefused, match="missing"):
            Memory.open(tmp_path / "witness.db", WITNESS_KEY.vkey)

    def test_a_memory_belongs_to_one_key(self, witness: Cosigner) -> None:
        with pytest.raises(MemoryRefused, match="another key"):
            Memory.open(witness.memory.path, Signer("other.example", 4, LOG_KEY.private).vkey)
        with pytest.raises(FileExistsError):
            Memory.create(witness.memory.path, WITNESS_KEY.vkey)

    def test_a_file_that_is_no_memory_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "witness.db").write_bytes(b"not a database, but long enough to be read as one" * 100)
        with pytest.raises(MemoryRefused, match="cannot be read"):
            Memory.open(tmp_path / "witness.db", WITNESS_KEY.vkey)

    def test_a_memory_that_goes_away_while_we_serve_is_503_and_does_not_come_back_empty(self, witness: Cosigner) -> None:
        witness.add_checkpoint(request(0, 6))
        for path in witness.memory.path.parent.glob("witness.db*"):
            path.unlink()
        assert witness.add_checkpoint(request(0, 6, tree=OTHER)).status == 503
        assert not witness.memory.path.exists()

    def test_the_memory_is_private(self, witness: Cosigner) -> None:
        assert witness.memory.path.stat().st_mode & 0o777 == 0o600


def convicting(witness: Cosigner) -> Evidence:
    """The one piece of evidence that convicts the log, read from its file and verified with the log's key alone."""
    (path,) = witness.export()
    evidence = Evidence.parse(path.read_bytes())
    verify_evidence(evidence, [LOG_KEY.vkey])
    return evidence


class TestEvidence:
    """A log that shows two trees is convicted by its own signatures, and by nothing else."""

    def test_two_roots_of_one_size_convict(self, witness: Cosigner) -> None:
        witness.add_checkpoint(request(0, 6))
        assert witness.add_checkpoint(request(6, 6, tree=OTHER)).status == 422
        assert convicting(witness).newer == note(6, tree=OTHER)

    def test_two_roots_of_one_size_convict_whatever_old_size_is_named(self, witness: Cosigner) -> None:
        witness.add_checkpoint(request(0, 6))
        assert witness.add_checkpoint(request(0, 6, tree=OTHER)).status == 422
        convicting(witness)

    @pytest.mark.parametrize(("old", "new"), [(3, 4), (3, 8), (5, 6), (5, 8), (6, 7), (6, 8), (7, 8)])
    def test_a_fork_that_grew_convicts_by_its_own_proof(self, witness: Cosigner, old: int, new: int) -> None:
        witness.add_checkpoint(request(0, old))
        assert witness.add_checkpoint(request(old, new, tree=OTHER)).status == 422
        assert convicting(witness).root == root(OTHER, old)

    @pytest.mark.parametrize(("old", "new"), [(1, 2), (2, 5), (4, 8)])
    def test_where_the_proof_leaves_our_root_out_only_tiles_decide(self, witness: Cosigner, old: int, new: int) -> None:
        witness.add_checkpoint(request(0, old))
        assert witness.add_checkpoint(request(old, new, tree=OTHER)).status == 422
        (caught,) = witness.memory.caught(ORIGIN)
        assert not caught.convicts
        claim = Evidence.parse(caught.body)
        with pytest.raises(VerificationError) as told:
            verify_evidence(claim, [LOG_KEY.vkey])
        assert told.value.code == "unproven"
        proven = replace(claim, root=root(OTHER, old), proof=tuple(prove_consistency(OTHER, old, new)))
        verify_evidence(proven, [LOG_KEY.vkey])

    def test_evidence_that_a_power_cut_left_empty_is_written_again(self, witness: Cosigner) -> None:
        witness.add_checkpoint(request(0, 6))
        witness.add_checkpoint(request(6, 6, tree=OTHER))
        (path,) = witness.export()
        path.write_bytes(b"")
        convicting(witness)
        assert [one.name for one in path.parent.iterdir()] == [path.name]

    def test_nothing_of_a_convicted_log_is_cosigned_until_a_human_decides(self, witness: Cosigner, tmp_path: Path) -> None:
        witness.add_checkpoint(request(0, 6))
        witness.add_checkpoint(request(6, 8, tree=OTHER))
        assert cosigner(tmp_path).add_checkpoint(request(6, 8)).status == 403
        assert witness.memory.resume(ORIGIN, "a backup was restored by mistake; the fork was thrown away")
        assert witness.add_checkpoint(request(6, 8)) == Reply(200, KNOWN)
        witness.add_checkpoint(request(8, 8, tree=OTHER))
        assert witness.memory.resume(ORIGIN, "and again")
        assert {one.remark.partition("\n")[2] for one in witness.memory.caught(ORIGIN)} == {"and again", ""}
        assert "by mistake" in witness.memory.caught(ORIGIN)[0].remark
        assert [verify_evidence(Evidence.parse(path.read_bytes()), [LOG_KEY.vkey])[2].size for path in witness.export()] == [8, 8]

    def test_a_strangers_bad_proof_with_an_honest_checkpoint_convicts_nobody(self, witness: Cosigner) -> None:
        witness.add_checkpoint(request(0, 6))
        for proof in ([], [bytes(32)] * 3, [bytes(32)] * 9, prove_consistency(OTHER, 6, 8)):
            assert witness.add_checkpoint(format_request(6, proof, note(8))).status == 422
        assert not any(one.convicts for one in witness.memory.caught())
        assert witness.add_checkpoint(request(6, 8)) == Reply(200, KNOWN)

    def test_claims_do_not_fill_the_disk(self, witness: Cosigner) -> None:
        witness.add_checkpoint(request(0, 6))
        for number in range(MAX_CLAIMS + 10):
            witness.add_checkpoint(format_request(6, [number.to_bytes(32)], note(8)))
        assert len(witness.memory.caught()) == MAX_CLAIMS

    def test_of_several_logs_only_the_forked_one_is_stopped(self, tmp_path: Path) -> None:
        other = Signer("example.com/honest", LOG, WITNESS_KEY.private)
        witness = cosigner(tmp_path, LOG_KEY.vkey, other.vkey)
        witness.add_checkpoint(request(0, 6))
        witness.add_checkpoint(request(6, 6, tree=OTHER))
        assert witness.add_checkpoint(request(0, 8, key=other)).status == 200

    @given(old=st.integers(1, 40), grown=st.integers(0, 40), forked=st.integers(0, 39))
    def test_evidence_convicts_a_fork_and_never_honest_growth(self, old: int, grown: int, forked: int) -> None:
        new, at = old + grown, forked % old
        honest = some_leaves(new)
        tree, fork = reader_of(honest), reader_of([*honest[:at], bytes(32), *honest[at + 1 :]])
        proof = tuple(prove_consistency(fork, old, new))
        for said, found in ((Evidence(note(old, tree=fork), note(new, tree=fork), root(fork, old), proof), False),
                            (Evidence(note(old, tree=tree), note(new, tree=fork), root(fork, old), proof), True)):  # fmt: skip
            again = Evidence.parse(said.format())
            try:
                verify_evidence(again, [LOG_KEY.vkey])
            except VerificationError:
                assert not found
            else:
                assert found


class TestHttp:
    """The same over a real socket."""

    def test_the_protocol_and_what_others_may_read(self, witness: Cosigner) -> None:
        with serving(create_witness_app(witness)) as url, httpx2.Client(base_url=url) as client:
            place = f"/{log_path(ORIGIN)}"
            assert client.get(f"{place}/checkpoint").status_code == 404
            assert client.post("/add-checkpoint", content=request(0, 6)).status_code == 200
            conflict = client.post("/add-checkpoint", content=request(0, 8))
            assert (conflict.status_code, conflict.text, conflict.headers["content-type"]) == (409, "6\n", SIZE_TYPE)
            assert client.post("/add-checkpoint", content=request(6, 8)).text == KNOWN
            assert client.get(f"{place}/checkpoint").text == note(8) + KNOWN
            assert client.get("/").text == f"{WITNESS_KEY.vkey.format()}\n{log_path(ORIGIN)} 8 {ORIGIN}\n"
            assert client.get(f"{place}/evidence").status_code == 404
            assert client.post("/add-checkpoint", content=request(8, 8, tree=OTHER)).status_code == 422
            assert client.post("/add-checkpoint", content=request(8, 8)).status_code == 403
            evidence = Evidence.parse(client.get(f"{place}/evidence").text)
            assert verify_evidence(evidence, [LOG_KEY.vkey])[0] == LOG_KEY.vkey

    def test_other_peoples_client_takes_our_cosignature(self, tmp_path: Path) -> None:
        need_peer()
        witness = cosigner(tmp_path, now_s=lambda: int(time.time()))
        script = (
            "import sys; from aics_witness.feeder import WitnessClient\n"
            "client, (first, then, *proof) = WitnessClient(sys.argv[1], sys.argv[2]), sys.argv[3:]\n"
            "client.submit(first, lambda old, new: [])\n"
            "print(client.submit(then, lambda old, new: [bytes.fromhex(one) for one in proof] if old == 6 else []), end='')\n"
        )
        proof = [one.hex() for one in prove_consistency(READER, 6, 8)]
        with serving(create_witness_app(witness)) as url:
            words = [sys.executable, "-c", script, url, WITNESS_KEY.vkey.format(), note(6), note(8), *proof]
            done = subprocess.run(words, env={**os.environ, "PYTHONPATH": str(PEERS)}, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        assert witness.memory.heads()[0].note == note(8) + done.stdout

    @pytest.mark.parametrize("body", [b"\xff" * 50, b"old 0\n\n\x00", b"", b"old 0\n\n" + b"\xe2\x80\x94 x y\n", b"a" * 60_000])
    def test_a_hostile_body_is_400(self, witness: Cosigner, body: bytes) -> None:
        with serving(create_witness_app(witness)) as url:
            assert httpx2.post(f"{url}/add-checkpoint", content=body).status_code == 400

    def test_a_body_without_end_is_cut_off(self, witness: Cosigner) -> None:
        with serving(create_witness_app(witness)) as url:
            assert httpx2.post(f"{url}/add-checkpoint", content=b"x" * (MAX_REQUEST + 1)).status_code == 413

    def test_a_body_that_comes_too_slowly_is_given_up(self, witness: Cosigner, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("ledger.witnessing.app.READ_S", 0.1)
        with serving(create_witness_app(witness)) as url:
            where = urlsplit(url)
            with socket.create_connection((where.hostname or "", where.port or 0)) as slow:
                slow.sendall(b"POST /add-checkpoint HTTP/1.1\r\nhost: x\r\ncontent-length: 9000\r\n\r\nold 0\n")
                assert slow.recv(100).startswith(b"HTTP/1.1 408 ")

    def test_a_client_that_leaves_in_the_middle_disturbs_nobody(self, witness: Cosigner) -> None:
        with serving(create_witness_app(witness)) as url:
            where = urlsplit(url)
            with socket.create_connection((where.hostname or "", where.port or 0)) as half:
                half.sendall(b"POST /add-checkpoint HTTP/1.1\r\nhost: x\r\ncontent-length: 9000\r\n\r\nold 0\n")
            assert httpx2.post(f"{url}/add-checkpoint", content=request(0, 6)).status_code == 200
