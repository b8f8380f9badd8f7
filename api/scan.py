"""
What the top of a scan page says before the phone has verified anything: product, farm, dates, the way, an open recall.

Read from the bundle's statements alone, so that the page cannot tell more than it carries.  It is the operator's reading,
and the page says so until its own script has gone through the numbered steps.  Not here: the page's markup and
its verifier (scanpage.py), and any verdict.

Source: protocol.md section 3.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from api.language import Catalog, pick_name
from api.scanpage import scan_page, words
from producers.epcis import kde
from verify import gs1, subjects
from verify.authority import scope_of
from verify.bundle import Bundle, Carried, parse_bundle
from verify.epcis import Event
from verify.statement import Statement
from verify.subjects import Record

_DATES = (("harvested", kde.HARVEST_DATE), ("packed", kde.PACK_DATE), ("expires", kde.EXPIRES))


@dataclass(slots=True)
class Reading:
    """A bundle, sorted by what the summary asks for."""

    records: list[Record] = field(default_factory=list)
    parties: dict[str, Mapping[str, str]] = field(default_factory=dict)
    things: dict[str, Mapping[str, str]] = field(default_factory=dict)
    recalls: list[Record] = field(default_factory=list)

    @classmethod
    def of(cls, carried: Sequence[Carried]) -> "Reading":
        """Sort statements; a bundle that cannot be read raises Malformed."""
        reading = cls()
        for one in carried:
            record = Record.of(one.index, one.time_ms, one.statement)
            body = record.statement.subject
            if record.statement.kind == "PartyRegistration":
                reading.parties[body["id"]] = body["name"]
            elif record.statement.kind == "MasterData":
                reading.things[gs1.canonical_uri(body["id"])] = body["name"]
            elif record.statement.kind == "RecallNotice":
                reading.recalls.append(record)
            elif record.event is not None and not record.event.error_declaration:
                reading.records.append(record)
        return reading

    def party(self, uri: str, lang: str) -> str:
        """A party's registered name, else its URI."""
        return pick_name(self.parties.get(uri), lang) or uri

    def thing(self, uri: str | None, lang: str) -> str:
        """A place's or product's name, else its URI."""
        return pick_name(self.things.get(uri or ""), lang) or (uri or "")


def summarise(bundle: Bundle, *, lang: str, catalog: Catalog) -> dict[str, Any]:
    """What the page shows at once, in the reader's language: the members that scanpage.py draws, and `recall`."""
    reading = Reading.of(bundle.statements)
    named = gs1.subjects_of_uri(bundle.label)
    lot = next((uri for uri in named if gs1.level(uri) in ("lot", "sscc")), named[0])
    product = gs1.product_of(lot)
    events = sorted(((r, r.event) for r in reading.records if r.event is not None), key=lambda pair: pair[1].time)
    makers = [r for r, event in events if any(lot in (one.uri, one.lot) for one in event.commissioned)]
    return {
        "product": reading.thing(product or lot, lang),
        "farm": reading.party(makers[0].statement.issuer, lang) if makers else "–",
        "dates": _dates([event for _, event in events], lang, catalog) or "–",
        "journey": [_row(record, event, reading, lang, catalog) for record, event in events],
        "recall": _recall(reading, {*named, *([product] if product else []), *_touched(events)}, lang, catalog),
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
    summary = summarise(bundle, lang=lang, catalog=catalog)
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
        "who": reading.party(record.statement.issuer, lang),
        "what": what(event, lang, catalog),
        "where": reading.thing(event.read_point or event.biz_location, lang),
    }


def _dates(events: Sequence[Event], lang: str, catalog: Catalog) -> str:
    found: dict[str, str] = {}
    for event in events:
        for name, member in _DATES:
            value = (event.ilmd or {}).get(member)
            if isinstance(value, str):
                found.setdefault(name, value)
    return " · ".join(f"{catalog.text(lang, f'scan.{name}')} {found[name]}" for name, _ in _DATES if name in found)


def _touched(events: Sequence[tuple[Record, Event]]) -> set[str]:
    """Every object, product and place that the carried events name."""
    found: set[str] = set()
    for record, _ in events:
        found |= set(record.uris)
        found |= {product for uri in record.uris if (product := gs1.product_of(uri))}
    return found


def _recall(reading: Reading, touched: set[str], lang: str, catalog: Catalog) -> str:
    closed = {one.statement.subject.get("closes") for one in reading.recalls}
    for one in reversed(reading.recalls):
        body = one.statement.subject
        if "closes" not in body and one.statement.digest.hex() not in closed and touched & set(scope_of(one.statement)[0]):
            told = (pick_name(body[name], lang) for name in ("reason", "instructions"))
            return catalog.text(lang, "scan.recalled", text=" ".join(told))
    return ""
