"""
The command line put together, and every refusal said as one sentence.

Not here: what the commands do.
"""

import io
import sqlite3
import sys
from collections.abc import Mapping, Sequence

import typer
from typer.exceptions import TyperException

from producers import cli
from producers.answers import LogError
from producers.cli import events, importing, keys, labels, saying, sending
from producers.cli.common import NOT_SENT, USAGE, complain
from producers.epcis.problems import DocumentRefused, EventRefused
from producers.keys import KeyRefused
from producers.labels import WrongSecret
from producers.outbox import EventIdTaken
from producers.private import NotPrivate
from producers.records import NotWithholdable
from producers.resolver import NoResolver
from producers.store import OutboxBusy, OutboxRefused
from verify.errors import VerificationError

# What a person can put right; anything else is a fault of ours and shows its trace.
REFUSALS = (
    DocumentRefused, EventRefused, EventIdTaken, KeyRefused, LogError, NoResolver, NotPrivate, NotWithholdable, OSError,
    OutboxRefused, UnicodeDecodeError, VerificationError, WrongSecret, sqlite3.OperationalError,
)  # fmt: skip

OURS: Mapping[type[OSError], str] = {
    FileExistsError: "exists and is never overwritten: name another / 文件已存在,不会覆盖:请换一个名称",
    FileNotFoundError: "no such file or folder / 找不到此文件或文件夹",
    PermissionError: "this account may not read or write it / 没有读写权限",
}
"""The everyday cases; the system's own words say the others."""


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
    app.command("say")(saying.say)
    app.command("recall")(saying.recall)
    app.command("withdraw")(saying.withdraw)
    app.command("revoke")(saying.revoke)
    return app


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that has no Chinese shows it escaped: better than a command that ends in the middle.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        code = build()(args=None if arguments is None else list(arguments), standalone_mode=False, prog_name="producers")
    except TyperException as error:
        if message := error.format_message():
            complain(message)
        return error.exit_code
    except typer.Abort:
        return USAGE
    except OutboxBusy as error:
        complain(str(error))
        return NOT_SENT
    except REFUSALS as error:
        where = getattr(error, "where", None)
        complain(f"{sentence(error)} [{where}]" if where else sentence(error))
        return USAGE
    return code if isinstance(code, int) else 0


def sentence(error: Exception) -> str:
    """What was refused, in words for the person who typed it."""
    if isinstance(error, UnicodeDecodeError):
        return "a file that was named here is not text in UTF-8, as a policy has to be / 所给文件(如策略文件)不是 UTF-8 文本"
    if isinstance(error, sqlite3.OperationalError):
        return f"the outbox cannot be written or read / 发件箱无法读写: {error}"
    return machine(error) if isinstance(error, OSError) else str(error)


def machine(error: OSError) -> str:
    """What the machine refused, with the file that the person named."""
    file = error.filename2 or error.filename
    for kind, words in OURS.items():
        if isinstance(error, kind) and file is not None:
            return f"{file}: {words}"
    return f"{file}: {error.strerror}" if file is not None else str(error)


if __name__ == "__main__":
    sys.exit(main())
