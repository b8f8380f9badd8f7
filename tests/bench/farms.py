"""
Parties with granted keys, and statements that they signed before any clock starts.

Every statement is one EPCIS event of its own lot, a harvest or a shipment by turns, as producers/ builds them.  An event is built
and signed the long way once a party and step; the others differ from it in event ID, time, lot and amount only, or making them
would take longer than logging them.
"""

import itertools
import json
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from hashlib import sha256
from multiprocessing import get_context
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledger.admission import examine
from producers.epcis import build, kde
from producers.epcis.parts import Handover, LotQuantity, Occasion, Quantity, Things, timestamp
from producers.epcis.text import encode
from producers.epcis.validate import EventValidator
from producers.keys import Algorithm, enrol
from producers.records import event_record
from producers.sign import PrivateKey, jwk_of, sign_bytes
from tests.bench.machine import cores
from tests.support.service import Service
from verify.statement import P256_ORDER, parse_statement, thumbprint, verify_signature

PARTIES = 8
CHINA = timezone(timedelta(hours=8))
GTIN = "https://id.gs1.org/01/09520001000010"
_LOT, _ID, _AMOUNT = "LOT-0", "urn:uuid:00000000-0000-8000-8000-000000000000", "96.5"
_PART = 4_000  # statements that one process signs at once


def gln(number: int) -> str:
    """A GLN with its check digit; `number` below 10^8."""
    body = f"9520{number:08d}"
    return body + str(-sum(int(one) * (3 if at % 2 else 1) for at, one in enumerate(body)) % 10)


@dataclass(frozen=True, slots=True)
class Party:
    """One farm, and where its goods go."""

    number: int
    algorithm: Algorithm

    @property
    def uri(self) -> str:
        """Who signs."""
        return f"https://id.gs1.org/417/{gln(self.number * 10_000)}"

    @property
    def place(self) -> str:
        """Its field."""
        return f"https://id.gs1.org/414/{gln(self.number * 10_000 + 1)}"

    @property
    def key(self) -> PrivateKey:
        """The same in every run."""
        seed = sha256(f"bench {self.algorithm} {self.number}".encode()).digest()
        if self.algorithm == "EdDSA":
            return Ed25519PrivateKey.from_private_bytes(seed)
        return ec.derive_private_key(int.from_bytes(seed, "big") % P256_ORDER, ec.SECP256R1())


def parties(algorithm: Algorithm) -> list[Party]:
    """The farms of a run."""
    return [Party(number, algorithm) for number in range(1, PARTIES + 1)]


def grant(service: Service, folder: Path, who: Sequence[Party]) -> None:
    """Let the registrar of a log that is not served yet grant every party's key."""
    for party in who:
        asked = enrol(party.key, origin=service.origin, party=party.uri, name={"en": f"Farm {party.number}"},
                      roles=["producer"], mint=[GTIN])  # fmt: skip
        request = folder / f"grant-{party.number}-{party.algorithm}.json"
        request.write_text(json.dumps(asked.to_json()), "utf-8")
        code, said = service.in_process("originmark", "party", "grant", str(request))
        if code:
            raise RuntimeError(said)


def write_statements(path: Path, who: Sequence[Party], count: int, first: int = 0) -> None:
    """Sign statements number `first` and on, one a line, by turns of the parties, on all cores."""
    day = (datetime.now(CHINA) - timedelta(days=20)).replace(hour=6, minute=0, second=0, microsecond=0)
    _check(_statements(who, day, first, 2 * len(who)), who)
    starts = range(first, first + count, _PART)
    sizes = [min(_PART, first + count - start) for start in starts]
    jobs = zip(itertools.repeat(list(who)), itertools.repeat(day), starts, sizes, strict=False)
    # Spawned: a fork would copy whatever threads and locks this process holds.
    with ProcessPoolExecutor(cores(), mp_context=get_context("spawn")) as pool, path.open("wb") as file:
        for part in pool.map(_job, jobs):
            file.write(part)


def _job(job: tuple[list[Party], datetime, int, int]) -> bytes:
    return b"".join(line + b"\n" for line in _statements(*job))


def _statements(who: Sequence[Party], day: datetime, first: int, count: int) -> Iterator[bytes]:
    templates = [(party.key, _header(party), [_template(party, day, step) for step in (0, 1)]) for party in who]
    for number in range(first, first + count):
        key, header, payloads = templates[number % len(who)]
        told = payloads[number // len(who) % 2]
        time = timestamp(day + timedelta(seconds=number // 10))
        unique = UTC_ID.format(number)
        text = told.replace(_LOT, f"H1101-{number:07d}").replace(_ID, unique).replace(_AMOUNT, f"{number % 900 + 10}.5")
        unsigned = header + _b64(text.replace(timestamp(day), time).encode())
        yield unsigned + b"." + _b64(sign_bytes(unsigned, key))


UTC_ID = "urn:uuid:0000b33f-0000-8000-8000-{:012d}"


def _template(party: Party, day: datetime, step: int) -> str:
    buyer = Party(party.number + 100, party.algorithm)
    at = Occasion(day, party.uri, place=party.place, location=party.place, event_id=_ID)
    things = Things(lots=(LotQuantity(f"{GTIN}/10/{_LOT}", Quantity(Decimal(_AMOUNT), "KGM")),))
    if step == 0:
        event = build.harvest(things, at, kde.Harvest("Apples", day.date(), "Fuji", "东坡1区", country="CN"))
    else:
        event = build.ship(things, at, Handover(party.uri, buyer.uri, party.place, buyer.place))
    return event_record(encode(event), issuer=party.uri).payload_text


def _header(party: Party) -> bytes:
    kid = thumbprint(jwk_of(party.key.public_key()))
    return _b64(json.dumps({"alg": party.algorithm, "kid": kid, "typ": "vc+jwt"}, separators=(",", ":")).encode()) + b"."


def _b64(data: bytes) -> bytes:
    return urlsafe_b64encode(data).rstrip(b"=")


def _check(made: Iterator[bytes], who: Sequence[Party]) -> None:
    """Have the ledger's own code examine a few: what is refused later would only spoil a figure."""
    validator, now_ms = EventValidator.build(), int(datetime.now(UTC).timestamp() * 1000)
    jwks = {thumbprint(jwk): jwk for jwk in (jwk_of(party.key.public_key()) for party in who)}
    for raw in made:
        examine(raw, now_ms=now_ms, validator=validator)
        statement = parse_statement(raw)
        verify_signature(statement, jwks[statement.kid])
