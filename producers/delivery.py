"""
Delivery: sending what waits in the outbox, and believing only receipts that verify.

Sending again is always safe: the log answers a duplicate with the place of the first.  Crash points: before an answer the
item is `saved` and is sent again; after the answer and before `settle` likewise, and the log calls it a duplicate.

In bulk, receipts are built from tiles (the entry, its path to one checkpoint): two requests for 256 statements, where
asking the log for each proof would take as many round trips as statements.

Source: interface.md, POST /statements; protocol.md section 3 ("The receipt check rebuilds the whole entry").
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from producers.answers import LogError, Problem, Result, Unreachable
from producers.client import LogClient
from producers.follow import Watch
from producers.outbox import REFUSED, SAVED, SENT, Outbox
from producers.refusals import Item
from producers.seen import Alarm
from producers.sign import format_proof
from producers.tiles import TileReader
from producers.trust import Receipt, verify_receipt
from verify.entry import Entry
from verify.errors import NotConsistent, NotTrusted, VerificationError, WrongEntry
from verify.merkle import prove_inclusion
from verify.policy import Policy
from verify.proof import TlogProof
from verify.statement import Statement, parse_statement, verify_signature

BATCH = 512  # statements; a network that dies loses the answers to this many
BATCH_BYTES = 4_194_304


@dataclass(slots=True)
class Delivery:
    """What one attempt came to."""

    published: int = 0
    duplicate: int = 0
    """The log had them; their receipts verified too."""
    refused: list[tuple[bytes, Problem]] = field(default_factory=list)
    """Digest of the statement, and why."""
    waiting: int = 0
    """Not sent, or without a verified receipt."""
    stopped: LogError | VerificationError | None = None
    """Why it ended before everything was sent."""


def deliver(
    outbox: Outbox, client: LogClient, policy: Policy, *, now_ms: int, on_batch: Callable[[int], None] | None = None
) -> Delivery:
    """
    Send everything that waits, oldest first, and settle it.  `on_batch` is told how many were sent so far.

    A network or a log that fails ends the attempt (`stopped`) and loses nothing; what was settled stays settled.  Nothing is
    sent to a server that does not show the log which the policy and what was seen of it vouch for.
    """
    done, sent, last = Delivery(), 0, 0
    watch = Watch(outbox, client, policy, now_ms=now_ms)
    try:
        while batch := _batch(outbox, last):
            if not last:
                # Before anything is told: whoever answers there is the log that this outbox believes, or gets to see nothing,
                # and its "no" would count.
                watch.refresh()
            last = batch[-1].id
            _deliver_batch(watch, batch, done)
            sent += len(batch)
            if on_batch is not None:
                on_batch(sent)
    except (LogError, VerificationError) as error:
        done.stopped = error
    counts = outbox.counts()
    done.waiting = counts[SAVED] + counts[SENT]
    return done


def _batch(outbox: Outbox, after: int) -> list[Item]:
    batch: list[Item] = []
    size = 0
    for item in outbox.waiting(after=after, limit=BATCH):
        size += len(item.statement)
        if batch and size > BATCH_BYTES:
            break
        batch.append(item)
    return batch


def _deliver_batch(watch: Watch, batch: Sequence[Item], done: Delivery) -> None:
    outbox, now_ms = watch.outbox, watch.now_ms
    statements = [item.statement for item in batch]
    try:
        results = [watch.client.submit(statements[0])] if len(batch) == 1 else watch.client.submit_lines(statements)
    except Unreachable as error:
        if error.sent:
            outbox.mark([(item.id, SENT, None) for item in batch], now_ms=now_ms)
        raise
    logged: list[tuple[Item, Result]] = []
    outcomes: list[tuple[int, str, Problem | None]] = []
    for item, result in zip(batch, results, strict=True):
        if result.problem is not None and result.status == "refused":
            # "Later" is not "no": a record from a phone whose clock runs ahead must not be lost.
            later = result.problem.retry_after is not None
            outcomes.append((item.id, SAVED if later else REFUSED, result.problem))
            if not later:
                done.refused.append((parse_statement(item.statement).digest, result.problem))
        elif result.index is None:
            outcomes.append((item.id, SENT, None))
        else:
            logged.append((item, result))
    outbox.mark(outcomes, now_ms=now_ms)
    _settle(watch, logged, done)


def _settle(watch: Watch, logged: Sequence[tuple[Item, Result]], done: Delivery) -> None:
    receipts: dict[int, Receipt] = {}
    reader: TileReader | None = None
    note = ""
    for item, result in logged:
        statement = parse_statement(item.statement)
        try:
            stored = _stored(watch, statement, result)
            if result.proof is not None and result.time_ms is not None:
                time_ms, proof = result.time_ms, result.proof
            else:
                if reader is None:
                    head = watch.refresh()
                    reader, note = TileReader(watch.client, head.size), head.note
                time_ms, proof = _prove(reader, note, result.index or 0)
            receipt = verify_receipt(statement, time_ms=time_ms, proof_text=proof, policy=watch.policy, stored=stored)
            if receipt.head.note != note:
                watch.advance(receipt.head)
        except (NotConsistent, NotTrusted):
            raise  # about the log as a whole, not about this statement
        except VerificationError as error:
            _distrust(watch, item, statement, error)
            continue
        receipts[item.id] = receipt
        done.duplicate += result.status == "duplicate"
        done.published += result.status != "duplicate"
    watch.outbox.settle(receipts, now_ms=watch.now_ms)
    # Once more, now that they are settled: what the quorum has seen by now is lifted at once.
    for seen in {receipt.head.note: receipt.head for receipt in receipts.values()}.values():
        watch.lift(seen)


def _prove(reader: TileReader, note: str, index: int) -> tuple[int, str]:
    if index >= reader.size:
        raise WrongEntry(f"the log names index {index} and shows {reader.size} entries")
    entry = Entry.decode(reader.entries(index, index + 1)[0])
    path = tuple(prove_inclusion(reader, index, reader.size))
    return entry.time_ms, format_proof(TlogProof(index, path, note))


def _stored(watch: Watch, statement: Statement, result: Result) -> Statement | None:
    if result.digest in (None, statement.digest):
        return None
    # The same record with another signature: whoever reads the log meets that one, so it must be good.
    stored = parse_statement(watch.client.statement(result.digest or b""))
    jwk = watch.outbox.jwk(statement.kid)
    if stored.digest != result.digest or jwk is None:
        raise WrongEntry("the statement that the log holds in place of this one cannot be checked")
    verify_signature(stored, jwk)
    return stored


def _distrust(watch: Watch, item: Item, statement: Statement, error: VerificationError) -> None:
    problem = Problem("bad-receipt", "the receipt does not verify / 回执无法验证", error.message, error.where or "", None)
    watch.outbox.seen.alarm(Alarm("bad-receipt", statement.digest.hex(), f"{error.code}: {error.message}", watch.now_ms))
    watch.outbox.mark([(item.id, SENT, problem)], now_ms=watch.now_ms)
