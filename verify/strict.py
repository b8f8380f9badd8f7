"""
The JSON profile, and base64 in exactly one spelling.

Checked on the bytes before anything is parsed: valid UTF-8, no BOM, no lone surrogates, no duplicate members, no
`__proto__`, depth <= 64, no NaN or Infinity.  In our own kinds a number is an integer 0 .. 2^53-1 without sign, point or
exponent; EPCIS events keep the numbers they came with (int or Decimal, never float).  Nothing is ever re-serialised.

Source: protocol.md section 1; RFC 8259; RFC 4648 sections 4 and 5.
"""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import NoReturn

from .errors import Malformed

MAX_DEPTH = 64
MAX_SAFE = 2**53 - 1  # the largest integer that JavaScript holds exactly
MAX_BYTES = 65_536
_PLAIN = re.compile(r"0|[1-9][0-9]*")
_SURROGATE = re.compile("[\ud800-\udfff]")
_MAX_NUMBER = 64  # characters; longer spellings only serve to exhaust a parser
_UNREADABLE = object()  # stands for such a spelling until the walk can say where it is


def parse(data: bytes | str, *, own_kind: bool = False, max_bytes: int = MAX_BYTES) -> object:
    """
    Parse one JSON text under the profile; `own_kind` adds the rule for numbers.

    Integers come back as int, all other numbers as Decimal.  Raises Malformed with the JSON pointer where one is known.
    """
    text = _decode(data, max_bytes)
    _check_depth(text)
    decoder = json.JSONDecoder(
        object_pairs_hook=_object, parse_int=_int, parse_float=_decimal, parse_constant=_refuse_constant
    )
    try:
        value = decoder.decode(text)
    except json.JSONDecodeError as error:
        raise Malformed(f"not JSON: {error.msg} at character {error.pos}", code="not-json") from None
    _walk(value, "", own_kind)
    return value


def _decode(data: bytes | str, max_bytes: int) -> str:
    try:
        raw = data if isinstance(data, bytes) else data.encode("utf-8")
        text = raw.decode("utf-8")
    except UnicodeError:
        raise Malformed("not valid UTF-8", code="not-utf8") from None
    if len(raw) > max_bytes:
        raise Malformed(f"{len(raw)} bytes; at most {max_bytes} are allowed", code="too-large")
    if text.startswith("\ufeff"):
        raise Malformed("starts with a byte order mark", code="bom")
    return text


def _check_depth(text: str) -> None:
    # Before the recursive parser runs: a deep text must end in an error, not in a dead process.
    depth, inside, skip = 0, False, False
    for char in text:
        if inside:
            skip, inside = (char == "\\" and not skip), char != '"' or skip
        elif char == '"':
            inside = True
        elif char in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise Malformed(f"nested deeper than {MAX_DEPTH}", code="too-deep")
        elif char in "]}":
            depth -= 1


class _Pairs(dict[str, object]):
    """An object with the name of its first duplicate, so that the walk can say where it is."""

    duplicate: str | None = None


def _object(pairs: list[tuple[str, object]]) -> _Pairs:
    found = _Pairs()
    for name, value in pairs:
        if name in found and found.duplicate is None:
            found.duplicate = name
        found[name] = value
    return found


def _int(text: str) -> object:
    if len(text) > _MAX_NUMBER:
        return _UNREADABLE
    return int(text) if _PLAIN.fullmatch(text) else Decimal(text)


def _decimal(text: str) -> object:
    # Short exponents only: Decimal itself gives up on astronomic ones, with an error of its own.
    if len(text) > _MAX_NUMBER or re.search(r"[eE][+-]?0*[1-9]\d{3}", text) or abs(Decimal(text).adjusted()) > 400:
        return _UNREADABLE
    return Decimal(text)


def _refuse_constant(text: str) -> NoReturn:
    raise Malformed(f"{text} is not JSON", code="not-json")


def _walk(value: object, pointer: str, own_kind: bool) -> None:
    if isinstance(value, _Pairs):
        if value.duplicate is not None:
            raise Malformed("a member occurs twice", code="duplicate-member", where=_join(pointer, value.duplicate))
        for name, member in value.items():
            if name == "__proto__":
                raise Malformed("the member name __proto__ is not allowed", code="proto", where=_join(pointer, name))
            _check_text(name, pointer)
            _walk(member, _join(pointer, name), own_kind)
    elif isinstance(value, list):
        for position, item in enumerate(value):
            _walk(item, f"{pointer}/{position}", own_kind)
    elif isinstance(value, str):
        _check_text(value, pointer)
    elif value is _UNREADABLE:
        raise Malformed("a number is too long", code="bad-number", where=pointer)
    elif own_kind and isinstance(value, int | Decimal) and (isinstance(value, Decimal) or value > MAX_SAFE):
        raise Malformed("only integers 0 to 2^53-1 are allowed", code="bad-number", where=pointer)


def _check_text(text: str, pointer: str) -> None:
    if _SURROGATE.search(text):
        raise Malformed("a lone surrogate", code="lone-surrogate", where=pointer)


def _join(pointer: str, name: str) -> str:
    return pointer + "/" + name.replace("~", "~0").replace("/", "~1")


def b64_encode(data: bytes) -> str:
    """Encode in standard base64 with padding."""
    return base64.b64encode(data).decode("ascii")


def b64_decode(text: str, *, length: int | None = None) -> bytes:
    """Decode standard base64; only the spelling that `b64_encode` prints is accepted (Malformed `bad-base64`)."""
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (ValueError, binascii.Error):
        data = None
    if data is None or b64_encode(data) != text or length not in (None, len(data)):
        raise Malformed("not canonical base64 of the right length", code="bad-base64")
    return data


def b64u_encode(data: bytes) -> str:
    """Encode in base64url without padding."""
    return base64.urlsafe_b64encode(data).decode("ascii").rstrip("=")


def b64u_decode(text: str, *, length: int | None = None) -> bytes:
    """Decode unpadded base64url; only the spelling that `b64u_encode` prints is accepted (Malformed `bad-base64`)."""
    if not re.fullmatch(r"[A-Za-z0-9_-]*", text):
        raise Malformed("not canonical base64url", code="bad-base64")
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (ValueError, binascii.Error):
        data = None
    if data is None or b64u_encode(data) != text or length not in (None, len(data)):
        raise Malformed("not canonical base64url of the right length", code="bad-base64")
    return data


def members(value: object, required: Mapping[str, type], optional: Mapping[str, type], where: str) -> dict[str, object]:
    """Check that `value` is an object with exactly these members and types; return it.  Raises Malformed."""
    if not isinstance(value, dict):
        raise Malformed("an object was expected", where=where)
    for name in required:
        if name not in value:
            raise Malformed(f"the member {name} is missing", code="missing-member", where=_join(where, name))
    for name, member in value.items():
        wanted = required.get(name) or optional.get(name)
        if wanted is None:
            raise Malformed(f"the member {name} is unknown", code="unknown-member", where=_join(where, name))
        if not isinstance(member, wanted) or (wanted is int and isinstance(member, bool)):
            raise Malformed(f"the member {name} has the wrong type", code="wrong-type", where=_join(where, name))
    return value
