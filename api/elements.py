"""
GS1 element strings: what is printed under a barcode, and what a scanner types.

    (01)09521002000207(10)A1128-02      printed: application identifiers in brackets
    ]C10109521002000207…10A1128-02      typed: perhaps a symbology identifier, then identifiers and values in a row

A value of variable length ends with FNC1, which scanners send as GS, or with the string.  Some scanners drop it: then a value
may end wherever a serial could begin, and every reading is given; whoever asks knows which of them was ever recorded.
Not here: Digital Links and EPC URNs, and what a good value is (verify/gs1.py).

Source: GS1 General Specifications, 7.8 (element strings) and figure 7.8.5-2 (predefined lengths); ISO/IEC 15424.
"""

import re
from collections.abc import Iterator, Mapping
from urllib.parse import quote

from verify.gs1 import HOST

Elements = Mapping[str, str]
"""Values by application identifier."""
GS = "\x1d"
_SEPARATORS = re.compile("␝|<GS>|{GS}", re.IGNORECASE)  # as terminals and labels of labels show it
_SYMBOLOGY = re.compile(r"^\][A-Za-z][0-9A-Za-z]")
_BRACKETED = re.compile(r"\(([0-9]{2,4})\)((?:(?!\([0-9]{2,4}\)).)+)")
# The first two digits -> characters of identifier and value together, where no FNC1 is needed behind them.
_FIXED = {"00": 20, "01": 16, "02": 16, "03": 16, "04": 18, "20": 4, "41": 16,
          **dict.fromkeys(("11", "12", "13", "14", "15", "16", "17", "18", "19"), 8),
          **dict.fromkeys(("31", "32", "33", "34", "35", "36"), 10)}  # fmt: skip
# The first two digits -> digits of the identifier, where there are more than two.
_LONG = {**dict.fromkeys(("23", "24", "25", "40", "41", "42", "71"), 3),
         **dict.fromkeys(("31", "32", "33", "34", "35", "36", "39", "43", "70", "72", "80", "81", "82"), 4)}  # fmt: skip
_KEYS = ("00", "414", "417", "8003")  # of what an event names, beside the GTIN


def read_elements(text: str) -> list[Elements]:
    """Every way to read an element string, printed or typed; none for any other text.  Spaces do not count."""
    told = _SYMBOLOGY.sub("", _SEPARATORS.sub(GS, "".join(text.split(" "))), count=1)
    if not told.startswith("("):
        return list(_typed(told.strip(GS), {}))
    parts = _BRACKETED.findall(told)
    whole = "".join(f"({ai}){value}" for ai, value in parts) == told
    return [{ai: value.strip(GS) for ai, value in parts}] if whole else []


def links_of(elements: Elements) -> Iterator[str]:
    """The Digital Links that it means, the finest first: item and lot, lot, product; or a unit, place, party or asset."""
    gtin = elements.get("01") or elements.get("02")  # 02: what is inside the unit whose label this is
    if gtin is not None:
        lot, serial = (f"/{ai}/{quote(elements[ai], safe='')}" if ai in elements else "" for ai in ("10", "21"))
        yield from dict.fromkeys(f"{HOST}/01/{gtin}{rest}" for rest in (lot + serial, lot, ""))
    yield from (f"{HOST}/{ai}/{quote(elements[ai], safe='')}" for ai in _KEYS if ai in elements)


def _typed(text: str, found: Elements) -> Iterator[Elements]:
    if not text:
        yield found
        return
    ai = text[: _LONG.get(text[:2], 2)]
    # Each identifier stands once, so that nothing has more readings than places where its lot may end.
    for end in _ends(text, ai) if ai.isdecimal() and ai not in found else ():
        value, rest = text[len(ai) : end], text[end:].removeprefix(GS)
        if value and GS not in value:
            yield from _typed(rest, {**found, ai: value})


def _ends(text: str, ai: str) -> Iterator[int]:
    """Where the value of the first element may end."""
    if (fixed := _FIXED.get(ai[:2])) is not None:
        yield from [fixed] if len(text) >= fixed else []
        return
    end = text.find(GS) if GS in text else len(text)
    yield end
    if ai == "10":
        yield from (found.start() for found in re.finditer("(?=21)", text[:end]) if found.start() > len(ai))
