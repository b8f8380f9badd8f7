"""
The numbered protocol, from label to verdict (PROTOCOL.md has it in prose; the JavaScript twin uses the same numbers).

     1 bundle      the bundle has the one form                 9 genesis   entry 0 names this log and its keys
     2 checkpoint  a log of the policy signed it              10 keys      a registrar bound each key, none was revoked
     3 witnesses   the quorum cosigned it                     11 label     the label names what the records are about
     4 clock       its time, and how old it is                12 origin    every hop back is confirmed
     5 statements  every record has the one form              13 item      the serial is one the farm committed to
     6 signatures  each is signed by the key it names         14 answer    the operator's answer leaves nothing out
     7 entries     the log holds exactly these records        15 recall    no open recall reaches the label
     8 inclusion   the records are under the checkpoint       16 anchor    a contract holds a consistent root

A step is verified, failed, could not be checked (`unchecked`), rests on somebody's word (`stated`) or does not apply
(`none`).  The first failure raises with its number: nothing after it is worth reading.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from . import gs1
from .answer import Answer, check_shown
from .authority import grant_of, key_at, scope_uris
from .bundle import Bundle, parse_bundle
from .checkpoint import Checkpoint
from .cosignature import verify_cosignature
from .edges import CONFIRMED, UNKNOWN, Journey, Tracer
from .entry import Entry
from .errors import (
    AnchorMismatch,
    BadSignature,
    Malformed,
    NotCommitted,
    NotGranted,
    NotTrusted,
    Omitted,
    VerificationError,
    WrongEntry,
    WrongLabel,
)  # fmt: skip
from .history import Record, RecordHistory, uris_of
from .merkle import leaf_hash, verify_consistency, verify_inclusion, verify_multi
from .note import lines_of, open_note, parse_note
from .policy import AnchorPin, Policy
from .statement import parse_time, verify_signature
from .strict import b64u_decode

STEPS = ("bundle", "checkpoint", "witnesses", "clock", "statements", "signatures", "entries", "inclusion", "genesis",
         "keys", "label", "origin", "item", "answer", "recall", "anchor")  # fmt: skip
VERIFIED, FAILED, UNCHECKED, STATED, NONE = "verified", "failed", "unchecked", "stated", "none"
CLOCK_SKEW_S = 300  # a clock that is this far ahead of the reader's is wrong, not fast

Heads = Callable[[AnchorPin], tuple[int, bytes]]
"""Reads (size, root) of a signer's head from the reader's own RPC; raises OSError where it cannot."""


@dataclass(frozen=True, slots=True)
class Step:
    """What one numbered step established; `code` names the words in messages/, `facts` fill them."""

    number: int
    state: str
    code: str
    facts: Mapping[str, object] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The step's short name."""
        return STEPS[self.number - 1]


@dataclass(slots=True)
class Verification:
    """One run: what is known so far.  `steps` grows as they are taken; a failure is its last."""

    policy: Policy
    label: str | None
    now_s: int
    heads: Heads | None
    on_step: Callable[[Step], None]
    steps: list[Step] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    journey: Journey = field(default_factory=Journey)
    uri: str = ""
    lot: str = ""
    serial: str | None = None
    time_s: int | None = None
    recalls: list[Record] = field(default_factory=list)
    anchored_size: int = 0

    def take(self, number: int, state: str, code: str, **facts: object) -> None:
        """Note a step and tell the caller at once."""
        step = Step(number, state, code, facts)
        self.steps.append(step)
        self.on_step(step)

    def state(self, number: int) -> str:
        """The state of a step, `unchecked` before it was taken."""
        return next((step.state for step in self.steps if step.number == number), UNCHECKED)

    @property
    def answers(self) -> dict[str, str]:
        """The three answers: is the record genuine, does this item look like the original, is it recalled."""
        states = [step.state for step in self.steps]
        seen = VERIFIED in (self.state(3), self.state(16))
        whole = all(self.state(number) == VERIFIED for number in (1, 2, 5, 6, 7, 8, 9, 10, 11, 12))
        record = FAILED if FAILED in states else VERIFIED if seen and whole else UNCHECKED
        return {"record": record, "item": self.state(13), "recall": self.state(15)}

    @property
    def exit_code(self) -> int:
        """0 nothing stands against it; 1 a step failed or an open recall reaches it; 3 could not be checked."""
        answers = self.answers
        if FAILED in answers.values():
            return 1
        return 3 if answers["record"] == UNCHECKED or answers["recall"] == UNCHECKED else 0


def verify_bundle(
    data: bytes | str, *, policy: Policy, label: str | None = None, now_s: int | None = None, heads: Heads | None = None,
    on_step: Callable[[Step], None] = lambda step: None,
) -> Verification:  # fmt: skip
    """
    Run the protocol.  `label` is what the reader scanned (any host); without one the bundle's own is taken, and step 11
    then says less.  `now_s` is the reader's clock, seconds since 1970.

    Returns the run where no step failed (grey steps stay visible in it).  Raises VerificationError with `step`, and the run
    so far as its `run` attribute.
    """
    run = Verification(policy, label, int(time.time()) if now_s is None else now_s, heads, on_step)
    number = 0
    try:
        number = 1
        bundle = parse_bundle(data)
        run.take(1, VERIFIED, "bundle-ok", statements=len(bundle.statements))
        for number, step in enumerate(_STEPS, 2):  # noqa: B007 - the except clause says where it stopped
            step(run, bundle)
    except VerificationError as error:
        error.step = error.step or number
        run.take(error.step, FAILED, error.code, detail=error.message, where=error.where or "")
        error.run = run  # type: ignore[attr-defined]
        raise
    return run


def _checkpoint_of(bundle: Bundle) -> Checkpoint:
    return Checkpoint.parse(parse_note(bundle.checkpoint).text)


def _checkpoint(run: Verification, bundle: Bundle) -> None:
    note = parse_note(bundle.checkpoint)
    checkpoint = Checkpoint.parse(note.text)
    signed = open_note(note, run.policy.logs)
    if checkpoint.origin not in [key.name for key in signed]:
        raise NotTrusted("signed for another origin than the key's", code="wrong-origin")
    known = {(key.name, key.key_id) for key in (*run.policy.logs, *run.policy.clocks, *run.policy.witnesses.values())}
    if any((line.name, line.key_id) not in known for line in note.lines):
        raise NotTrusted("a signature line that the policy does not know", code="unknown-line")
    run.take(2, VERIFIED, "checkpoint-ok", origin=checkpoint.origin, size=checkpoint.size)


def _witnesses(run: Verification, bundle: Bundle) -> None:
    note = parse_note(bundle.checkpoint)
    signed = set()
    for name, key in run.policy.witnesses.items():
        for line in lines_of(note, key):
            verify_cosignature(note.text, line, key)
            signed.add(name)
    if run.policy.met_by(signed):
        run.take(3, VERIFIED, "witnessed", witnesses=sorted(signed))
    else:
        run.take(3, UNCHECKED, "operator-only" if not signed else "no-quorum", witnesses=sorted(signed))


def _clock(run: Verification, bundle: Bundle) -> None:
    note = parse_note(bundle.checkpoint)
    times = [verify_cosignature(note.text, line, key) for key in run.policy.clocks for line in lines_of(note, key)]
    if not times:
        return run.take(4, UNCHECKED, "no-clock")
    run.time_s = max(times)
    age = run.now_s - run.time_s
    if age > run.policy.max_age_s or age < -CLOCK_SKEW_S:
        return run.take(4, UNCHECKED, "too-old" if age > 0 else "from-the-future", time=run.time_s, age=age)
    return run.take(4, VERIFIED, "fresh", time=run.time_s, age=age)


def _statements(run: Verification, bundle: Bundle) -> None:
    run.records = [Record.of(one.index, one.time_ms, one.statement) for one in bundle.statements]
    run.take(5, VERIFIED, "statements-ok", count=len(run.records))


def _signatures(run: Verification, bundle: Bundle) -> None:
    jwks = {}
    for record in run.records:
        if record.statement.kind in ("Genesis", "PartyRegistration"):
            grant = grant_of(record.statement, record.index)
            jwks[grant.thumbprint] = grant.jwk
    for record in run.records:
        jwk = jwks.get(record.statement.kid)
        if jwk is None:
            raise NotGranted("no registration of this key is carried", code="unknown-key", where=f"index {record.index}")
        try:
            verify_signature(record.statement, jwk)
        except BadSignature as error:
            error.where = f"index {record.index}"
            raise
    run.take(6, VERIFIED, "signatures-ok", count=len(run.records))


def _entries(run: Verification, bundle: Bundle) -> None:
    for record, one in zip(run.records, bundle.statements, strict=True):
        entry = Entry(record.time_ms, record.statement.digest, record.keys)
        if leaf_hash(entry.encode()) != one.leaf:
            raise WrongEntry("the log holds another entry: time, digest or subject keys differ", where=f"index {one.index}")
    run.take(7, VERIFIED, "entries-ok")


def _inclusion(run: Verification, bundle: Bundle) -> None:
    checkpoint = _checkpoint_of(bundle)
    leaves = {one.index: one.leaf for one in bundle.statements}
    verify_multi(leaves, size=checkpoint.size, proof=bundle.proof, root=checkpoint.root)
    if any(a.time_ms > b.time_ms for a, b in zip(run.records, run.records[1:], strict=False)):
        raise WrongEntry("time runs back along the log", code="time-runs-back")
    run.take(8, VERIFIED, "inclusion-ok", size=checkpoint.size)


def _genesis(run: Verification, bundle: Bundle) -> None:
    first, origin = run.records[0], _checkpoint_of(bundle).origin
    body = first.statement.subject
    if first.index != 0 or first.statement.kind != "Genesis" or body.get("log") != origin:
        raise NotTrusted("entry 0 is not the genesis of this log", code="no-genesis")
    if body.get("logKey") not in [key.format() for key in run.policy.logs]:
        raise NotTrusted("the genesis names another log key", code="wrong-genesis")
    log_id = "0x" + bundle.statements[0].leaf.hex()
    if any(pin.log_id != log_id for pin in run.policy.anchors):
        raise NotTrusted("the policy's anchor is about another log", code="wrong-genesis")
    run.take(9, VERIFIED, "genesis-ok", origin=origin)


def _history(run: Verification, bundle: Bundle) -> RecordHistory:
    history = RecordHistory(_checkpoint_of(bundle).origin, run.policy.registrars)
    history.add_all(run.records)
    return history


def _keys(run: Verification, bundle: Bundle) -> None:
    history = _history(run, bundle)
    trusted = {(registrar.uri, registrar.thumbprint) for registrar in run.policy.registrars}
    for record in run.records:
        statement = record.statement
        reason = history.refused.get(record.index)
        if reason is not None and statement.kind in ("PartyRegistration", "KeyRevocation"):
            raise NotGranted(reason.message, code=reason.code, where=f"index {record.index}")
        if record.index > 0 and (statement.issuer, statement.kid) not in trusted:
            try:
                key_at(history, statement.issuer, statement.kid, record.index)
            except NotGranted as error:
                error.where = f"index {record.index}"
                raise
    run.take(10, VERIFIED, "keys-ok")


def _label(run: Verification, bundle: Bundle) -> None:
    try:
        scanned = gs1.parse_label(run.label or bundle.label)
        named = gs1.subjects_of_uri(run.label or bundle.label)
        own = gs1.subjects_of_uri(bundle.label)
    except Malformed as error:
        raise WrongLabel(error.message, code=error.code, where="label") from None
    if named != own:
        raise WrongLabel("the bundle answers another label than the one scanned", where=bundle.label)
    run.serial = scanned.serial
    run.lot = next((uri for uri in named if gs1.level(uri) in ("lot", "sscc", "product")), named[0])
    run.uri = named[0]
    if not any(run.lot in uris_of(record.event) for record in run.records if record.event is not None):
        raise WrongLabel("no event carried is about what the label names", code="label-not-told", where=run.lot)
    run.take(11, VERIFIED, "label-ok" if run.label else "label-of-bundle", uri=run.lot)


def _standing(run: Verification, history: RecordHistory) -> list[Record]:
    """Records that count: not withdrawn, not disputed, not an adoption's second telling."""
    withdrawn = {r.statement.subject["digest"] for r in run.records if r.statement.kind in ("Withdrawal", "Erasure")
                 and r.index not in history.refused}  # fmt: skip
    adopted = {r.statement.subject.get("adopts") for r in run.records if r.statement.kind == "Adoption"}
    kept = [r for r in run.records if r.statement.digest.hex() not in withdrawn]
    return [r for r in kept if not _disputed(r, history) or r.statement.digest.hex() in adopted]


def _disputed(record: Record, history: RecordHistory) -> bool:
    found = history.revocation(record.statement.issuer, record.statement.kid, 2**53)
    return found is not None and found.compromised_from is not None and record.index >= found.compromised_from


def _origin(run: Verification, bundle: Bundle) -> None:
    history = _history(run, bundle)
    run.journey = journey = Tracer(_standing(run, history), history).journey(run.lot)
    origins = [{"uri": o.uri, "party": o.party, "index": o.index, "state": o.state} for o in journey.origins]
    claims = [{"receiver": e.receiver, "uri": e.uri, "index": e.index} for e in journey.edges if e.state != CONFIRMED]
    if journey.origins and all(origin.state != CONFIRMED for origin in journey.origins):
        party = journey.origins[0].party
        raise NotGranted(f"{party} may not commission under this number: a third party's claim", code="third-party-claim")
    if not journey.origins:
        run.take(12, UNCHECKED, "no-origin", claims=claims)
    elif journey.state == CONFIRMED:
        run.take(12, VERIFIED, "origin-ok", origins=origins)
    else:
        code = "receiver-withheld" if journey.state == UNKNOWN else "claimed-only"
        run.take(12, UNCHECKED, code, origins=origins, claims=claims)


def _item(run: Verification, bundle: Bundle) -> None:
    if run.serial is None:
        return run.take(13, NONE, "no-serial")
    if bundle.item is None:
        return run.take(13, UNCHECKED, "no-item-proof")
    history, item = _history(run, bundle), bundle.item
    record = next((r for r in run.records if r.index == item.commitment), None)
    commitments = [known.index for known in history.commitments(run.lot, 2**53)]
    if record is None or item.commitment not in commitments:
        raise NotCommitted("no commitment of the lot's own farm is carried", code="no-commitment")
    count = record.statement.subject["count"]
    leaf = leaf_hash(sha256(run.lot.encode()).digest() + item.code.to_bytes(4, "big") + run.serial.encode())
    try:
        root = b64u_decode(record.statement.subject["root"], length=32)
        verify_inclusion(leaf, index=item.code, size=count, proof=item.path, root=root)
    except (VerificationError, OverflowError):
        raise NotCommitted("this serial is not one of the codes that the farm committed to") from None
    total = sum(r.statement.subject["count"] for r in run.records if r.index in commitments)
    return run.take(13, STATED, "one-of", count=total)


def closure(journey: Journey, records: Sequence[Record]) -> tuple[list[bytes], list[bytes]]:
    """The subject keys that an answer must cover: every subject and place of the way back, and every issuer's keys."""
    issuers = {r.statement.issuer for r in records if r.statement.kind not in ("Genesis", "PartyRegistration")}
    return sorted(_key(uri) for uri in journey.visited), sorted(map(_key, issuers))


def _key(uri: str) -> bytes:
    return sha256(uri.encode()).digest()


def _answer(run: Verification, bundle: Bundle) -> None:
    note, checkpoint = parse_note(bundle.answer), _checkpoint_of(bundle)
    open_note(note, run.policy.logs)
    answer = Answer.parse(note.text)
    if (answer.origin, answer.size, answer.root) != (checkpoint.origin, checkpoint.size, checkpoint.root):
        raise Omitted("the answer is about another checkpoint", code="other-checkpoint")
    asked, parties = closure(run.journey, run.records)
    registrars = {_key(registrar.uri) for registrar in run.policy.registrars}
    shown = {record.index: record.keys for record in run.records}
    check_shown(answer, shown, asked, set(parties) - registrars)
    run.take(14, STATED, "answer-ok", size=answer.size, keys=len(answer.keys))


def _recall(run: Verification, bundle: Bundle) -> None:
    history = _history(run, bundle)
    notices = [r for r in run.records if r.statement.kind == "RecallNotice" and r.index not in history.refused]
    closed = {r.statement.subject["closes"] for r in notices if "closes" in r.statement.subject}
    run.recalls = [
        r for r in notices
        if "closes" not in r.statement.subject and r.statement.digest.hex() not in closed and _reaches(run, r)
    ]  # fmt: skip
    size, facts = _checkpoint_of(bundle).size, [record.index for record in run.recalls]
    if run.recalls:
        run.take(15, FAILED, "recalled", indexes=facts)
    elif run.state(4) != VERIFIED:
        run.take(15, UNCHECKED, "answer-too-old", size=size, time=run.time_s)
    else:
        run.take(15, STATED, "none-reported", size=size, time=run.time_s)


def _reaches(run: Verification, recall: Record) -> bool:
    if not set(scope_uris(recall.statement)) & {run.uri, run.lot, *run.journey.visited}:
        return False
    scope = recall.statement.subject["scope"]
    made = [r.event.time for r in run.records if r.event is not None and r.index in {o.index for o in run.journey.origins}]
    after = [time for time in made if "from" not in scope or time >= parse_time(scope["from"])]
    return not made or any("until" not in scope or time <= parse_time(scope["until"]) for time in after)


def _anchor(run: Verification, bundle: Bundle) -> None:
    checkpoint = _checkpoint_of(bundle)
    found = [(pin, e) for pin in run.policy.anchors for e in bundle.anchors
             if (pin.chain_id, pin.contract) == (e.chain_id, e.contract.lower())]  # fmt: skip
    if not found:
        return run.take(16, NONE if not run.policy.anchors else UNCHECKED, "not-anchored")
    for pin, evidence in found:
        known = sorted([(evidence.size, evidence.root), (checkpoint.size, checkpoint.root)], key=lambda pair: pair[0])
        (old, old_root), (new, new_root) = known
        verify_consistency(old=old, new=new, old_root=old_root, new_root=new_root, proof=evidence.consistency)
        if run.heads is None:
            return run.take(16, UNCHECKED, "no-rpc", chain=pin.chain_id, size=evidence.size)
        try:
            size, root = run.heads(pin)
        except OSError as error:
            return run.take(16, UNCHECKED, "rpc-failed", chain=pin.chain_id, detail=str(error))
        if size == evidence.size and root != evidence.root:
            raise AnchorMismatch("the contract holds another root for this size", where=f"chain {pin.chain_id}")
        if size != evidence.size:
            code = "anchor-moved-on" if size > evidence.size else "not-yet-anchored"
            return run.take(16, UNCHECKED, code, chain=pin.chain_id, size=size)
        if pin.is_dev:
            return run.take(16, UNCHECKED, "dev-chain", chain=pin.chain_id, size=size)
        run.anchored_size = max(run.anchored_size, evidence.size)
    needed = max(record.index for record in run.records)
    if run.anchored_size <= needed:
        return run.take(16, UNCHECKED, "anchored-in-part", size=run.anchored_size)
    return run.take(16, VERIFIED, "anchored", size=run.anchored_size)


_STEPS = (_checkpoint, _witnesses, _clock, _statements, _signatures, _entries, _inclusion, _genesis, _keys, _label, _origin,
          _item, _answer, _recall, _anchor)  # fmt: skip
