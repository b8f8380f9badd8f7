"""
Playing the season: every party makes its key, asks for it to be granted, signs its own records and sends them.

Through the producers' own client over HTTP, as any farm would; the registrar's grants travel the same way.  The order is the
story's: what a record needs, such as a grant or the lot it labels, is in the log before it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from api.demo.cast import PARTIES, Names, Party
from api.demo.story import CODES, Lot, Season, Told
from producers.answers import Result
from producers.client import LogClient
from producers.control import LabelCommitment, PartyRegistration
from producers.keys import enrol, generate_key, write_key
from producers.labels import ItemCodes, create_secret
from producers.records import record, sign_record
from producers.sign import PrivateKey

BATCH = 40  # statements of one request: small enough that the bar moves
GRANTED = ("published", "duplicate")


class DemoFailed(Exception):
    """The log refused a record of the season: the demo is at fault, and says what was refused."""


@dataclass(frozen=True, slots=True)
class Registrar:
    """Who grants keys: here the operator itself, as the log's genesis names it."""

    uri: str
    key: PrivateKey


@dataclass(frozen=True, slots=True)
class Item:
    """One labelled item to scan."""

    path: str
    """From the first slash on: /01/…/10/…/21/…"""
    name: Names
    note: Names


@dataclass(slots=True)
class Player:
    """Signs and sends; `advance` is told what was sent and how many records."""

    server: str
    folder: Path
    """For the parties' keys and the lots' secrets."""
    registrar: Registrar
    advance: Callable[[str, int], None]

    def play(self, season: Season) -> list[Item]:
        """Play the whole season; returns one item of each lot.  Raises DemoFailed, LogError."""
        with LogClient(self.server) as client:
            keys = self._grants(client, season)
            self._send(client, self._signed(season.before_labels(), keys))
            labelled = [(lot, self._codes(lot)) for lot in season.lots]
            self._send(client, [self._commitment(lot, codes, season, keys) for lot, codes in labelled])
            self._hand_in(codes for _, codes in labelled)
            self._send(client, self._signed(season.after_labels(), keys))
        return [_item(lot, codes) for lot, codes in labelled]

    def _grants(self, client: LogClient, season: Season) -> Mapping[Party, PrivateKey]:
        keys: dict[Party, PrivateKey] = {}
        grants = []
        for party in PARTIES:
            keys[party] = key = generate_key()
            write_key(self.folder / "parties" / f"{party.short}.pem", key)
            asked = enrol(key, origin=season.origin, party=party.uri, name=party.name, roles=party.roles, mint=party.mint)
            told = record(PartyRegistration.of(asked), issuer=self.registrar.uri, at=season.harvest_day)
            grants.append(("key grant", sign_record(told, self.registrar.key)))
        self._send(client, grants)
        return keys

    def _signed(self, told: Iterable[Told], keys: Mapping[Party, PrivateKey]) -> list[tuple[str, bytes]]:
        return [(one.what, sign_record(one.record, keys[one.party])) for one in told]

    def _codes(self, lot: Lot) -> ItemCodes:
        secret = create_secret(self.folder / "lots" / f"{lot.code}.secret", lot.uri)
        return ItemCodes(lot.uri, secret, CODES)

    def _commitment(
        self, lot: Lot, codes: ItemCodes, season: Season, keys: Mapping[Party, PrivateKey]
    ) -> tuple[str, bytes]:
        farm = lot.product.owner
        told = LabelCommitment.of(lot.uri, origin=season.origin, root=codes.root, count=codes.count)
        return "label commitment", sign_record(record(told, issuer=farm.uri, at=season.now), keys[farm])

    def _hand_in(self, made: Iterable[ItemCodes]) -> None:
        """Give the log the leaf hashes, never a serial."""
        with LogClient(self.server) as client:
            for codes in made:
                client.hand_in(codes.leaves())

    def _send(self, client: LogClient, statements: Sequence[tuple[str, bytes]]) -> None:
        for at in range(0, len(statements), BATCH):
            part = statements[at : at + BATCH]
            results = client.submit_lines([statement for _, statement in part])
            for (what, _), result in zip(part, results, strict=True):
                _insist(what, result)
            self.advance(part[-1][0], len(part))


def _insist(what: str, result: Result) -> None:
    if result.status not in GRANTED:
        raise DemoFailed(f"{what}: {result.status} {result.problem}")


def _item(lot: Lot, codes: ItemCodes) -> Item:
    return Item(codes.label(0, ""), lot.product.name, lot.label_note)

