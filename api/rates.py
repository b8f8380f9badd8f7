"""
Rates: how often one address may ask, and how much one key may submit.

A window of a minute begins with the first that counts in it.  Counts live in this process: with several processes a limit is
multiplied by their number.  Every request is counted here, twice where it is a statement, so the counting is a dictionary's.

A key's statements are counted once their signature verified: a kid is public, and a stranger must not use up a farm's share.

Source: RFC 6585 section 4.
"""

import ipaddress
import math
import time

MAX_KEYS = 65_536  # counters; beyond, the oldest half is forgotten: a flood from many addresses gains one window at most
WINDOW_S = 60.0


class Windows:
    """How much was counted under each name in its window, and when that ends; bounded."""

    def __init__(self, max_keys: int = MAX_KEYS) -> None:
        self._max_keys = max_keys
        self._counts: dict[str, tuple[int, float]] = {}

    def at(self, name: str, now: float) -> tuple[int, float]:
        """What was counted, and when the window ends; a fresh window where there is none, or a past one."""
        found = self._counts.get(name)
        return (0, now + WINDOW_S) if found is None or found[1] <= now else found

    def put(self, name: str, count: int, end: float, now: float) -> None:
        """Remember it."""
        if len(self._counts) >= self._max_keys and name not in self._counts:
            self._forget(now)
        self._counts[name] = count, end

    def _forget(self, now: float) -> None:
        kept = {key: value for key, value in self._counts.items() if value[1] > now}
        newest = sorted(kept.items(), key=lambda one: one[1][1])[-self._max_keys // 2 :]
        self._counts = dict(newest)

    def __len__(self) -> int:
        """Names that are remembered."""
        return len(self._counts)


class Rate:
    """So many a minute under one name; 0 for no limit.  Safe from several threads up to a lost count."""

    def __init__(self, per_minute: int) -> None:
        self._most = per_minute
        self._windows = Windows()

    def wait_s(self, name: str, amount: int = 1) -> int:
        """Count `amount`; 0 where that is within the limit, else the seconds to wait before trying again."""
        if not self._most:
            return 0
        now = time.monotonic()
        count, end = self._windows.at(name, now)
        # What is refused uses nothing up, or one request too large would lock its key out for a minute.
        if count + amount > self._most:
            return max(1, math.ceil(end - now))
        self._windows.put(name, count + amount, end, now)
        return 0


def address_of(client: tuple[str, int] | None) -> str:
    """The name under which an address is counted: IPv4 as it is, IPv6 by its /64, which is one customer's."""
    if client is None or ":" not in client[0]:
        return "" if client is None else client[0]
    try:
        return str(ipaddress.ip_network((client[0].partition("%")[0], 64), strict=False))
    except ValueError:
        return client[0]
