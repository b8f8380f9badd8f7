"""
The object store, as few verbs: a local folder by default, a bucket in earnest.

Not trusted: whoever reads proofs detects damage; at worst the log stops.  What is promised: an object appears whole, `create`
never changes one, and what is named to `settle` is durable when that returns; until then a power cut may take it.

    Objects      what the log needs
    Batches      writes many at once, faster
    Shelf        lists and deletes: for collecting partial tiles, never on the way of a statement

Back-ends: folder.py, buckets.py, and here somebody's published log, read-only.
"""

import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol, runtime_checkable

from ledger.buckets import BucketObjects, BucketSettings
from ledger.folder import FolderObjects
from ledger.stored import Listed

MAX_OBJECT = 32 * 1_048_576  # bytes; a full tile of entries has at most 16 MiB
STREAMS = 16  # reads at once; a bucket's answer is mostly waiting


class Objects(Protocol):
    """Named bytes.  Any method may raise OSError: then the state is unknown."""

    def read(self, path: str) -> bytes | None:
        """The object, None where there is none."""

    def create(self, path: str, data: bytes) -> None:
        """Write an immutable object.  Writing the same bytes again is fine; raises Fatal where others are there."""

    def replace(self, path: str, data: bytes) -> None:
        """Write an object in place of the one there."""

    def settle(self, paths: Iterable[str]) -> None:
        """Return once these objects, which are there, are durable as they are now."""


@runtime_checkable
class Batches(Protocol):
    """An object store that is faster at many objects than at one."""

    def write_many(self, items: Mapping[str, bytes], *, replace: bool) -> None:
        """Create or overwrite all, in any order.  Raises as Objects."""


@runtime_checkable
class Shelf(Protocol):
    """An object store that can be tidied."""

    def listed(self, prefix: str) -> list[Listed]:
        """The objects right under `prefix`, which ends in a slash; by name."""

    def drop(self, paths: list[str]) -> None:
        """Delete objects; those that are gone already are fine."""


def open_objects(url: str, settings: BucketSettings | None = None) -> FolderObjects | BucketObjects:
    """A folder, or a bucket where `url` has a scheme; its settings come from the environment unless given."""
    return BucketObjects(url, settings) if "://" in url else FolderObjects(Path(url))


def write_all(objects: Objects, items: Mapping[str, bytes], *, replace: bool) -> None:
    """Write many objects, together where the store can.  Raises as Objects: some may be written then."""
    if isinstance(objects, Batches):
        objects.write_many(items, replace=replace)
        return
    for path, data in items.items():
        (objects.replace if replace else objects.create)(path, data)


def read_all(objects: Objects, paths: Iterable[str]) -> Iterator[bytes | None]:
    """Read many objects at once; yields them in the order of `paths`."""
    with ThreadPoolExecutor(STREAMS) as pool:
        yield from pool.map(objects.read, paths)


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

    def settle(self, paths: Iterable[str]) -> None:
        """See Objects; nothing is ever written."""
