"""
Objects in a folder: each appears whole or not at all, and is on the disk once it was settled.

A file is written under a draft's name and then named, in five system calls and without a sync: nobody waits for the disk.
A power cut may take what was not settled, or leave it empty, torn, or of the right size and all zeros; settling.py says how far
the store is known to be on the disk, and a start derives the rest again.  obstore's local back-end is not used: nothing in it
can be settled.

Source: man 2 fsync, man 2 link; kernel documentation of ext4 (delayed allocation, `auto_da_alloc`).
"""

import os
import secrets
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import count
from pathlib import Path

from ledger.problems import Fatal
from ledger.stored import Listed
from producers.private import sync_path

DRAFTS = ".drafts"
STALE = 3_600  # s; an older draft is what a crash left behind
TOGETHER = 64  # files synced at once: they share the commits of the file system's journal, a quarter of the time
FEW = 8  # files that are not worth a thread


class FolderObjects:
    """See objects.Objects, Batches and Shelf."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o755)
        self._folder, self._root = folder, str(folder) + os.sep
        self._mine, self._number = secrets.token_hex(8), count()
        self._swept = False

    def read(self, path: str) -> bytes | None:
        """See Objects."""
        try:
            return (self._folder / path).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def create(self, path: str, data: bytes) -> None:
        """See Objects."""
        self._write({path: data}, self._link)

    def replace(self, path: str, data: bytes) -> None:
        """See Objects."""
        self._write({path: data}, self._rename)

    def write_many(self, items: Mapping[str, bytes], *, replace: bool) -> None:
        """See Batches."""
        self._write(items, self._rename if replace else self._link)

    def settle(self, paths: Iterable[str]) -> None:
        """See Objects: syncs the files, then the folders that name them, up to the store's own."""
        files = [self._folder / path for path in dict.fromkeys(paths)]
        _each(sync_path, files)
        # A name lasts when its folder was synced, and the folder's own name when the one above was.
        above = {folder for file in files for folder in file.parents if folder.is_relative_to(self._folder)}
        _each(sync_path, [folder for folder in above if folder.is_dir()])

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
            with suppress(OSError):  # not empty, or gone
                folder.rmdir()

    def _write(self, items: Mapping[str, bytes], name: Callable[[str, str, bytes], None]) -> None:
        if not self._swept:
            self._sweep()
        drafts: list[tuple[str, str, bytes]] = []
        try:
            for path, data in items.items():
                drafts.append((self._draft(), path, data))
                self._write_new(drafts[-1][0], data)
            # A crash before this line leaves drafts that nobody reads, a crash after it whole files under their names.
            for draft, path, data in drafts:
                name(draft, path, data)
        finally:
            for draft, _, _ in drafts:
                with suppress(FileNotFoundError):
                    os.unlink(draft)

    def _draft(self) -> str:
        return f"{self._root}{DRAFTS}/{self._mine}-{next(self._number)}"

    def _write_new(self, draft: str, data: bytes) -> None:
        try:
            _write_new(draft, data)
        except FileNotFoundError:
            self._sweep()  # somebody removed the folder
            _write_new(draft, data)

    def _link(self, draft: str, path: str, data: bytes) -> None:
        try:
            self._named(os.link, draft, path)
        except FileExistsError:
            # Our own earlier attempt, cut short after the link: fine.
            if self.read(path) != data:
                raise Fatal(f"{path} exists with other bytes") from None

    def _rename(self, draft: str, path: str, data: bytes) -> None:
        self._named(os.rename, draft, path)

    def _named(self, verb: Callable[[str, str], None], draft: str, path: str) -> None:
        try:
            verb(draft, self._root + path)
        except FileNotFoundError:
            # The folder is new, or was collected a moment ago.
            (self._folder / path).parent.mkdir(parents=True, exist_ok=True, mode=0o755)
            verb(draft, self._root + path)

    def _sweep(self) -> None:
        """Make the drafts' folder, and remove what crashes left in it; once."""
        drafts = self._folder / DRAFTS
        drafts.mkdir(exist_ok=True, mode=0o755, parents=True)
        for draft in drafts.iterdir():
            # Another process may be writing right now: only what is old is nobody's.
            if draft.stat().st_mtime < time.time() - STALE:
                draft.unlink(missing_ok=True)
        self._swept = True


def _write_new(path: str, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
    finally:
        os.close(descriptor)


def _each(sync: Callable[[Path], None], paths: Collection[Path]) -> None:
    if len(paths) <= FEW:
        for path in paths:
            sync(path)
        return
    with ThreadPoolExecutor(min(TOGETHER, len(paths)) // 4) as pool:
        list(pool.map(sync, paths))


def _told(prefix: str, path: Path) -> Listed:
    facts = path.stat()
    return Listed(f"{prefix.rstrip('/')}/{path.name}", facts.st_size, facts.st_mtime)
