"""
The command line put together, and every refusal said as one sentence.

Not here: what the commands do.
"""

import sys
from collections.abc import Sequence

import typer
from typer.exceptions import TyperException

from producers import cli
from producers.answers import LogError
from producers.cli import events, importing, keys, labels, sending
from producers.cli.common import USAGE, complain
from producers.epcis.problems import DocumentRefused, EventRefused
from producers.keys import KeyRefused
from producers.labels import WrongSecret
from producers.outbox import EventIdTaken
from producers.private import NotPrivate
from producers.records import NotWithholdable
from producers.store import OutboxRefused
from verify.errors import VerificationError

# What a person can put right; anything else is a fault of ours and shows its trace.
REFUSALS = (
    DocumentRefused, EventRefused, EventIdTaken, KeyRefused, LogError, NotPrivate, NotWithholdable, OSError,
    OutboxRefused, VerificationError, WrongSecret,
)  # fmt: skip


def build() -> typer.Typer:
    """Put the commands together."""
    app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=cli.__doc__)
    app.command("keygen")(keys.keygen)
    app.command("enroll")(keys.enroll)
    app.command("template")(importing.template)
    app.command("import")(importing.import_files)
    app.command("submit")(sending.submit)
    app.command("status")(sending.show_status)
    app.command("labels")(labels.labels)
    app.command("event")(events.event)
    return app


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    try:
        code = build()(args=None if arguments is None else list(arguments), standalone_mode=False, prog_name="producers")
    except TyperException as error:
        if message := error.format_message():
            complain(message)
        return error.exit_code
    except typer.Abort:
        return USAGE
    except REFUSALS as error:
        where = getattr(error, "where", None)
        complain(f"{error} [{where}]" if where else str(error))
        return USAGE
    return code if isinstance(code, int) else 0


if __name__ == "__main__":
    sys.exit(main())
