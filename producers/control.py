"""
Records of the control kinds: what makes keys, commitments, recalls and take-backs; each names the one log it is for.

Values only, turned into payload text by `records.record`.  Not here: whether the issuer may say it (verify/authority.py).

Source: protocol.md sections 1 and 2.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from producers.keys import Enrolment
from producers.kinds import Subject, Text
from verify import strict

STATEMENT_URN = "urn:originmark:statement:"
LOG_URN = "urn:originmark:log:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Genesis(Subject):
    """Entry 0: the log, its keys, its first registrar (who signs it)."""

    kind: ClassVar[str] = "Genesis"
    id: str
    log: str
    log_key: str
    """Verifier key, as note.VerifierKey prints it."""
    clock_key: str
    anchor_signers: Sequence[str]
    """0x and 40 hexadecimal digits each."""
    registrar: Mapping[str, object]
    """{"id": party URI, "jwk": public key}."""

    @classmethod
    def of(
        cls, origin: str, *, log_key: str, clock_key: str, anchor_signers: Sequence[str], registrar: Mapping[str, object]
    ) -> "Genesis":
        """The genesis of `origin`."""
        return cls(
            id=LOG_URN + origin, log=origin, log_key=log_key, clock_key=clock_key, anchor_signers=anchor_signers,
            registrar=registrar,
        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class PartyRegistration(Subject):
    """A registrar binds a key to a party, with roles and the numbers it may commission under."""

    kind: ClassVar[str] = "PartyRegistration"
    id: str
    log: str
    name: Text
    roles: Sequence[str]
    jwk: Mapping[str, str]
    mint: Sequence[str]
    possession: str

    @classmethod
    def of(cls, request: Enrolment) -> "PartyRegistration":
        """Grant what a party asked for; a registrar who grants less builds it by hand."""
        return cls(
            id=request.party, log=request.log, name=request.name, roles=request.roles, jwk=request.jwk,
            mint=request.mint, possession=request.possession,
        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRevocation(Subject):
    """The end of a key, for ever; from `compromised_from` (an index) its statements are disputed."""

    kind: ClassVar[str] = "KeyRevocation"
    id: str
    log: str
    kid: str
    reason: str
    compromised_from: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelCommitment(Subject):
    """A farm commits to exactly `count` item codes of a lot; a top-up names the `previous` commitment (hex digest)."""

    kind: ClassVar[str] = "LabelCommitment"
    id: str
    log: str
    root: str
    count: int
    previous: str | None = None

    @classmethod
    def of(cls, lot: str, *, origin: str, root: bytes, count: int, previous: str | None = None) -> "LabelCommitment":
        """Commit to the tree of `root` (32 bytes)."""
        return cls(id=lot, log=origin, root=strict.b64u_encode(root), count=count, previous=previous)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope(Subject):
    """What a recall reaches: URIs, and from when until when it was made (RFC 3339)."""

    lots: Sequence[str] = ()
    products: Sequence[str] = ()
    places: Sequence[str] = ()
    from_: str | None = None
    until: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecallNotice(Subject):
    """A recall by brand owner or authority, or with `closes` (hex digest) the end of one."""

    kind: ClassVar[str] = "RecallNotice"
    id: str
    """urn:uuid:..."""
    log: str
    scope: Scope
    class_: str
    """I, II or III."""
    reason: Text
    instructions: Text
    closes: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawal(Subject):
    """An issuer takes a statement back; both stay in the log."""

    kind: ClassVar[str] = "Withdrawal"
    id: str
    log: str
    digest: str
    keys: Sequence[str]
    """Subject keys of the target's entry, hex, in its order: who follows its subjects must meet this too."""
    reason: str

    @classmethod
    def of(cls, digest: bytes, *, origin: str, keys: Sequence[bytes], reason: str) -> "Withdrawal":
        """Take back the statement of `digest` (32 bytes)."""
        shown = [key.hex() for key in keys]
        return cls(id=STATEMENT_URN + digest.hex(), log=origin, digest=digest.hex(), keys=shown, reason=reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure(Subject):
    """The operator dropped a statement's content on a ground of law; its digest and keys stay."""

    kind: ClassVar[str] = "Erasure"
    id: str
    log: str
    digest: str
    index: int
    keys: Sequence[str]
    ground: str

    @classmethod
    def of(cls, digest: bytes, *, origin: str, index: int, keys: Sequence[bytes], ground: str) -> "Erasure":
        """Record that the statement of `digest` (32 bytes) at `index` was erased."""
        shown = [key.hex() for key in keys]
        return cls(id=STATEMENT_URN + digest.hex(), log=origin, digest=digest.hex(), index=index, keys=shown, ground=ground)
