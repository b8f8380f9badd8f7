"""`template` and `import`: spreadsheets out, files in."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from producers.cli import common
from producers.cli.common import BAD, DEFAULT_OUTBOX, GOOD, MaybeIssuer, MaybeKeyFile, OutboxFile, Passphrase, PolicyFile, Server
from producers.epcis.validate import EventValidator
from producers.importer import Imported, import_events, survey
from producers.outbox import Outbox
from producers.reading import read_file
from producers.records import Withholding
from producers.sheets import TEMPLATES, write_template
from verify.statement import WITHHOLDABLE

SHOWN = 50  # problems on a screen; --json tells all
MAY_WITHHOLD = ", ".join(sorted(WITHHOLDABLE["TraceabilityEvent"]))


def template(
    kind: Annotated[str, typer.Argument(help=", ".join(TEMPLATES))],
    file: Annotated[Path, typer.Argument(help="To be written: .xlsx or .csv")],
) -> int:
    """Write an empty sheet to fill in; `import` reads it back. 导出填报模板"""
    if kind not in TEMPLATES:
        raise typer.BadParameter(f"one of {', '.join(TEMPLATES)}", param_hint="KIND")
    if file.suffix.lower() not in (".xlsx", ".csv"):
        raise typer.BadParameter("a name that ends in .xlsx or .csv / 文件名须以 .xlsx 或 .csv 结尾", param_hint="FILE")
    write_template(TEMPLATES[kind], file)
    common.say(f"{file}: one row, one event / 一行一条记录")
    return GOOD


def import_files(
    files: Annotated[list[Path], typer.Argument(help="EPCIS 2.0 JSON or JSON-LD, or sheets from `template`")],
    issuer: MaybeIssuer = "",
    key: MaybeKeyFile = None,
    outbox: OutboxFile = DEFAULT_OUTBOX,
    server: Server = None,
    policy: PolicyFile = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only check; needs neither key nor server / 只检查")] = False,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Sign the good where some are bad / 跳过有误的记录")] = False,
    withhold: Annotated[list[str] | None, typer.Option(help=f"Withhold from shoppers; repeatable: {MAY_WITHHOLD}")] = None,
    public: Annotated[list[str] | None, typer.Option(help="One of --withhold that everybody may see; repeatable")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Figures and every problem as JSON")] = False,
    passphrase: Passphrase = None,
) -> int:
    """Sign and send every event of some files. Nothing is signed unless all are good. 导入文件并签名"""
    held = _withholding(withhold or (), public or ())
    party = common.canonical(issuer, "417") if issuer else ""
    validator, now = EventValidator.build(), datetime.now(UTC)
    readings = [read_file(path, validator, issuer=party, now=now) for path in files]
    if dry_run:
        done = survey(readings)
        _show(done, as_json)
        return BAD if done.problems else GOOD
    if not party or key is None:
        raise typer.BadParameter("signing needs --issuer and --key (--dry-run needs neither)", param_hint="--issuer")
    private = common.open_key(key, passphrase)
    with Outbox.open(outbox) as box:
        total = sum(len(reading.good) for reading in readings)
        with common.progress("签名 signing", total) as bar:
            done = import_events(
                readings, box, private, issuer=party, now_ms=common.now_ms(), skip_bad=skip_bad, withhold=held,
                on_signed=lambda: bar.advance(bar.task_ids[0]),
            )  # fmt: skip
        _show(done, as_json)
        if done.problems and not skip_bad:
            common.complain("nothing was signed: repair these, or give --skip-bad / 未签名任何记录:请修正,或使用 --skip-bad")
            return BAD
        code = common.send(box, server, policy)
    code = common.hand_in(outbox, server, code)
    return BAD if done.problems else code


def _withholding(names: Sequence[str], public: Sequence[str]) -> Withholding:
    """Judged before a file is read: a misspelt name would withhold nothing, or publish nothing, in silence."""
    if unknown := set(names) - WITHHOLDABLE["TraceabilityEvent"]:
        sentence = f"{_listed(unknown)} may not be withheld; these may / 不可隐藏,可隐藏的有: {MAY_WITHHOLD}"
        raise typer.BadParameter(sentence, param_hint="--withhold")
    if shown := set(public) - set(names):
        sentence = f"{_listed(shown)} is not withheld; these may be / 未用 --withhold 隐藏,可隐藏的有: {MAY_WITHHOLD}"
        raise typer.BadParameter(sentence, param_hint="--public")
    return Withholding(tuple(names), tuple(public))


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


def _show(done: Imported, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(asdict(done), ensure_ascii=False))
        return
    for sheet in done.unread:
        common.say(f"{sheet} was not read: it has none of our columns / 未读取:没有模板的列")
    for problem in done.problems[:SHOWN]:
        common.complain(f"✗ {problem}")
    if len(done.problems) > SHOWN:
        common.complain(f"… and {len(done.problems) - SHOWN} more (--json tells all) / 还有 {len(done.problems) - SHOWN} 处")
    typer.echo(
        f"read / 读取 {done.read}   stored / 新存 {done.stored}   "
        f"duplicate / 重复 {done.duplicate}   refused / 有误 {done.refused}"
    )
