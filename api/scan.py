"""
What the top of a scan page says before the phone has verified anything: product, farm, dates, the way, papers, an open recall.

Read from the bundle's statements alone, so that the page cannot tell more than it carries.  It is the operator's reading,
and the page says so until its own script has gone through the numbered steps.  Not here: which statements count
(scan_reading.py), the page's markup and its verifier (scanpage.py), and any verdict.

Source: protocol.md section 3.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from api.language import Catalog, pick_name
from api.papers import papers_of
from api.scan_reading import Reading
from api.scanpage import scan_page, words
from producers.epcis import kde
from verify import gs1, subjects
from verify.bundle import Bundle, parse_bundle
from verify.epcis import Event
from verify.policy import Policy
from verify.statement import Statement
from verify.subjects import Record

_DATES = (("harvested", kde.HARVEST_DATE), ("packed", kde.PACK_DATE), ("expires", kde.EXPIRES))


def summarise(bundle: Bundle, policy: Policy, *, lang: str, catalog: Catalog) -> dict[str, Any]:
    """What the page shows at once, in the reader's language: the members that scanpage.py draws, and `recall`."""
    reading = Reading.of(bundle, policy)
    makers = [one for uri, one, _ in reading.made if uri == reading.lot]
    return {
        "product": reading.called(gs1.product_of(reading.lot) or reading.lot, lang),
        "farm": reading.called(makers[0].issuer, lang) if makers else "–",
        "dates": _dates([event for _, _, event in reading.made], lang, catalog) or "–",
        "journey": [_row(record, event, reading, lang, catalog) for record, event in reading.events],
        "papers": papers_of(reading, lang, catalog),
        "papers-heading": catalog.text(lang, "scan.papers"),
        "erased": _erased(reading.erasures, lang, catalog),
        "recall": _recall(reading.recalls, lang, catalog),
    }


def render_scan(
    bundle_json: str, *, lang: str, catalog: Catalog, policy: str, rpc: Sequence[str], is_demo: bool
) -> tuple[str, str]:
    """
    The page of one scan, and its content security policy.

    `policy` is the operator's proposal, `rpc` the addresses the phone may ask for the chain (`/devchain` in a demo).
    Raises Malformed where the bundle cannot be read.
    """
    bundle = parse_bundle(bundle_json)
    summary = summarise(bundle, Policy.parse(policy), lang=lang, catalog=catalog)
    # A recall does not wait for a script: it stands in the page also where none runs.
    said = [str(summary["recall"] or ""), catalog.text(lang, "banner.demo") if is_demo else ""]
    html, csp = scan_page(
        bundle_json=bundle_json, lang=lang, messages=words(lang), policy=policy, summary=summary, rpc=rpc,
        subjects=filed_under(bundle), banner=" ".join(filter(None, said)) or None,
    )  # fmt: skip
    return html, f"{csp}; frame-ancestors 'none'"


def filed_under(bundle: Bundle) -> list[list[str]]:
    """For each statement the URIs, and the target's keys as hexadecimal, under which the log files it."""
    return [[*subjects.uris(st), *_target_keys(st)] for st in (one.statement for one in bundle.statements)]


def _target_keys(statement: Statement) -> list[str]:
    return list(statement.disclosed["keys"]) if statement.kind in ("Withdrawal", "Erasure") else []


def what(event: Event, lang: str, catalog: Catalog) -> str:
    """What happened, in a word or two."""
    step = event.biz_step or event.type
    return catalog.tables[lang].get(f"step.{step}", step.replace("_", " "))


def shown_time(time: datetime) -> str:
    """As the party's clock hung: date, time, offset."""
    return time.strftime("%Y-%m-%d %H:%M ") + time.isoformat()[-6:].replace("+00:00", "UTC")


def _row(record: Record, event: Event, reading: Reading, lang: str, catalog: Catalog) -> dict[str, Any]:
    return {
        "index": record.index,
        "when": shown_time(event.time),
        "who": reading.called(record.issuer, lang),
        "what": what(event, lang, catalog),
        "where": reading.called(event.read_point or event.biz_location, lang),
        "mark": catalog.text(lang, "scan.third_party") if reading.is_stranger(record) else "",
    }


def _dates(events: Sequence[Event], lang: str, catalog: Catalog) -> str:
    found: dict[str, str] = {}
    for event in events:
        for name, member in _DATES:
            value = (event.ilmd or {}).get(member)
            if isinstance(value, str):
                found.setdefault(name, value)
    return " · ".join(f"{catalog.text(lang, f'scan.{name}')} {found[name]}" for name, _ in _DATES if name in found)


def _erased(erasures: Sequence[Record], lang: str, catalog: Catalog) -> str:
    grounds = dict.fromkeys(str(one.statement.subject.get("ground", "")) for one in erasures)
    return catalog.text(lang, "scan.erased", count=len(erasures), grounds="; ".join(grounds)) if erasures else ""


def _recall(recalls: Sequence[Record], lang: str, catalog: Catalog) -> str:
    if not recalls:
        return ""
    body = recalls[0].statement.subject
    told = (pick_name(body[name], lang) for name in ("reason", "instructions"))
    return catalog.text(lang, "scan.recalled", text=" ".join(told))
