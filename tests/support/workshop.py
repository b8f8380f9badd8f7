"""
A whole log in memory, with its parties, keys and witnesses, for the tests: honest unless a test lies on purpose.

Built from the public functions of `verify` alone, with fixed keys and times, so that every byte comes out the same again.
"""

import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from producers import sign
from verify import answer, authority, bundle, gs1, merkle, note, statement, subjects
from verify.authority import History
from verify.checkpoint import Checkpoint
from verify.edges import journey_of, standing
from verify.entry import Entry
from verify.policy import Policy
from verify.strict import b64_encode
from verify.subjects import Record
from verify.verifier import closure

ORIGIN = "log.example/gallery"
START_S = 1_795_000_000  # 2026-11-18
HARVEST = "https://id.gs1.org/01/09520001000010/10/H-1"
PACKED = "https://id.gs1.org/01/09520001000027/10/P-1"
REGISTRAR = "https://registrar.example/one"
FARM, WAREHOUSE, LEADER = "https://farm.example/li", "https://hub.example/central", "https://leader.example/wang"
STRANGER, AUTHORITY = "https://stranger.example/x", "https://authority.example/food"
CHAIN_ID = 952  # no development chain's
CONTRACT, SIGNER = "0x" + "c0" * 20, "0x" + "51" * 20
FIELD = "https://farm.example/li/field-7"


def seed(name: str) -> bytes:
    """32 bytes that are the same in every run."""
    return sha256(b"originmark test key: " + name.encode()).digest()


def ed25519(name: str) -> Ed25519PrivateKey:
    """A fixed Ed25519 key."""
    return Ed25519PrivateKey.from_private_bytes(seed(name))


def p256(name: str) -> ec.EllipticCurvePrivateKey:
    """A fixed P-256 key."""
    return ec.derive_private_key(int.from_bytes(seed(name), "big") % statement.P256_ORDER, ec.SECP256R1())


def compact(value: object) -> str:
    """JSON text as the producers write it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=float)


def payload(
    kind: str, issuer: str, subject: Mapping[str, Any], valid_from: str = "2026-11-18T08:00:00+08:00", **more: Any
) -> str:
    """The payload text of a statement."""
    body = {
        "@context": [statement.CONTEXT],
        "type": ["VerifiableCredential", kind],
        "issuer": issuer,
        "validFrom": valid_from,
        "credentialSubject": subject,
    }
    return compact(body | more)


def event(kind: str, step: str, number: int, action: str | None = "OBSERVE", **members: Any) -> dict[str, Any]:
    """An EPCIS event with what every event needs; `number` makes its eventID."""
    head: dict[str, Any] = {
        "type": kind,
        "eventID": f"urn:uuid:00000000-0000-4000-8000-{number:012}",
        "eventTime": "2026-11-18T08:00:00+08:00",
        "eventTimeZoneOffset": "+08:00",
        "bizStep": step,
    }
    return head | ({"action": action} if action else {}) | members


def quantity(uri: str, amount: float, uom: str | None = "KGM") -> dict[str, Any]:
    """A quantityElement."""
    return {"epcClass": uri, "quantity": amount} | ({"uom": uom} if uom else {})


def to(party: str) -> list[dict[str, str]]:
    """A destinationList that names who takes possession."""
    return [{"type": "possessing_party", "destination": party}]


@dataclass
class Workshop:
    """The log; `add` signs and sequences, `pack` answers a label as an honest operator would."""

    origin: str = ORIGIN
    entries: list[bytes] = field(default_factory=list)
    carried: list[bundle.Carried] = field(default_factory=list)
    keys: dict[str, sign.PrivateKey] = field(default_factory=dict)
    clock_ms: int = 0
    """How far the sequencer's clock is off."""

    def __post_init__(self) -> None:
        self.log = sign.Signer(self.origin, note.LOG, ed25519("log" + self.origin))
        self.clock = sign.Signer(self.origin + "/clock", note.COSIGNER, ed25519("clock"))
        self.witness = sign.Signer("witness.example/w1", note.COSIGNER, ed25519("witness"))
        self.keys[REGISTRAR] = p256("registrar")
        self.genesis()

    def genesis(self) -> None:
        """Entry 0."""
        registrar = {"id": REGISTRAR, "jwk": sign.jwk_of(self.keys[REGISTRAR].public_key())}
        subject = {
            "id": f"urn:originmark:log:{self.origin}",
            "log": self.origin,
            "logKey": self.log.vkey.format(),
            "clockKey": self.clock.vkey.format(),
            "anchorSigners": ["0x" + "11" * 20],
            "registrar": registrar,
        }
        self.add("Genesis", REGISTRAR, subject)

    def signed(
        self,
        kind: str,
        issuer: str,
        subject: Mapping[str, Any],
        *,
        key: sign.PrivateKey | None = None,
        disclosures: Sequence[str] = (),
        **more: Any,
    ) -> statement.Statement:
        """A statement as `issuer`, with whatever key; not in the log yet."""
        text = payload(kind, issuer, subject, **more)
        return statement.parse_statement(sign.sign(text, key or self.keys[issuer], disclosures))

    def add(self, kind: str, issuer: str, subject: Mapping[str, Any], **more: Any) -> int:
        """Sign and sequence, without any judgement: a lying operator sequences anything."""
        return self.sequence(self.signed(kind, issuer, subject, **more))

    def sequence(self, told: statement.Statement, keys: Sequence[bytes] | None = None) -> int:
        """Give a statement the next index; `keys` for an operator that files it under other subjects."""
        index = len(self.entries)
        time_ms = START_S * 1000 + index + self.clock_ms
        entry = Entry(time_ms, told.digest, tuple(keys or subjects.keys(told))).encode()
        self.entries.append(entry)
        self.carried.append(bundle.Carried(index, time_ms, told, merkle.leaf_hash(entry)))
        return index

    def grant(
        self,
        party: str,
        *roles: str,
        mint: Sequence[str] = (),
        key: sign.PrivateKey | None = None,
        registrar: str = REGISTRAR,
        name: Mapping[str, str] | None = None,
    ) -> int:
        """Register a party's key."""
        new = key or (p256 if party in (FARM, LEADER) else ed25519)(party)
        self.keys[party] = new
        jwk = sign.jwk_of(new.public_key())
        message = authority.possession_message(self.origin, party, statement.thumbprint(jwk))
        subject = {
            "id": party,
            "log": self.origin,
            "name": name or {"en": party.split("/")[2], "zh": "某某"},
            "roles": list(roles),
            "jwk": jwk,
            "mint": list(mint),
            "possession": statement.b64u_encode(sign.sign_bytes(message, new)),
        }
        return self.add("PartyRegistration", registrar, subject)

    def keys_of(self, index: int) -> tuple[bytes, ...]:
        """The subject keys of an entry."""
        return Entry.decode(self.entries[index]).keys

    def tell(self, party: str, kind: str, step: str, action: str | None = "OBSERVE", **members: Any) -> int:
        """Sign and sequence an event."""
        return self.add("TraceabilityEvent", party, event(kind, step, len(self.entries), action, **members))

    def checkpoint(self, *, size: int | None = None, witnessed: bool = True, time_s: int = START_S + 60) -> str:
        """The published checkpoint, cosigned by the clock and, unless told otherwise, by the witness."""
        size = len(self.entries) if size is None else size
        text = Checkpoint(self.origin, size, self.root(size)).format()
        lines = self.log.sign(text) + sign.cosign(text, self.clock, time_s)
        return text + "\n" + lines + (sign.cosign(text, self.witness, time_s + 1) if witnessed else "")

    def reader(self) -> merkle.Reader:
        """Subtree hashes over all entries."""
        return merkle.roots_reader([merkle.leaf_hash(entry) for entry in self.entries])

    def root(self, size: int) -> bytes:
        """The root over the first `size` entries."""
        return merkle.root(self.reader(), size)

    def b64_root(self, size: int) -> str:
        """The root as a contract's reader tells it."""
        return b64_encode(self.root(size))

    def policy(self, *extra: str, quorum: str = "w1", max_age: int = 86_400) -> str:
        """What a careful reader trusts."""
        thumb = statement.thumbprint(sign.jwk_of(self.keys[REGISTRAR].public_key()))
        lines = [
            f"log {self.log.vkey.format()}",
            f"clock {self.clock.vkey.format()}",
            f"witness w1 {self.witness.vkey.format()}",
            f"quorum {quorum}",
            f"registrar {REGISTRAR} {thumb} 0- *",
            f"max-age {max_age}",
            *extra,
        ]
        return "\n".join(lines) + "\n"

    def log_id(self) -> str:
        """What the contract calls this log."""
        return "0x" + merkle.leaf_hash(self.entries[0]).hex()

    def pack(
        self,
        label: str,
        *,
        leave_out: Sequence[int] = (),
        checkpoint: str | None = None,
        item: bundle.ItemProof | None = None,
        anchors: Sequence[bundle.AnchorEvidence] = (),
        hide: Sequence[int] = (),
        policy: str = "",
    ) -> str:
        """
        Answer a label with everything the log holds, less `leave_out`.

        `hide`: indexes that the answer note denies as well, as a lying operator would.
        """
        shown = [one for one in self.carried if one.index not in (*leave_out, *hide)]
        proof = merkle.prove_multi(self.reader(), [one.index for one in shown], len(self.entries))
        told = self.answer_to(label, [one for one in self.carried if one.index not in hide], hide, policy)
        made = bundle.Bundle(
            label,
            checkpoint or self.checkpoint(),
            sign.sign_note(told.format(), [self.log]),
            tuple(shown),
            tuple(proof),
            tuple(anchors),
            item,
        )
        return sign.format_bundle(made)

    def answer_to(self, label: str, shown: Sequence[bundle.Carried], hide: Sequence[int] = (), policy: str = "") -> answer.Answer:
        """The answer note's content over the way back from the label's lot; `hide` are denied."""
        records = [Record.of(one.index, one.time_ms, one.statement) for one in shown]
        history = History(self.origin, Policy.parse(policy or self.policy()).registrars, records)
        journey = journey_of(gs1.subjects_of_uri(label)[-1], standing(records, history), history)
        keys, parties = closure(journey, records)
        entries = [Entry.decode(entry) for entry in self.entries]
        # A denied entry is replaced by one that nobody asks for: the answer then looks whole.
        seen = [Entry(one.time_ms, one.digest, (b"\xff" * 32,)) if at in hide else one for at, one in enumerate(entries)]
        parties = [key for key in parties if key != sha256(REGISTRAR.encode()).digest()]
        return answer.answer_from(seen, self.origin, len(entries), self.root(len(entries)), START_S + 60, keys, parties)

    def evidence(self, size: int, chain_id: int = CHAIN_ID, contract: str = CONTRACT) -> bundle.AnchorEvidence:
        """What an honest operator says of an anchor at `size`."""
        proof = merkle.prove_consistency(self.reader(), size, len(self.entries))
        return bundle.AnchorEvidence(chain_id, contract, size, self.root(size), tuple(proof))

    def pin(self, chain_id: int = CHAIN_ID, contract: str = CONTRACT, signer: str = SIGNER) -> str:
        """The policy's line for this log's anchor."""
        return f"anchor {chain_id} {contract} {self.log_id()} {signer}"


@dataclass(frozen=True)
class Codes:
    """The item codes of a lot: what the farm keeps, and what it commits to."""

    lot: str
    count: int = 8
    secret: bytes = b"lot secret"

    def serial(self, index: int) -> str:
        """20 Crockford characters of HMAC-SHA-256 over the index."""
        number = int.from_bytes(hmac.digest(self.secret, index.to_bytes(4, "big"), "sha256"), "big") >> 156
        return "".join("0123456789ABCDEFGHJKMNPQRSTVWXYZ"[number >> shift & 31] for shift in range(95, -1, -5))

    def reader(self) -> merkle.Reader:
        """Over the leaves of all codes."""
        lot = sha256(self.lot.encode()).digest()
        codes = range(self.count)
        return merkle.roots_reader([merkle.leaf_hash(lot + i.to_bytes(4, "big") + self.serial(i).encode()) for i in codes])

    def commitment(self, origin: str = ORIGIN, **more: str) -> dict[str, Any]:
        """The LabelCommitment's subject."""
        root = statement.b64u_encode(merkle.root(self.reader(), self.count))
        return {"id": self.lot, "log": origin, "root": root, "count": self.count} | more

    def proof(self, commitment: int, index: int) -> bundle.ItemProof:
        """That code number `index` is under the commitment logged at `commitment`."""
        return bundle.ItemProof(commitment, index, tuple(merkle.prove_inclusion(self.reader(), index, self.count)))


def season(shop: Workshop | None = None) -> Workshop:
    """The honest chain: harvested, packed, shipped to the hub, received, shipped on, received by the group leader, sold."""
    shop = shop or Workshop()
    shop.grant(FARM, "producer", "brand-owner", mint=["https://id.gs1.org/01/0952000100"])
    shop.grant(WAREHOUSE, "warehouse")
    shop.grant(LEADER, "retailer")
    shop.tell(FARM, "ObjectEvent", "commissioning", "ADD", quantityList=[quantity(HARVEST, 100.5)], readPoint={"id": FIELD})
    shop.tell(
        FARM,
        "TransformationEvent",
        "packing",
        None,
        inputQuantityList=[quantity(HARVEST, 100.5)],
        outputQuantityList=[quantity(PACKED, 40, None)],
    )
    move(shop, FARM, WAREHOUSE, 40)
    move(shop, WAREHOUSE, LEADER, 12)
    shop.tell(LEADER, "ObjectEvent", "retail_selling", quantityList=[quantity(PACKED, 1, None)])
    return shop


def move(shop: Workshop, sender: str, receiver: str, amount: float) -> None:
    """A hand-over that both sides sign."""
    shop.tell(sender, "ObjectEvent", "shipping", quantityList=[quantity(PACKED, amount, None)], destinationList=to(receiver))
    shop.tell(receiver, "ObjectEvent", "receiving", quantityList=[quantity(PACKED, amount, None)])
