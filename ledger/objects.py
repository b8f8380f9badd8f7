"""
The object store, as three verbs: a local folder by default, S3 in earnest.

Not trusted: whoever reads proofs detects damage; at worst the log stops.  What is promised: `create` never changes an object,
and what was written before `settle` is durable when it returns.

Source: obstore's LocalStore and S3Store; the local one does not fsync, so this file does, once for many writes.
"""

import os
import urllib.error
import urllib.request
from pathlib import Path
from typing import Protocol

import obstore
from obstore.exceptions import AlreadyExistsError, NotFoundError
from obstore.store import LocalStore, from_url

from ledger.problems import Fatal

MAX_OBJECT = 32 * 1_048_576  # bytes; a full tile of entries has at most 16 MiB


class Objects(Protocol):
    """Named bytes.  Any method may raise OSError or obstore's BaseError: then the state is unknown."""

    def read(self, path: str) -> bytes | None:
        """The object, None where there is none."""

    def create(self, path: str, data: bytes) -> None:
        """Write an immutable object.  Writing the same bytes again is fine; raises Fatal where others are there."""

    def replace(self, path: str, data: bytes) -> None:
        """Write an object, whatever was there."""

    def settle(self) -> None:
        """Return once everything written so far is durable."""


class ObstoreObjects:
    """Objects in a folder or an S3 bucket (credentials from the environment, as obstore reads them)."""

    def __init__(self, url: str) -> None:
        self._folder = None if "://" in url else Path(url)
        self._unsettled: list[Path] = []
        if self._folder is None:
            self._store = from_url(url)
        else:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o755)
            self._store = LocalStore(self._folder)

    def read(self, path: str) -> bytes | None:
        """See Objects."""
        try:
            return bytes(obstore.get(self._store, path).bytes())
        except (FileNotFoundError, NotFoundError):
            return None

    def create(self, path: str, data: bytes) -> None:
        """See Objects."""
        try:
            obstore.put(self._store, path, data, mode="create")
        except AlreadyExistsError:
            # Our own earlier attempt, cut short after the write: fine.  A torn file of a power cut is not, but then the
            # checkpoint that covers it was never published, and recovery replaces instead of creating.
            if self.read(path) != data:
                raise Fatal(f"{path} exists with other bytes") from None
        self._written(path)

    def replace(self, path: str, data: bytes) -> None:
        """See Objects."""
        obstore.put(self._store, path, data)
        self._written(path)

    def settle(self) -> None:
        """See Objects."""
        # Files before folders: a name must not outlive its content.
        pending, self._unsettled = self._unsettled, []
        for target in (*pending, *dict.fromkeys(path.parent for path in pending)):
            descriptor = os.open(target, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def _written(self, path: str) -> None:
        if self._folder is not None:  # a bucket's answer means durable already
            self._unsettled.append(self._folder / path)


class HttpObjects:
    """Somebody's published tiles, read-only: for auditing a log from outside."""

    def __init__(self, prefix: str) -> None:
        if not prefix.startswith(("http://", "https://")):
            raise ValueError("an address starts with http:// or https://")
        self._prefix = prefix.rstrip("/")

    def read(self, path: str) -> bytes | None:
        """See Objects."""
        try:
            with urllib.request.urlopen(f"{self._prefix}/{path}", timeout=30) as answer:  # noqa: S310 - scheme checked
                return bytes(answer.read(MAX_OBJECT))
        except urllib.error.HTTPError as error:
            if error.code in (404, 410):
                return None
            raise

    def create(self, path: str, data: bytes) -> None:
        """Refused: this log is not ours."""
        raise PermissionError("read-only")

    replace = create

    def settle(self) -> None:
        """See Objects; nothing is ever written."""
