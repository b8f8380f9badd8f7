"""
`labels`: item codes of a lot, sheets to print, and the farm's signed commitment to exactly those codes.

All that can be checked is checked before anything is written.  Then, so that a crash anywhere loses nothing: the secret,
the leaves and the signed commitment, what the log says to it, the sheets.
"""

from pathlib import Path
from typing import Annotated

import typer

from producers.cli import common
from producers.cli.committing import Producer, check_origin, commit
from producers.cli.common import DEFAULT_OUTBOX, GOOD, MaybeIssuer, MaybeKeyFile, OutboxFile, Passphrase, PolicyFile, Server
from producers.cli.printing import Job
from producers.labels import ItemCodes, lot_uri, new_secret, read_secret
from producers.resolver import NoResolver, check_resolver, is_private


def labels(
    lot: Annotated[str, typer.Argument(help="The lot's URI, as https://id.gs1.org/01/GTIN/10/LOT")],
    count: Annotated[int, typer.Option(help="How many codes / 标签数量")],
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
    uri, target = lot_uri(lot), _target(resolver, server)
    topped_up = common.digest(previous, "--previous") if previous else None
    is_new = not secret.exists()
    codes = _codes(uri, new_secret() if is_new else read_secret(secret, uri), count)
    job = Job(codes, target, out, secret, is_new, png)
    job.check_texts()
    if not issuer or key is None:
        job.check_free()
        job.save_secret()
        job.print_all()
        common.say("no commitment was signed: give --issuer and --key / 未签署承诺:请给出 --issuer 和 --key")
        return GOOD
    producer = Producer(common.canonical(issuer, "417"), common.open_key(key, passphrase), outbox, server, policy)
    check_origin(producer, origin)
    return commit(job, producer, origin=origin, previous=topped_up)


def _codes(lot: str, secret: bytes, count: int) -> ItemCodes:
    try:
        return ItemCodes(lot, secret, count)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--count") from None


def _target(resolver: str, server: str | None) -> str:
    target = resolver or server or ""
    try:
        check_resolver(target)
    except NoResolver as error:
        raise typer.BadParameter(str(error), param_hint="--resolver") from None
    if not resolver:
        common.say(f"the labels point to {target}, the --server: give --resolver for another / 标签指向服务器地址 {target}")
    if is_private(target):
        common.complain(
            f"{target}: NO SHOPPER CAN OPEN THIS ADDRESS, only this machine or network can: print nothing with it but a trial / "
            f"消费者无法打开此地址,仅限本机或本网络:请勿用于正式标签"
        )
    return target
