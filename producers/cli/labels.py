"""`labels`: item codes of a lot, sheets to print, and the farm's signed commitment to exactly those codes."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from producers import records, sheet
from producers.cli import common
from producers.cli.common import DEFAULT_OUTBOX, GOOD, MaybeIssuer, MaybeKeyFile, OutboxFile, Passphrase, PolicyFile, Server
from producers.client import LogClient
from producers.control import LabelCommitment
from producers.labels import ItemCodes, create_secret, lot_uri, read_secret
from producers.outbox import Outbox
from producers.private import create_private
from verify import gs1
from verify.strict import b64u_encode


def labels(
    lot: Annotated[str, typer.Argument(help="The lot's URI, as https://id.gs1.org/01/GTIN/10/LOT")],
    count: Annotated[int, typer.Option(help="How many codes / 标签数量", min=1)],
    secret: Annotated[Path, typer.Option(help="The lot's secret; made where there is none / 批次密钥文件")],
    out: Annotated[Path, typer.Option(help="Folder for sheets and codes / 输出目录")],
    resolver: Annotated[str, typer.Option(help="What the codes point to, as https://id.example.org")] = "",
    png: Annotated[bool, typer.Option("--png", help="Also one PNG a code / 每码一张 PNG")] = False,
    previous: Annotated[str, typer.Option(help="Digest of the commitment that this one tops up; with a new secret")] = "",
    origin: Annotated[str, typer.Option(help="The log's name; else from the policy")] = "",
    issuer: MaybeIssuer = "",
    key: MaybeKeyFile = None,
    outbox: OutboxFile = DEFAULT_OUTBOX,
    server: Server = None,
    policy: PolicyFile = None,
    passphrase: Passphrase = None,
) -> int:
    """Make item codes and sheets; with --issuer and --key also sign the commitment. 生成防伪标签"""
    uri, target = lot_uri(lot), resolver or server or ""
    if not target.startswith(("http://", "https://")):
        raise typer.BadParameter("an address like https://id.example.org", param_hint="--resolver")
    if previous and secret.exists():
        # The same secret would give the same serials, and two labels would be one code.
        raise typer.BadParameter("a top-up needs a new secret file / 追加标签需要新的密钥文件", param_hint="--secret")
    private = read_secret(secret, uri) if secret.exists() else create_secret(secret, uri)
    codes = ItemCodes(uri, private, count)
    _write(codes, target, out, png)
    common.say(f"{count} codes in {out}; root / 根 {b64u_encode(codes.root)}")
    common.say(f"{secret}: whoever reads it can print your codes / 泄露即可伪造,请妥善保管")
    if not issuer or key is None:
        return GOOD
    signer = common.open_key(key, passphrase)
    with Outbox.open(outbox) as box:
        name = origin or _origin(box, server, policy)
    commitment = LabelCommitment.of(uri, origin=name, root=codes.root, count=count, previous=previous or None)
    made = records.record(commitment, issuer=common.canonical(issuer, "417"), at=datetime.now(UTC))
    code = common.save_and_send([records.sign_record(made, signer)], signer, outbox, server, policy)
    if code == GOOD and server is not None:
        with LogClient(server) as client:
            client.hand_in(codes.leaves())
    return code


def _origin(box: Outbox, server: str | None, policy: Path | None) -> str:
    if server is None:
        believed = common.believed(box, None, policy)
    else:
        with LogClient(server) as client:
            believed = common.believed(box, client, policy)
    if believed is None:
        raise typer.BadParameter("a commitment is for one log: give --origin, --policy or --server", param_hint="--origin")
    return common.origin_of(believed)


def _write(codes: ItemCodes, resolver: str, out: Path, png: bool) -> None:
    printed = [codes.label(index, resolver) for index in range(codes.count)]
    link = gs1.parse_label(codes.lot)
    captions = [f"{link.parts['10']} {codes.serial(index)}" for index in range(codes.count)]
    listed = {"lot": codes.lot, "root": b64u_encode(codes.root), "count": codes.count, "codes": printed}
    # Codes are private until they are sold: whoever reads them can print them.
    create_private(out / "codes.json", json.dumps(listed, indent=0).encode() + b"\n")
    with common.progress("标签 labels", codes.count) as bar:
        for page, first in enumerate(range(0, codes.count, sheet.LABELS_A_PAGE), 1):
            chunk = list(zip(printed, captions, strict=True))[first : first + sheet.LABELS_A_PAGE]
            create_private(out / f"sheet-{page:04}.svg", sheet.page_svg(chunk).encode())
            for position, (text, _) in enumerate(chunk if png else (), first):
                create_private(out / f"label-{position:06}.png", sheet.label_png(text))
            bar.advance(bar.task_ids[0], len(chunk))
