"""
Making what verify/ checks: signed statements and their disclosures, signed notes, cosignatures; printing what it parses.

The exact bytes are signed once.  What `sign` returns has passed the parser that every reader uses.  Not here: key files
(keys.py), the payloads (records.py), what may be said (verify/authority.py).

Source: RFC 7515, RFC 7638, RFC 9901 (SD-JWT); c2sp.org/signed-note, c2sp.org/tlog-cosignature; protocol.md section 1.
"""

import json
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from verify.bundle import VERSION, Bundle, Carried
from verify.cosignature import message
from verify.note import COSIGNER, Note, SignatureLine, VerifierKey
from verify.proof import HEADER, TlogProof
from verify.statement import P256_ORDER, PLAIN, WITHHOLDING, Disclosure, PublicKey, Statement, assemble, thumbprint
from verify.strict import b64_encode, b64u_encode

PrivateKey = ec.EllipticCurvePrivateKey | Ed25519PrivateKey


def jwk_of(key: PublicKey) -> dict[str, str]:
    """The public JWK with its required members only."""
    if isinstance(key, Ed25519PublicKey):
        return {"crv": "Ed25519", "kty": "OKP", "x": b64u_encode(key.public_bytes_raw())}
    numbers = key.public_numbers()
    x, y = (b64u_encode(part.to_bytes(32, "big")) for part in (numbers.x, numbers.y))
    return {"crv": "P-256", "kty": "EC", "x": x, "y": y}


def sign_bytes(data: bytes, key: PrivateKey) -> bytes:
    """Sign raw bytes, 64 bytes long; ES256 is deterministic (RFC 6979: no nonce to leak) and normalised to low-S."""
    if isinstance(key, Ed25519PrivateKey):
        return key.sign(data)
    r, s = decode_dss_signature(key.sign(data, ec.ECDSA(SHA256(), deterministic_signing=True)))
    return r.to_bytes(32, "big") + min(s, P256_ORDER - s).to_bytes(32, "big")


def sign(payload_text: str, key: PrivateKey, disclosures: Sequence[str] = ()) -> bytes:
    """Sign an exact payload text as a statement.  Raises Malformed where a reader would."""
    typ = WITHHOLDING if disclosures or '"_sd"' in payload_text else PLAIN
    alg = "EdDSA" if isinstance(key, Ed25519PrivateKey) else "ES256"
    header = json.dumps({"alg": alg, "kid": thumbprint(jwk_of(key.public_key())), "typ": typ}, separators=(",", ":"))
    unsigned = assemble(header, payload_text, bytes(64), disclosures)
    signature = sign_bytes(unsigned.signing_input, key)
    return format_statement(assemble(header, payload_text, signature, disclosures))


def disclosure(name: str, value_text: str) -> str:
    """Make a disclosure with a fresh 128-bit salt from a member's exact JSON text; its digest belongs in `_sd`."""
    text = f"[{json.dumps(b64u_encode(secrets.token_bytes(16)))},{json.dumps(name)},{value_text}]"
    return b64u_encode(text.encode())


@dataclass(frozen=True, slots=True)
class Signer:
    """A private note key.  Whoever holds a log's can fork it; witnesses and the contract still refuse the fork."""

    name: str
    kind: int
    private: Ed25519PrivateKey

    @property
    def vkey(self) -> VerifierKey:
        """The public half."""
        return VerifierKey(self.name, self.kind, self.private.public_key().public_bytes_raw())

    def line(self, payload: bytes) -> str:
        """Print a signature line; for kind 04 the payload begins with the time (`cosign`)."""
        return format_line(SignatureLine(self.name, self.vkey.key_id, payload))

    def sign(self, text: str) -> str:
        """Sign a note text as a log does (kind 01)."""
        return self.line(self.private.sign(text.encode()))


def sign_note(text: str, signers: Iterable[Signer]) -> str:
    """Sign `text` with kind 01 keys, in order."""
    return text + "\n" + "".join(signer.sign(text) for signer in signers)


def cosign(text: str, signer: Signer, time_s: int) -> str:
    """Sign a checkpoint's text at `time_s` (seconds since 1970) and print the line.  Raises ValueError for another kind."""
    if signer.kind != COSIGNER:
        raise ValueError("a cosignature needs a key of kind 04")
    return signer.line(time_s.to_bytes(8, "big") + signer.private.sign(message(text, time_s)))


def format_line(line: SignatureLine) -> str:
    """Print a signature line with its line end."""
    return f"— {line.name} {b64_encode(line.key_id + line.payload)}\n"


def format_note(note: Note) -> str:
    """Print a note as `note.parse_note` reads it."""
    return note.text + "\n" + "".join(map(format_line, note.lines))


def format_proof(proof: TlogProof) -> str:
    """Print a receipt as `TlogProof.parse` reads it."""
    extra = [] if proof.extra is None else [f"extra {b64_encode(proof.extra)}"]
    return "\n".join([HEADER, *extra, f"index {proof.index}", *map(b64_encode, proof.path), "", proof.checkpoint])


def format_statement(statement: Statement, disclosures: Sequence[Disclosure] | None = None) -> bytes:
    """Print a statement as it travels: `JWS`, or `JWS~D1~…~` where the type is vc+sd-jwt."""
    shown = statement.disclosures if disclosures is None else disclosures
    is_plain = statement.header["typ"] == PLAIN
    return statement.jws if is_plain else b"~".join([statement.jws, *(one.text.encode() for one in shown), b""])


def public_disclosures(statement: Statement) -> tuple[Disclosure, ...]:
    """The disclosures that the party itself marked for everybody (payload member `public`)."""
    return tuple(shown for shown in statement.disclosures if shown.digest in statement.payload.get("public", ()))


def format_bundle(bundle: Bundle) -> str:
    """Print a bundle as `parse_bundle` reads it."""
    body: dict[str, Any] = {
        "v": VERSION, "label": bundle.label, "checkpoint": bundle.checkpoint, "answer": bundle.answer,
        "statements": [_carried(one) for one in bundle.statements], "proof": _texts(bundle.proof),
        "anchors": [{"chain": a.chain_id, "contract": a.contract, "size": a.size, "root": b64u_encode(a.root),
                     "consistency": _texts(a.consistency)} for a in bundle.anchors],
    }  # fmt: skip
    if bundle.item is not None:
        body["item"] = {"commitment": bundle.item.commitment, "code": bundle.item.code, "path": _texts(bundle.item.path)}
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"))


def _carried(one: Carried) -> dict[str, Any]:
    statement = one.statement
    body: dict[str, Any] = {"index": one.index, "time": one.time_ms, "header": statement.header_text,
                            "payload": statement.payload_text, "signature": b64u_encode(statement.signature)}  # fmt: skip
    if statement.disclosures:
        body["disclosures"] = [shown.text for shown in statement.disclosures]
    return body | {"leaf": b64u_encode(one.leaf)}


def _texts(hashes: Sequence[bytes]) -> list[str]:
    return [b64u_encode(one) for one in hashes]
