"""
`event KIND THING …`: one event from options, signed, saved and sent.

    harvest THING… --commodity          a lot is picked
    pack THING… --into THING            lots become other lots
    aggregate THING… --parent URI       onto a pallet
    ship, receive THING… --partner      a hand-over, told by either side
    sell THING… [--last]                to shoppers, who are never named

A THING is a URI, or URI,AMOUNT[,UNIT] for so much of a lot; `01/GTIN/10/LOT` is short for its Digital Link.
Places and parties are URIs or GLNs of 13 digits.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import typer

from producers import cells
from producers.cli import common
from producers.cli.common import DEFAULT_OUTBOX, GOOD, Issuer, MaybeKeyFile, OutboxFile, Passphrase, PolicyFile, Server
from producers.epcis import build, kde
from producers.epcis.parts import Handover, LotQuantity, Occasion, Quantity, Things, object_uri
from producers.epcis.text import encode
from producers.epcis.validate import EventValidator
from producers.records import event_record, sign_record
from verify import gs1
from verify.statement import parse_time


@dataclass(frozen=True, slots=True)
class Facts:
    """What was said on the command line."""

    things: Things
    into: Things
    at: Occasion
    parent: str
    partner: str
    partner_place: str
    commodity: str
    variety: str
    field: str
    description: str
    last: bool


def _harvest(told: Facts) -> build.Event:
    facts = kde.Harvest(_needed(told.commodity, "--commodity"), told.at.time.date(), told.variety, told.field)
    return build.harvest(told.things, told.at, facts, recipient=Handover(taker=told.partner))


def _pack(told: Facts) -> build.Event:
    facts = kde.Packing(
        _needed(told.description, "--description"), told.at.time.date(), tlc_source=told.at.place, commodity=told.commodity,
        variety=told.variety, field_name=told.field,
    )  # fmt: skip
    _check_apart(told.things, _uris(told.into), "--into")
    return build.pack(told.things, told.into, told.at, facts)


def _aggregate(told: Facts) -> build.Event:
    parent = _goods(_needed(told.parent, "--parent"), "--parent")
    _check_apart(told.things, {parent}, "--parent")
    return build.aggregate(parent, told.things, told.at)


def _ship(told: Facts) -> build.Event:
    taker = _needed(told.partner, "--partner")
    return build.ship(told.things, told.at, Handover(told.at.issuer, taker, told.at.place, told.partner_place))


def _receive(told: Facts) -> build.Event:
    giver = _needed(told.partner, "--partner")
    return build.receive(told.things, told.at, Handover(giver, told.at.issuer, told.partner_place, told.at.place))


def _sell(told: Facts) -> build.Event:
    return build.sell(told.things, told.at, last=told.last)


KINDS: Mapping[str, Callable[[Facts], build.Event]] = {
    "harvest": _harvest, "pack": _pack, "aggregate": _aggregate, "ship": _ship, "receive": _receive, "sell": _sell,
}  # fmt: skip

TAKES: Mapping[str, frozenset[str]] = {
    "harvest": frozenset(("--commodity", "--variety", "--field", "--partner")),
    "pack": frozenset(("--into", "--description", "--commodity", "--variety", "--field")),
    "aggregate": frozenset(("--parent",)),
    "ship": frozenset(("--partner", "--partner-place")),
    "receive": frozenset(("--partner", "--partner-place")),
    "sell": frozenset(("--last",)),
}
"""The options of a kind beside those of every event; named as the members of Facts."""


def event(
    kind: Annotated[str, typer.Argument(help=", ".join(KINDS))],
    things: Annotated[list[str], typer.Argument(help="URI or URI,AMOUNT[,UNIT] / 对象,数量,单位")],
    place: Annotated[str, typer.Option(help="Where it was done: GLN or URI / 地点")],
    issuer: Issuer,
    key: MaybeKeyFile = None,
    into: Annotated[list[str] | None, typer.Option(help="pack: what came out, as THING; repeatable / 产出")] = None,
    parent: Annotated[str, typer.Option(help="aggregate: the pallet or crate / 托盘")] = "",
    partner: Annotated[str, typer.Option(help="ship: who takes it; receive: who gave it / 交接方")] = "",
    partner_place: Annotated[str, typer.Option(help="ship: where to; receive: where from / 对方地点")] = "",
    commodity: Annotated[str, typer.Option(help="What it is, as tomato / 品名")] = "",
    variety: Annotated[str, typer.Option(help="品种")] = "",
    field: Annotated[str, typer.Option(help="Your own name of the field / 地块")] = "",
    description: Annotated[str, typer.Option(help="pack: brand, size, packaging / 产品描述")] = "",
    last: Annotated[bool, typer.Option("--last", help="sell: nothing of it is left / 已售罄")] = False,
    time: Annotated[str, typer.Option(help="As 2026-03-02T06:10:00+08:00; now where it is missing / 时间")] = "",
    reference: Annotated[list[str] | None, typer.Option(help="KIND:NUMBER, as po:4711; repeatable / 单据")] = None,
    outbox: OutboxFile = DEFAULT_OUTBOX,
    server: Server = None,
    policy: PolicyFile = None,
    show: Annotated[bool, typer.Option("--print", help="Only print the event; needs no key / 只显示")] = False,
    passphrase: Passphrase = None,
) -> int:
    """Tell one event: harvest, pack, aggregate, ship, receive, sell. 记录一个事件"""
    if kind not in KINDS:
        raise typer.BadParameter(f"one of {', '.join(KINDS)}", param_hint="KIND")
    party, where = common.canonical(issuer, "417"), common.canonical(place, "414")
    references = tuple(_reference(one) for one in reference or ())
    try:
        text = _encoded(kind, Facts(
            things=_things(things), into=_things(into or []), parent=_uri(parent.strip()), commodity=commodity.strip(),
            variety=variety.strip(), field=field.strip(), description=description.strip(), last=last, partner=_partner(partner),
            partner_place=common.canonical(partner_place, "414") if partner_place else "",
            at=Occasion(_time(time), party, place=where, location=where if kind != "ship" else "", references=references),
        ))  # fmt: skip
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    EventValidator.build().check(text, now=datetime.now(UTC))
    return _finish(text, party, key, show, outbox, server, policy, passphrase)


def _finish(
    text: str, party: str, key: Path | None, show: bool, outbox: Path, server: str | None, policy: Path | None,
    passphrase: str | None,
) -> int:  # fmt: skip
    if show:
        typer.echo(text)
        return GOOD
    if key is None:
        raise typer.BadParameter("signing needs a key (--print needs none)", param_hint="--key")
    signer = common.open_key(key, passphrase)
    statement = sign_record(event_record(text, issuer=party), signer)
    return common.save_and_send([statement], signer, outbox, server, policy)


def _encoded(kind: str, told: Facts) -> str:
    _check_taken(kind, told)
    return encode(KINDS[kind](told))


def _check_taken(kind: str, told: Facts) -> None:
    """Refuse an option of another kind: dropped in silence, it would be missing from what is signed."""
    given = {f"--{one.name.replace('_', '-')}" for one in fields(told) if getattr(told, one.name) not in ("", False, Things())}
    if foreign := given - TAKES[kind] - {"--things", "--at"}:
        own = ", ".join(sorted(TAKES[kind]))
        raise typer.BadParameter(
            f"{kind} does not take this; it takes {own} / 此类事件没有该选项", param_hint=", ".join(sorted(foreign))
        )


def _needed(value: str, option: str) -> str:
    if not value:
        raise typer.BadParameter("is needed for this kind / 此类事件必填", param_hint=option)
    return value


def _uri(text: str) -> str:
    return f"{gs1.HOST}/{text}" if text and ":" not in text else text


def _partner(text: str) -> str:
    if not text:
        return ""
    uri = common.canonical(text, "417")
    if (level := gs1.level(uri)) not in ("party", "other"):
        raise typer.BadParameter(f"{text} is no party but a {level} / 不是主体", param_hint="--partner")
    return uri


def _goods(text: str, option: str) -> str:
    """The canonical URI of goods, or of what carries them.  Raises Malformed."""
    if gs1.level(uri := object_uri(text)) in ("place", "party"):
        raise typer.BadParameter(f"{text} is a place or a party, no goods / 这是地点或主体,不是货物", param_hint=option)
    return uri


def _uris(things: Things) -> set[str]:
    return {object_uri(uri) for uri in (*things.items, *(one.lot for one in things.lots))}


def _check_apart(things: Things, others: Collection[str], option: str) -> None:
    """Nothing is packed into itself, nor put onto itself: whoever traces it would go round in a circle."""
    if both := sorted(_uris(things) & set(others)):
        raise typer.BadParameter(f"{both[0]} stands on both sides / 不能同时出现在两侧", param_hint=option)


def _amount(text: str) -> Decimal:
    if not re.fullmatch(r"[0-9]+(\.[0-9]+)?", text.strip()):
        raise ValueError("not a number in plain digits / 不是普通数字")
    return cells.amount(text)


def _things(texts: Sequence[str]) -> Things:
    items: list[str] = []
    lots: list[LotQuantity] = []
    for text in texts:
        uri, *rest = _uri(text).split(",")
        if len(rest) > 2:
            raise typer.BadParameter(f"{text}: URI or URI,AMOUNT[,UNIT]", param_hint="THING")
        level = gs1.level(_goods(uri, "THING"))
        try:
            unit = cells.unit(rest[1]) if len(rest) == 2 else ""
            quantity = Quantity(_amount(rest[0]), unit) if rest else None
        except ValueError as error:
            raise typer.BadParameter(f"{text}: {error}", param_hint="THING") from None
        if quantity is not None or level in ("lot", "product"):
            lots.append(LotQuantity(uri, quantity))
        else:
            items.append(uri)
    return Things(tuple(items), tuple(lots))


def _reference(text: str) -> kde.Reference:
    kind, colon, number = text.partition(":")
    if not colon or not number:
        raise typer.BadParameter(f"{text}: KIND:NUMBER, as po:4711", param_hint="--reference")
    return kde.Reference(kind, number)


def _time(text: str) -> datetime:
    return parse_time(text, "--time") if text else datetime.now().astimezone().replace(microsecond=0)
