"""
Auditing event IDs: no issuer takes one twice, in a log of any length.

What was taken is kept in a file that SQLite makes for this one connection, on the disk once it outgrows its cache, and gone with
it: in memory it would be some gigabytes at ten million statements.  Nothing in the ledger's own tables is believed for it.

Source: protocol.md section 2; sqlite.org/inmemorydb.html, temporary databases.
"""

import sqlite3

from ledger.candidates import event_key

CACHE_KIB = 65_536


class EventIds:
    """Who took an event ID first, for one audit.  `close` ends it."""

    def __init__(self) -> None:
        self._file = sqlite3.connect("", isolation_level=None)
        # A scratch file: what a power cut leaves of it nobody reads.
        for setting in ("journal_mode = OFF", "synchronous = OFF", f"cache_size = -{CACHE_KIB}"):
            self._file.execute(f"PRAGMA {setting}")
        self._file.execute("CREATE TABLE taken (key BLOB PRIMARY KEY, digest BLOB NOT NULL) WITHOUT ROWID")
        self._file.execute("BEGIN")  # and no end: each commit would go through every page in the cache

    def holder(self, issuer: str, event_id: str, digest: bytes) -> bytes:
        """The digest of the statement that took it, which from now on is `digest` where none had."""
        key = event_key(issuer, event_id)
        if self._file.execute("INSERT OR IGNORE INTO taken VALUES (?, ?)", (key, digest)).rowcount:
            return digest
        found: bytes = self._file.execute("SELECT digest FROM taken WHERE key = ?", (key,)).fetchone()[0]
        return found

    def close(self) -> None:
        """Delete the file."""
        self._file.close()
