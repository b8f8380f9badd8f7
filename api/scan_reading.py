"""
A bundle's statements as the page reads them: judged by the verifier's own rules, before the phone has judged them again.

Records that were withdrawn, erased, declared wrong or disputed do not count; a recall reaches what the phone will say it
reaches; who never had the thing is a third party, and names, dates and makers are never a third party's.  It is the operator's
reading all the same: signatures and proofs are left to the phone.

Source: protocol.md section 2; verify/PROTOCOL.md, steps 10, 12 and 15.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from api.language import pick_name
from ledger.described import Description, counting, is_owner
from verify import gs1
from verify.authority import FOREVER, History, grant_at, may_mint
from verify.bundle import Bundle
from verify.checkpoint import Checkpoint
from verify.edges import CLAIMED, Journey, journey_of, standing
from verify.epcis import Event
from verify.note import parse_note
from verify.policy import Policy
from verify.subjects import Record
from verify.verifier import reaches


@dataclass(frozen=True, slots=True)
class Reading:
    """A bundle, read under a policy."""

    named: tuple[str, ...]
    """What the label names, the finest first."""
    lot: str
    records: Sequence[Record]
    counted: Sequence[Record]
    history: History
    journey: Journey
    holders: frozenset[str]
    """Parties that made or had the thing or what it was made of, by more than their own word."""
    names: Mapping[str, object]
    """What parties, places and products are called, per language; of places and products, whatever their owner signed."""

    @classmethod
    def of(cls, bundle: Bundle, policy: Policy) -> "Reading":
        """Read the statements; a bundle that cannot be read raises Malformed."""
        origin = Checkpoint.parse(parse_note(bundle.checkpoint).text).origin
        records = [Record.of(one.index, one.time_ms, one.statement) for one in bundle.statements]
        history = History(origin, policy.registrars, records)
        counted = standing(records, history)
        named = tuple(gs1.subjects_of_uri(bundle.label))
        lot = next((uri for uri in named if gs1.level(uri) in ("lot", "sscc")), named[0])
        journey = journey_of(lot, counted, history)
        holders = frozenset(hop.party for hop in (*journey.edges, *journey.origins) if hop.state != CLAIMED)
        return cls(named, lot, records, counted, history, journey, holders, _names(records, counted, history))

    @property
    def events(self) -> list[tuple[Record, Event]]:
        """What happened, by the parties' own times."""
        told = ((one, one.event) for one in self.counted if one.event is not None and not one.event.error_declaration)
        return sorted(told, key=lambda pair: pair[1].time)

    @property
    def made(self) -> list[tuple[str, Record, Event]]:
        """What was brought into being on the way, with the records that tell it, by parties that might."""
        told = [(uri, one, event) for one, event in self.events for it in event.commissioned for uri in it.uris]
        return [(uri, one, event) for uri, one, event in told if uri in self.journey.visited
                and may_mint(grant_at(self.history, one.statement, one.index), uri, self.history, one.index)]  # fmt: skip

    @property
    def recalls(self) -> list[Record]:
        """Open recalls that reach the label, newest first.  A disputed notice still warns, a disputed closing closes nothing."""
        notices = [one for one in self.records if one.kind == "RecallNotice" and one.index not in self.history.refused]
        closed = {one.statement.subject.get("closes") for one in self.counted if one.kind == "RecallNotice"}
        opened = [one for one in notices if "closes" not in one.statement.subject and one.digest.hex() not in closed]
        return [one for one in reversed(opened) if reaches(one, (*self.named, self.lot), self.records, self.journey)]

    @property
    def erasures(self) -> list[Record]:
        """What the operator dropped on a ground of law; no bundle carries what was erased, so that no target is asked for."""
        told = [one for one in self.records if one.kind == "Erasure"]
        return [one for one in told if one.issuer == self.records[0].statement.subject["registrar"]["id"]]

    def is_stranger(self, record: Record) -> bool:
        """Whether its issuer never had the thing, by anybody else's word; a hop that one side claims is marked by the phone."""
        hops = {hop.index for hop in (*self.journey.edges, *self.journey.origins)}
        return record.issuer not in self.holders and record.index not in hops

    def may_hand_on(self, issuer: str) -> bool:
        """Whether a party had the thing, or owns its product: it may show a copy of a paper about it."""
        product = gs1.product_of(self.lot)
        return issuer in self.holders or (product is not None and _owns(self.history, issuer, product))

    def called(self, uri: str | None, lang: str) -> str:
        """The name of a party, place or product, else its URI."""
        return pick_name(self.names.get(uri or ""), lang) or (uri or "")


def _names(records: Sequence[Record], counted: Sequence[Record], history: History) -> dict[str, object]:
    told = {one.index: gs1.canonical_uri(one.statement.subject["id"]) for one in records if one.kind == "MasterData"}
    described = [Description(one.index, told[one.index], one.issuer) for one in records if one.index in told]
    counts = {one.index for one in counting(described, partial(_owns, history))}
    found = {told[one.index]: one.statement.subject.get("name") for one in counted if one.index in counts}
    # A registered party keeps its registered name, whatever anybody describes under its URI.
    parties = [one.statement.subject for one in counted if one.kind == "PartyRegistration"]
    return found | {gs1.canonical_uri(body["id"]): body["name"] for body in parties}


def _owns(history: History, issuer: str, uri: str) -> bool:
    return is_owner(issuer, uri, [prefix for grant in history.grants_of(issuer, FOREVER) for prefix in grant.mint])
