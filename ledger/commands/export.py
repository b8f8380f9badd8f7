"""Commands that hand the whole log on: export parquet."""

from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import select

from ledger.commands.common import UNREACHED, fail, office, tiles_at
from ledger.commands.progress import bars
from ledger.models import Published
from ledger.problems import Fatal
from ledger.signing import open_signed
from verify.checkpoint import Checkpoint
from verify.errors import VerificationError
from verify.note import VerifierKey, open_note, parse_note

export_app = typer.Typer(no_args_is_help=True, help="The log as files for other engines.")
NEEDS = "this command needs pyarrow: pip install --require-hashes -r requirements-parquet.txt"


@export_app.callback()
def _group() -> None:
    """A group, though it has one command."""


@export_app.command("parquet")
def parquet(
    folder: Annotated[Path, typer.Argument(help="Folder to write; must not exist, or be empty.")],
    from_tiles: Annotated[str, typer.Option(help="A log's prefix URL, folder or bucket: entries only, and no database.")] = "",
    log: Annotated[str, typer.Option(help="With --from-tiles: the log's verifier key.")] = "",
    derived: Annotated[bool, typer.Option(help="Also what was derived; it shows what parties withhold from the public.")] = False,
) -> None:
    """Write entries and statements as Parquet files, with the checkpoint that they give."""
    if folder.exists() and any(folder.iterdir()):
        fail(f"{folder} is not empty")
    try:
        import pyarrow as _  # noqa: F401
    except ImportError:
        fail(NEEDS)
    try:
        size = _from_tiles(folder, from_tiles, log) if from_tiles else _from_database(folder, derived=derived)
    except (Fatal, VerificationError) as error:
        fail(f"BROKEN: {error}")
    except OSError as error:
        fail(f"a folder, or the log's address, cannot be used: {error}", UNREACHED)
    typer.echo(f"{folder}: {size} entries give the root of their checkpoint")


def _from_database(folder: Path, *, derived: bool) -> int:
    from ledger.parquet import Export, stored_entries, write_entries, write_tables

    with office() as desk, desk.database.reading() as session, bars() as begin:
        body = session.scalar(select(Published.body))
        checkpoint = open_signed(body or "", desk.keys.log.vkey, desk.keys.clock.vkey).checkpoint
        export, advance = Export(folder), begin("条目 entries", checkpoint.size)
        write_entries(export, stored_entries(session, checkpoint.size), checkpoint, advance)
        write_tables(export, session, checkpoint.size, derived=derived)
        export.finish(checkpoint, body or "")
    return checkpoint.size


def _from_tiles(folder: Path, where: str, log: str) -> int:
    from ledger.parquet import Export, served_entries, write_entries

    store = tiles_at(where)
    body = store.read_checkpoint() or ""
    note = parse_note(body)
    if log:
        open_note(note, [VerifierKey.parse(log)])
    checkpoint = Checkpoint.parse(note.text)
    with bars() as begin:
        export, advance = Export(folder), begin("条目 entries", checkpoint.size)
        write_entries(export, served_entries(store, checkpoint.size), checkpoint, advance)
        export.finish(checkpoint, body)
    if not log:
        typer.echo("signature: could not be checked (give --log)")
    return checkpoint.size
