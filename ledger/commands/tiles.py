"""Commands about the object store: tiles rebuild, tiles collect."""

from typing import Annotated

import typer

from ledger.collecting import KEEP_FOR, collect_partials
from ledger.commands.common import UNREACHED, Office, fail, office
from ledger.commands.progress import bars
from ledger.problems import Fatal
from ledger.rebuild import Fault, check_root, find_checkpoint_fault, find_faults, read_truth
from ledger.running import store_of
from ledger.signing import open_signed
from ledger.tiles import TileStore

tiles_app = typer.Typer(no_args_is_help=True, help="The object store: tiles, entry bundles, checkpoint.")


@tiles_app.command("rebuild")
def rebuild(
    check: Annotated[bool, typer.Option("--check", help="Write nothing; name what is wrong, and exit 1 if anything is.")] = False,
) -> None:
    """Derive every tile and bundle from the database again, and write those that are missing, torn or different."""
    with office() as desk:
        try:
            count, size = _rebuild(desk, store_of(desk.settings), check=check)
        except Fatal as error:
            fail(f"BROKEN: {error}")
        except OSError as error:
            fail(f"the object store cannot be used: {error}", UNREACHED)
    typer.echo(f"tree of {size}: {count} objects {'are wrong' if check else 'written'}")
    if check and count:
        raise typer.Exit(1)


def _rebuild(desk: Office, store: TileStore, *, check: bool) -> tuple[int, int]:
    log, clock = desk.keys.log.vkey, desk.keys.clock.vkey
    count = 0
    with desk.database.reading() as session, bars() as begin:
        truth = read_truth(session, store, log, clock)
        size = truth.sizes[-1]
        check_root(session, truth, begin("条目 entries give the root", size))
        for fault in find_faults(session, store, truth.sizes, begin("数据块 tiles and bundles", size), mend=not check):
            count += 1
            _say(fault)
        # After its tiles, as always.
        if (last := find_checkpoint_fault(store, truth, log, clock, mend=not check)) is not None:
            count += 1
            _say(last)
    return count, size


def _say(fault: Fault) -> None:
    typer.echo(f"{fault.what}\t{fault.path}")


@tiles_app.command("collect")
def collect(
    keep_for: Annotated[float, typer.Option(min=0, help="Seconds that a partial tile is kept at least.")] = KEEP_FOR,
) -> None:
    """Delete partial tiles whose full tiles exist; the right edge of the published tree always stays."""
    with office() as desk:
        store = store_of(desk.settings)
        try:
            served = open_signed(store.read_checkpoint() or "", desk.keys.log.vkey, desk.keys.clock.vkey)
            done = collect_partials(store, served.checkpoint.size, keep_for)
        except Fatal as error:
            fail(f"BROKEN: {error}")
        except OSError as error:
            fail(f"the object store cannot be used: {error}", UNREACHED)
    typer.echo(f"tree of {served.checkpoint.size}: {done.count} partial tiles deleted")
