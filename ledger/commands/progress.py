"""Progress bars for whoever waits for a long command: on standard error, and only where a person looks at it."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ledger.observing import Advance, Begin


@contextmanager
def bars() -> Iterator[Begin]:
    """Show a bar for each piece of work that begins inside; they go when it is over."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as shown:

        def begin(what: str, total: int) -> Advance:
            task = shown.add_task(what, total=total)
            return lambda done: shown.advance(task, done)

        yield begin
