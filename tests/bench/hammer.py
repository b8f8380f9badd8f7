"""
The hammer: a load test that is a correctness test.  Whatever is read is verified, and whatever was acknowledged is asked for.

    python -m tests.bench.hammer                            a log of its own, on SQLite, for 20 s; then its audit
    python -m tests.bench.hammer --url URL --keys DIR       a log that runs; DIR from --prepare, granted by its registrar
    python -m tests.bench.hammer --prepare ORIGIN --keys DIR
    python -m tests.bench.hammer --check BOOK --url URL     every acknowledgement of an earlier run: still at its index?

Writers send lines and single statements, ES256 and EdDSA; full readers rebuild the tree from every entry and compare every
tile; random readers verify single statements from signature to signed root.  Servers may die meanwhile: what got no answer
is sent again, and the longest time without an acknowledgement is told.  A line a figure on standard output, `name value unit`
between tabs; exit code 1 where anything did not verify.

Model: the hammer of Tessera (github.com/transparency-dev/tessera).
"""

import argparse
import asyncio
import json
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx2
from rich.console import Console
from rich.live import Live
from rich.table import Table

from tests.bench.hammering.book import read_book, standstill
from tests.bench.hammering.log import Remote, Trust
from tests.bench.hammering.parties import prepare
from tests.bench.hammering.sampling import check
from tests.bench.hammering.tally import Tally, quantile
from tests.bench.hammering.workers import Load, at_work
from tests.support.service import Service

Figure = tuple[str, float, str]
SHOWN_S = 0.5
ATTEMPTS = 40


def run(load: Load, console: Console) -> tuple[Tally, list[Figure]]:
    """Hammer for `load.seconds`, or until SIGINT; the counts and the figures."""
    total, begun, begun_ms = Tally(), time.monotonic(), time.time_ns() // 1_000_000
    with at_work(load) as work, Live(console=console, auto_refresh=False, transient=True) as live:
        before = signal.signal(signal.SIGINT, lambda *_: work.stop.set())
        while work.is_going_on():
            work.gather(total, SHOWN_S)
            if console.is_terminal:
                live.update(_table(total, load, time.monotonic() - begun), refresh=True)
        work.gather(total, SHOWN_S)
        signal.signal(signal.SIGINT, before)
        total.faults += [f"a process ended with {process.exitcode}" for process in work.processes if process.exitcode]
    return total, figures(total, load, begun_ms)


def figures(total: Tally, load: Load, begun_ms: int) -> list[Figure]:
    """What a run amounts to."""
    acknowledged = [one.at_ms for one in read_book(load.book) if one.at_ms >= begun_ms] if load.book.exists() else []
    first, last = (min(acknowledged), max(acknowledged)) if acknowledged else (0, 0)
    found: list[Figure] = [
        ("hammer.acknowledged", total.counts["acknowledged"], "statements"),
        ("hammer.rate", round(len(acknowledged) / max(0.001, (last - first) / 1000), 1), "statements/s"),
        ("hammer.longest_standstill", standstill(acknowledged, first, last) if acknowledged else load.seconds, "s"),
    ]
    for kind in sorted(total.latencies):
        name = "hammer." + kind.replace(" ", "_")
        found += [(f"{name}.p{share}", round(1000 * quantile(total.latencies[kind], share / 100), 1), "ms") for share in (50, 99)]
    for what in sorted(total.counts):
        if what != "acknowledged":
            found.append(("hammer." + what.replace(" ", "_"), total.counts[what], "count"))
    found += [(f"hammer.met.{name.replace(' ', '_')}", count, "count") for name, count in sorted(total.notes.items())]
    return [*found, ("hammer.faults", len(total.faults), "count")]


def check_again(urls: Sequence[str], policy: str, book: Path, proofs: int) -> tuple[Tally, list[Figure]]:
    """Look every acknowledgement of `book` up; see sampling.check."""

    async def look() -> Tally:
        remote = Remote(urls, Tally())
        await check(remote, Trust.of(policy), read_book(book), proofs)
        await remote.http.aclose()
        return remote.tally

    tally = asyncio.run(look())
    wanted = ("promised", "found", "log size", "entries verified", "tiles verified", "proofs verified")
    found: list[Figure] = [("check." + name.replace(" ", "_"), tally.counts[name], "count") for name in wanted]
    return tally, [*found, ("check.faults", len(tally.faults), "count")]


def policy_of(urls: Sequence[str]) -> str:
    """The policy that the operator proposes; a test of our own log may take its word.  Raises SystemExit."""
    for attempt in range(ATTEMPTS):
        try:
            answer = httpx2.get(urls[attempt % len(urls)] + "/log/policy", timeout=10)
            if answer.status_code == 200:
                return answer.text
        except httpx2.HTTPError:
            time.sleep(SHOWN_S)
    raise SystemExit(f"{urls[0]}: no log answers there")


@contextmanager
def own_log() -> Iterator[tuple[Service, Path]]:
    """A fresh log on SQLite with the hammer's parties granted, and the folder of their keys."""
    with tempfile.TemporaryDirectory(prefix="originmark-hammer-") as name:
        service, keys = Service(Path(name) / "operator"), Path(name) / "keys"
        service.command("init")
        for request in prepare(keys, service.origin):
            service.command("party", "grant", str(request))
        service.start()
        try:
            yield service, keys
        finally:
            service.end()


def say(found: Sequence[Figure], faults: Sequence[str], into: Path | None) -> int:
    """Print the figures, and what did not verify; the exit code."""
    for name, value, unit in found:
        print(f"{name}\t{value}\t{unit}", flush=True)
    for fault in faults[:20]:
        print(f"fault: {fault}", file=sys.stderr)
    if into is not None:
        rows = [{"name": name, "value": value, "unit": unit} for name, value, unit in found]
        into.write_text(json.dumps({"figures": rows, "faults": list(faults)}, indent=1) + "\n", "utf-8")
    return 1 if faults else 0


def main(words: Sequence[str] | None = None) -> int:
    """Run one of the four."""
    asked = _arguments().parse_args(words)
    if asked.prepare:
        for request in prepare(asked.keys, asked.prepare):
            print(f"originmark party grant {request}")
        return 0
    if asked.check:
        tally, found = check_again(asked.url, _policy(asked), asked.check, asked.proofs)
        return say(found, tally.faults, asked.json)
    if asked.url:
        return _hammer(asked, asked.url, asked.keys)
    with own_log() as (service, keys):
        code = _hammer(asked, [service.url], keys)
        audit = service.command("audit", check=False)
        print(f"hammer.audit\t{audit.returncode}\texit code")
        return code or audit.returncode


def _hammer(asked: argparse.Namespace, urls: Sequence[str], keys: Path) -> int:
    book = asked.book or Path(tempfile.mkdtemp(prefix="originmark-hammer-")) / "acknowledged.tsv"
    policy = _policy(asked, urls)
    load = Load(urls, policy, keys, book, asked.seconds, asked.writers, asked.batch, asked.posters, asked.followers,
                asked.samplers, asked.rate, asked.processes)  # fmt: skip
    console = Console(stderr=True)
    total, found = run(load, console)
    tally, again = check_again(urls, policy, book, asked.proofs)
    console.print(f"acknowledgements: {book}")
    return say([*found, *again], [*total.faults, *tally.faults], asked.json)


def _policy(asked: argparse.Namespace, urls: Sequence[str] = ()) -> str:
    return str(asked.policy.read_text("utf-8")) if asked.policy else policy_of(urls or asked.url)


def _table(total: Tally, load: Load, seconds: float) -> Table:
    table = Table(title=f"hammer {seconds:.0f} of {load.seconds:.0f} s", title_justify="left", show_header=False)
    table.add_column(justify="left")
    table.add_column(justify="right")
    counts = total.counts
    table.add_row("acknowledged", f"{counts['acknowledged']:,}")
    table.add_row("a second", f"{counts['acknowledged'] / max(seconds, 0.1):,.0f}")
    for name in ("entries verified", "tiles verified", "random statements verified", "receipts verified", "requests tried again"):
        table.add_row(name, f"{counts[name]:,}")
    for kind, values in sorted(total.latencies.items()):
        table.add_row(f"{kind}, p50 / p99", f"{1000 * quantile(values, 0.5):,.0f} / {1000 * quantile(values, 0.99):,.0f} ms")
    table.add_row("faults", f"[bold red]{len(total.faults)}" if total.faults else "[green]0")
    return table


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.hammer", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--url", action="append", default=[], help="address of the log; several times for several")
    parser.add_argument("--keys", type=Path, default=Path("hammer-keys"), help="folder of the granted keys")
    parser.add_argument("--prepare", metavar="ORIGIN", help="make keys and requests for this log in --keys, and end")
    parser.add_argument("--check", metavar="BOOK", type=Path, help="look an earlier run's acknowledgements up, and end")
    parser.add_argument("--book", type=Path, help="file for the acknowledgements; default: a temporary one")
    parser.add_argument("--policy", type=Path, help="what we trust; default: what the log proposes")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--writers", type=int, default=4, help="connections that send lines")
    parser.add_argument("--batch", type=int, default=64, help="lines a request")
    parser.add_argument("--posters", type=int, default=8, help="connections that send one statement a request")
    parser.add_argument("--followers", type=int, default=1, help="full readers")
    parser.add_argument("--samplers", type=int, default=4, help="random readers")
    parser.add_argument("--rate", type=float, default=0, help="statements a second, together; 0: as many as can be")
    parser.add_argument("--processes", type=int, default=2, help="processes of writers")
    parser.add_argument("--proofs", type=int, default=2_000, help="how many of the newest to ask the log's own proof for")
    parser.add_argument("--json", type=Path, metavar="FILE", help="the same figures as JSON")
    return parser


if __name__ == "__main__":
    sys.exit(main())
