"""
Signing again, with another key, what the log refused for the key that had signed it.

An event becomes an Adoption: it names the digest under the old key, so that nobody can say that it was made up later.  What
withholds members is signed again as it was, since an Adoption would show them.  The text that is told stays byte for byte.

Source: protocol.md section 2 (Events: "A queue signed with a key that was revoked meanwhile ...").
"""

from producers.epcis.text import split
from producers.outbox import Outbox
from producers.records import adoption, sign_record
from producers.refusals import Item
from producers.sign import PrivateKey, jwk_of, sign
from verify.statement import parse_statement, thumbprint

FOR_ITS_KEY = frozenset(("unknown-key", "revoked-key", "other-party-key"))
"""Refusals that another key of the same party may be free of."""


def sign_again(outbox: Outbox, key: PrivateKey, *, now_ms: int) -> int:
    """Sign with `key` what was refused for another key, in its place; how many.  Raises Malformed."""
    kid = thumbprint(jwk_of(key.public_key()))
    found = [item for item in outbox.refusals.items() if item.problem is not None and item.problem.code in FOR_ITS_KEY]
    again = {item.id: _signed(item, key) for item in found if parse_statement(item.statement).kid != kid}
    return outbox.replace(again, now_ms=now_ms, jwk=jwk_of(key.public_key()))


def _signed(item: Item, key: PrivateKey) -> bytes:
    statement = parse_statement(item.statement)
    if statement.kind != "TraceabilityEvent" or statement.disclosures or "_sd" in statement.subject:
        return sign(statement.payload_text, key, [shown.text for shown in statement.disclosures])
    event = dict(split(statement.payload_text))["credentialSubject"]
    return sign_record(adoption(event, adopts=statement.digest.hex(), issuer=statement.issuer), key)
