"""
Event identifiers minted from the event itself, so that importing a file twice changes nothing.

    urn:uuid:<version 8>    SHA-256("originmark/event-id/v1\\n" || issuer || "\\n" || event), its first 128 bits

Version 8 and not 5: RFC 9562 keeps 5 for SHA-1 and gives 8 to schemes like this one.

Source: RFC 9562 sections 4.1, 4.2 and 5.8.
"""

from hashlib import sha256
from uuid import UUID

_DOMAIN = b"originmark/event-id/v1\n"


def mint_event_id(raw_event: bytes, issuer: str) -> str:
    """Mint the eventID of an event that came without one, from its bytes and the URI of the party that will sign it."""
    digest = sha256(_DOMAIN + issuer.encode() + b"\n" + raw_event).digest()
    bits = int.from_bytes(digest[:16], "big")
    bits = bits & ~(0xF << 76) | (8 << 76)  # version
    bits = bits & ~(0b11 << 62) | (0b10 << 62)  # variant
    return UUID(int=bits).urn
