"""
`originmark`, also `python -m api`: the ledger's commands, and two of our own.

    serve    the service; settings from the environment (ORIGINMARK_*) or .env
    demo     a whole season on this machine, served

web3, the server and the pages are imported by the command that needs them: `originmark audit` should not pay for them.
"""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import structlog
import typer

from ledger.cli import ledger_app
from ledger.commands.common import fail, office
from ledger.db import Busy, sequencer_lock
from ledger.running import database_of
from ledger.settings import Settings

DRAIN_S = 30  # seconds that a request may still take when the server is told to stop: it may be waiting for its receipt


def originmark_app() -> typer.Typer:
    """Build the whole command."""
    app = ledger_app()
    app.command("serve")(serve)
    app.command("demo")(demo)
    return app


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on; a proxy with TLS stands before it.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8000,
) -> None:
    """Serve the log until interrupted; requests that wait for their receipt are finished first."""
    import uvicorn

    from api.app import create_app

    settings = Settings()
    with office(), _alone(settings):
        pass  # the same is asked again when the server starts; here the answer is a sentence and no traceback
    _log_as_json()
    config = uvicorn.Config(
        create_app(settings), host=host, port=port, log_config=None, access_log=False, server_header=False,
        timeout_graceful_shutdown=DRAIN_S,
    )  # fmt: skip
    server = uvicorn.Server(config)
    server.run()
    if not server.started:
        raise typer.Exit(1)


def demo(
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8000,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    data: Annotated[Path, typer.Option(help="Folder of the demo.", envvar="ORIGINMARK_DATA")] = Path("var"),
) -> None:
    """Play a season of signed records on this machine and serve it. 在本机演示一季的签名记录"""
    from rich.console import Console

    from api.demo.run import run_demo
    from api.demo.stage import NotOurs

    _only_warnings()
    console = Console()
    try:
        code = run_demo(data, host, port, console)
    except (NotOurs, OSError) as error:
        console.print(f"[bold red]{error}")
        code = 1
    raise typer.Exit(code)


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


def _log_as_json() -> None:
    """One JSON object a line, to standard error; uvicorn's own lines too."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(message)s")
    structlog.configure(
        processors=[
            structlog.processors.add_log_level, structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info, structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )  # fmt: skip


def _only_warnings() -> None:
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


if __name__ == "__main__":
    originmark_app()(prog_name="originmark")
