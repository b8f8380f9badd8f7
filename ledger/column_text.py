"""
Foreign texts as a column holds them: both engines must take what a party wrote, and an index must too.

    plain             a text, cut
    digest_or_none    a digest in hex, where it is one

Source: PostgreSQL, "Character Types" (no NUL) and "B-Tree Indexes" (2,704 bytes).
"""

NUL = "\x00"
MAX_TEXT = 1_024  # characters; PostgreSQL's index takes no row of more than 2,704 bytes


def plain(text: str) -> str:
    """A foreign text as a column holds it: no NUL (PostgreSQL has none), at most MAX_TEXT characters."""
    return text.replace(NUL, "\ufffd")[:MAX_TEXT]


def digest_or_none(text: object) -> bytes | None:
    """A digest in hex, None for anything else: an Adoption may name whatever it likes."""
    try:
        return bytes.fromhex(text) if isinstance(text, str) and len(text) == 64 else None
    except ValueError:
        return None
