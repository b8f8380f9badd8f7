"""
Commands about witnesses: those that our log asks (add, status), and a witness of our own for other people's logs (the rest).

A witness of our own lives in a folder of its own and needs neither the log's database nor its settings.
"""

from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import select

from ledger.commands.common import fail, insist_on_address, office, opened
from ledger.keys import note_signer
from ledger.models import CosignatureRow, Published, WitnessRow
from ledger.running import LOCAL, local_witness
from ledger.sequencer import system_clock
from ledger.settings import Settings
from ledger.witnessing.cosigner import Cosigner
from ledger.witnessing.memory import Memory, MemoryRefused
from producers.keys import KeyRefused, generate_key, write_key
from producers.private import NotPrivate
from verify.checkpoint import Checkpoint, Evidence
from verify.errors import VerificationError
from verify.note import COSIGNER, LOG, VerifierKey, parse_note
from verify.policy import Policy

witness_app = typer.Typer(no_args_is_help=True, help="Witnesses of our log, and a witness of our own for other logs.")
Folder = Annotated[Path, typer.Option(help="The witness's folder.", envvar="ORIGINMARK_WITNESS_DATA")]
HERE = Path("var/witness")
AT_ONCE = 64  # requests; more get a 503


@witness_app.command("add")
def add_witness(
    name: Annotated[str, typer.Argument(help="The witness's name, as on its signature lines.")],
    vkey: Annotated[str, typer.Option(help="Its verifier key; needed for every witness but our own.")] = "",
    url: Annotated[str, typer.Option(help="Its submission prefix; without one, a witness of our own is made.")] = "",
) -> None:
    """Ask a witness for its cosignature on every checkpoint from the service's next start on."""
    with office() as desk:
        try:
            key = VerifierKey.parse(vkey) if vkey else _own_witness(desk.settings, name, desk.keys.log.vkey)
        except (VerificationError, KeyRefused) as error:
            fail(str(error))
        if key.name != name or key.kind != COSIGNER or bool(vkey) != bool(url):
            fail("a witness has a key of kind 04 under its own name, and an address unless it is our own")
        with desk.database.writing() as session:
            session.merge(WitnessRow(name=name, vkey=key.format(), url=url or LOCAL + name))
            session.commit()
    typer.echo(f"witness {name} {key.format()}")


def _own_witness(settings: Settings, name: str, log: VerifierKey) -> VerifierKey:
    path: Path = settings.keys / f"witness-{name.replace('/', '-')}.pem"
    if not path.exists():
        write_key(path, generate_key("EdDSA"))
    return local_witness(name, settings, log).signer.vkey


@witness_app.command("status")
def witness_status() -> None:
    """What each witness of our log cosigned last, and how far the published log is."""
    with opened() as database, database.reading() as session:
        size = session.scalar(select(Published.size)) or 0
        cosigned = {row.name: row.size for row in session.scalars(select(CosignatureRow).order_by(CosignatureRow.size))}
        typer.echo(f"published\t{size}")
        for row in session.scalars(select(WitnessRow).order_by(WitnessRow.name)):
            typer.echo(f"{row.name}\t{cosigned.get(row.name, 0)}\t{row.url}")


@witness_app.command("init")
def init_witness(
    name: Annotated[str, typer.Argument(help="A name for its signature lines: a URL of yours, without the scheme.")],
    data: Folder = HERE,
) -> None:
    """Make a witness: its key, its memory, and the line that others put into their policy. 新建见证方"""
    path = data / "witness.pem"
    if path.exists() or (data / "witness.db").exists():
        fail(f"{data} holds a witness already; one whose memory is lost must not go on under the same key")
    if not name or "+" in name or name.split() != [name]:
        fail("a name has no space and no plus")
    write_key(path, generate_key("EdDSA"))
    (data / "name").write_text(f"{name}\n", "utf-8")
    signer = note_signer(path, name, COSIGNER)
    Memory.create(data / "witness.db", signer.vkey)
    typer.echo(f"witness {name} {signer.vkey.format()}")


def _own(data: Path) -> Cosigner:
    """The witness in a folder; ends the command where it is none, or not whole."""
    try:
        name = (data / "name").read_text("utf-8").strip()
        signer = note_signer(data / "witness.pem", name, COSIGNER)
        return Cosigner(signer, Memory.open(data / "witness.db", signer.vkey), lambda: system_clock() // 1000)
    except (OSError, KeyRefused, NotPrivate, MemoryRefused) as error:
        fail(f"{error}\nRun `originmark witness init NAME` first, or give its folder with --data.")


@witness_app.command("add-log")
def add_log(
    log: Annotated[str, typer.Argument(help="A policy file with `log` lines, or one verifier key of a log.")],
    data: Folder = HERE,
) -> None:
    """Follow a log: cosign its checkpoints as long as they only grow. 关注一个账本"""
    own = _own(data)
    try:
        path = Path(log)
        keys = Policy.parse(path.read_text("utf-8")).logs if path.is_file() else (VerifierKey.parse(log),)
    except (VerificationError, UnicodeError) as error:
        fail(f"neither a policy nor the key of a log: {error}")
    for key in keys:
        if key.kind != LOG:
            fail(f"{key.name}: a log has a key of kind 01")
        own.memory.follow(key)
        typer.echo(f"follows {key.format()}")


@witness_app.command("logs")
def list_logs(data: Folder = HERE) -> None:
    """Our key, and every log with the size that we cosigned."""
    own = _own(data)
    typer.echo(own.signer.vkey.format())
    for head in own.memory.heads():
        typer.echo(f"{head.origin}\t{head.size}\t{'CONVICTED 已定罪' if head.convicted else 'in order'}")


@witness_app.command("evidence")
def list_evidence(data: Folder = HERE) -> None:
    """What we caught: files that convict a log, and claims that only its tiles can decide. 证据"""
    own = _own(data)
    for path in own.export():
        typer.echo(f"convicts\t{path}")
    for caught in own.memory.caught():
        if not caught.convicts:
            evidence = Evidence.parse(caught.body)
            sizes = [Checkpoint.parse(parse_note(note).text).size for note in (evidence.older, evidence.newer)]
            typer.echo(f"claim\t{caught.origin}\t{sizes[0]} -> {sizes[1]}: its proof did not verify")


@witness_app.command("resume")
def resume_log(
    origin: Annotated[str, typer.Argument(help="The log that was convicted.")],
    reason: Annotated[str, typer.Option(help="Why it may go on; kept with the evidence.")],
    data: Folder = HERE,
) -> None:
    """Cosign for a convicted log again, from the tree that we cosigned last: a human's decision. 恢复见证"""
    if not reason.strip() or not _own(data).memory.resume(origin, reason):
        fail("nothing stands against such a log, or no reason was given")
    typer.echo(f"follows {origin} again")


@witness_app.command("serve")
def serve_witness(
    host: Annotated[str, typer.Option(help="Address to listen on; a proxy with TLS stands before it.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 7380,
    data: Folder = HERE,
) -> None:
    """Cosign for the logs we follow until interrupted; prints our verifier key. 运行见证服务"""
    import uvicorn

    from ledger.witnessing.app import create_witness_app

    own = _own(data)
    insist_on_address(host, port)
    own.export()  # what a crash may have kept from its file
    typer.echo(own.signer.vkey.format())
    typer.echo(f"listening on http://{host}:{port}", err=True)
    config = uvicorn.Config(
        create_witness_app(own), host=host, port=port, log_config=None, access_log=False, server_header=False,
        limit_concurrency=AT_ONCE,
    )  # fmt: skip
    server = uvicorn.Server(config)
    server.run()
    if not server.started:
        raise typer.Exit(1)
