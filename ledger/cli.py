"""
The ledger's part of the `originmark` command.  api/__main__.py mounts it and adds `serve` and `demo`.

Settings come from the environment (settings.py).  Exit codes: 0 done · 1 refused or broken, and why · 2 usage.
"""

import typer

from ledger.commands import inspect, log, outside, party, witness


def ledger_app() -> typer.Typer:
    """Build the commands: init, db, audit, erase, report, party, recall, witness, anchor, apikey."""
    app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)
    app.command("init")(log.init)
    app.command("audit")(log.audit)
    app.command("erase")(log.erase)
    app.command("report")(inspect.report)
    app.add_typer(log.db_app, name="db")
    app.add_typer(party.party_app, name="party")
    app.add_typer(inspect.recall_app, name="recall")
    app.add_typer(witness.witness_app, name="witness")
    app.add_typer(outside.anchor_app, name="anchor")
    app.add_typer(outside.apikey_app, name="apikey")
    return app
