"""
JSON as text: splitting it without re-serialising, and printing exact numbers.

An event from another system is signed with the numbers it came with: 820.50 must not become 820.5, nor 1E3 become
1000.  So its text is cut out, and only white space between tokens is dropped.  Not here: whether the text is in the
profile (verify/strict.py); `compact` and `split` expect well-formed JSON.

Source: RFC 8259.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal, InvalidOperation

from verify import strict
from verify.errors import Malformed

_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[^\s"]+')
_STRUCTURE = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}:,]')
_OPEN, _CLOSE = frozenset("[{"), frozenset("]}")


def parse(text: bytes | str, *, max_bytes: int = strict.MAX_BYTES) -> object:
    """Parse under the profile of verify/strict.py.  Raises Malformed."""
    try:
        return strict.parse(text, max_bytes=max_bytes)
    except InvalidOperation:
        # An exponent of twenty digits is JSON, but no number that a Decimal can hold.
        raise Malformed("a number is too long", code="bad-number") from None


def compact(text: str) -> str:
    """Drop the white space between tokens; every token stays as it is spelt."""
    return "".join(_TOKEN.findall(text))


def split(text: str) -> Iterator[tuple[str, str]]:
    """
    Split an object or list into its parts: (member's name, value in its exact spelling); a list's items have the name
    "".

    Anything else than an object or list has no parts.
    """
    depth, start, name = 0, 0, ""
    for token in _STRUCTURE.finditer(text):
        mark = token[0]
        if mark in _CLOSE:
            depth -= 1
        if (depth == 1 and mark == ",") or (depth == 0 and mark in _CLOSE):
            if value := text[start : token.start()].strip():
                yield name, value
            start, name = token.end(), ""
        elif depth == 1 and mark == ":":
            name, start = json.loads(text[start : token.start()]), token.end()
        elif mark in _OPEN:
            depth += 1
            if depth == 1:
                start = token.end()


def assemble(parts: Iterable[tuple[str, str]]) -> str:
    """Print an object from (name, value's text), in the given order."""
    return "{" + ",".join(f"{json.dumps(name, ensure_ascii=False)}:{value}" for name, value in parts) + "}"


def encode(value: object) -> str:
    """
    Print None, bool, int, Decimal, str, mappings, lists and tuples as compact JSON: numbers exactly, members in order.

    Raises TypeError for anything else, floats above all: they have lost what they were.  Raises ValueError for a
    Decimal that is no number.
    """
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise ValueError(f"{value} is not a number in JSON")
        return format(value, "f")
    if value is None or isinstance(value, str | int):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, Mapping):
        return assemble((name, encode(member)) for name, member in value.items())
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(encode, value)) + "]"
    raise TypeError(f"{type(value).__name__} has no exact JSON text")
