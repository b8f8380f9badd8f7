"""
What certificates and laboratory reports say of a lot, a line each.

A paper counts by its issuer's role.  A copy of one that nobody signed digitally is always called a copy, and a third party's
claim where its issuer neither had the goods nor owns the product.

Source: protocol.md section 2, "certificate, lab report".
"""

from collections.abc import Mapping
from typing import Any

from api.language import Catalog
from api.scan_reading import Reading
from verify.authority import grant_at
from verify.subjects import Record

ROLES: Mapping[str, str] = {"Certificate": "certifier", "LabReport": "laboratory", "CommitmentCertificate": ""}
"""Who issues a paper; a commitment certificate is the holder's own."""


def papers_of(reading: Reading, lang: str, catalog: Catalog) -> list[dict[str, str]]:
    """The papers that count, oldest first: `what`, `says`, `who`, and `mark` where something stands against it."""
    found = [one for one in reading.counted if one.kind in ROLES]
    return [{"what": catalog.text(lang, f"kind.{one.kind}"), "says": _says(one.statement.disclosed, lang, catalog),
             "who": reading.called(one.issuer, lang), "mark": _mark(one, reading, lang, catalog)} for one in found]  # fmt: skip


def _says(body: Mapping[str, Any], lang: str, catalog: Catalog) -> str:
    words = catalog.tables[lang]
    told = [str(body[name]) for name in ("scheme", "number", "sample", "method") if body.get(name)]
    if verdict := body.get("verdict"):
        told.append(words["told.verdict"] + words.get(f"told.verdict.{verdict}", str(verdict)))
    if issued := body.get("issued"):
        told.append(str(issued)[:10])
    if until := body.get("validUntil"):
        told.append(catalog.text(lang, "scan.valid_until", date=str(until)[:10]))
    return " · ".join(told)


def _mark(one: Record, reading: Reading, lang: str, catalog: Catalog) -> str:
    body, role = one.statement.disclosed, ROLES[one.kind]
    is_copy = body.get("attestation") == "copy"
    if is_copy:
        is_its = reading.may_hand_on(one.issuer)
    elif role:
        grant = grant_at(reading.history, one.statement, one.index)
        is_its = grant is not None and role in grant.roles
    else:
        is_its = one.issuer == body.get("holder") and one.issuer in reading.holders
    marks = {"scan.copy": is_copy, "scan.third_party": not is_its}
    return " ".join(catalog.text(lang, name) for name, holds in marks.items() if holds)
