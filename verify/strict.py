"""The JSON profile, and base64 in exactly one spelling (PROTOCOL.md, "Strict JSON").  Nothing is ever re-serialised.
Source: protocol.md section 1; RFC 8259; RFC 4648 sections 4 and 5."""
import base64
import json
import re
from collections.abc import Callable
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
_TYPES: dict[str, type] = {"": str, "int": int, "list": list, "object": dict}

def parse(data: bytes | str, *, own_kind: bool = False, max_bytes: int = MAX_BYTES) -> Any:
    """Parse one JSON text; `own_kind` adds the rule for numbers.  Raises Malformed with the JSON pointer where one is known."""
    try:
        raw = data if isinstance(data, bytes) else data.encode("utf-8")
        text = raw.decode("utf-8")
    except UnicodeError:
        raise Malformed("not valid UTF-8", "not-utf8") from None
    need(len(raw) <= max_bytes, f"{len(raw)} bytes; at most {max_bytes} are allowed", "too-large")
    need(not text.startswith("\ufeff"), "starts with a byte order mark", "bom")
    check_depth(text, MAX_DEPTH)
    try:
        # int() refuses NaN and Infinity.
        value = json.loads(text, object_pairs_hook=_Object, parse_int=_number, parse_float=_number, parse_constant=int)
    except ValueError as error:
        raise Malformed(f"not JSON: {error}", "not-json") from None
    _walk(value, "", own_kind)
    return value

def check_depth(text: str, most: int) -> None:
    """Refuse (`too-deep`) before a recursive parser runs: a deep text must end in an error, not in a dead process."""
    depths = accumulate(1 if bracket in "[{" else -1 for bracket in _NO_BRACKET.sub("", text))
    need(max(depths, default=0) <= most, f"nested deeper than {most}", "too-deep")

class _Object(dict[str, object]):
    duplicate: str | None = None  # the first one's name, so that the walk can say where it is

    def __init__(self, pairs: list[tuple[str, object]]) -> None:
        for name, value in pairs:
            if name in self and self.duplicate is None:
                self.duplicate = name
            self[name] = value

def _number(text: str) -> object:
    if len(text) <= 64 and _PLAIN.fullmatch(text):
        return int(text)
    return found if not _LONG.fullmatch(text) and abs((found := Decimal(text)).adjusted()) <= 400 else _UNREADABLE

def _walk(value: object, where: str, own_kind: bool) -> None:
    if isinstance(value, str):
        need(not _SURROGATE.search(value), "a lone surrogate", "lone-surrogate", where)
    elif isinstance(value, _Object):
        need(value.duplicate is None, "a member occurs twice", "duplicate-member", pointer(where, value.duplicate))
        for name, member in value.items():
            inside = pointer(where, name)
            need(name != "__proto__", "the member name __proto__ is not allowed", "proto", inside)
            _walk(name, where, own_kind)
            _walk(member, inside, own_kind)
    elif isinstance(value, list):
        for at, item in enumerate(value):
            _walk(item, f"{where}/{at}", own_kind)
    else:
        is_own = value is None or (isinstance(value, int) and value <= MAX_SAFE)
        need(value is not _UNREADABLE and (is_own or not own_kind), "not a number that is allowed here", "bad-number", where)

def pointer(where: str, name: object) -> str:
    """Print the JSON pointer of the member `name` of the object at `where` (RFC 6901)."""
    return where + "/" + str(name).replace("~", "~0").replace("/", "~1")

def count(text: str, code: str | None = None) -> int:
    """Parse a decimal 0 .. 2^53-1 without sign or leading zero; raises Malformed with `code`."""
    need(len(text) <= 16 and _PLAIN.fullmatch(text) and int(text) <= MAX_SAFE, f"{text} is not a number", code)
    return int(text)

def b64_encode(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")

def b64u_encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode("ascii").rstrip("=")

def b64_decode(text: str, *, length: int | None = None, encode: Callable[[bytes], str] = b64_encode) -> bytes:
    """Decode base64 in the one spelling that `encode` prints, `length` bytes where given.  Raises Malformed (`bad-base64`)."""
    try:
        data = base64.b64decode(text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4))
    except ValueError:
        data = b""
    # The decoder passes over what it does not know; printing again does not.
    need(encode(data) == text and length in (None, len(data)), "not canonical base64 of the right length", "bad-base64")
    return data

def b64u_decode(text: str, *, length: int | None = None) -> bytes:
    """The same for base64url without padding."""
    return b64_decode(text, length=length, encode=b64u_encode)

def members(value: Any, shape: str, where: str) -> Any:
    """Check that `value` is an object with exactly the members of `shape`, and return it.  Raises Malformed.
    A shape `id size:int note?` is a text, an integer and a text that may be absent; there are list and object, too."""
    need(isinstance(value, dict), "an object was expected", None, where)
    types = {}
    for part in shape.split():
        name, _, kind = part.partition(":")
        need(name.endswith("?") or name in value, f"the member {name} is missing", "missing-member", pointer(where, name))
        types[name.rstrip("?")] = _TYPES[kind]
    for name, member in value.items():
        need(name in types, f"the member {name} is unknown", "unknown-member", pointer(where, name))
        right = isinstance(member, types[name]) and not isinstance(member, bool)
        need(right, f"the member {name} has the wrong type", "wrong-type", pointer(where, name))
    return value
