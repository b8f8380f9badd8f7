"""
What the commands share: options, the key, the outbox, the policy, and one way to send.

Words for people go to stderr, results to stdout, so that a script can read them.
"""

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from producers.answers import LogError, Unexpected
from producers.client import LogClient
from producers.commitments import Commitments
from producers.delivery import Delivery, deliver
from producers.follow import pin
from producers.keys import needs_passphrase, read_key
from producers.outbox import Outbox
from producers.sign import PrivateKey, jwk_of
from verify import gs1
from verify.errors import VerificationError
from verify.merkle import Hash
from verify.policy import Policy
from verify.strict import b64u_encode

GOOD, BAD, USAGE, NOT_SENT = 0, 1, 2, 3

Issuer = Annotated[str, typer.Option("--issuer", envvar="ORIGINMARK_ISSUER", help="Your party's URI / 本方标识")]
MaybeIssuer = Annotated[str, typer.Option("--issuer", envvar="ORIGINMARK_ISSUER", help="Your party's URI / 本方标识")]
KeyFile = Annotated[Path, typer.Option("--key", envvar="ORIGINMARK_KEY", help="Your key file / 密钥文件")]
MaybeKeyFile = Annotated[Path | None, typer.Option("--key", envvar="ORIGINMARK_KEY", help="Your key file / 密钥文件")]
OutboxFile = Annotated[Path, typer.Option("--outbox", envvar="ORIGINMARK_OUTBOX", help="Your outbox / 发件箱文件")]
Server = Annotated[str | None, typer.Option("--server", envvar="ORIGINMARK_SERVER", help="The log's address / 服务器地址")]
PolicyFile = Annotated[
    Path | None, typer.Option("--policy", envvar="ORIGINMARK_POLICY", help="What you trust; kept in the outbox / 信任策略文件")
]
Passphrase = Annotated[str | None, typer.Option(envvar="ORIGINMARK_PASSPHRASE", hidden=True)]
DEFAULT_OUTBOX = Path("outbox.db")
SHOWN = 5  # records that are named of those refused for one reason
LATER = "nothing is lost: run `submit` when the server can be reached / 记录未丢失:服务器可连接后运行 submit"
WRONG_LOG = (
    "nothing is lost; this server does not show the log that your policy and this outbox know: check --server and --policy / "
    "记录未丢失:此服务器的账本与信任策略或发件箱不符,请核对 --server 与 --policy"
)
NEXT: Mapping[str, str] = {
    "unknown-key": "let the registrar grant this key (`enroll`), then run `submit --again` / "
    "请登记机构登记此密钥,然后运行 submit --again",
    "revoked-key": "this key is ended for ever: make a new one (`keygen`, `enroll`), then `submit --sign-again NEW-KEY` / "
    "此密钥已永久吊销:请生成新密钥(keygen、enroll),再运行 submit --sign-again 新密钥",
    "not-commissioner": "either the log has no harvest of this lot from you yet: tell it, then run `submit --again`; or you may "
    "not name the lot: let the registrar grant its prefix (`enroll --mint`) / "
    "账本中尚无本方对该批次的采收记录:请先上传,再运行 submit --again;或本方无权命名该批次:请登记机构登记其前缀(enroll --mint)",
    "second-commitment": "more labels of this lot need a new --secret file, and --previous with the digest of its last commitment"
    " (`labels` names it) / 追加标签:请用新的密钥文件,并以 --previous 指明该批次上一份承诺的摘要",
}
"""What a farm does about a refusal, by its code."""


def console() -> Console:
    """Where people read."""
    return Console(stderr=True, soft_wrap=True, highlight=False)


def say(text: str) -> None:
    """Tell a person."""
    console().print(text, markup=False)


def complain(text: str) -> None:
    """Tell a person that something is wrong."""
    console().print(text, style="red", markup=False)


def now_ms() -> int:
    """This machine's clock, ms since 1970."""
    return time.time_ns() // 1_000_000


def open_key(path: Path, passphrase: str | None) -> PrivateKey:
    """Read the key; asks for its passphrase where it has one and none was given."""
    if passphrase is None and needs_passphrase(path):
        passphrase = typer.prompt("Passphrase / 口令", hide_input=True, err=True)
    return read_key(path, passphrase if needs_passphrase(path) else None)


@contextmanager
def progress(what: str, total: int) -> Iterator[Progress]:
    """A bar on a terminal, nothing elsewhere; task 0 is the one."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console(), transient=True, disable=not console().is_terminal) as bar:
        bar.add_task(what, total=total)
        yield bar


def believed(outbox: Outbox, client: LogClient | None, policy_file: Path | None) -> Policy | None:
    """
    The policy to believe by: the given file; else the kept one; else, at first contact, the server's own.

    It is kept once the log was met under it, and where there was none.  None where there is neither file nor server and
    nothing was kept.  Raises LogError, OSError, VerificationError.
    """
    kept = outbox.seen.policy()
    if policy_file is None and kept is None and client is None:
        return None
    text = policy_file.read_text("utf-8") if policy_file is not None else kept
    if text is None and client is not None:
        text = client.policy()
        say(
            f"First contact: from now on this outbox believes the keys that {client.server} names itself; "
            "give --policy to believe your own. / 首次连接:已采用服务器自己提供的信任策略"
        )
    assert text is not None
    if client is not None:
        return pin(outbox, client, text, now_ms=now_ms())
    policy = Policy.parse(text)
    if kept is None:
        outbox.seen.pin(text)
    return policy


def log_of(origin: str, outbox_file: Path, server: str | None, policy_file: Path | None) -> str:
    """The name of the log that a control statement is for: made for one, it says nothing in another.  Raises as `believed`."""
    if origin:
        return origin
    with Outbox.open(outbox_file) as outbox:
        if server is None:
            policy = believed(outbox, None, policy_file)
        else:
            with LogClient(server) as client:
                policy = believed(outbox, client, policy_file)
    if policy is None:
        raise no_log()
    return policy.logs[0].name


def no_log() -> typer.BadParameter:
    """Nothing says which log is meant."""
    return typer.BadParameter("for which log: give --origin, --policy or --server / 请指定账本", param_hint="--origin")


def send(outbox: Outbox, server: str | None, policy_file: Path | None) -> int:
    """Send what waits, say what became of it, and return the exit code."""
    counts = outbox.counts()
    waiting = counts["saved"] + counts["sent"]
    if server is None:
        not_sent = f"{waiting} saved, not sent: no --server / {waiting} 条已保存,尚未上传"
        say(not_sent if waiting else "nothing waits to be sent / 没有待上传的记录")
        return NOT_SENT if waiting else GOOD
    with LogClient(server) as client, progress("上传 sending", waiting) as bar:
        try:
            policy = believed(outbox, client, policy_file)
        except LogError as error:
            complain(f"{waiting} saved, not sent / {waiting} 条已保存,尚未上传: {error}")
            say(LATER)
            return NOT_SENT if waiting else GOOD
        except VerificationError as error:
            complain(f"nothing was sent / 未上传任何记录: {client.server}: {error}")
            say(WRONG_LOG)
            return BAD
        assert policy is not None
        done = deliver(outbox, client, policy, now_ms=now_ms(), on_batch=lambda sent: bar.update(bar.task_ids[0], completed=sent))
    return told(done)


def told(done: Delivery) -> int:
    """Say what a delivery came to; its exit code."""
    say(
        f"published / 已入账 {done.published}   duplicate / 重复 {done.duplicate}   "
        f"refused / 被拒 {len(done.refused)}   waiting / 待上传 {done.waiting}"
    )
    # By reason: a key that nobody granted is one sentence, not one for every record.
    reasons: dict[str, list[str]] = {}
    for digest, problem in done.refused:
        reasons.setdefault(str(problem), []).append(digest.hex())
    for reason, digests in reasons.items():
        complain(f"refused / 被拒 {len(digests)}: {reason}")
        say(f"    {' '.join(digests[:SHOWN])}{' …' if len(digests) > SHOWN else ''}")
    for code in sorted({problem.code for _, problem in done.refused} & NEXT.keys()):
        say(NEXT[code])
    if done.stopped is not None:
        complain(f"stopped / 中断: {done.stopped}")
        say(LATER if isinstance(done.stopped, LogError) else WRONG_LOG)
    if done.refused or isinstance(done.stopped, VerificationError):
        return BAD
    return NOT_SENT if done.waiting else GOOD


def save_and_send(
    statements: Sequence[bytes], key: PrivateKey, outbox_file: Path, server: str | None, policy_file: Path | None
) -> int:
    """Save signed statements in the outbox, then send what waits; the exit code."""
    with Outbox.open(outbox_file) as outbox:
        added = outbox.add(statements, now_ms=now_ms(), jwk=jwk_of(key.public_key()))
        say(f"signed and saved / 已签名保存 {added.stored}   saved before / 此前已有 {added.duplicate}")
        code = send(outbox, server, policy_file)
    return hand_in(outbox_file, server, code)


def hand_in(outbox_file: Path, server: str | None, code: int) -> int:
    """
    Hand in the codes of every commitment that is logged by now; the exit code, where it was `code` so far.

    What cannot be handed in stays in the outbox, and the next command that sends tries again.
    """
    with Commitments.open(outbox_file) as kept:
        due = kept.due()
        if not due:
            return code
        try:
            if server is not None:
                _hand_in(kept, due, server)
        except LogError as error:
            complain(f"the codes were not handed in / 标签的哈希尚未提交: {error}")
        left = len(kept.due())
    if left:
        say(f"item codes of {left} commitments cannot be proven yet: run `submit` / {left} 份承诺的标签尚无法核验:请运行 submit")
    return NOT_SENT if left and code == GOOD else code


def _hand_in(kept: Commitments, due: Sequence[Hash], server: str) -> None:
    with LogClient(server) as client:
        for root in due:
            try:
                kept.hand_in(root, client)
                say(f"codes handed in / 已提交标签的哈希: root / 根 {b64u_encode(root)}")
            except Unexpected as error:
                # About these codes; the next ones may be welcome.
                complain(f"{b64u_encode(root)}: {error}")


def canonical(text: str, key: str) -> str:
    """A URI; 13 digits stand for a GLN under the AI `key` (414 place, 417 party).  Raises Malformed."""
    return gs1.canonical_uri(f"{gs1.HOST}/{key}/{text}" if text.isascii() and text.isdecimal() else text)


def digest(text: str, hint: str) -> str:
    """A record's digest as the log prints it, lower-case hex; capitals are the same number.  Raises typer.BadParameter."""
    if not re.fullmatch("[0-9A-Fa-f]{64}", text):
        raise typer.BadParameter("a digest has 64 hexadecimal digits / 摘要为 64 位十六进制数字", param_hint=hint)
    return text.lower()
