"""
The ledger's part of the `originmark` command.  api/__main__.py mounts it and adds `serve` and `demo`.

Settings come from the environment (settings.py).  Exit codes: 0 done · 1 refused or broken, and why · 2 usage, settings
included · 3 what is asked about is not there or does not answer, so that nothing is said of it.
"""

import typer

from ledger.commands import export, inspect, keeping, log, outside, party, tiles, witness


def ledger_app() -> typer.Typer:
    """Build the commands: init, audit, erase, report, backup, restore, freeze, rotate-clock, and those of each subject."""
    app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)
    app.command("init")(log.init)
    app.command("audit")(log.audit)
    app.command("erase")(log.erase)
    app.command("report")(inspect.report)
    app.command("backup")(keeping.backup)
    app.command("restore")(keeping.restore)
    app.command("freeze")(keeping.freeze)
    app.command("rotate-clock")(keeping.rotate_clock_key)
    app.add_typer(log.db_app, name="db")
    app.add_typer(party.party_app, name="party")
    app.add_typer(inspect.recall_app, name="recall")
    app.add_typer(witness.witness_app, name="witness")
    app.add_typer(outside.anchor_app, name="anchor")
    app.add_typer(outside.apikey_app, name="apikey")
    app.add_typer(tiles.tiles_app, name="tiles")
    app.add_typer(export.export_app, name="export")
    return app
