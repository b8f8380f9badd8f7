"""The real application on a fresh SQLite log, with its sequencer thread, spoken to over ASGI."""

import itertools
import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from api.app import create_app
from ledger.accounts import create_api_key
from ledger.genesis import create_log, registrar_uri
from ledger.keys import Keys, create_keys
from ledger.running import database_of
from ledger.sequencer import system_clock
from ledger.settings import Settings
from producers.control import KeyRevocation, PartyRegistration
from producers.keys import enrol
from producers.kinds import Subject
from producers.records import record, sign_record
from producers.sign import PrivateKey, disclosure, jwk_of, sign
from tests.support.ledger import FARM, GTIN, ORIGIN, event_body, p256, payload
from verify.statement import thumbprint
from verify.strict import b64u_encode

BASE = "http://localhost:8000"


@dataclass
class Operator:
    """One service; `post` submits one statement, `size` is what everybody can see."""

    settings: Settings
    keys: Keys
    client: TestClient
    regulator_key: str
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def registrar(self) -> str:
        return registrar_uri(ORIGIN)

    @property
    def size(self) -> int:
        return int(self.client.get("/log/checkpoint").text.split("\n")[1])

    def post(self, raw: bytes, media: str = "application/vc+jwt", **headers: str) -> Any:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.post("/statements", content=raw, headers={"content-type": media, **names})

    def log(self, *raws: bytes) -> list[int]:
        """Publish statements, and insist on it."""
        answers = [self.post(raw) for raw in raws]
        assert [answer.status_code for answer in answers] == [201] * len(raws), [answer.text for answer in answers]
        return [answer.json()["index"] for answer in answers]

    def sign(self, subject: Subject, issuer: str, key: PrivateKey) -> bytes:
        return sign_record(record(subject, issuer=issuer, at=datetime.now(UTC)), key)

    def grant(self, party: str, key: PrivateKey, *roles: str, mint: Sequence[str] = ()) -> bytes:
        asked = enrol(key, origin=ORIGIN, party=party, name={"en": party}, roles=roles or ("producer",), mint=mint)
        return self.sign(PartyRegistration.of(asked), self.registrar, self.keys.registrar)

    def revoke(self, party: str, key: PrivateKey) -> bytes:
        kid = thumbprint(jwk_of(key.public_key()))
        told = KeyRevocation(id=party, log=ORIGIN, kid=kid, reason="test")
        return self.sign(told, self.registrar, self.keys.registrar)

    def event(self, issuer: str = FARM, key: PrivateKey | None = None, **changes: Any) -> bytes:
        """An event with an eventID of its own."""
        body = event_body(next(self.numbers), **changes)
        return sign(payload("TraceabilityEvent", issuer, body), key or p256("farm"))


    def withholding(self, receiver: str) -> bytes:
        """A shipment whose receiver is kept from the public."""
        told = disclosure("destinationList", json.dumps([{"type": "possessing_party", "destination": receiver}]))
        digest = b64u_encode(sha256(told.encode()).digest())
        body = event_body(next(self.numbers), action="OBSERVE", bizStep="shipping", _sd=[digest])
        return sign(payload("TraceabilityEvent", FARM, body, _sd_alg="sha-256"), p256("farm"), [told])


def start(folder: Path, template: Path, **settings: Any) -> tuple[Settings, Keys, str]:
    """A fresh log in `folder`, as `init` makes it, and a regulator's key."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(template, folder / "ledger.db")
    chosen = Settings(data=folder, origin=ORIGIN, base_url=BASE, sequence_interval_ms=10, **settings)
    keys = create_keys(chosen.keys, ORIGIN)
    database = database_of(chosen)
    with database.writing() as session:
        create_log(session, keys, now_ms=system_clock())
        key = create_api_key(session, "Agency", "regulator", system_clock())
        session.commit()
    database.close()
    return chosen, keys, key


@pytest.fixture(scope="module")
def operator(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Iterator[Operator]:
    """A served log with one farm, whose key is `p256("farm")`."""
    settings, keys, regulator_key = start(tmp_path_factory.mktemp("operator"), sqlite_template)
    with TestClient(create_app(settings), base_url=BASE) as client:
        made = Operator(settings, keys, client, regulator_key)
        made.log(made.grant(FARM, p256("farm"), mint=[GTIN]))
        yield made


def problem_of(answer: Any) -> dict[str, Any]:
    """The problem of an answer, whose form is checked."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    body: dict[str, Any] = json.loads(answer.text)
    assert body["status"] == answer.status_code
    assert body["type"] == f"{BASE}/problems/{body['code']}"
    assert body["titles"]["en"]
    assert body["titles"]["zh"]
    return body
