"""`recall`, `withdraw`, `revoke` and `say`: what a party tells that is no event."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from uuid import uuid4

import typer

from producers import records
from producers.cli import common
from producers.cli.common import DEFAULT_OUTBOX, Issuer, KeyFile, OutboxFile, Passphrase, PolicyFile, Server
from producers.client import LogClient
from producers.control import KeyRevocation, RecallNotice, Scope, Withdrawal
from producers.forms import FORMS, read_form
from producers.kinds import Subject, Text
from producers.outbox import Outbox
from verify import gs1, subjects
from verify.errors import Malformed
from verify.statement import Statement, parse_statement, parse_time

Origin = Annotated[str, typer.Option("--origin", help="The log's name; else from the policy / 账本名称")]
Digest = Annotated[str, typer.Argument(help="The record's digest, 64 hexadecimal digits / 记录摘要")]
CLASSES = ("I", "II", "III")


def recall(
    issuer: Issuer, key: KeyFile,
    lot: Annotated[list[str] | None, typer.Option(help="What is recalled, a lot; repeatable / 召回批次")] = None,
    product: Annotated[list[str] | None, typer.Option(help="Every lot of a product; repeatable / 召回产品")] = None,
    place: Annotated[list[str] | None, typer.Option(help="All that was at a place; repeatable / 召回地点")] = None,
    since: Annotated[str, typer.Option("--from", help="Only what was made from then on, RFC 3339 / 起始时间")] = "",
    until: Annotated[str, typer.Option(help="Only what was made until then / 截止时间")] = "",
    class_: Annotated[str, typer.Option("--class", help="I, II or III / 召回级别")] = "II",
    reason_en: str = "", reason_zh: str = "", instructions_en: str = "", instructions_zh: str = "",
    closes: Annotated[str, typer.Option(help="Digest of the recall that this one ends / 结束此召回")] = "",
    origin: Origin = "", outbox: OutboxFile = DEFAULT_OUTBOX, server: Server = None, policy: PolicyFile = None,
    passphrase: Passphrase = None,
) -> int:  # fmt: skip
    """Recall lots, products or places, or end a recall (--closes). 发布或结束召回"""
    scope = Scope(lots=_uris(lot, "01"), products=_uris(product, "01"), places=_uris(place, "414"),
                  from_=_time(since, "--from"), until=_time(until, "--until"))  # fmt: skip
    if not (scope.lots or scope.products or scope.places):
        raise typer.BadParameter("what is recalled: --lot, --product or --place / 请指定召回对象", param_hint="--lot")
    if class_ not in CLASSES:
        raise typer.BadParameter("I, II or III", param_hint="--class")
    reason = _text(reason_en, reason_zh, "--reason-en, --reason-zh")
    instructions = _text(instructions_en, instructions_zh, "--instructions-en, --instructions-zh")
    digest = common.digest(closes, "--closes") if closes else None
    notice = RecallNotice(id=f"urn:uuid:{uuid4()}", log=common.log_of(origin, outbox, server, policy), scope=scope, class_=class_,
                          reason=reason, instructions=instructions, closes=digest)  # fmt: skip
    return _send([notice], issuer, key, outbox, server, policy, passphrase)


def withdraw(
    digest: Digest, reason: Annotated[str, typer.Option(help="Why; public for ever / 撤回原因,永久公开")], issuer: Issuer,
    key: KeyFile, origin: Origin = "", outbox: OutboxFile = DEFAULT_OUTBOX, server: Server = None, policy: PolicyFile = None,
    passphrase: Passphrase = None,
) -> int:  # fmt: skip
    """Take back a record of yours; both stay in the log. 撤回一条记录"""
    target = _target(bytes.fromhex(common.digest(digest, "DIGEST")), outbox, server)
    log = common.log_of(origin, outbox, server, policy)
    told = Withdrawal.of(target.digest, origin=log, keys=subjects.keys(target), reason=reason)
    return _send([told], issuer, key, outbox, server, policy, passphrase)


def revoke(
    kid: Annotated[str, typer.Argument(help="Thumbprint of the key that ends, as keygen printed it / 密钥指纹")],
    reason: Annotated[str, typer.Option(help="Why; public for ever / 吊销原因,永久公开")], issuer: Issuer, key: KeyFile,
    compromised_from: Annotated[
        int | None, typer.Option(help="Records of that key from this index on are disputed / 自此序号起的记录存疑", min=0)
    ] = None,
    origin: Origin = "", outbox: OutboxFile = DEFAULT_OUTBOX, server: Server = None, policy: PolicyFile = None,
    passphrase: Passphrase = None,
) -> int:  # fmt: skip
    """End a key of yours for ever, signed with another one of yours. 用另一把密钥吊销密钥"""
    log = common.log_of(origin, outbox, server, policy)
    told = KeyRevocation(id=common.canonical(issuer, "417"), log=log, kid=kid, reason=reason, compromised_from=compromised_from)
    return _send([told], issuer, key, outbox, server, policy, passphrase)


def say(
    kind: Annotated[str, typer.Argument(help=f"{', '.join(FORMS)}")],
    files: Annotated[list[Path], typer.Argument(help="JSON, a record each; docs/records.md shows them / JSON 文件")],
    issuer: Issuer, key: KeyFile,
    withhold: Annotated[list[str] | None, typer.Option(help="A member that only the log's inspectors see; repeatable")] = None,
    outbox: OutboxFile = DEFAULT_OUTBOX, server: Server = None, policy: PolicyFile = None, passphrase: Passphrase = None,
) -> int:  # fmt: skip
    """Tell of places, products, certificates, laboratory reports. 登记主数据、证书、检测报告"""
    if kind not in FORMS:
        raise typer.BadParameter(f"one of {', '.join(FORMS)}", param_hint="KIND")
    told: list[Subject] = []
    for file in files:
        try:
            told.append(read_form(kind, file.read_bytes()))
        except Malformed as error:
            raise Malformed(f"{file}: {error.message}", error.code, error.where or "/") from None
    return _send(told, issuer, key, outbox, server, policy, passphrase, records.Withholding(withhold or ()))


def _send(
    told: Sequence[Subject], issuer: str, key: Path, outbox: Path, server: str | None, policy: Path | None,
    passphrase: str | None, withhold: records.Withholding = records.NOTHING,
) -> int:  # fmt: skip
    signer, party, now = common.open_key(key, passphrase), common.canonical(issuer, "417"), datetime.now(UTC)
    made = [records.record(one, issuer=party, at=now, withhold=withhold) for one in told]
    signed = [records.sign_record(one, signer) for one in made]
    for one in signed:
        typer.echo(parse_statement(one).digest.hex())
    return common.save_and_send(signed, signer, outbox, server, policy)


def _target(digest: bytes, outbox: Path, server: str | None) -> Statement:
    """The statement of a digest, from the outbox, which is an archive, else from the log.  Raises Malformed."""
    with Outbox.open(outbox) as box:
        raw = box.statement(digest)
    if raw is None and server is not None:
        with LogClient(server) as client:
            raw = client.statement(digest)
    found = None if raw is None else parse_statement(raw)
    if found is None or found.digest != digest:
        raise Malformed("no such record in this outbox, nor in the log / 找不到此记录", "unknown-target")
    return found


def _uris(texts: Sequence[str] | None, key: str) -> list[str]:
    """Links, paths (01/GTIN/10/LOT) or bare numbers under the AI `key`."""
    return [common.canonical(text if ":" in text or "/" not in text else f"{gs1.HOST}/{text}", key) for text in texts or ()]


def _time(text: str, hint: str) -> str | None:
    if text:
        parse_time(text, hint)
    return text or None


def _text(en: str, zh: str, hint: str) -> Text:
    if not (en or zh):
        raise typer.BadParameter("in one language at least / 至少一种语言", param_hint=hint)
    return {lang: text for lang, text in (("en", en), ("zh", zh)) if text}
