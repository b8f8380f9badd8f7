"""
Rates: how often one address may ask, and how much one key may submit.

Counting is the library's; only the memory is ours, because its own starts a thread every 10 ms and walks every key.  Counts
live in this process: with several processes a limit is multiplied by their number.

A key's statements are counted once their signature verified: a kid is public, and a stranger must not use up a farm's share.

Source: limits (FixedWindowRateLimiter); RFC 6585 section 4.
"""

import ipaddress
import math
import time

from limits import RateLimitItemPerMinute
from limits.storage import Storage
from limits.strategies import FixedWindowRateLimiter

MAX_KEYS = 65_536  # counters; beyond, the oldest half is forgotten: a flood from many addresses gains one window at most


class Windows(Storage):
    """Counters in a dictionary, bounded; implements what FixedWindowRateLimiter asks of a storage."""

    STORAGE_SCHEME = ["originmark"]  # noqa: RUF012 - as the base class declares it

    def __init__(self, max_keys: int = MAX_KEYS) -> None:
        super().__init__()
        self._max_keys = max_keys
        self._counts: dict[str, tuple[int, float]] = {}

    @property
    def base_exceptions(self) -> type[Exception] | tuple[type[Exception], ...]:
        """See Storage; a dictionary has no faults of its own."""
        return ()

    def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        """See Storage."""
        now = time.time()
        count, end = self._counts.get(key, (0, 0.0))
        if end <= now:
            count, end = 0, now + expiry
            if len(self._counts) >= self._max_keys:
                self._forget(now)
        self._counts[key] = count + amount, end
        return count + amount

    def _forget(self, now: float) -> None:
        kept = {key: value for key, value in self._counts.items() if value[1] > now}
        newest = sorted(kept.items(), key=lambda one: one[1][1])[-self._max_keys // 2 :]
        self._counts = dict(newest)

    def get(self, key: str) -> int:
        """See Storage."""
        count, end = self._counts.get(key, (0, 0.0))
        return count if end > time.time() else 0

    def get_expiry(self, key: str) -> float:
        """See Storage."""
        return self._counts.get(key, (0, time.time()))[1]

    def check(self) -> bool:
        """See Storage."""
        return True

    def reset(self) -> int | None:
        """See Storage."""
        gone, self._counts = len(self._counts), {}
        return gone

    def clear(self, key: str) -> None:
        """See Storage."""
        self._counts.pop(key, None)


class Rate:
    """So many a minute under one name; 0 for no limit.  Safe from several threads up to a lost count."""

    def __init__(self, per_minute: int, what: str) -> None:
        self._item = RateLimitItemPerMinute(per_minute, namespace=what) if per_minute else None
        self._limiter = FixedWindowRateLimiter(Windows())

    def wait_s(self, name: str, amount: int = 1) -> int:
        """Count `amount`; 0 where that is within the limit, else the seconds to wait before trying again."""
        # Tested first: what is refused uses nothing up, or one request too large would lock its key out for a minute.
        if self._item is None or self._limiter.test(self._item, name, cost=amount):
            if self._item is not None:
                self._limiter.hit(self._item, name, cost=amount)
            return 0
        return max(1, math.ceil(self._limiter.get_window_stats(self._item, name).reset_time - time.time()))


def address_of(client: tuple[str, int] | None) -> str:
    """The name under which an address is counted: IPv4 as it is, IPv6 by its /64, which is one customer's."""
    if client is None or ":" not in client[0]:
        return "" if client is None else client[0]
    try:
        return str(ipaddress.ip_network((client[0].partition("%")[0], 64), strict=False))
    except ValueError:
        return client[0]
