"""Commands of who inspects: report NAME, recall drill LOT."""

import json
import time
from pathlib import Path
from typing import Annotated

import typer

from ledger.commands.common import fail, opened
from ledger.finding import Unrecorded, recorded
from ledger.pooling import published_size
from ledger.recalls import ALWAYS, Affected, Recall, reach_of
from ledger.reports import REPORTS, BadQuery, Query, render
from ledger.shown import Audience
from verify import gs1
from verify.errors import Malformed
from verify.statement import parse_time

recall_app = typer.Typer(no_args_is_help=True, help="Recalls.")


def report(
    name: Annotated[str, typer.Argument(help=f"One of {', '.join(REPORTS)}.")],
    lots: Annotated[list[str], typer.Argument(help="Digital Links of lots, items or logistic units.")],
    form: Annotated[str, typer.Option("--format", help="xlsx, csv or json")] = "xlsx",
    since: Annotated[str, typer.Option("--from", help="RFC 3339, event time")] = "",
    until: Annotated[str, typer.Option(help="RFC 3339, event time")] = "",
    lang: Annotated[str, typer.Option(help="en or zh")] = "en",
    out: Annotated[Path | None, typer.Option(help="File to write; default: NAME.FORMAT here.")] = None,
) -> None:
    """Write a compliance report from the published log, with every disclosure that it has."""
    if name not in REPORTS:
        fail(f"there is no report {name}; there are {', '.join(REPORTS)}")
    with opened() as database, database.reading() as session:
        try:
            size = published_size(session)
            uris = tuple(recorded(session, lot, size) for lot in lots)
            asked = Query(uris, _ms(since), _ms(until), size, lang=lang, coded=form == "json")
            body = render(REPORTS[name].build(session, asked), form, lang=lang)
        except (BadQuery, Malformed, Unrecorded) as error:
            fail(str(error))
    path = out or Path(f"{name}.{form}")
    path.write_bytes(body)
    typer.echo(f"{path}: {len(body)} bytes")


@recall_app.command("drill")
def drill(
    lot: Annotated[str, typer.Argument(help="Digital Link of what to pretend to recall: label, lot, product, place.")],
    out: Annotated[Path | None, typer.Option(help="File for the reach as JSON; default: recall-drill.json here.")] = None,
) -> None:
    """Time a mock recall: whom it reaches, how fast, written down.  Nothing is logged and nobody is told."""
    with opened() as database, database.reading() as session:
        size, start = published_size(session), time.perf_counter()
        try:
            uri = recorded(session, lot, size)
        except (Malformed, Unrecorded) as error:
            fail(str(error))
        mock = Recall(0, "", "drill", "I", *_scope(uri), *ALWAYS, {}, {}, None)
        reach = reach_of(session, mock, before=size, audience=Audience.REGULATOR)
        seconds = time.perf_counter() - start
    path = out or Path("recall-drill.json")
    told = {"lot": uri, "size": size, "seconds": round(seconds, 3), "at_ms": time.time_ns() // 1_000_000, **reach.to_json()}
    path.write_text(json.dumps(told, ensure_ascii=False, indent=1) + "\n", "utf-8")
    typer.echo(f"{_sentence(reach)} in {seconds:.3f} s: {path}")


def _scope(uri: str) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """What a drill about `uri` recalls: lots (or items and units), products, places."""
    level = gs1.level(uri)
    return () if level in ("product", "place") else (uri,), (uri,) * (level == "product"), (uri,) * (level == "place")


def _sentence(reach: Affected) -> str:
    counts = f"{len(reach.lots)} lots, {len(reach.units)} units, {len(reach.stops)} places, {len(reach.parties)} parties"
    return counts + (" (cut short: too many events)" if reach.truncated else "")


def _ms(text: str) -> int | None:
    return int(parse_time(text).timestamp() * 1000) if text else None
