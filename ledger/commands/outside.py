"""Commands about those outside the log: the anchor contract, holders of API keys.  Witnesses are in witness.py."""

import threading
from typing import Annotated

import typer
from sqlalchemy import select

from ledger.accounts import api_keys, create_api_key, revoke_api_key
from ledger.anchoring import TICK, anchoring_of, keep_anchoring
from ledger.anchors import AnchorError
from ledger.commands.common import fail, opened
from ledger.models import AnchorRow
from ledger.running import store_of
from ledger.sequencer import system_clock
from ledger.settings import Settings

anchor_app = typer.Typer(no_args_is_help=True, help="Heads of the log on a chain.")
apikey_app = typer.Typer(no_args_is_help=True, help="Keys of regulators and operators.")


@anchor_app.command("deploy")
def deploy_contract() -> None:
    """Put the anchor contract on the configured chain, paid by keys/gas.pem; prints what to set and to publish."""
    from ledger.anchors.evm import deploy
    from ledger.anchors.keys import create_key, read_key
    from ledger.anchors.node import connect

    settings = Settings()
    if not settings.anchor_rpc_url or not settings.anchor_chain_id:
        fail("set ORIGINMARK_ANCHOR_RPC_URL and ORIGINMARK_ANCHOR_CHAIN_ID first")
    path = settings.keys / "gas.pem"
    gas = read_key(path) if path.exists() else create_key(path)
    try:
        made = deploy(connect(settings.anchor_rpc_url), gas, chain_id=settings.anchor_chain_id)
    except AnchorError as error:
        fail(f"{error}\nThe gas payer is {gas.address}.")
    typer.echo(f"ORIGINMARK_ANCHOR_CONTRACT={made.contract}")


@anchor_app.command("once")
def anchor_once() -> None:
    """One tick: look where every anchor stands, and do what is due."""
    with opened() as database:
        anchoring = anchoring_of(Settings(), database, store_of(Settings()))
        if anchoring is None:
            fail("nothing is anchored: set ORIGINMARK_ANCHOR_RPC_URL, …_CHAIN_ID and …_CONTRACT")
        try:
            anchoring.tick(system_clock())
        except AnchorError as error:
            fail(str(error))
    anchor_status()


@anchor_app.command("run")
def anchor_run() -> None:
    """Anchor until interrupted; `serve` does the same beside its work, so run only one of them."""
    with opened() as database:
        anchoring = anchoring_of(Settings(), database, store_of(Settings()))
        if anchoring is not None:
            keep_anchoring(anchoring, threading.Event(), TICK)


@anchor_app.command("status")
def anchor_status() -> None:
    """Every anchor, newest first."""
    with opened() as database, database.reading() as session:
        for row in session.scalars(select(AnchorRow).order_by(AnchorRow.id.desc())):
            tx = "" if row.tx_hash is None else "0x" + row.tx_hash.hex()
            typer.echo(f"{row.size}\t{row.state}\tchain {row.chain_id}\t{row.contract}\t{tx}\t{row.remark or ''}")


@apikey_app.command("create")
def create_key_for(
    name: Annotated[str, typer.Argument(help="Whose key it is.")],
    role: Annotated[str, typer.Option(help="regulator or operator")] = "regulator",
) -> None:
    """Make a key and print it, once."""
    with opened() as database, database.writing() as session:
        try:
            key = create_api_key(session, name, role, system_clock())
        except ValueError as error:
            fail(str(error))
        session.commit()
    typer.echo(key)


@apikey_app.command("revoke")
def revoke_key(prefix: Annotated[str, typer.Argument(help="The key's id, as `apikey list` prints it.")]) -> None:
    """End a key at once."""
    with opened() as database, database.writing() as session:
        if not revoke_api_key(session, prefix, system_clock()):
            fail(f"there is no key {prefix} in force")
        session.commit()


@apikey_app.command("list")
def list_keys() -> None:
    """Every key that was ever made."""
    with opened() as database, database.reading() as session:
        for row in api_keys(session):
            typer.echo(f"{row.id}\t{row.role}\t{row.name}\t{'revoked' if row.revoked_ms else 'in force'}")
