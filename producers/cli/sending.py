"""`submit` and `status`: sending what waits, and how things stand."""

import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from producers.answers import LogError
from producers.cli import common
from producers.cli.common import BAD, DEFAULT_OUTBOX, NOT_SENT, MaybeIssuer, OutboxFile, Passphrase, PolicyFile, Server
from producers.client import LogClient
from producers.commitments import Commitments
from producers.follow import Watch, follow
from producers.outbox import STATES, Outbox
from producers.resigning import sign_again
from producers.status import Status, status
from producers.store import OutboxRefused
from verify.anchor import read_head
from verify.errors import VerificationError
from verify.policy import Policy

SHOWN = 20  # alarms of one kind on a screen
WORDS = {
    "saved": "已保存,未上传", "sent": "已上传,待回执", "published": "已入账(仅运营方见过)", "witnessed": "第三方已见证",
    "covered": "链上已锚定", "refused": "被拒绝",
}  # fmt: skip


def submit(
    outbox: OutboxFile = DEFAULT_OUTBOX,
    server: Server = None,
    policy: PolicyFile = None,
    again: Annotated[bool, typer.Option("--again", help="Also what was refused before / 重发被拒的记录")] = False,
    key: Annotated[
        Path | None, typer.Option("--sign-again", help="A new key, for what was refused for the old one / 用新密钥重签被拒的记录")
    ] = None,
    give_up: Annotated[bool, typer.Option("--give-up", help="Keep what was refused, tell it no more / 放弃被拒的记录")] = False,
    passphrase: Passphrase = None,
) -> int:
    """Send what waits in the outbox. Sending again is always safe. 上传待发记录"""
    with Outbox.open(_existing(outbox)) as box:
        now_ms = common.now_ms()
        if key is not None:
            signed = sign_again(box, common.open_key(key, passphrase), now_ms=now_ms)
            common.say(f"{signed} signed with the new key / {signed} 条已用新密钥重签")
        if again:
            common.say(f"{box.refusals.retry(now_ms=now_ms)} to be tried again / 重新上传")
        if give_up:
            common.say(f"{box.refusals.give_up(now_ms=now_ms)} given up, kept in the archive / 已放弃,仍存档")
        code = common.send(box, server, policy)
    return common.hand_in(outbox, server, code)


def show_status(
    outbox: OutboxFile = DEFAULT_OUTBOX,
    issuer: MaybeIssuer = "",
    server: Server = None,
    policy: PolicyFile = None,
    rpc: Annotated[list[str] | None, typer.Option(help="A JSON-RPC address of your choice, to read anchors; repeatable")] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Ask nobody / 不联网")] = False,
    acknowledge: Annotated[
        bool, typer.Option("--acknowledge", help="You have looked at the alarms: show new ones only / 已阅告警,只显示新的")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> int:
    """Follow the log, then say how every record stands, and what needs you. 查看状态与告警"""
    unchecked: list[str] = []
    parties = [common.canonical(issuer, "417")] if issuer else []
    with Outbox.open(_existing(outbox)) as box:
        if offline or server is None:
            believed = common.believed(box, None, policy)
            unchecked.append("the log was not asked / 未联网核对")
        else:
            with LogClient(server) as client:
                believed = _follow(box, client, policy, rpc or [], parties, unchecked)
        found = status(box, believed, now_ms=common.now_ms())
        if acknowledge:
            common.say(f"{box.seen.acknowledge(now_ms=common.now_ms())} acknowledged / 条告警已阅")
    unchecked += found.unchecked
    with Commitments.open(outbox) as kept:
        if due := len(kept.due()):
            unchecked.append(f"item codes of {due} commitments: run `submit` / {due} 份承诺的标签:请运行 submit")
    _show(found, unchecked, as_json)
    if found.exit_code == BAD:
        return BAD
    return NOT_SENT if unchecked and not offline else found.exit_code


def _follow(
    box: Outbox, client: LogClient, policy_file: common.PolicyFile, rpc: list[str], parties: list[str], unchecked: list[str]
) -> Policy | None:
    policy: Policy | None = None
    try:
        policy = common.believed(box, client, policy_file)
        assert policy is not None
        watch = Watch(box, client, policy, now_ms=common.now_ms())
        with common.progress("跟踪 following", 0) as bar:
            heads = (lambda pin: read_head(pin, rpc)) if rpc else None
            done = follow(
                watch, heads=heads, parties=parties,
                on_read=lambda read, size: bar.update(bar.task_ids[0], completed=read, total=size),
            )  # fmt: skip
        unchecked += done.unchecked
    except (LogError, VerificationError) as error:
        text = str(error)
        unchecked.append(text if text.startswith(client.server) else f"{client.server}: {text}")
    return policy


def _show(found: Status, unchecked: list[str], as_json: bool) -> None:
    if as_json:
        body = {"counts": found.counts, "alarms": [asdict(alarm) for alarm in found.alarms], "unchecked": unchecked}
        typer.echo(json.dumps(body, ensure_ascii=False))
        return
    table = Table("state", "状态", "records 条数")
    for state in STATES:
        table.add_row(state, WORDS[state], str(found.counts[state]))
    Console().print(table)
    for text in unchecked:
        common.say(f"? could not be checked / 暂无法核对: {text}")
    kinds = Counter(alarm.code for alarm in found.alarms)
    for code in kinds:
        for alarm in [alarm for alarm in found.alarms if alarm.code == code][:SHOWN]:
            # What is counted already begins with its number.
            about = "" if alarm.detail.startswith(alarm.about) else f"{alarm.about}: "
            common.complain(f"! {alarm.code}: {about}{alarm.detail}")
        if kinds[code] > SHOWN:
            common.complain(f"! {code}: {kinds[code] - SHOWN} more, all in --json / 另有 {kinds[code] - SHOWN} 条,见 --json")


def _existing(path: Path) -> Path:
    """The outbox at `path`.  Raises OutboxRefused where there is none: an empty one made here would say that all was sent."""
    if not path.exists():
        raise OutboxRefused(f"{path}: there is no outbox here; name yours with --outbox / 此处没有发件箱:请用 --outbox 指定")
    return path
