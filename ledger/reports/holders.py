"""
Who had what: whether a record's teller was ever confirmed to have the goods that the record is about.

The verifier's own judgement (verify/edges.py), lot by lot, over the events of a trace that stand.  Its words, and one more:

    confirmed    made it and might, or took it over from a party that had it and named the taker
    claimed      by nobody's word but its own
    unknown      the member that names the taker is withheld from this reader, or the account is not whole
    overdrawn    had it, and gave away or used up more than it made and took over

Not here: what a report says of it (fsma204_standing.py); hand-overs of one trace, event by event (ledger/handovers.py).

Source: protocol.md section 2.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from verify.authority import History

# A second reading of the same rule would differ from the first one day.  Whole journeys, which handovers.py
# takes, compare every record with every other: a lot that went to a hundred shops would cost a report seconds.
from verify.edges import CLAIMED, UNKNOWN, Journey, Story
from verify.epcis import Event
from verify.subjects import Record

OVERDRAWN = "overdrawn"


@dataclass(slots=True)
class Holders:
    """Judges one lot when it is asked for; `traced` are the objects whose whole story the records tell."""

    history: History
    traced: Collection[str]
    whole: bool
    """Whether no limit cut the records short: half of an account would accuse its party."""
    _by_uri: dict[str, list[Record]] = field(default_factory=dict)
    _known: dict[str, Story] = field(default_factory=dict)
    _overdrawn: dict[tuple[str, str], bool] = field(default_factory=dict)

    def add(self, record: Record) -> None:
        """Take up a record that stands."""
        if record.event is not None and not record.event.error_declaration:
            for uri in dict.fromkeys(record.event.uris):
                self._by_uri.setdefault(uri, []).append(record)

    def state(self, uri: str, party: str) -> str | None:
        """How surely `party` had `uri`; None for what was not traced, of which nothing here can be said."""
        if uri not in self.traced:
            return None
        state, _ = self._subject(uri).held.get(party, (CLAIMED, []))
        return UNKNOWN if state == CLAIMED and not self.whole else state

    def gave(self, uri: str, party: str) -> str | None:
        """As `state`, for what `party` gave away or used up."""
        state = self.state(uri, party)
        if state in (None, CLAIMED) or not self.whole:
            return state
        if (uri, party) not in self._overdrawn:
            subject = self._subject(uri)
            mine = [(record, event) for record, event in subject.told if record.issuer == party]
            self._overdrawn[uri, party] = subject.overdrawn(party, mine)
        return OVERDRAWN if self._overdrawn[uri, party] else state

    def makers(self, uri: str) -> set[str]:
        """Every party that commissioned `uri` and might."""
        return {record.issuer for record, _ in self._subject(uri).made}

    def _subject(self, uri: str) -> Story:
        if uri not in self._known:
            told = [(one, one.event) for one in self._about(uri) if one.event is not None]
            story = Story(uri, told, self.history, Journey())
            if story.made and story.packed:
                # Who packs into a unit answers for it, since nobody made it.  What was made by right is no such unit: else a
                # stranger would have any lot by saying that it packed something into it.
                packed = {record.index for record, _ in story.packed}
                story = Story(uri, [one for one in told if one[0].index not in packed], self.history, Journey())
            self._known[uri] = story
        return self._known[uri]

    def _about(self, uri: str) -> list[Record]:
        """The records that name an object, or a unit around it at any depth, in log order."""
        names, found = dict.fromkeys([uri]), dict[int, Record]()
        queue = [uri]
        for name in queue:
            for record in self._by_uri.get(name, ()):
                found[record.index] = record
                around = [unit for unit in _units_around(record.event, name) if unit not in names]
                names |= dict.fromkeys(around)
                queue += around
        return [found[index] for index in sorted(found)]


def _units_around(event: Event | None, uri: str) -> Iterator[str]:
    packs = event is not None and event.type == "AggregationEvent" and event.action == "ADD"
    if packs and event is not None and any(one.role == "child" and uri in one.uris for one in event.objects):
        yield from (one.uri for one in event.objects if one.role == "parent")
