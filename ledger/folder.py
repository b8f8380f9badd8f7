"""
Objects in a folder: each appears whole or not at all, whenever the power goes.

A file is written under a draft's name, synced, and only then linked to its own; the folders are synced once for a whole batch.
obstore's local back-end is not used: it names a file before its bytes are on the disk, so that a power cut leaves an empty one.

Source: man 2 fsync, man 2 link; kernel documentation of ext4 (`auto_da_alloc` covers renames over a file, and not new names).
"""

import os
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ledger.problems import Fatal
from ledger.stored import Listed
from producers.private import sync_folder

DRAFTS = ".drafts"
STALE = 3_600  # s; an older draft is what a crash left behind
TOGETHER = 64  # files open at once
FEW = 8  # files that are not worth a thread


class FolderObjects:
    """See objects.Objects, Batches and Shelf."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o755)
        self._folder, self._drafts = folder, folder / DRAFTS
        self._swept = False
        self._unsettled: dict[Path, None] = {}

    def read(self, path: str) -> bytes | None:
        """See Objects."""
        try:
            return (self._folder / path).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def create(self, path: str, data: bytes) -> None:
        """See Objects."""
        self._put({path: data}, replace=False)

    def replace(self, path: str, data: bytes) -> None:
        """See Objects."""
        self._put({path: data}, replace=True)

    def write_many(self, items: Mapping[str, bytes], *, replace: bool) -> None:
        """See Batches."""
        whole = list(items.items())
        for at in range(0, len(whole), TOGETHER):
            self._put(dict(whole[at : at + TOGETHER]), replace=replace)
        self.settle()

    def settle(self) -> None:
        """See Objects."""
        unsettled, self._unsettled = self._unsettled, {}
        for folder in unsettled:
            sync_folder(folder)

    def listed(self, prefix: str) -> list[Listed]:
        """See Shelf."""
        try:
            found = sorted((self._folder / prefix).iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return []
        return [_told(prefix, path) for path in found if path.is_file()]

    def drop(self, paths: list[str]) -> None:
        """See Shelf."""
        for path in paths:
            (self._folder / path).unlink(missing_ok=True)
        for folder in {(self._folder / path).parent for path in paths}:
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()

    def _put(self, items: Mapping[str, bytes], *, replace: bool) -> None:
        self._sweep()
        with ExitStack() as stack:
            drafts = [stack.enter_context(self._draft(data)) for data in items.values()]
            _sync([descriptor for _, descriptor in drafts])
            # A crash before this line leaves drafts that nobody reads, a crash after it good files under good names.
            for (draft, _), (path, data) in zip(drafts, items.items(), strict=True):
                self._name(draft, path, data, replace=replace)

    @contextmanager
    def _draft(self, data: bytes) -> Iterator[tuple[Path, int]]:
        path = self._drafts / secrets.token_hex(8)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
            yield path, descriptor
        finally:
            os.close(descriptor)
            path.unlink(missing_ok=True)

    def _name(self, draft: Path, path: str, data: bytes, *, replace: bool) -> None:
        target = self._folder / path
        self._make(target.parent)
        if replace:
            draft.replace(target)
        else:
            try:
                os.link(draft, target)
            except FileExistsError:
                # Our own earlier attempt, cut short after the link: fine.
                if target.read_bytes() != data:
                    raise Fatal(f"{path} exists with other bytes") from None
        self._unsettled[target.parent] = None

    def _make(self, folder: Path) -> None:
        missing = []
        while not folder.is_dir():
            missing.append(folder)
            folder = folder.parent
        for one in reversed(missing):
            one.mkdir(exist_ok=True, mode=0o755)
            self._unsettled[one.parent] = None  # the folder's own name must last, too

    def _sweep(self) -> None:
        """Make the drafts' folder; once, remove what crashes left in it."""
        self._drafts.mkdir(exist_ok=True, mode=0o755, parents=True)
        if self._swept:
            return
        for draft in self._drafts.iterdir():
            # Another process may be writing right now: only what is old is nobody's.
            if draft.stat().st_mtime < time.time() - STALE:
                draft.unlink(missing_ok=True)
        self._swept = True


def _sync(descriptors: Sequence[int]) -> None:
    """Sync files; many at once, which share the commits of the file system's journal (64 files: a quarter of the time)."""
    if len(descriptors) <= FEW:
        for descriptor in descriptors:
            os.fsync(descriptor)
        return
    with ThreadPoolExecutor(len(descriptors) // 4) as pool:
        list(pool.map(os.fsync, descriptors))


def _told(prefix: str, path: Path) -> Listed:
    facts = path.stat()
    return Listed(f"{prefix.rstrip('/')}/{path.name}", facts.st_size, facts.st_mtime)
