"""Commands about the log itself: init, db upgrade, db check, audit, erase."""

from typing import Annotated

import typer
from sqlalchemy.exc import DBAPIError

from ledger.anchors.keys import create_key, read_key
from ledger.audit import audit_ledger, audit_served
from ledger.audit_columns import ERASED, not_vouched
from ledger.audit_statements import Report
from ledger.audit_tiles import Broken
from ledger.commands.common import UNREACHED, USAGE, fail, office, opened, publish, say, tiles_at, why_unreached
from ledger.commands.progress import bars
from ledger.db import sequencer_lock
from ledger.erasure import erasure_statement
from ledger.examiners import settle_down
from ledger.genesis import LogExists, create_log, registrar_uri
from ledger.keys import create_keys
from ledger.migrate import OutOfDate
from ledger.migrate import check as check_tables
from ledger.migrate import upgrade as upgrade_tables
from ledger.publishing import NotPublished
from ledger.receipts import Unknown
from ledger.running import database_of, sequencer_of, store_of
from ledger.sequencer import system_clock
from ledger.settings import Settings
from verify.errors import VerificationError
from verify.note import VerifierKey

db_app = typer.Typer(no_args_is_help=True, help="The database's tables (alembic).")
NOT_CHECKED = "COULD NOT BE CHECKED"


@db_app.command("upgrade")
def upgrade() -> None:
    """Bring the tables up to date."""
    with opened() as database:
        upgrade_tables(database)


@db_app.command("check")
def check() -> None:
    """Exit 1 unless the tables are exactly those that this version expects."""
    with opened() as database:
        try:
            check_tables(database)
        except OutOfDate as error:
            fail(f"{error}\nRun `originmark db upgrade`.")


def init(
    registrar: Annotated[str, typer.Option(help="Party URI of the first registrar; default: derived from the origin.")] = "",
) -> None:
    """Create the log: keys, tables, first registrar, genesis entry.  Once; the origin can never be changed."""
    settings = Settings()
    keys = create_keys(settings.keys, settings.origin)
    path = settings.keys / "anchor.pem"
    signer = read_key(path) if path.exists() else create_key(path)
    database = database_of(settings)
    try:
        upgrade_tables(database)
        with sequencer_lock(database, settings.data):
            who = registrar or registrar_uri(settings.origin)
            with database.writing() as session:
                log_id = create_log(session, keys, now_ms=system_clock(), registrar=who, anchor_signers=[signer.address])
                _check_unserved(settings)
                session.commit()
            # A crash before this line: the log is there, and the service publishes it when it starts.
            sequencer_of(settings, database, keys).recover()
    except NotPublished as error:
        typer.echo(f"not published yet, {error}: add witnesses that follow this log, then serve", err=True)
    except (LogExists, VerificationError) as error:
        fail(str(error))
    finally:
        database.close()
    typer.echo(f"origin     {settings.origin}\nlog key    {keys.log.vkey.format()}\nclock key  {keys.clock.vkey.format()}")
    typer.echo(f"registrar  {who}\nanchor     {signer.address}\nlog id     0x{log_id.hex()}")


def _check_unserved(settings: Settings) -> None:
    # Another genesis under the same name would fork the log; the next start would refuse, and leave the operator with two.
    if store_of(settings).read_checkpoint() is not None:
        raise LogExists(
            f"the tiles of {settings.origin} serve a checkpoint, and this database knows no log: it was lost.  Bring it back "
            "from a backup with `originmark restore`; a new log needs another origin, and tiles elsewhere"
        )


def audit(
    where: Annotated[str, typer.Argument(help="A log's prefix URL, folder or bucket; default: this ledger, whole.")] = "",
    log: Annotated[str, typer.Option(help="The log's verifier key, for a prefix or folder.")] = "",
    clock: Annotated[str, typer.Option(help="The log's clock key.")] = "",
    columns: Annotated[bool, typer.Option("--columns", help="Only list every column that no audit can vouch for.")] = False,
) -> None:
    """Re-derive everything from the entries; exit 1 and name the first broken thing, 3 where it could not be checked."""
    if columns:
        for table, column, word in not_vouched():
            typer.echo(f"{table}.{column}\t{word}")
        typer.echo(ERASED)
        return
    try:
        report = _audit_other(where, log, clock) if where else _audit_own()
    except (Broken, VerificationError) as error:
        fail(f"BROKEN: {error}")
    except OSError as error:
        fail(f"{NOT_CHECKED}: {where or 'the tiles'} cannot be read: {error}", UNREACHED)
    except DBAPIError as error:
        if (why := why_unreached(error)) is not None:
            fail(f"{NOT_CHECKED}: {why}", UNREACHED)
        fail(f"BROKEN: the database cannot be read, restore it from a backup: {error.orig}")
    _print(report)
    if not report.served.is_signed:
        # Entries that give a root that nobody vouches for are a tree, and not yet this log.
        fail("signature: could not be checked (give --log)", UNREACHED)


def _audit_own() -> Report:
    settings = Settings()
    settle_down()  # statements make many objects and no cycles: looking for them would take an eighth of the time
    with office() as desk, bars() as begin:
        return audit_ledger(desk.database, store_of(settings), desk.keys.log.vkey, desk.keys.clock.vkey, begin)


def _audit_other(where: str, log: str, clock: str) -> Report:
    try:
        log_key, clock_key = (VerifierKey.parse(key) if key else None for key in (log, clock))
    except VerificationError as error:
        fail(f"--log or --clock is no verifier key, as /log/policy has them: {error}", USAGE)
    with bars() as begin:
        return audit_served(tiles_at(where), log_key, clock_key, begin)


def _print(report: Report) -> None:
    checkpoint = report.served.checkpoint
    typer.echo(f"{checkpoint.origin}: {report.entries} entries give the root of the checkpoint of {checkpoint.size}")
    if report.statements:
        typer.echo(f"{report.statements} statements and {report.derived} derived rows agree; {report.erased} erased")
    if report.unchecked:
        typer.echo(f"{report.unchecked} control statements could not be checked: what they rested on was erased")
    if report.statements:
        tables = ", ".join(sorted({table for table, _, _ in not_vouched()}))
        typer.echo(f"the log says nothing of some columns in {tables}: `originmark audit --columns` lists them")


def erase(
    index: Annotated[int, typer.Argument(help="Position of the statement in the log.")],
    reason: Annotated[str, typer.Option(help="Ground of law, public for ever; never a person's name.")],
) -> None:
    """Drop a statement's content, keep its proof, and log the erasure."""
    with office() as desk:
        try:
            with desk.database.reading() as session:
                raw = erasure_statement(session, desk.keys.registrar, index=index, ground=reason, now_ms=system_clock())
        except Unknown as error:
            fail(str(error))
        say(publish(desk, [raw])[0])
