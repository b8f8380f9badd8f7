"""
The policy that the operator proposes: its keys, witnesses, registrar and contracts, as a reader would write them down.

Taken from the log's own genesis and from the operator's list of witnesses.  It proves nothing: who takes it from the operator
trusts the operator's word for whom to trust, and the text says so.

Source: verify/policy.py; protocol.md section 3.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from ledger.anchors.evm import code_hash
from ledger.freezing import Freeze, freeze_of
from ledger.models import EntryRow, StatementRow, WitnessRow
from ledger.problems import Fatal
from ledger.rotation import clocks_of
from ledger.settings import Settings
from verify.policy import DEV_CHAIN_IDS, Policy
from verify.statement import parse_statement, thumbprint

MAX_AGE_S = 86_400  # a recall answer older than a day is "could not be checked"

_PROPOSED = """\
# What the operator of this log proposes to trust.  You read it from the operator: take keys and contracts from somebody
# else as well before you rely on them.
# 这是运营方建议的信任策略。它来自运营方本身，请另行向第三方核对密钥与合约地址。
"""
_DEMO = """\
# DEMO.  The witness runs in the same process as the log, and so does the chain: together they prove that the code works,
# not that anybody else looked.  All parties are made up, and their keys were made by this machine.
# 演示：见证方与区块链都在本机同一进程内运行，只能说明代码有效，不能证明有第三方见过。所有主体均为虚构。
"""


def proposed_policy(session: Session, settings: Settings, *, is_demo: bool) -> str:
    """The policy text; it has passed the parser that readers use.  Raises Fatal before `init`."""
    genesis, log_id = _genesis(session)
    registrar = genesis["registrar"]
    witnesses = session.scalars(select(WitnessRow).order_by(WitnessRow.name)).all()
    lines = [
        f"log {genesis['logKey']} {settings.base_url}/log",
        *_clock_lines(settings, genesis["clockKey"]),
        *_witness_lines(witnesses),
        f"registrar {registrar['id']} {thumbprint(registrar['jwk'])} 0- *",
        *_anchor_lines(settings, genesis["anchorSigners"], log_id),
        f"max-age {MAX_AGE_S}",
    ]
    text = _PROPOSED + (_DEMO if is_demo else "") + _end(freeze_of(session)) + "".join(line + "\n" for line in lines)
    Policy.parse(text)
    return text


def _genesis(session: Session) -> tuple[dict[str, Any], str]:
    row = session.execute(
        select(StatementRow.jws, EntryRow.leaf)
        .join(EntryRow, EntryRow.index == StatementRow.index)
        .where(StatementRow.index == 0)
    ).one_or_none()
    if row is None or row.jws is None:
        raise Fatal("this database has no log: run `originmark init`")
    return parse_statement(row.jws).subject, "0x" + row.leaf.hex()


def _clock_lines(settings: Settings, first: str) -> list[str]:
    """The genesis names the first clock key; later ones come beside it, since old receipts bear the old one for ever."""
    later = (key.format() for key in clocks_of(settings.keys, settings.origin))
    return [f"clock {vkey}" for vkey in dict.fromkeys((first, *later))]


def _end(freeze: Freeze | None) -> str:
    if freeze is None:
        return ""
    size = "its last entries are being published" if freeze.size is None else f"it ends at {freeze.size} entries"
    goes_on = f"; {freeze.successor} goes on, with a policy of its own: {freeze.url}" if freeze.successor else ""
    return f"# FROZEN: this log takes no statements any more, {size}{goes_on}\n# 此账本已冻结，不再接收声明；已有记录仍可查证。\n"


def _witness_lines(witnesses: Sequence[WitnessRow]) -> list[str]:
    """One line each, and a quorum of most of them: one that is down must not turn every scan grey."""
    if not witnesses:
        return ["quorum none"]
    lines = [
        f"witness {row.name} {row.vkey}" + (f" {row.url}" if row.url.startswith("http") else "") for row in witnesses
    ]
    if len(witnesses) == 1:
        return [*lines, f"quorum {witnesses[0].name}"]
    most = len(witnesses) // 2 + 1
    return [*lines, f"group witnesses {most} {' '.join(row.name for row in witnesses)}", "quorum witnesses"]


def _anchor_lines(settings: Settings, signers: Sequence[str], log_id: str) -> list[str]:
    if not settings.anchor_contract:
        return []
    code = code_hash()
    lines = [f"anchor {settings.anchor_chain_id} {settings.anchor_contract} {log_id} {signer} {code}" for signer in signers]
    remark = "# a chain inside this process: never an anchor / 本机进程内的链，不构成锚定"
    return [remark, *lines] if settings.anchor_chain_id in DEV_CHAIN_IDS else lines
