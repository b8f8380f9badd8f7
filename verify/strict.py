"""
The JSON profile, and base64 in exactly one spelling.

Checked on the text before anything is parsed: valid UTF-8, no BOM, depth <= 64; then no lone surrogates, duplicate members,
`__proto__`, NaN or Infinity.  In our own kinds a number is an integer 0 .. 2^53-1 without sign, point or exponent; EPCIS
events keep the numbers they came with (int or Decimal, never float).  Nothing is ever re-serialised.

Source: protocol.md section 1; RFC 8259; RFC 4648 sections 4 and 5.
"""

import base64
import json
import re
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from itertools import accumulate
from typing import Any

from .errors import Malformed, need

MAX_DEPTH = 64
MAX_SAFE = 2**53 - 1  # the largest integer that JavaScript holds exactly
MAX_BYTES = 65_536
_PLAIN = re.compile(r"0|[1-9][0-9]*")
# Longer spellings only serve to exhaust a parser; Decimal itself gives up on astronomic exponents, with an error of its own.
_LONG = re.compile(r".{65,}|.*[eE][+-]?0*[1-9]\d{3}.*")
_UNREADABLE = object()  # stands for such a number until the walk can say where it is
_NO_BRACKET = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[^][{}"]++', re.DOTALL)
_SURROGATE = re.compile("[\ud800-\udfff]")


def parse(data: bytes | str, *, own_kind: bool = False, max_bytes: int = MAX_BYTES) -> object:
    """
    Parse one JSON text under the profile; `own_kind` adds the rule for numbers.

    Integers come back as int, all other numbers as Decimal.  Raises Malformed with the JSON pointer where one is known.
    """
    try:
        raw = data if isinstance(data, bytes) else data.encode("utf-8")
        text = raw.decode("utf-8")
    except UnicodeError:
        raise Malformed("not valid UTF-8", code="not-utf8") from None
    need(len(raw) <= max_bytes, f"{len(raw)} bytes; at most {max_bytes} are allowed", "too-large")
    need(not text.startswith("\ufeff"), "starts with a byte order mark", "bom")
    check_depth(text, MAX_DEPTH)
    try:
        # int() refuses NaN and Infinity.
        value = json.loads(text, object_pairs_hook=_Object, parse_int=_number, parse_float=_number, parse_constant=int)
    except ValueError as error:
        raise Malformed(f"not JSON: {error}", code="not-json") from None
    _walk(value, (), own_kind)
    return value


def check_depth(text: str, most: int) -> None:
    """Refuse (`too-deep`) before a recursive parser runs: a deep text must end in an error, not in a dead process."""
    depths = accumulate(1 if bracket in "[{" else -1 for bracket in _NO_BRACKET.sub("", text))
    need(max(depths, default=0) <= most, f"nested deeper than {most}", "too-deep")


class _Object(dict[str, object]):
    """An object with the name of its first duplicate, so that the walk can say where it is."""

    duplicate: str | None = None

    def __init__(self, pairs: list[tuple[str, object]]) -> None:
        for name, value in pairs:
            if name in self and self.duplicate is None:
                self.duplicate = name
            self[name] = value


def _number(text: str) -> object:
    if _LONG.fullmatch(text):
        return _UNREADABLE
    if _PLAIN.fullmatch(text):
        return int(text)
    return found if abs((found := Decimal(text)).adjusted()) <= 400 else _UNREADABLE


def _walk(value: object, path: tuple[object, ...], own_kind: bool) -> None:
    if isinstance(value, str):
        if _SURROGATE.search(value):
            raise Malformed("a lone surrogate", code="lone-surrogate", where=_pointer(path))
    elif isinstance(value, _Object):
        if value.duplicate is not None:
            raise Malformed("a member occurs twice", code="duplicate-member", where=_pointer((*path, value.duplicate)))
        for name, member in value.items():
            inside = (*path, name)
            if name == "__proto__":
                raise Malformed("the member name __proto__ is not allowed", code="proto", where=_pointer(inside))
            _walk(name, path, own_kind)
            _walk(member, inside, own_kind)
    elif isinstance(value, list):
        for position, item in enumerate(value):
            _walk(item, (*path, position), own_kind)
    elif value is _UNREADABLE or (own_kind and (isinstance(value, Decimal) or (isinstance(value, int) and value > MAX_SAFE))):
        raise Malformed("not a number that is allowed here", code="bad-number", where=_pointer(path))


def _pointer(path: Iterable[object]) -> str:
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def count(text: str, code: str | None = None) -> int:
    """Parse a decimal 0 .. 2^53-1 without sign or leading zero; raises Malformed with `code`."""
    need(len(text) <= 16 and _PLAIN.fullmatch(text) and int(text) <= MAX_SAFE, f"{text} is not a number", code)
    return int(text)


def b64_encode(data: bytes) -> str:
    """Encode in standard base64 with padding."""
    return base64.b64encode(data).decode("ascii")


def b64_decode(text: str, *, length: int | None = None) -> bytes:
    """Decode standard base64; only the spelling that `b64_encode` prints is accepted (Malformed `bad-base64`)."""
    return _decode(text, text, b"+/", b64_encode, length)


def b64u_encode(data: bytes) -> str:
    """Encode in base64url without padding."""
    return base64.urlsafe_b64encode(data).decode("ascii").rstrip("=")


def b64u_decode(text: str, *, length: int | None = None) -> bytes:
    """Decode unpadded base64url; only the spelling that `b64u_encode` prints is accepted (Malformed `bad-base64`)."""
    return _decode(text, text + "=" * (-len(text) % 4), b"-_", b64u_encode, length)


def _decode(text: str, padded: str, alphabet: bytes, encode: Callable[[bytes], str], length: int | None) -> bytes:
    try:
        data = base64.b64decode(padded, alphabet)
    except ValueError:
        data = b""
    # The decoder passes over what it does not know; printing again does not.
    need(encode(data) == text and length in (None, len(data)), "not canonical base64 of the right length", "bad-base64")
    return data


def members(value: object, required: Mapping[str, type], optional: Mapping[str, type], where: str) -> dict[str, Any]:
    """Check that `value` is an object with exactly these members and types; return it.  Raises Malformed."""
    if not isinstance(value, dict):
        raise Malformed("an object was expected", where=where)
    for name in required:
        need(name in value, f"the member {name} is missing", "missing-member", where + _pointer([name]))
    types = {**optional, **required}
    for name, member in value.items():
        need(name in types, f"the member {name} is unknown", "unknown-member", where + _pointer([name]))
        right = isinstance(member, types[name]) and not (types[name] is int and isinstance(member, bool))
        need(right, f"the member {name} has the wrong type", "wrong-type", where + _pointer([name]))
    return value
