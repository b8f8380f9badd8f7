"""
Whoever watches the sequencer: told after each batch, after each error, after each witness's answer.

An observer counts and writes down; it decides nothing, and must neither raise nor block.  Silence is the default, so that
commands and tests need none.  Long work says how far it is to a Begin.
"""

from collections.abc import Callable
from typing import Protocol

Advance = Callable[[int], None]
"""Is told how much more is done."""
Begin = Callable[[str, int], Advance]
"""Is told that work begins: what, and how much of it there is."""


def unwatched(what: str, total: int) -> Advance:
    """Nobody looks."""
    return lambda done: None


class Observer(Protocol):
    """Told from the sequencer's thread."""

    def batch(self, *, judged: int, added: int, size: int, seconds: float, waited_s: float) -> None:
        """
        A batch is published.

        `judged` statements, of which `added` are new entries; `size` of the published log; `seconds` from taking the batch
        to its publication; `waited_s` since the oldest of it was admitted.
        """

    def stopped(self, error: BaseException) -> None:
        """A step failed: nothing is sequenced before a reload has succeeded."""

    def witness(self, name: str, *, signed: bool, seconds: float) -> None:
        """A witness was asked for its line."""


class Silent:
    """Watches nothing."""

    def batch(self, *, judged: int, added: int, size: int, seconds: float, waited_s: float) -> None:
        """See Observer."""

    def stopped(self, error: BaseException) -> None:
        """See Observer."""

    def witness(self, name: str, *, signed: bool, seconds: float) -> None:
        """See Observer."""
