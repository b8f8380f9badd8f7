"""What a farm types, and what is then in the log."""

from producers.cli.app import main
from tests.producers.fake_log import FakeLog
from verify.entry import Entry
from verify.statement import Statement, parse_statement

GOOD, BAD, USAGE, NOT_SENT = 0, 1, 2, 3


def run(*arguments: str) -> int:
    """`python -m producers` with these arguments; its exit code."""
    return main(arguments)


def logged(log: FakeLog) -> list[Statement]:
    """What the log holds, in order."""
    return [parse_statement(log.statements[Entry.decode(entry).digest]) for entry in log.entries]
