"""The numbered protocol, from label to verdict: PROTOCOL.md has it in prose, the JavaScript twin uses the same numbers.
A step is verified, failed, could not be checked (`unchecked`), rests on somebody's word (`stated`) or does not apply
(`none`).  The first failure raises with its number: nothing after it is worth reading."""
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from . import authority, edges, gs1, merkle, statement, strict
from .answer import Answer, check_shown
from .bundle import AnchorEvidence, parse_bundle
from .checkpoint import Checkpoint
from .cosignature import times_of
from .entry import Entry
from .errors import AnchorMismatch, NotCommitted, NotGranted, NotTrusted, Omitted, VerificationError, WrongEntry, WrongLabel, at
from .note import Note, VerifierKey, lines_of, open_note, parse_note
from .policy import DEV_CHAIN_IDS, AnchorPin, Policy
from .subjects import Record, key_of

STEPS = ("bundle", "checkpoint", "witnesses", "clock", "statements", "signatures", "entries", "inclusion", "genesis",
         "keys", "label", "origin", "item", "answer", "recall", "anchor")
VERIFIED, FAILED, UNCHECKED, STATED, NONE = "verified", "failed", "unchecked", "stated", "none"
CLOCK_SKEW_S = 300  # a clock that is this far ahead of the reader's is wrong, not fast
Heads = Callable[[AnchorPin], tuple[int, bytes]]
"""Reads (size, root) of a signer's head from the reader's own RPC; raises OSError where it cannot."""
Found = tuple[str, str, Mapping[str, object]]
"""State, code and facts of a step."""

@dataclass(frozen=True, slots=True)
class Step:
    """What one numbered step established; the code names the words in messages/, the facts fill them."""
    number: int
    name: str
    state: str
    code: str
    facts: Mapping[str, object]

@dataclass
class Verification:
    """One run: each step is the method of its name, and leaves here what it found.  `steps` grows as they are taken."""
    data: bytes | str
    policy: Policy
    label: str | None
    now_s: int
    heads: Heads | None
    on_step: Callable[[Step], None]
    steps: list[Step] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)

    def take(self, number: int, state: str, code: str, facts: Mapping[str, object]) -> None:
        self.steps.append(Step(number, STEPS[number - 1], state, code, facts))
        self.on_step(self.steps[-1])

    def fail(self, number: int, error: VerificationError) -> None:
        """Note that a step failed, and where; the error carries the run from here on."""
        error.step, error.run = error.step or number, self
        self.take(error.step, FAILED, error.code, {"detail": error.message, "where": error.where or ""})

    def state(self, number: int) -> str:
        return next((step.state for step in self.steps if step.number == number), UNCHECKED)

    @property
    def answers(self) -> dict[str, str]:
        """The three answers: is the record genuine, does this item look like the original, is it recalled."""
        seen = VERIFIED in (self.state(3), self.state(16))
        whole = all(self.state(number) == VERIFIED for number in (1, 2, 5, 6, 7, 8, 9, 10, 11, 12))
        failed = any(step.state == FAILED and step.code != "recalled" for step in self.steps)
        record = FAILED if failed else VERIFIED if seen and whole else UNCHECKED
        return {"record": record, "item": self.state(13), "recall": self.state(15)}

    @property
    def exit_code(self) -> int:
        """0 nothing stands against it; 1 a step failed or an open recall reaches it; 3 could not be checked."""
        answers = self.answers
        return 1 if FAILED in answers.values() else 3 if UNCHECKED in (answers["record"], answers["recall"]) else 0

    def _bundle(self) -> Found:
        self.bundle = parse_bundle(self.data)
        return VERIFIED, "bundle-ok", {"statements": len(self.bundle.statements)}

    def _check_signed(self, note: Note, *others: VerifierKey) -> None:
        # Signed by the log that the checkpoint names, and no line by a key that no check here binds.
        open_note(note, self.policy.logs, self.checkpoint.origin)
        known = [line for key in (*self.policy.logs, *others) for line in lines_of(note, key)]
        NotTrusted.unless(all(line in known for line in note.lines), "a line that the policy does not know", "unknown-line")

    def _checkpoint(self) -> Found:
        self.note = parse_note(self.bundle.checkpoint)
        self.checkpoint = Checkpoint.parse(self.note.text)
        self._check_signed(self.note, *self.policy.clocks, *self.policy.witnesses.values())
        return VERIFIED, "checkpoint-ok", {"origin": self.checkpoint.origin, "size": self.checkpoint.size}

    def _witnesses(self) -> Found:
        signed = sorted(name for name, key in self.policy.witnesses.items() if times_of(self.note, key))
        found = (VERIFIED, "witnessed") if self.policy.met_by(signed) else (UNCHECKED, "no-quorum" if signed else "operator-only")
        return *found, {"witnesses": ", ".join(signed)}

    def _clock(self) -> Found:
        self.time_s = max((time_s for key in self.policy.clocks for time_s in times_of(self.note, key)), default=None)
        if self.time_s is None:
            return UNCHECKED, "no-clock", {}
        age = self.now_s - self.time_s
        if -CLOCK_SKEW_S <= age <= self.policy.max_age_s:
            return VERIFIED, "fresh", {"time": self.time_s}
        return UNCHECKED, "too-old" if age > 0 else "from-the-future", {"time": self.time_s}

    def _statements(self) -> Found:
        for one in self.bundle.statements:
            with at(f"index {one.index}"):
                self.records.append(Record.of(one.index, one.time_ms, one.statement))
        return VERIFIED, "statements-ok", {"count": len(self.records)}

    def _signatures(self) -> Found:
        grants = [authority.grant_of(one.statement, one.index) for one in self.records if one.kind in authority.GRANTING]
        jwks = {grant.thumbprint: grant.jwk for grant in grants}
        for record in self.records:
            kid = record.statement.kid
            with at(f"index {record.index}"):
                NotGranted.unless(kid in jwks, "no registration of this key is carried", "unknown-key")
                statement.verify_signature(record.statement, jwks[kid])
        return VERIFIED, "signatures-ok", {"count": len(self.records)}

    def _entries(self) -> Found:
        for one, carried in zip(self.records, self.bundle.statements, strict=True):
            is_held = merkle.leaf_hash(Entry(one.time_ms, one.digest, one.keys).encode()) == carried.leaf
            WrongEntry.unless(is_held, "the log holds another time, digest or subject keys", None, f"index {one.index}")
        return VERIFIED, "entries-ok", {}

    def _inclusion(self) -> Found:
        leaves, size = {one.index: one.leaf for one in self.bundle.statements}, self.checkpoint.size
        merkle.verify_multi(leaves, size=size, proof=self.bundle.proof, root=self.checkpoint.root)
        WrongEntry.unless(all(a.time_ms <= b.time_ms for a, b in pairwise(self.records)), "time runs back", "time-runs-back")
        return VERIFIED, "inclusion-ok", {"size": size}

    def _genesis(self) -> Found:
        first, origin, policy = self.records[0], self.checkpoint.origin, self.policy
        body = first.statement.subject
        is_first = first.index == 0 and first.kind == "Genesis" and body.get("log") == origin
        NotTrusted.unless(is_first, "entry 0 is not the genesis of this log", "no-genesis")
        keys = [key.format() for key in policy.logs if key.name == origin]
        NotTrusted.unless(body.get("logKey") in keys, "the genesis names another log key", "wrong-genesis")
        is_log = all(pin.log_id == "0x" + self.bundle.statements[0].leaf.hex() for pin in policy.anchors)
        NotTrusted.unless(is_log, "the policy's anchor is about another log", "wrong-genesis")
        return VERIFIED, "genesis-ok", {"origin": origin}

    def _keys(self) -> Found:
        self.history = authority.History(self.checkpoint.origin, self.policy.registrars, self.records)
        for one in self.records[1:]:
            reason = self.history.refused.get(one.index)
            with at(f"index {one.index}"):
                if reason and one.kind in (*authority.GRANTING, "KeyRevocation"):
                    raise NotGranted(reason.message, reason.code)
                authority.key_at(self.history, one.issuer, one.statement.kid, one.index)
        self.counted = edges.standing(self.records, self.history)
        return VERIFIED, "keys-ok", {"erased": sum(one.kind == "Erasure" for one in self.records)}

    def _label(self) -> Found:
        label = self.bundle.label if self.label is None else self.label
        try:
            self.serial, named = gs1.parse_label(label).parts.get("21"), gs1.subjects_of_uri(label)
            WrongLabel.unless(named == gs1.subjects_of_uri(self.bundle.label), "the bundle is about another label than yours")
        except VerificationError as error:
            raise WrongLabel(error.message, error.code, "label") from None
        self.uri, self.lot = named[0], next((uri for uri in named if gs1.level(uri) == "lot"), named[0])
        is_told = any(one.event and self.lot in one.event.uris for one in self.records)
        WrongLabel.unless(is_told, "no event carried is about what the label names", "label-not-told", self.lot)
        return VERIFIED, "label-of-bundle" if self.label is None else "label-ok", {"uri": self.lot}

    def _origin(self) -> Found:
        journey = self.journey = edges.journey_of(self.lot, self.counted, self.history)
        usurpers = ", ".join(one.party for one in journey.origins if one.uri == self.lot and one.state == edges.CLAIMED)
        NotGranted.unless(not usurpers, f"{usurpers} may not commission it: a third party's claim", "third-party-claim")
        origins = [{"uri": one.uri, "party": one.party, "index": one.index, "state": one.state} for one in journey.origins]
        claims = [{"receiver": e.party, "uri": e.uri, "index": e.index} for e in journey.edges if e.state != edges.CONFIRMED]
        if not origins:
            return UNCHECKED, "no-origin", {"claims": claims}
        if journey.state == edges.CONFIRMED:
            return VERIFIED, "origin-ok", {"origins": origins}
        code = "receiver-withheld" if journey.state == edges.UNKNOWN else "claimed-only"
        return UNCHECKED, code, {"origins": origins, "claims": claims}

    def _item(self) -> Found:
        for one in [one for one in self.records if one.event and not one.event.is_selling]:
            with at(f"index {one.index}"):
                authority.check_serials(one.uris, one.index, self.history)
        item, known = self.bundle.item, [one.index for one in self.history.commitments(self.lot, authority.FOREVER)]
        if self.serial is None or item is None:
            return (NONE, "no-serial", {}) if self.serial is None else (UNCHECKED, "no-item-proof", {})
        bodies = {one.index: one.statement.subject for one in self.records if one.index in known}
        NotCommitted.unless(item.commitment in bodies, "no commitment of the lot's own farm is carried", "no-commitment")
        if item.commitment not in [one.index for one in self.counted]:
            return UNCHECKED, "disputed", {}
        body = bodies[item.commitment]
        try:
            leaf = merkle.leaf_hash(key_of(self.lot) + item.code.to_bytes(4, "big") + self.serial.encode())
            root = strict.b64u_decode(body["root"], length=32)
            merkle.verify_inclusion(leaf, index=item.code, size=body["count"], proof=item.path, root=root)
        except (VerificationError, OverflowError):
            raise NotCommitted("this serial is not one of the codes that the farm committed to") from None
        return STATED, "one-of", {"count": sum(body["count"] for body in bodies.values())}

    def _answer(self) -> Found:
        note, now = parse_note(self.bundle.answer), self.checkpoint
        self._check_signed(note)
        answer = Answer.parse(note.text)
        is_ours = (answer.origin, answer.size, answer.root) == (now.origin, now.size, now.root)
        Omitted.unless(is_ours, "the answer is about another checkpoint", "other-checkpoint")
        asked, parties = closure(self.journey, self.records)
        registrars = {key_of(registrar.uri) for registrar in self.policy.registrars}
        check_shown(answer, {one.index: one.keys for one in self.records}, asked, set(parties) - registrars)
        return STATED, "answer-ok", {"size": answer.size, "keys": len(answer.keys)}

    def _recall(self) -> Found:
        # A disputed notice still warns; a disputed closing closes nothing.
        notices = [one for one in self.records if one.kind == "RecallNotice" and one.index not in self.history.refused]
        closed = {one.statement.subject.get("closes") for one in self.counted if one.kind == "RecallNotice"}
        opened = [one for one in notices if "closes" not in one.statement.subject and one.digest.hex() not in closed]
        self.recalls = [one for one in opened if reaches(one, (self.uri, self.lot), self.records, self.journey)]
        if self.recalls:
            return FAILED, "recalled", {"indexes": ", ".join(str(one.index) for one in self.recalls)}
        state, code = (STATED, "none-reported") if self.state(4) == VERIFIED else (UNCHECKED, "answer-too-old")
        return state, code, {"size": self.checkpoint.size, "time": self.time_s}

    def _anchor(self) -> Found:
        pairs = [(pin, told) for pin in self.policy.anchors for told in self.bundle.anchors
                 if (pin.chain_id, pin.contract) == (told.chain_id, told.contract.lower())]
        found = [self._one_anchor(pin, told) for pin, told in pairs]
        none: Found = (UNCHECKED if self.policy.anchors else NONE, "not-anchored", {})
        # Anchors stand by themselves: one chain that is down does not hide another.
        return next((one for one in found if one[0] == VERIFIED), (*found, none)[0])

    def _one_anchor(self, pin: AnchorPin, told: AnchorEvidence) -> Found:
        now, facts = self.checkpoint, {"chain": pin.chain_id, "size": told.size}
        (old, old_root), (new, new_root) = sorted([(told.size, told.root), (now.size, now.root)], key=lambda end: end[0])
        merkle.verify_consistency(old=old, new=new, old_root=old_root, new_root=new_root, proof=told.consistency)
        if self.heads is None:
            return UNCHECKED, "no-rpc", facts
        try:
            size, root = self.heads(pin)
        except OSError as error:
            return UNCHECKED, "rpc-failed", {**facts, "detail": str(error)}
        AnchorMismatch.unless(size != told.size or root == told.root, "another root at this size", None, f"chain {pin.chain_id}")
        if size != told.size:
            return UNCHECKED, "anchor-moved-on" if size > told.size else "not-yet-anchored", facts | {"size": size}
        if pin.chain_id in DEV_CHAIN_IDS:
            return UNCHECKED, "dev-chain", facts
        whole = told.size > self.records[-1].index
        return (VERIFIED, "anchored", facts) if whole else (UNCHECKED, "anchored-in-part", facts)

def closure(journey: edges.Journey, records: Sequence[Record]) -> tuple[list[bytes], list[bytes]]:
    """The subject keys that an answer must cover: every subject and place of the way back, and every issuer's keys."""
    issuers = {one.issuer for one in records if one.kind not in authority.GRANTING}
    return sorted(map(key_of, journey.visited)), sorted(map(key_of, issuers))

def reaches(recall: Record, label: Sequence[str], records: Sequence[Record], journey: edges.Journey) -> bool:
    """Whether it names the label, or what was made or was at a named place on the way back, within the recall's time."""
    told, since, until = authority.scope_of(recall.statement)
    named = {*label, *journey.visited}.intersection(told)
    times = []
    for event in [one.event for one in records if one.event and one.index in journey.records]:
        made = {uri for one in event.commissioned for uri in (*one.uris, gs1.product_of(one.uri))}
        times += [event.time] * (not named.isdisjoint(made.union(event.places)))
    inside = [at for at in times if (since is None or at >= since) and (until is None or at <= until)]
    return bool(named) and (not times or bool(inside))

def verify_bundle(data: bytes | str, *, policy: Policy, label: str | None = None, now_s: int | None = None,
                  heads: Heads | None = None, on_step: Callable[[Step], None] = lambda step: None) -> Verification:
    """Take the steps in order and return the run, where no step failed.  Raises VerificationError with `step` and `run`.
    `label` is what the reader scanned, the bundle's own where None; `now_s` is the reader's clock, seconds since 1970."""
    run = Verification(data, policy, label, int(time.time()) if now_s is None else now_s, heads, on_step)
    for number, name in enumerate(STEPS, 1):
        try:
            run.take(number, *getattr(run, f"_{name}")())
        except VerificationError as error:
            run.fail(number, error)
            raise
    return run
