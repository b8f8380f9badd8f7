"""
Statements and requests that no honest client would send: flipped, cut, spliced, nested, and signed all the same.

Deterministic for a given random source, so that a finding can be made again from its seed.
"""

import json
import random
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from typing import Any

from producers.sign import PrivateKey, jwk_of, sign_bytes
from verify.statement import thumbprint

NASTY: Sequence[Any] = (
    None, True, 0, -1, 2**53, 2**70, 1e308, 1.5, "", " ", "\x00", "\ud800", "A" * 3_000, [], {}, [[]], {"": None}, "__proto__",
    "constructor", "../../etc", "https://id.gs1.org/01/09520001000010/10/%00", "https://id.gs1.org/01/0/10/x",
    "urn:epc:id:sgtin:1.2.3", "urn:epc:idpat:sgtin:9520001.00001.*", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00",
    "2026-02-30T00:00:00Z", "１２", "-0", "1e400", ["a", 1, None], {"id": {"id": {"id": 1}}}, "https://farm.example/\u202e",
    "did:web:x", "geo:1,2", "𝟘", "İ",
)  # fmt: skip
TOKENS: Sequence[bytes] = (
    b".", b"~", b"=", b"-", b"_", b"\x00", b"\xff", b"%", b"/", b"?", b"#", b"+", b" ", b"{", b"[", b'"', b"A" * 200,
    b"\xed\xa0\x80",
)  # fmt: skip


def mutate_bytes(raw: bytes, source: random.Random) -> bytes:
    """Flip, drop, repeat, insert or cut, a few times."""
    data = bytearray(raw)
    for _ in range(source.randint(1, 4)):
        at = source.randrange(len(data) + 1)
        match source.randrange(6):
            case 0 if data:
                data[at % len(data)] ^= 1 << source.randrange(8)
            case 1:
                del data[at : at + source.randint(1, 40)]
            case 2:
                data[at:at] = data[at : at + source.randint(1, 80)]
            case 3:
                data[at:at] = source.choice(TOKENS)
            case 4:
                del data[at:]
            case _ if data:
                data[at % len(data)] = source.randrange(256)
    return bytes(data)


def mutate_json(value: Any, source: random.Random) -> Any:
    """The same value with one place changed, or a few."""
    copy = json.loads(json.dumps(value))
    for _ in range(source.randint(1, 3)):
        copy = _change(copy, source)
    return copy


def _nasty(source: random.Random) -> Any:
    return json.loads(json.dumps(source.choice(NASTY)))


def _change(value: Any, source: random.Random) -> Any:
    if isinstance(value, dict) and value and source.random() < 0.8:
        name = source.choice(list(value))
        match source.randrange(8):
            case 0:
                value.pop(name)
            case 1:
                value[source.choice(["id", "type", "scope", "epcList", "_sd", "...", "extra", name + "x"])] = _nasty(source)
            case 2:
                value[name] = _nasty(source)
            case _:
                value[name] = _change(value[name], source)
        return value
    if isinstance(value, list) and value and source.random() < 0.8:
        at = source.randrange(len(value))
        if source.random() < 0.2:
            value.extend(value * source.choice([1, 1, 40]))
        else:
            value[at] = _change(value[at], source)
        return value
    if isinstance(value, str) and value and source.random() < 0.5:
        return mutate_bytes(value.encode("utf-8", "surrogatepass"), source).decode("utf-8", "replace")
    return _nasty(source)


def forge(payload: Any, key: PrivateKey, *, typ: str = "vc+jwt") -> bytes:
    """A good signature over whatever it is, past every check of ours."""
    jwk = jwk_of(key.public_key())
    told = {"alg": "ES256" if jwk["kty"] == "EC" else "EdDSA", "kid": thumbprint(jwk), "typ": typ}
    parts = [json.dumps(told, separators=(",", ":")), json.dumps(payload, separators=(",", ":"))]
    signing_input = ".".join(_b64u(part.encode("utf-8", "surrogatepass")) for part in parts)
    return f"{signing_input}.{_b64u(sign_bytes(signing_input.encode(), key))}".encode()


def payload_of(raw: bytes) -> Any:
    """The payload of a statement."""
    part = raw.split(b".")[1]
    return json.loads(urlsafe_b64decode(part + b"=" * (-len(part) % 4)))


def statements_from(seeds: Sequence[tuple[bytes, PrivateKey]], source: random.Random) -> Callable[[], bytes]:
    """A source of hostile statements: half of them damaged bytes, half damaged content under a good signature."""

    def make() -> bytes:
        raw, key = source.choice(seeds)
        if source.random() < 0.35:
            return mutate_bytes(raw, source).replace(b"\n", b"")
        if source.random() < 0.1:
            other, _ = source.choice(seeds)
            return b".".join((raw.split(b".")[0], other.split(b".")[1], raw.split(b".")[2]))
        typ = source.choice(["vc+jwt", "vc+jwt", "vc+jwt", "vc+sd-jwt"])
        return forge(mutate_json(payload_of(raw), source), key, typ=typ) + (b"~" if typ == "vc+sd-jwt" else b"")

    return make


def _b64u(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
