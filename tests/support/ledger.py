"""
A ledger on a given database, with a clock in the test's hand and parties that sign for it.

Everything real but the clock and, where a test wants it, the object store.
"""

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import select

from ledger import parcels
from ledger.admission import all_or_none
from ledger.candidates import Candidate
from ledger.db import Database
from ledger.examiners import examine_here
from ledger.genesis import create_log, registrar_uri
from ledger.keys import Keys, create_keys
from ledger.models import EntryRow, GrantRow
from ledger.objects import Objects, open_objects
from ledger.pooling import POOL_LIMIT, Outcome
from ledger.problems import Refused
from ledger.publishing import Publisher
from ledger.sequencer import Sequencer
from ledger.tiles import TileStore
from ledger.witness import Witness
from producers.control import KeyRevocation, PartyRegistration
from producers.epcis.validate import EventValidator
from producers.keys import enrol
from producers.kinds import Subject
from producers.records import record, sign_record
from producers.sign import PrivateKey, disclosure, jwk_of, sign
from verify.entry import Entry
from verify.statement import CONTEXT, P256_ORDER, thumbprint
from verify.strict import b64u_encode

ORIGIN = "log.example/tests"
START_MS = 1_795_000_000_000  # 2026-11-18
GTIN = "https://id.gs1.org/01/09520001000010"
LOT = f"{GTIN}/10/H-1"
FARM, HUB, SHOP, AGENCY = (f"https://{name}.example/" for name in ("farm", "hub", "shop", "agency"))
VALIDATOR = EventValidator.build()


@dataclass(frozen=True)
class Submitted:
    """A parcel, if there is one, and what examining gave."""

    row: int | None
    found: list[Candidate | Refused]


@dataclass
class Rig:
    """One ledger; `submit` admits, `step` sequences, `log` does both and insists that it is published."""

    database: Database
    folder: Path
    objects: Objects | None = None
    witnesses: Sequence[Witness] = ()
    quorum: int = 0
    now_ms: int = START_MS
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        self.keys: Keys = create_keys(self.folder / "keys", ORIGIN)
        self.store = TileStore(self.objects or open_objects(str(self.folder / "tiles")))
        self.registrar = registrar_uri(ORIGIN)
        self.sequencer = self.fresh_sequencer()

    def fresh_sequencer(self) -> Sequencer:
        """A sequencer as a new process would start it."""
        publisher = Publisher(
            self.database, self.store, self.keys.log.vkey, self.keys.clock.vkey, self.witnesses, self.quorum
        )
        self.sequencer = Sequencer(self.database, self.store, self.keys, publisher, now_ms=lambda: self.now_ms)
        return self.sequencer

    def create(self) -> "Rig":
        """The genesis, published."""
        with self.database.writing() as session:
            create_log(session, self.keys, now_ms=self.now_ms)
            session.commit()
        self.sequencer.recover()
        return self

    def submit(self, *raws: bytes, together: bool = False, limit: int = POOL_LIMIT) -> "Submitted":
        """Admit statements in one request, as a process does that does not sequence.  Raises Refused where the pool is full."""
        with self.database.writing() as session:
            jwks = {row.thumbprint: row.jwk for row in session.scalars(select(GrantRow))}
            found = examine_here(raws, self.now_ms, VALIDATOR, jwks)
            found = all_or_none(found) if together else found
            items = [one for one in found if isinstance(one, Candidate)]
            key = parcels.seal_key(self.keys.log)
            row = parcels.send(session, items, key, now_ms=self.now_ms, limit=limit, together=together) if items else None
            session.commit()
        return Submitted(row, found)

    def step(self) -> None:
        """One batch, 200 ms later."""
        self.now_ms += 200
        self.sequencer.step()

    def results(self, submitted: "Submitted") -> list[Outcome]:
        """What became of what was admitted."""
        with self.database.reading() as session:
            told = iter(parcels.outcomes_of(session, submitted.row) if submitted.row is not None else ())
        return [Outcome("refused", b"", refused=one) if isinstance(one, Refused) else next(told) for one in submitted.found]

    def send(self, *raws: bytes, together: bool = False) -> list[Outcome]:
        """Submit, sequence, and read the answers."""
        submitted = self.submit(*raws, together=together)
        self.step()
        return self.results(submitted)

    def log(self, *raws: bytes) -> list[int]:
        """Send what must be published; returns the indexes."""
        outcomes = self.send(*raws)
        assert [one.state for one in outcomes] == ["published"] * len(raws), outcomes
        return [one.index for one in outcomes if one.index is not None]

    def entry(self, index: int) -> Entry:
        """An entry as logged."""
        with self.database.reading() as session:
            return Entry.decode(session.get_one(EntryRow, index).entry)

    def at(self) -> datetime:
        """The clock."""
        return datetime.fromtimestamp(self.now_ms / 1000, UTC)

    def sign(self, subject: Subject, issuer: str, key: PrivateKey) -> bytes:
        """A statement by `issuer`, made now."""
        return sign_record(record(subject, issuer=issuer, at=self.at()), key)

    def grant(self, party: str, key: PrivateKey, *roles: str, mint: Sequence[str] = ()) -> bytes:
        """The registrar's grant of `key` to `party`."""
        wanted = enrol(key, origin=ORIGIN, party=party, name={"en": party}, roles=roles or ("producer",), mint=mint)
        return self.sign(PartyRegistration.of(wanted), self.registrar, self.keys.registrar)

    def revoke(self, party: str, key: PrivateKey, *, by: str | None = None, with_key: PrivateKey | None = None) -> bytes:
        """The end of `key`, by the registrar unless `by` somebody else."""
        kid = thumbprint(jwk_of(key.public_key()))
        told = KeyRevocation(id=party, log=ORIGIN, kid=kid, reason="test")
        return self.sign(told, by or self.registrar, with_key or self.keys.registrar)

    def event(self, issuer: str, key: PrivateKey, **changes: Any) -> bytes:
        """An event with an eventID of its own; see `event_body`."""
        return sign(payload("TraceabilityEvent", issuer, event_body(next(self.numbers), **changes)), key)

    def withholding(self, issuer: str, key: PrivateKey, receiver: str, **changes: Any) -> bytes:
        """The same, and whom it goes to is withheld: `JWS~D~`."""
        told = disclosure("destinationList", json.dumps([{"type": "possessing_party", "destination": receiver}]))
        digest = b64u_encode(sha256(told.encode()).digest())
        body = {**event_body(next(self.numbers), **changes), "_sd": [digest]}
        return sign(payload("TraceabilityEvent", issuer, body, _sd_alg="sha-256"), key, [told])


def p256(name: str) -> ec.EllipticCurvePrivateKey:
    """A key that is the same in every run."""
    return ec.derive_private_key(int.from_bytes(sha256(name.encode()).digest(), "big") % P256_ORDER, ec.SECP256R1())


def quantity(uri: str, amount: int, uom: str = "KGM") -> dict[str, Any]:
    """A quantityElement."""
    return {"epcClass": uri, "quantity": amount, "uom": uom}


def payload(kind: str, issuer: str, subject: Mapping[str, Any], **more: Any) -> str:
    """The payload text of a statement, for what producers would refuse to write."""
    body = {
        "@context": [CONTEXT], "type": ["VerifiableCredential", kind], "issuer": issuer,
        "validFrom": "2026-11-18T08:00:00+08:00", "credentialSubject": subject,
    }  # fmt: skip
    return json.dumps(body | more, ensure_ascii=False, separators=(",", ":"))


def event_body(number: int, **changes: Any) -> dict[str, Any]:
    """A commissioning of LOT, or what `changes` make of it; None drops a member."""
    body = {
        "@context": ["https://ref.gs1.org/standards/epcis/epcis-context.jsonld"], "type": "ObjectEvent", "action": "ADD",
        "eventID": f"urn:uuid:00000000-0000-4000-8000-{number:012}", "eventTime": "2026-11-18T08:00:00+08:00",
        "eventTimeZoneOffset": "+08:00", "bizStep": "commissioning", "quantityList": [quantity(LOT, 100)],
    }  # fmt: skip
    return {name: value for name, value in (body | changes).items() if value is not None}
