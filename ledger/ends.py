"""
The counterparties of an event, as its row keeps them: a JSON text, since nothing is looked for by them.

    [["source","possessing_party","https://farm.example/",false], …]     direction, type, URI, withheld

Rows of their own cost a shipment as much as everything else that it tells.
"""

import json
from collections.abc import Sequence
from typing import NamedTuple

_PRINT = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode  # made once: json.dumps makes one each time

class End(NamedTuple):
    """A counterparty of an event."""

    direction: str
    """source or destination."""
    type: str
    """possessing_party, owning_party, location, or the URI as given."""
    uri: str
    withheld: bool
    """Disclosed to the log but not to the public: only for regulators and trading partners."""


def format_ends(ends: Sequence[End]) -> str | None:
    """What a row keeps, in their order; None of none."""
    return _PRINT(ends) if ends else None


def ends_of(parties: str | None) -> list[End]:
    """The counterparties that a row keeps."""
    return [End(*one) for one in json.loads(parties)] if parties else []
