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
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256

from . import gs1
from .answer import Answer, check_shown
from .authority import check_serials, grant_of, key_at, scope_uris
from .bundle import AnchorEvidence, Bundle, parse_bundle
from .checkpoint import Checkpoint
from .cosignature import verify_cosignature
from .edges import CLAIMED, CONFIRMED, UNKNOWN, Journey, Tracer
from .entry import Entry
from .epcis import Event
from .errors import AnchorMismatch, NotCommitted, NotGranted, NotTrusted, Omitted, VerificationError, WrongEntry, WrongLabel
from .history import Record, RecordHistory, standing, uris_of
from .merkle import leaf_hash, verify_consistency, verify_inclusion, verify_multi
from .note import Note, lines_of, open_note, parse_note
from .policy import AnchorPin, Policy
from .run import FAILED, NONE, STATED, STEPS, UNCHECKED, VERIFIED, Heads, Step, Verification
from .statement import parse_time, verify_signature
from .strict import b64u_decode

__all__ = ["STEPS", "Heads", "Step", "Verification", "closure", "verify_bundle"]
CLOCK_SKEW_S = 300  # a clock that is this far ahead of the reader's is wrong, not fast
FOREVER = 2**53  # above every index


def verify_bundle(
    data: bytes | str, *, policy: Policy, label: str | None = None, now_s: int | None = None, heads: Heads | None = None,
    on_step: Callable[[Step], None] = lambda step: None,
) -> Verification:  # fmt: skip
    """
    Run the protocol.  `label` is what the reader scanned (any host); without one the bundle's own is taken, and step 11
    then says less.  `now_s` is the reader's clock, seconds since 1970.

    Returns the run where no step failed (grey steps stay visible in it).  Raises VerificationError with `step`, and the run
    so far as its `run`.
    """
    run = Verification(policy, label, int(time.time()) if now_s is None else now_s, heads, on_step)
    number = 1
    try:
        bundle = parse_bundle(data)
        run.take(1, VERIFIED, "bundle-ok", statements=len(bundle.statements))
        for number, step in enumerate(_STEPS, 2):  # noqa: B007 - the except clause says where it stopped
            step(run, bundle)
    except VerificationError as error:
        run.fail(number, error)
        raise
    return run


@contextmanager
def _at(index: int) -> Iterator[None]:
    """Where a check about one entry refuses, name the entry."""
    try:
        yield
    except VerificationError as error:
        error.where = f"index {index}{error.where or ''}"
        raise


def _checkpoint_of(bundle: Bundle) -> Checkpoint:
    return Checkpoint.parse(parse_note(bundle.checkpoint).text)


def _check_signed(note: Note, origin: str, policy: Policy, others: Sequence[tuple[str, bytes]] = ()) -> None:
    """Signed by the log that is named `origin`, and no line by a key that no check here binds."""
    if origin not in [key.name for key in open_note(note, policy.logs)]:
        raise NotTrusted("signed for another origin than the key's", code="wrong-origin")
    known = {*((key.name, key.key_id) for key in policy.logs), *others}
    if any((line.name, line.key_id) not in known for line in note.lines):
        raise NotTrusted("a signature line that the policy does not know", code="unknown-line")


def _checkpoint(run: Verification, bundle: Bundle) -> None:
    note, checkpoint, policy = parse_note(bundle.checkpoint), _checkpoint_of(bundle), run.policy
    cosigners = (*policy.clocks, *policy.witnesses.values())
    _check_signed(note, checkpoint.origin, policy, [(key.name, key.key_id) for key in cosigners])
    run.take(2, VERIFIED, "checkpoint-ok", origin=checkpoint.origin, size=checkpoint.size)


def _witnesses(run: Verification, bundle: Bundle) -> None:
    note = parse_note(bundle.checkpoint)
    signed = set()
    for name, key in run.policy.witnesses.items():
        for line in lines_of(note, key):
            verify_cosignature(note.text, line, key)
            signed.add(name)
    if run.policy.met_by(signed):
        run.take(3, VERIFIED, "witnessed", witnesses=", ".join(sorted(signed)))
    else:
        run.take(3, UNCHECKED, "no-quorum" if signed else "operator-only", witnesses=", ".join(sorted(signed)))


def _clock(run: Verification, bundle: Bundle) -> None:
    note = parse_note(bundle.checkpoint)
    times = [verify_cosignature(note.text, line, key) for key in run.policy.clocks for line in lines_of(note, key)]
    if not times:
        return run.take(4, UNCHECKED, "no-clock")
    run.time_s = max(times)
    age = run.now_s - run.time_s
    if age > run.policy.max_age_s or age < -CLOCK_SKEW_S:
        return run.take(4, UNCHECKED, "too-old" if age > 0 else "from-the-future", time=run.time_s)
    return run.take(4, VERIFIED, "fresh", time=run.time_s)


def _statements(run: Verification, bundle: Bundle) -> None:
    for one in bundle.statements:
        with _at(one.index):
            run.records.append(Record.of(one.index, one.time_ms, one.statement))
    run.take(5, VERIFIED, "statements-ok", count=len(run.records))


def _signatures(run: Verification, bundle: Bundle) -> None:
    grants = [grant_of(r.statement, r.index) for r in run.records if r.statement.kind in ("Genesis", "PartyRegistration")]
    jwks = {grant.thumbprint: grant.jwk for grant in grants}
    for record in run.records:
        with _at(record.index):
            jwk = jwks.get(record.statement.kid)
            if jwk is None:
                raise NotGranted("no registration of this key is carried", code="unknown-key")
            verify_signature(record.statement, jwk)
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
    if body.get("logKey") not in [key.format() for key in run.policy.logs if key.name == origin]:
        raise NotTrusted("the genesis names another log key", code="wrong-genesis")
    log_id = "0x" + bundle.statements[0].leaf.hex()
    if any(pin.log_id != log_id for pin in run.policy.anchors):
        raise NotTrusted("the policy's anchor is about another log", code="wrong-genesis")
    run.take(9, VERIFIED, "genesis-ok", origin=origin)


def _keys(run: Verification, bundle: Bundle) -> None:
    run.history = RecordHistory(_checkpoint_of(bundle).origin, run.policy.registrars)
    run.history.add_all(run.records)
    for record in run.records[1:]:
        with _at(record.index):
            reason = run.history.refused.get(record.index)
            if reason is not None and record.statement.kind in ("Genesis", "PartyRegistration", "KeyRevocation"):
                raise NotGranted(reason.message, code=reason.code)
            key_at(run.history, record.statement.issuer, record.statement.kid, record.index)
    run.counted = standing(run.records, run.history)
    run.take(10, VERIFIED, "keys-ok")


def _label(run: Verification, bundle: Bundle) -> None:
    label = bundle.label if run.label is None else run.label
    try:
        run.serial = gs1.parse_label(label).serial
        named = gs1.subjects_of_uri(label)
        if named != gs1.subjects_of_uri(bundle.label):
            raise WrongLabel("the bundle answers another label than the one scanned")
    except VerificationError as error:
        raise WrongLabel(error.message, code=error.code, where="label") from None
    run.uri, run.lot = named[0], next((uri for uri in named if gs1.level(uri) == "lot"), named[0])
    if not any(run.lot in uris_of(record.event) for record in run.records if record.event is not None):
        raise WrongLabel("no event carried is about what the label names", code="label-not-told", where=run.lot)
    run.take(11, VERIFIED, "label-of-bundle" if run.label is None else "label-ok", uri=run.lot)


def _origin(run: Verification, bundle: Bundle) -> None:
    run.journey = journey = Tracer(run.counted, run.history).journey(run.lot)
    usurper = next((o.party for o in journey.origins if o.uri == run.lot and o.state == CLAIMED), None)
    if usurper is not None:
        raise NotGranted(f"{usurper} may not commission under this number: a third party's claim", code="third-party-claim")
    origins = [{"uri": o.uri, "party": o.party, "index": o.index, "state": o.state} for o in journey.origins]
    claims = [{"receiver": e.receiver, "uri": e.uri, "index": e.index} for e in journey.edges if e.state != CONFIRMED]
    if not origins:
        run.take(12, UNCHECKED, "no-origin", claims=claims)
    elif journey.state == CONFIRMED:
        run.take(12, VERIFIED, "origin-ok", origins=origins)
    else:
        code = "receiver-withheld" if journey.state == UNKNOWN else "claimed-only"
        run.take(12, UNCHECKED, code, origins=origins, claims=claims)


def _item(run: Verification, bundle: Bundle) -> None:
    for record in run.records:
        if record.event is not None and not record.event.is_selling:
            with _at(record.index):
                check_serials(record.uris, record.index, run.history)
    if run.serial is None:
        return run.take(13, NONE, "no-serial")
    if bundle.item is None:
        return run.take(13, UNCHECKED, "no-item-proof")
    known, item = [logged.index for logged in run.history.commitments(run.lot, FOREVER)], bundle.item
    commitments = {r.index: r.statement.subject for r in run.records if r.index in known}
    if item.commitment not in commitments:
        raise NotCommitted("no commitment of the lot's own farm is carried", code="no-commitment")
    if item.commitment not in [record.index for record in run.counted]:
        return run.take(13, UNCHECKED, "disputed")
    body = commitments[item.commitment]
    try:
        leaf = leaf_hash(sha256(run.lot.encode()).digest() + item.code.to_bytes(4, "big") + run.serial.encode())
        root = b64u_decode(body["root"], length=32)
        verify_inclusion(leaf, index=item.code, size=body["count"], proof=item.path, root=root)
    except (VerificationError, OverflowError):
        raise NotCommitted("this serial is not one of the codes that the farm committed to") from None
    return run.take(13, STATED, "one-of", count=sum(body["count"] for body in commitments.values()))


def closure(journey: Journey, records: Sequence[Record]) -> tuple[list[bytes], list[bytes]]:
    """The subject keys that an answer must cover: every subject and place of the way back, and every issuer's keys."""
    issuers = {r.statement.issuer for r in records if r.statement.kind not in ("Genesis", "PartyRegistration")}
    return sorted(_key(uri) for uri in journey.visited), sorted(map(_key, issuers))


def _key(uri: str) -> bytes:
    return sha256(uri.encode()).digest()


def _answer(run: Verification, bundle: Bundle) -> None:
    note, checkpoint = parse_note(bundle.answer), _checkpoint_of(bundle)
    _check_signed(note, checkpoint.origin, run.policy)
    answer = Answer.parse(note.text)
    if (answer.origin, answer.size, answer.root) != (checkpoint.origin, checkpoint.size, checkpoint.root):
        raise Omitted("the answer is about another checkpoint", code="other-checkpoint")
    asked, parties = closure(run.journey, run.records)
    registrars = {_key(registrar.uri) for registrar in run.policy.registrars}
    shown = {record.index: record.keys for record in run.records}
    check_shown(answer, shown, asked, set(parties) - registrars)
    run.take(14, STATED, "answer-ok", size=answer.size, keys=len(answer.keys))


def _recall(run: Verification, bundle: Bundle) -> None:
    # A disputed notice still warns; a disputed closing closes nothing.
    notices = [r for r in run.records if r.statement.kind == "RecallNotice" and r.index not in run.history.refused]
    closed = {r.statement.subject.get("closes") for r in run.counted if r.statement.kind == "RecallNotice"}
    opened = [r for r in notices if "closes" not in r.statement.subject and r.statement.digest.hex() not in closed]
    run.recalls = [record for record in opened if _reaches(run, record)]
    size, code = _checkpoint_of(bundle).size, "none-reported" if run.state(4) == VERIFIED else "answer-too-old"
    if run.recalls:
        run.take(15, FAILED, "recalled", indexes=", ".join(str(record.index) for record in run.recalls))
    else:
        run.take(15, STATED if code == "none-reported" else UNCHECKED, code, size=size, time=run.time_s)


def _reaches(run: Verification, recall: Record) -> bool:
    """Whether it names something on the way back that was made, or was at a named place, within the recall's time."""
    named = {run.uri, run.lot, *run.journey.visited}.intersection(scope_uris(recall.statement))
    scope = recall.statement.subject["scope"]
    since, until = (parse_time(scope[name]) if name in scope else None for name in ("from", "until"))
    way = [r.event for r in run.records if r.event is not None and r.index in run.journey.records]
    times = [event.time for event in way if not named.isdisjoint(_made_or_at(event))]
    inside = [at for at in times if (since is None or at >= since) and (until is None or at <= until)]
    return bool(named) and (not times or bool(inside))


def _made_or_at(event: Event) -> set[str | None]:
    made = {uri for one in event.commissioned for uri in (one.uri, one.lot, gs1.product_of(one.uri))}
    return made | {event.read_point, event.biz_location}


def _anchor(run: Verification, bundle: Bundle) -> None:
    pairs = [(pin, e) for pin in run.policy.anchors for e in bundle.anchors
             if (pin.chain_id, pin.contract) == (e.chain_id, e.contract.lower())]  # fmt: skip
    if not pairs:
        return run.take(16, UNCHECKED if run.policy.anchors else NONE, "not-anchored")
    found = [_one_anchor(run, _checkpoint_of(bundle), pin, evidence) for pin, evidence in pairs]
    # Anchors stand by themselves: one chain that is down does not hide another.
    state, code, facts = next((one for one in found if one[0] == VERIFIED), found[0])
    run.take(16, state, code, **facts)


def _one_anchor(run: Verification, now: Checkpoint, pin: AnchorPin, told: AnchorEvidence) -> tuple[str, str, dict[str, object]]:
    known = sorted([(told.size, told.root), (now.size, now.root)], key=lambda pair: pair[0])
    (old, old_root), (new, new_root) = known
    verify_consistency(old=old, new=new, old_root=old_root, new_root=new_root, proof=told.consistency)
    facts: dict[str, object] = {"chain": pin.chain_id, "size": told.size}
    if run.heads is None:
        return UNCHECKED, "no-rpc", facts
    try:
        size, root = run.heads(pin)
    except OSError as error:
        return UNCHECKED, "rpc-failed", facts | {"detail": str(error)}
    if size == told.size and root != told.root:
        raise AnchorMismatch("the contract holds another root for this size", where=f"chain {pin.chain_id}")
    if size != told.size:
        return UNCHECKED, "anchor-moved-on" if size > told.size else "not-yet-anchored", facts | {"size": size}
    if pin.is_dev:
        return UNCHECKED, "dev-chain", facts
    whole = told.size > run.records[-1].index
    return (VERIFIED, "anchored", facts) if whole else (UNCHECKED, "anchored-in-part", facts)


_STEPS = (_checkpoint, _witnesses, _clock, _statements, _signatures, _entries, _inclusion, _genesis, _keys, _label, _origin,
          _item, _answer, _recall, _anchor)  # fmt: skip
