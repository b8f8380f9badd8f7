"""
What certificates and laboratory reports say of a lot, a line each.

A paper counts by its issuer's role; a farm's copy of a paper that nobody signed digitally is always called a copy.

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
    if one.statement.subject.get("attestation") == "copy":
        return catalog.text(lang, "scan.copy")
    role, grant = ROLES[one.kind], grant_at(reading.history, one.statement, one.index)
    is_its = not role or (grant is not None and role in grant.roles)
    return "" if is_its else catalog.text(lang, "scan.third_party")
