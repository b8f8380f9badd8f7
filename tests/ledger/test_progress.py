"""Whoever waits for long work is told what is done and how far it is, to the end."""

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from ledger.audit import WHAT, audit_ledger, audit_served
from ledger.backup import make_backup
from ledger.observing import Advance
from tests.support.ledger import FARM, Rig, p256


@dataclass
class Watching:
    """Writes down what it is told."""

    totals: dict[str, int] = field(default_factory=dict)
    done: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def begin(self, what: str, total: int) -> Advance:
        self.totals[what] = total

        def advance(more: int) -> None:
            self.done[what] += more

        return advance


def test_an_audit_says_how_many_of_the_entries_it_has_seen(farm: Rig) -> None:
    farm.log(*(farm.event(FARM, p256("farm")) for _ in range(5)))
    size, keys = farm.sequencer.recover().edge.size, (farm.keys.log.vkey, farm.keys.clock.vkey)
    whole, served = Watching(), Watching()
    audit_ledger(farm.database, farm.store, *keys, whole.begin)
    audit_served(farm.store, *keys, served.begin)
    assert whole.totals == whole.done == served.totals == served.done == {WHAT: size}


def test_a_backup_says_how_many_rows_it_has_copied_and_how_many_entries_it_has_read_back(farm: Rig, tmp_path: Path) -> None:
    farm.log(*(farm.event(FARM, p256("farm")) for _ in range(5)))
    seen = Watching()
    made = make_backup(farm.database, farm.keys, tmp_path / "backup", now_ms=farm.now_ms, begin=seen.begin)
    assert seen.totals == seen.done
    assert made.size in seen.totals.values()
    assert len(seen.totals) == (1 if farm.database.is_sqlite else 2)  # SQLite copies its own file in one step
