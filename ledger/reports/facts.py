"""
Facts: the events of some lots with everything they carry, and what places, products and parties are called.

The reading that reports share.  A fact that a food law asks for stands where producers/epcis/kde.py says; a place is described
by its newest master data.  Not here: which facts a law asks for (each report says).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from sqlalchemy.orm import Session

from ledger.described import coordinates, described
from ledger.project_events import told_event
from ledger.registry import SqlHistory
from ledger.reports.holders import Holders
from ledger.reports.interface import MAX_LOTS, BadQuery, Query
from ledger.reports.places import MEMBERS, UNDESCRIBED, gaps_of
from ledger.shown import Audience, names_of, read_records
from ledger.told_events import Told
from ledger.trace import Graph, Reach, trace_back, trace_forward
from ledger.units import Content, Scope, contents_at
from producers.epcis.kde import Reference
from verify import gs1
from verify.epcis import Event
from verify.subjects import Record

MAX_FACTS = 5_000  # events of one report
WITHHELD = "withheld from you / 未向您披露"  # in both languages: a cell has none of its own


@dataclass(frozen=True, slots=True)
class Fact:
    """One event with its extension members."""

    told: Told
    event: Event
    raw: Mapping[str, Any]
    withheld: Collection[str] = ()
    """Members that the party disclosed to the log, but not to this reader."""

    def member(self, *names: str) -> str:
        """The first of these members that the event, or its ilmd, has as a text or number; empty where none."""
        ilmd = self.raw.get("ilmd")
        for name in names:
            for place in (ilmd if isinstance(ilmd, Mapping) else {}, self.raw):
                value = place.get(name)
                if isinstance(value, str | int | Decimal) and value != "":
                    return str(value)
        return ""

    def inner(self, name: str, member: str) -> str:
        """A text inside a member that is an object, such as the harvester's name."""
        for place in (self.raw.get("ilmd"), self.raw):
            found = place.get(name) if isinstance(place, Mapping) else None
            if isinstance(found, Mapping) and isinstance(found.get(member), str):
                return str(found[member])
        return ""

    @property
    def date(self) -> str:
        """The day on which it is said to have happened, at the place's own offset: YYYY-MM-DD."""
        return self.told.time[:10]

    @property
    def place(self) -> str:
        """Where: the read point, else where things were afterwards."""
        return self.event.read_point or self.event.biz_location or ""

    @property
    def references(self) -> str:
        """Its documents, type and number; WITHHELD where this reader may not see them."""
        if "bizTransactionList" in self.withheld:
            return WITHHELD
        papers = self.raw.get("bizTransactionList")
        named = [one for one in papers if isinstance(one, Mapping)] if isinstance(papers, list) else []
        read = [Reference.of(str(one.get("type", "")), str(one.get("bizTransaction", ""))) for one in named]
        return "; ".join(f"{one.kind.rpartition('/')[2]} {one.number}".strip() for one in read)

    def end(self, direction: str) -> str:
        """
        Where it came from (`source`) or goes (`destination`): the location, else the party.

        Empty where nobody told it, WITHHELD where this reader may not see it.
        """
        if f"{direction}List" in self.withheld:
            return WITHHELD
        ends = [one for one in self.told.parties if one.direction == direction]
        return next((one.uri for one in ends if one.type == "location"), ends[0].uri if ends else "")


@dataclass(frozen=True, slots=True)
class Book:
    """Everything a report reads; `truncated` where there was more than it may."""

    facts: Sequence[Fact]
    master: Mapping[str, Mapping[str, Any]]
    parties: Mapping[str, Mapping[str, str]]
    contents: Mapping[tuple[str, int], Sequence[Content]]
    truncated: bool
    lang: str
    """Names are in this language where there are any."""
    makers: Mapping[str, str]
    """Who commissioned what, and might; nothing of what nobody had the right to."""
    holders: Holders

    def made_in(self, fact: Fact) -> list[str]:
        """What an event brought into being; nothing that was another's to make, whatever time a stranger claims."""
        made = [one.lot or one.uri for one in fact.event.commissioned]
        return [uri for uri in made if self.makers.get(uri, fact.told.issuer) == fact.told.issuer]

    def describe(self, uri: str) -> tuple[str, Sequence[str]]:
        """A place as the law wants it, and what is missing of that: 21 CFR 1.1310, location description (places.py)."""
        if uri == WITHHELD:
            return uri, ()
        known = self.master.get(uri)
        if not uri or known is None:
            name = self.party(uri)
            return (f"{name} ({uri})" if name and name != uri else uri), UNDESCRIBED
        told = {name: _words(known.get(name), self.lang) for name in MEMBERS}
        told["business"] = _words(self.parties.get(_words(known.get("holder"), self.lang)), self.lang)
        told["geo"] = coordinates(known)
        words = (told[name] for name in ("name", "business", *MEMBERS[1:], "geo"))
        return "; ".join([*filter(None, words), uri]), gaps_of(told)

    def product(self, uri: str) -> str:
        """What a lot's product is called by its owner."""
        known = self.master.get(gs1.product_of(uri) or uri)
        return _words(known.get("name"), self.lang) if known else ""

    def party(self, uri: str) -> str:
        """A party's registered name, else its URI."""
        return _words(self.parties.get(uri), self.lang) or uri


def read_book(session: Session, query: Query) -> Book:
    """Read every event on the way to and from the asked lots.  Raises BadQuery, Malformed for an identifier."""
    if not 0 < len(query.lots) <= MAX_LOTS:
        raise BadQuery(f"ask for 1 to {MAX_LOTS} lots")
    if query.since_ms is not None and query.until_ms is not None and query.since_ms > query.until_ms:
        raise BadQuery("`from` is later than `until`: no event is in such a time")
    reach = Reach(until_ms=query.until_ms, limit=MAX_FACTS, before=query.before, audience=query.audience)
    graphs = _graphs(session, query, reach)
    told = {one.index: one for graph in graphs for one in graph.events}
    kept = [one for one in told.values() if query.since_ms is None or one.time_ms >= query.since_ms]
    kept = sorted(kept, key=lambda one: (one.time_ms, one.index))
    facts = _facts(session, kept[:MAX_FACTS], query.audience)
    truncated = len(kept) > MAX_FACTS or any(graph.truncated for graph in graphs)
    uris = {uri for fact in facts for uri in _named(fact)}
    moments = {(one.uri, fact.told.time_ms) for fact in facts for one in fact.event.objects if one.role == "epc"}
    inside = contents_at(session, moments, Scope(before=query.before))
    uris |= {gs1.product_of(content.uri) or "" for found in inside.values() for content in found}
    master = described(session, uris, query.before)
    people = {fact.told.issuer for fact in facts} | {end.uri for fact in facts for end in fact.told.parties}
    parties = names_of(session, people | {_words(one.get("holder"), query.lang) for one in master.values()}, query.before)
    # Who had something is judged by its whole story, whatever part of it was asked for.
    whole = graphs if query.until_ms is None else _graphs(session, query, replace(reach, until_ms=None))
    holders = _holders(session, whole, query)
    return Book(facts, master, parties, inside, truncated, query.lang, _makers(session, facts, query.before), holders)


def _graphs(session: Session, query: Query, reach: Reach) -> list[Graph]:
    return [trace(session, lot, reach) for lot in query.lots for trace in (trace_back, trace_forward)]


def _holders(session: Session, graphs: Sequence[Graph], query: Query) -> Holders:
    events = {one.index: one for graph in graphs for one in graph.events if one.standing == "stands"}
    traced = frozenset(node.id for graph in graphs for node in graph.nodes)
    whole = not any(graph.truncated for graph in graphs)
    holders = Holders(SqlHistory(session, ""), traced, whole)  # as _makers: the log's name does not matter here
    for record in _records(session, list(events.values()), query.audience).values():
        holders.add(record)
    return holders


def _makers(session: Session, facts: Sequence[Fact], before: int) -> dict[str, str]:
    history = SqlHistory(session, "")  # who may commission does not depend on the log's name
    made = {one.lot or one.uri for fact in facts for one in fact.event.commissioned}
    return {uri: maker for uri in sorted(made) if (maker := history.commissioner(uri, before)) is not None}


def _records(session: Session, told: Sequence[Told], audience: Audience) -> dict[int, Record]:
    return {record.index: record for record in read_records(session, [one.index for one in told], audience)}


def _facts(session: Session, told: Sequence[Told], audience: Audience) -> list[Fact]:
    seen = _records(session, told, audience)
    whole = seen if audience == Audience.REGULATOR else _records(session, told, Audience.REGULATOR)
    found = []
    for one in told:
        record = seen.get(one.index)
        raw = None if record is None else told_event(record.statement)
        if record is not None and record.event is not None and raw is not None:
            found.append(Fact(one, record.event, raw, (told_event(whole[one.index].statement) or {}).keys() - raw.keys()))
    return found


def _named(fact: Fact) -> set[str]:
    texts = [value for value in (*fact.raw.values(), *_ilmd(fact).values()) if isinstance(value, str)]
    ends = [end.uri for end in fact.told.parties]
    products = [gs1.product_of(one.uri) or "" for one in fact.event.objects]
    return {*texts, *ends, *products, fact.place}


def _ilmd(fact: Fact) -> Mapping[str, Any]:
    ilmd = fact.raw.get("ilmd")
    return ilmd if isinstance(ilmd, Mapping) else {}


def _words(value: object, lang: str) -> str:
    if isinstance(value, Mapping):
        return str(value.get(lang) or value.get("en") or next(iter(value.values()), ""))
    return value if isinstance(value, str) else ""


