"""
What was counted: each worker adds up for itself and hands over the difference; whoever watches adds the workers together.
"""

import time
from collections import Counter
from dataclasses import dataclass, field

KEPT = 200_000  # latencies a kind and worker; enough for a p99 of an hour


@dataclass(slots=True)
class Tally:
    """Counts by name, latencies (s) by kind, and the faults that make the run fail."""

    counts: Counter[str] = field(default_factory=Counter)
    latencies: dict[str, list[float]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    notes: Counter[str] = field(default_factory=Counter)
    """What was in the way and was overcome: an error's name, how often."""

    def took(self, kind: str, begun: float) -> None:
        """Remember how long something took that began at `begun` (time.monotonic)."""
        kept = self.latencies.setdefault(kind, [])
        if len(kept) < KEPT:
            kept.append(time.monotonic() - begun)

    def add(self, other: "Tally") -> None:
        """Add another's."""
        self.counts += other.counts
        self.notes += other.notes
        self.faults += other.faults
        for kind, more in other.latencies.items():
            self.latencies.setdefault(kind, []).extend(more)

    def take(self) -> "Tally":
        """What came since the last time."""
        taken = Tally(self.counts, self.latencies, self.faults, self.notes)
        self.counts, self.latencies, self.faults, self.notes = Counter(), {}, [], Counter()
        return taken


def quantile(values: list[float], share: float) -> float:
    """The value below which `share` of them lie; 0 where there are none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0
