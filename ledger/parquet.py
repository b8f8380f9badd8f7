"""
A log as Parquet files: for whole-log audits and recall analytics on engines of their own.

    <folder>/entries/<start>-<end>.parquet       index, time_ms, digest, entry, leaf, keys
    <folder>/statements/…                        what each entry commits to, without disclosures
    <folder>/<derived table>/…                   only where asked for: they say what parties withhold from the public
    <folder>/manifest.json                       the signed checkpoint and every file; written last, and only if the root is right

Written a row group at a time, whatever the size of the log.  Needs pyarrow, which the service itself does not.

Source: parquet.apache.org; DECISIONS.md for why pyarrow is an extra.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from hashlib import file_digest
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import BigInteger, Boolean, Integer, LargeBinary, Table, select
from sqlalchemy.orm import Session

from ledger.models import Base, EntryRow, StatementRow
from ledger.problems import Fatal
from ledger.project import DERIVED
from ledger.spans import InOrder
from ledger.tiles import RightEdge, TileStore
from verify.checkpoint import Checkpoint
from verify.entry import Entry
from verify.merkle import leaf_hash
from verify.tiles import WIDTH

FORMAT = "originmark-parquet/1"
GROUP = 65_536  # rows of a row group: a whole subtree of 2^16
FILE = 16 * GROUP  # entries of a file
STREAMS = 16  # bundles read at once
LEFT_OUT = frozenset(("id", "disclosures"))  # numbers of rows mean nothing; disclosures are what parties withhold
HASH = pa.binary(32)
ENTRIES = pa.schema([
    ("index", pa.int64()), ("time_ms", pa.int64()), ("digest", HASH), ("entry", pa.binary()), ("leaf", HASH),
    ("keys", pa.list_(HASH)),
])  # fmt: skip
Told = Callable[[int], None]
"""Is told how many entries were written, as it goes."""


@dataclass(frozen=True, slots=True)
class Written:
    """One file of an export; entries [start, end)."""

    path: str
    table: str
    start: int
    end: int
    rows: int
    sha256: str


@dataclass(slots=True)
class Export:
    """Files that are being written under one folder."""

    folder: Path
    file_rows: int = FILE
    files: list[Written] = field(default_factory=list)

    def write(self, table: str, schema: Any, groups: Iterable[tuple[int, int, Any]]) -> None:
        """Write row groups (start, end, pyarrow table), ascending, cut into files by index."""
        writer, path, first, rows = None, self.folder, 0, 0
        for start, end, group in groups:
            if writer is None:
                first, rows, path = start, 0, self._begin(table, start)
                writer = pq.ParquetWriter(path, schema, compression="zstd", write_page_checksum=True)
            writer.write_table(group, row_group_size=GROUP)
            rows += group.num_rows
            if end % self.file_rows == 0:
                self._finish(writer, path, table, first, end, rows)
                writer = None
        if writer is not None:
            self._finish(writer, path, table, first, end, rows)

    def _begin(self, table: str, start: int) -> Path:
        path = self.folder / table / f"{start:012}.writing"
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def _finish(self, writer: Any, path: Path, table: str, start: int, end: int, rows: int) -> None:
        writer.close()
        if not rows:  # a derived table has nothing to say about these entries
            path.unlink()
            return
        done = path.replace(path.with_name(f"{start:012}-{end:012}.parquet"))
        with done.open("rb") as file:
            digest = file_digest(file, "sha256").hexdigest()
        self.files.append(Written(str(done.relative_to(self.folder)), table, start, end, rows, digest))

    def finish(self, checkpoint: Checkpoint, body: str) -> None:
        """Write the manifest: from now on the export is one."""
        told = {"format": FORMAT, "origin": checkpoint.origin, "size": checkpoint.size, "root": checkpoint.root.hex(),
                "checkpoint": body, "files": [asdict(one) for one in self.files]}  # fmt: skip
        draft = self.folder / "manifest.writing"
        draft.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", "utf-8")
        draft.replace(self.folder / "manifest.json")


def write_entries(export: Export, groups: Iterable[tuple[int, Sequence[bytes]]], checkpoint: Checkpoint, told: Told) -> None:
    """Write all entries, from (first index, entries).  Raises Fatal where they do not give the root, Malformed."""
    export.write("entries", ENTRIES, _entry_groups(groups, checkpoint, told))


def _entry_groups(
    groups: Iterable[tuple[int, Sequence[bytes]]], checkpoint: Checkpoint, told: Told
) -> Iterator[tuple[int, int, Any]]:
    edge = RightEdge()
    for start, entries in groups:
        leaves, parsed = [leaf_hash(entry) for entry in entries], [Entry.decode(entry) for entry in entries]
        edge, _ = edge.extend(leaves)
        end = start + len(entries)
        columns = [range(start, end), [one.time_ms for one in parsed], [one.digest for one in parsed], entries, leaves,
                   [one.keys for one in parsed]]  # fmt: skip
        yield start, end, _table(columns, ENTRIES)
        told(len(entries))
    if (edge.size, edge.root()) != (checkpoint.size, checkpoint.root):
        raise Fatal(f"the entries do not give the root of the checkpoint of {checkpoint.size}")


def stored_entries(session: Session, size: int) -> Iterator[tuple[int, Sequence[bytes]]]:
    """Entries from the database, a row group at a time.  Raises Fatal where some are missing."""
    for start in range(0, size, GROUP):
        end = min(start + GROUP, size)
        wanted = select(EntryRow.entry).where(EntryRow.index >= start, EntryRow.index < end).order_by(EntryRow.index)
        entries = session.scalars(wanted).all()
        if len(entries) != end - start:
            raise Fatal(f"entries are missing between {start} and {end}")
        yield start, entries


def served_entries(store: TileStore, size: int) -> Iterator[tuple[int, Sequence[bytes]]]:
    """Entries from public tiles, a row group at a time.  Raises Fatal, Malformed, OSError."""
    with ThreadPoolExecutor(STREAMS) as pool:
        for start in range(0, size, GROUP):
            bundles = range(start // WIDTH, -(-min(start + GROUP, size) // WIDTH))
            yield start, [entry for some in pool.map(lambda at: store.read_entries(at, size), bundles) for entry in some]


def write_tables(export: Export, session: Session, size: int, *, derived: bool) -> None:
    """Write the statements, and what was derived from them where asked for."""
    tables: tuple[type[Base], ...] = (StatementRow, *(DERIVED if derived else ()))
    for model in tables:
        table = Base.metadata.tables[model.__tablename__]
        schema = pa.schema([(one.name, _type(one.type)) for one in table.c if one.name not in LEFT_OUT])
        export.write(table.name, schema, _row_groups(session, table, schema, size))


def _row_groups(session: Session, table: Table, schema: Any, size: int) -> Iterator[tuple[int, int, Any]]:
    told = InOrder(session, table, [table.c[name] for name in schema.names])
    for start in range(0, size, GROUP):
        end = min(start + GROUP, size)
        rows = [[_plain(value) for value in row] for row in told.below(end)]
        yield start, end, _table(list(zip(*rows, strict=True)) or [()] * len(schema), schema)


def _table(values: Sequence[Any], schema: Any) -> Any:
    return pa.table([pa.array(one, kind) for one, kind in zip(values, schema.types, strict=True)], schema)


def _plain(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value


def _type(kind: Any) -> Any:
    if isinstance(kind, LargeBinary):
        return pa.binary()
    if isinstance(kind, Boolean):
        return pa.bool_()
    if isinstance(kind, BigInteger | Integer):
        return pa.int64()
    return pa.string()  # JSON as its text
