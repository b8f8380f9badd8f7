"""
`originmark`, also `python -m api`: the ledger's commands, and three of our own.

    serve    the service; settings from the environment (ORIGINMARK_*) or .env
    demo     a whole season on this machine, served
    page     the verifier as one file that anyone can host

web3, the server and the pages are imported by the command that needs them: `originmark audit` should not pay for them.
"""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal, NoReturn

import typer

from ledger.cli import ledger_app
from ledger.commands.common import UNREACHED, USAGE, fail, insist_on_address, office, why_unreached
from ledger.db import Busy, Database, sequencer_lock
from ledger.problems import Fatal
from ledger.running import database_of
from ledger.settings import Settings, what_is_wrong
from ledger.soundness import Unsound, check_sound


def originmark_app() -> typer.Typer:
    """Build the whole command."""
    app = ledger_app()
    app.command("serve")(serve)
    app.command("demo")(demo)
    app.command("page")(page)
    return app


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on; a proxy with TLS stands before it.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8000,
) -> None:
    """Serve the log until interrupted; requests that wait for their receipt are finished first."""
    from api.app import create_app
    from api.logs import write_journal
    from api.server import serve_app

    settings = Settings()
    with office() as desk, _alone(settings):
        # The same is asked again when the server starts; here the answer is a sentence and no traceback.
        _insist_on_a_sound_database(desk.database)
    insist_on_address(host, port)
    write_journal(settings.log_format)
    if not serve_app(create_app(settings), settings, host=host, port=port):
        raise typer.Exit(1)


def demo(
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8000,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    data: Annotated[Path, typer.Option(help="Folder of the demo.", envvar="ORIGINMARK_DATA")] = Path("var"),
) -> None:
    """Play a season of signed records on this machine and serve it. 在本机演示一季的签名记录"""
    from rich.console import Console
    from sqlalchemy.exc import DatabaseError

    from api.demo.run import run_demo
    from api.demo.stage import NotOurs
    from api.logs import write_journal

    insist_on_address(host, port)  # or a season would be played first
    write_journal("text", level=logging.WARNING)
    console = Console()
    try:
        code = run_demo(data, host, port, console)
    except (NotOurs, OSError) as error:
        console.print(f"[bold red]{error}")
        code = 1
    except DatabaseError as error:
        console.print(f"[bold red]The demo's database in {data} is damaged ({error.orig}): delete the folder and start again.")
        code = 1
    raise typer.Exit(code)


def page(
    out: Annotated[Path, typer.Argument(help="The file to write.")],
    lang: Annotated[Literal["en", "zh"], typer.Option(help="Its language.")] = "en",
) -> None:
    """Write the page that checks a reader's own bundle, one file that anyone can host. 写出可由任何人托管的验证页"""
    from api.inline import csp_hash, inlined
    from api.scanpage import standalone_page, words

    out.write_text(standalone_page(lang, words(lang)), "utf-8")
    put = inlined(pasting=True)
    print(csp_hash(put.proof), csp_hash(put.rest))


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """Hold the lock of a SQLite store for a moment; ends the command where another process serves it."""
    database = database_of(settings)
    try:
        if database.is_sqlite:
            with sequencer_lock(database, settings.data):
                yield
        else:
            yield
    except Busy as error:
        fail(f"{error}: SQLite has one writer; for several processes use PostgreSQL (ORIGINMARK_DATABASE_URL)")
    finally:
        database.close()


def _insist_on_a_sound_database(database: Database) -> None:
    """End the command in a sentence where the database is damaged, unreachable, or not of this version."""
    try:
        check_sound(database)
    except Unsound as error:
        fail(str(error))


def main() -> None:
    """Run one command; what an operator can put right is said in a sentence, anything else shows its trace."""
    from pydantic import ValidationError
    from sqlalchemy.exc import ArgumentError, DBAPIError

    try:
        originmark_app()(prog_name="originmark")
    except ValidationError as error:
        if (wrong := what_is_wrong(error)) is None:
            raise
        _end(wrong, USAGE)
    except DBAPIError as error:
        if (why := why_unreached(error)) is None:
            raise
        _end(why, UNREACHED)
    except ArgumentError as error:
        _end(f"ORIGINMARK_DATABASE_URL is not an address of a database: {error}", USAGE)
    except Fatal as error:
        _end(f"this log cannot go on as it stands: {error}", 1)
    except OSError as error:
        _end(f"a file or folder cannot be used (see ORIGINMARK_DATA): {error}", UNREACHED)


def _end(told: str, code: int) -> NoReturn:
    print(told, file=sys.stderr)
    raise SystemExit(code)


if __name__ == "__main__":
    main()
