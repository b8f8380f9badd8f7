"""
The hammer's parties: one key of each algorithm, granted by the operator's registrar, and statements signed as fast as we can.

A folder holds <name>.pem and <name>.json, the request that `originmark party grant` takes.  The statements are ordinary
inspection events about things that nobody else has, so that every one is judged in full and none is refused.
"""

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Literal

from producers.keys import enrol, generate_key, read_key, write_key
from producers.sign import PrivateKey, jwk_of, sign_bytes
from verify.statement import CONTEXT, PLAIN, Jwk, thumbprint
from verify.strict import b64u_encode

NAMES: Sequence[Literal["ES256", "EdDSA"]] = ("ES256", "EdDSA")
EPCIS = "https://ref.gs1.org/standards/epcis/epcis-context.jsonld"


@dataclass(frozen=True, slots=True)
class Signed:
    """A statement ready to be sent."""

    jws: bytes
    digest: str


@dataclass(frozen=True, slots=True)
class Party:
    """Who signs, with what."""

    uri: str
    key: PrivateKey
    jwk: Jwk
    header: str
    """base64url; it is the same in every statement."""

    @classmethod
    def of(cls, name: str, key: PrivateKey) -> "Party":
        """The party whose key this is."""
        jwk = jwk_of(key.public_key())
        header = json.dumps({"alg": name, "kid": thumbprint(jwk), "typ": PLAIN}, separators=(",", ":"))
        return cls(uri_of(name), key, jwk, b64u_encode(header.encode()))

    def sign(self) -> Signed:
        """A fresh event.  Not through producers.sign.sign, which parses what it has signed: the load should be the server's."""
        told = json.dumps(self._record(), separators=(",", ":"))
        message = f"{self.header}.{b64u_encode(told.encode())}".encode()
        jws = message + b"." + b64u_encode(sign_bytes(message, self.key)).encode()
        return Signed(jws, sha256(jws).hexdigest())

    def _record(self) -> dict[str, object]:
        event = {
            "@context": [EPCIS], "type": "ObjectEvent", "action": "OBSERVE", "bizStep": "inspecting",
            "eventID": f"urn:uuid:{uuid.uuid4()}", "eventTime": "2026-11-18T08:00:00+08:00", "eventTimeZoneOffset": "+08:00",
            "epcList": [f"urn:uuid:{uuid.uuid4()}"],
        }  # fmt: skip
        return {
            "@context": [CONTEXT], "type": ["VerifiableCredential", "TraceabilityEvent"], "issuer": self.uri,
            "validFrom": "2026-11-18T08:00:00+08:00", "credentialSubject": event,
        }  # fmt: skip


def uri_of(name: str) -> str:
    """The party's URI."""
    return f"https://hammer.example/{name.lower()}"


def prepare(folder: Path, origin: str) -> list[Path]:
    """Make keys and requests for the log `origin`, where there are none; returns the requests to be granted."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    requests = []
    for name in NAMES:
        path, request = folder / f"{name}.pem", folder / f"{name}.json"
        if not path.exists():
            write_key(path, generate_key(name))
        wanted = enrol(read_key(path), origin=origin, party=uri_of(name), name={"en": f"Hammer {name}"}, roles=("producer",))
        request.write_text(json.dumps(wanted.to_json()), "utf-8")
        requests.append(request)
    return requests


def load(folder: Path) -> list[Party]:
    """The parties of a folder.  Raises OSError, KeyRefused."""
    return [Party.of(name, read_key(folder / f"{name}.pem")) for name in NAMES]
