"""The log as Parquet: every entry, the right root, and nothing that a party withheld."""

import json
from hashlib import sha256
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from ledger.commands.export import export_app
from ledger.models import EntryRow, StatementRow
from ledger.parquet import ENTRIES, Export, served_entries, stored_entries, write_entries, write_tables
from ledger.problems import Fatal
from tests.support.ledger import HUB, Rig
from verify.checkpoint import Checkpoint
from verify.entry import Entry
from verify.merkle import leaf_hash, root, roots_reader
from verify.note import parse_note
from verify.tiles import tile_path


def checkpoint_of(rig: Rig) -> tuple[Checkpoint, str]:
    """The published checkpoint."""
    body = rig.store.read_checkpoint() or ""
    return Checkpoint.parse(parse_note(body).text), body


def exported(rig: Rig, folder: Path, *, derived: bool = False) -> Export:
    """The whole log as files."""
    checkpoint, body = checkpoint_of(rig)
    export = Export(folder)
    with rig.database.reading() as session:
        write_entries(export, stored_entries(session, checkpoint.size), checkpoint, lambda _: None)
        write_tables(export, session, checkpoint.size, derived=derived)
    export.finish(checkpoint, body)
    return export


def test_the_files_hold_the_log_and_its_checkpoint(full: Rig, tmp_path: Path) -> None:
    exported(full, tmp_path / "out")
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text("utf-8"))
    assert {one["table"] for one in manifest["files"]} == {"entries", "statements"}
    for one in manifest["files"]:
        assert sha256((tmp_path / "out" / one["path"]).read_bytes()).hexdigest() == one["sha256"]
    rows = pq.read_table(tmp_path / "out" / "entries").to_pylist()
    assert [row["index"] for row in rows] == list(range(manifest["size"]))
    leaves = [leaf_hash(row["entry"]) for row in rows]
    assert root(roots_reader(leaves), len(leaves)).hex() == manifest["root"]
    for row, leaf in zip(rows, leaves, strict=True):
        entry = Entry.decode(row["entry"])
        assert (row["leaf"], row["time_ms"], row["digest"], tuple(row["keys"])) == (leaf, entry.time_ms, entry.digest, entry.keys)
    told = pq.read_table(tmp_path / "out" / "statements").to_pylist()
    with full.database.reading() as session:
        for one in told:
            row = session.get_one(StatementRow, one["index"])
            assert (one["index"], one["kind"], one["jws"]) == (row.index, row.kind, row.jws)
    assert len(told) == len(rows)


def test_what_a_party_withholds_is_not_in_the_files_unless_asked_for(full: Rig, tmp_path: Path) -> None:
    exported(full, tmp_path / "public")
    exported(full, tmp_path / "whole", derived=True)

    def says(folder: str) -> bool:
        files = (tmp_path / folder).rglob("events/*.parquet")
        return any(HUB in (row["parties"] or "") for path in files for row in pq.read_table(path).to_pylist())

    assert not says("public")
    assert "disclosures" not in pq.read_table(tmp_path / "public" / "statements").column_names
    assert says("whole")
    assert {path.name for path in (tmp_path / "whole").iterdir()} >= {"events", "links", "recalls", "event_objects"}


def test_files_are_cut_by_index(full: Rig, tmp_path: Path) -> None:
    checkpoint, _ = checkpoint_of(full)
    size = checkpoint.size
    export = Export(tmp_path / "cut", file_rows=4)
    with full.database.reading() as session:
        (_, entries), = stored_entries(session, size)
    write_entries(export, [(at, entries[at : at + 2]) for at in range(0, size, 2)], checkpoint, lambda _: None)
    assert [(one.start, one.end) for one in export.files] == [(at, min(at + 4, size)) for at in range(0, size, 4)]
    assert pq.read_table(tmp_path / "cut" / "entries").schema.equals(ENTRIES)


def test_public_tiles_give_the_same_entries(full: Rig, tmp_path: Path) -> None:
    exported(full, tmp_path / "database")
    checkpoint, _ = checkpoint_of(full)
    export = Export(tmp_path / "tiles")
    write_entries(export, served_entries(full.store, checkpoint.size), checkpoint, lambda _: None)
    one, two = (pq.read_table(tmp_path / name / "entries") for name in ("database", "tiles"))
    assert one.equals(two)


def test_entries_that_do_not_give_the_root_never_get_a_manifest(full: Rig, tmp_path: Path) -> None:
    with full.database.writing() as session:
        row = session.get_one(EntryRow, 2)
        row.entry = row.entry[:-1] + b"\0"
        session.commit()
    with pytest.raises(Fatal, match="do not give the root"):
        exported(full, tmp_path / "out")
    assert not (tmp_path / "out" / "manifest.json").exists()


class TestCommand:
    def test_a_strangers_log_is_exported_from_its_tiles(self, full: Rig, tmp_path: Path) -> None:
        tiles, key = str(full.folder / "tiles"), full.keys.log.vkey.format()
        done = CliRunner().invoke(export_app, ["parquet", str(tmp_path / "out"), "--from-tiles", tiles, "--log", key])
        assert done.exit_code == 0, done.output
        assert "give the root" in done.output
        assert "not empty" in CliRunner().invoke(export_app, ["parquet", str(tmp_path / "out"), "--from-tiles", tiles]).output

    def test_a_damaged_one_is_not(self, full: Rig, tmp_path: Path) -> None:
        size = checkpoint_of(full)[0].size
        path = full.folder / "tiles" / tile_path("entries", 0, size)
        path.write_bytes(path.read_bytes()[:-1] + b"\0")
        done = CliRunner().invoke(export_app, ["parquet", str(tmp_path / "out"), "--from-tiles", str(full.folder / "tiles")])
        assert (done.exit_code, "BROKEN" in done.output) == (1, True)
