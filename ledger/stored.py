"""
What every back-end of the object store shares: what it lists, and the two ways in which it fails.

    StoreUnavailable      no answer, or one that says nothing: whether the object was written is unknown
    StoreRefused          the store says no: credentials, rights or bucket are wrong, and trying again does not help

Messages name the place and the reason, never a credential.
"""

from dataclasses import dataclass


class StoreUnavailable(OSError):
    """The store did not answer in time; what was asked may or may not have been done."""


class StoreRefused(PermissionError):
    """The store does not let us: wrong credentials, missing rights, no such bucket."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One object that exists."""

    path: str
    size: int
    """Bytes."""
    written_s: float
    """Seconds since 1970, by the store's clock."""
