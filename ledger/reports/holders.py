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

# A second reading of the same rule would differ from the first one day; story.py only asks it of fewer records.
from ledger.reports.story import QuickStory
from verify.authority import History
from verify.edges import CLAIMED, UNKNOWN, packings
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
    _known: dict[str, QuickStory] = field(default_factory=dict)
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
            self._overdrawn[uri, party] = self._subject(uri).overdrew(party)
        return OVERDRAWN if self._overdrawn[uri, party] else state

    def makers(self, uri: str) -> set[str]:
        """Every party that commissioned `uri` and might."""
        return {record.issuer for record, _ in self._subject(uri).made}

    def _subject(self, uri: str) -> QuickStory:
        if uri not in self._known:
            told = [(one, one.event) for one in self._about(uri) if one.event is not None]
            self._known[uri] = QuickStory(uri, told, self.history)
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
    if event is not None:
        yield from (unit for child, unit in packings(event) if child == uri)
