"""The log's HTTP interface, against a server that speaks it over loopback."""

import json
from collections.abc import Iterator

import pytest

from producers.answers import Busy, Problem, Unexpected, Unreachable, read_result
from producers.client import LogClient
from producers.tiles import TileReader, verify_entries
from producers.trust import open_head
from tests.producers.fake_log import FakeLog
from tests.producers.farm import statement, statements
from verify.errors import NotIncluded
from verify.merkle import leaf_hash, prove_inclusion, root, verify_inclusion
from verify.policy import Policy
from verify.proof import TlogProof
from verify.statement import parse_statement


@pytest.fixture
def log() -> Iterator[FakeLog]:
    with FakeLog().serve() as log:
        yield log


@pytest.fixture
def client(log: FakeLog) -> Iterator[LogClient]:
    with LogClient(log.server + "/") as client:
        yield client


def test_one_statement_is_answered_with_its_whole_receipt(log: FakeLog, client: LogClient) -> None:
    result = client.submit(statement(1))
    assert (result.status, result.index) == ("published", 0)
    assert result.digest == parse_statement(statement(1)).digest or result.digest in log.statements
    assert TlogProof.parse(result.proof or "").index == 0
    assert result.time_ms == 1_790_000_000_000


def test_many_statements_are_answered_in_order_and_a_bad_one_holds_up_no_other(log: FakeLog, client: LogClient) -> None:
    sent = statements(5)
    sent[2] = b"tomatoes"
    results = client.submit_lines(sent)
    assert [result.status for result in results] == ["published", "published", "refused", "published", "published"]
    assert results[2].problem is not None
    assert results[2].problem.code == "not-a-jws"
    assert [result.index for result in results] == [0, 1, None, 2, 3]


def test_what_was_logged_comes_back_with_its_proof(log: FakeLog, client: LogClient) -> None:
    digest = client.submit(statement(1)).digest or b""
    assert parse_statement(client.statement(digest)).digest == digest
    assert client.proof(digest) == log.proof(0)
    assert client.policy() == log.policy


def test_a_refusal_says_why_and_whether_to_come_back(log: FakeLog, client: LogClient) -> None:
    log.refuse = lambda _: {
        "code": "event-in-future", "title": "later", "detail": "in 3 h", "retry_after": 60
    }  # fmt: skip
    assert client.submit(statement(1)).problem == Problem("event-in-future", "later", "in 3 h", "", 60)
    log.refuse = lambda _: {"type": "https://x/problems/unknown-key", "title": "no grant", "where": "/kid"}
    assert client.submit(statement(1)).problem == Problem("unknown-key", "no grant", "", "/kid", None)


@pytest.mark.parametrize("wrong", [{"index": -1}, {"index": True}, {"index": "0"}, {"time": -1}, {"time": 1.5}, {"proof": 7}])
def test_an_answer_whose_numbers_cannot_be_is_not_taken_for_one(wrong: dict[str, object]) -> None:
    """A log may answer anything; an index of -1 would ask for the entries before the first."""
    good = {"status": "published", "digest": "00" * 32, "index": 0, "time": 1, "proof": "c2sp.org/tlog-proof@v1"}
    assert read_result(good).index == 0
    with pytest.raises(Unexpected):
        read_result(good | wrong)


def test_a_busy_log_says_when_to_come_back(log: FakeLog, client: LogClient) -> None:
    log.before_request = lambda path: "busy"
    with pytest.raises(Busy) as caught:
        client.submit(statement(1))
    assert caught.value.retry_after == 7


def test_no_network_is_told_from_an_answer_that_was_lost(log: FakeLog, client: LogClient) -> None:
    log.before_answer = lambda path: "cut"
    with pytest.raises(Unreachable) as caught:
        client.submit(statement(1))
    assert caught.value.sent
    with LogClient("http://127.0.0.1:9") as nowhere, pytest.raises(Unreachable) as caught:
        nowhere.checkpoint()
    assert not caught.value.sent


@pytest.mark.parametrize("server", ["ftp://127.0.0.1/", "not an address", "http://"])
def test_an_address_that_is_none_cannot_be_reached(server: str) -> None:
    with LogClient(server) as nowhere, pytest.raises(Unreachable):
        nowhere.checkpoint()


@pytest.mark.parametrize("answer", [
    "tomatoes", "[]", "{}", '{"status":"published","index":1,"digest":"zz"}', '{"status":"anchored","index":1}',
])  # fmt: skip
def test_an_answer_outside_the_interface_is_not_believed(log: FakeLog, client: LogClient, answer: str) -> None:
    log.admit = lambda raw: json.loads(answer) if answer.startswith("{") else {"status": answer}  # type: ignore[method-assign]
    log.whole_receipts = False
    with pytest.raises(Unexpected):
        client.submit(statement(1))


def test_answers_for_other_lines_than_were_sent_are_not_believed(log: FakeLog, client: LogClient) -> None:
    with pytest.raises(Unexpected, match="other lines"):
        client.submit_lines([b"a\nb"])


class TestTiles:
    """Whatever is built of tiles must lead to a root that the log signed."""

    @pytest.mark.parametrize("size", [1, 255, 256, 257, 700])
    def test_hashes_and_entries_of_any_size_lead_to_the_signed_root(self, log: FakeLog, client: LogClient, size: int) -> None:
        log.entries = [bytes([1]) + index.to_bytes(80, "big") for index in range(size)]
        head = open_head(client.checkpoint(), Policy.parse(log.policy))
        reader = TileReader(client, size)
        assert root(reader, size) == head.root
        for index in {0, size // 2, size - 1}:
            entry = reader.entries(index, index + 1)[0]
            proof = prove_inclusion(reader, index, size)
            verify_inclusion(leaf_hash(entry), index=index, size=size, proof=proof, root=head.root)

    @pytest.mark.parametrize(("first", "last"), [(0, 700), (0, 256), (256, 512), (100, 300), (512, 700), (699, 700)])
    def test_a_window_of_entries_is_verified_wherever_it_lies(
        self, log: FakeLog, client: LogClient, first: int, last: int
    ) -> None:
        log.entries = [bytes([1]) + index.to_bytes(80, "big") for index in range(700)]
        head = open_head(client.checkpoint(), Policy.parse(log.policy))
        reader = TileReader(client, 700)
        entries = reader.entries(first, last)
        assert entries == log.entries[first:last]
        verify_entries(reader, entries, first, head.root)
        with pytest.raises(NotIncluded):
            verify_entries(reader, [*entries[:-1], b"changed"], first, head.root)
        with pytest.raises(NotIncluded):
            verify_entries(reader, [*entries[1:], entries[0] + b"x"], first, head.root)

    def test_a_partial_tile_that_is_gone_is_read_from_the_full_one(self, log: FakeLog, client: LogClient) -> None:
        log.entries = [bytes([1]) + index.to_bytes(80, "big") for index in range(100)]
        head = open_head(client.checkpoint(), Policy.parse(log.policy))
        log.entries += [bytes([2]) + index.to_bytes(80, "big") for index in range(200)]
        reader = TileReader(client, 100)
        assert root(reader, 100) == head.root
        assert reader.entries(0, 100) == log.entries[:100]
