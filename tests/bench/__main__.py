"""
`make bench`, or `python -m tests.bench [NAME ...]`: every benchmark, or those whose names begin so.

    ingest.bulk.{es256,eddsa}.{sqlite,postgresql}    statements posted as lines, beside bare verification
    examine                                          one statement, without a service: the whole, its parts, the literal reading
    ingest.single.{sqlite,postgresql}                statements posted alone, beside an endpoint that only verifies
    order.{sqlite,postgresql}                        the ordering transaction alone, by part; --size 1000000 for more
    growth.synthetic.{sqlite,postgresql}             appending and proving at 10⁴ … entries; --size 10000000 for all
    growth.indexed.{sqlite,postgresql}               the same with a row a statement and its unique indexes
    growth.served.{sqlite,postgresql}                real statements over HTTP; --size 1000000 for all
    peer                                             pymerkle on the same entries, and what others publish
    verify                                           a reader's side: one statement, one bundle

Figures go to standard output, a line each (figures.py); docs/benchmarks.md says what they mean.
"""

import argparse
import platform
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from producers.keys import Algorithm
from tests.bench import examining, growth, growth_served, ingest_bulk, ingest_single, ordering, peer, verifying
from tests.bench.figures import Report
from tests.bench.machine import cores, python_ms
from tests.bench.stage import POSTGRESQL, SQLITE, overrides, rubbish

ALGORITHMS: Mapping[str, Algorithm] = {"es256": "ES256", "eddsa": "EdDSA"}
LAST_START_S = 500  # after that a whole run starts nothing more
BULK_S, SINGLE_S = 5, 6  # seconds of a measurement in a whole run, which ends within 10 minutes; --seconds says otherwise
SYNTHETIC, INDEXED, SERVED = {SQLITE: 1_000_000, POSTGRESQL: 100_000}, 100_000, 10_000  # entries; --size says otherwise
ORDERED = 100_000
Benchmark = Callable[[argparse.Namespace, Report], None]


def benchmarks() -> dict[str, Benchmark]:
    """Every benchmark by name, in the order of a whole run."""
    found: dict[str, Benchmark] = {}
    for short, algorithm in ALGORITHMS.items():
        for kind in (SQLITE, POSTGRESQL):
            name = f"ingest.bulk.{short}.{kind}"
            found[name] = partial(_bulk, name, algorithm, kind)
    found["examine"] = lambda asked, report: examining.run("examine", ALGORITHMS, asked.size, report)
    for kind in (SQLITE, POSTGRESQL):
        found[f"ingest.single.{kind}"] = partial(_single, f"ingest.single.{kind}", kind)
    for kind in (SQLITE, POSTGRESQL):
        found[f"order.{kind}"] = partial(_order, f"order.{kind}", kind)
    for kind in (SQLITE, POSTGRESQL):
        found[f"growth.synthetic.{kind}"] = partial(_growth, f"growth.synthetic.{kind}", kind)
    found["peer"] = lambda asked, report: peer.run("peer", asked.size or 100_000, report)
    found["verify"] = lambda asked, report: verifying.run("verify", ALGORITHMS, asked.seconds or 2, report)
    for kind in (SQLITE, POSTGRESQL):
        found[f"growth.indexed.{kind}"] = partial(_growth, f"growth.indexed.{kind}", kind, indexed=True)
        found[f"growth.served.{kind}"] = partial(_growth_served, f"growth.served.{kind}", kind)
    return found


def _bulk(name: str, algorithm: Algorithm, kind: str, asked: argparse.Namespace, report: Report) -> None:
    ingest_bulk.run(name, algorithm, kind, _driven(asked, asked.size), report)


def _driven(asked: argparse.Namespace, size: int) -> ingest_bulk.Bulk:
    return ingest_bulk.Bulk(
        asked.seconds or BULK_S, size, asked.lines, asked.connections, overrides(asked.set), asked.profile, not asked.no_audit
    )  # fmt: skip


def _single(name: str, kind: str, asked: argparse.Namespace, report: Report) -> None:
    wanted = ingest_single.Single(asked.seconds or SINGLE_S, asked.size, asked.clients, overrides(asked.set))
    ingest_single.run(name, kind, wanted, report)


def _order(name: str, kind: str, asked: argparse.Namespace, report: Report) -> None:
    ordering.run(name, kind, asked.size or ORDERED, report)


def _growth(name: str, kind: str, asked: argparse.Namespace, report: Report, *, indexed: bool = False) -> None:
    growth.run(name, kind, asked.size or (INDEXED if indexed else SYNTHETIC[kind]), report, indexed=indexed)


def _growth_served(name: str, kind: str, asked: argparse.Namespace, report: Report) -> None:
    growth_served.run(name, kind, _driven(asked, asked.size or SERVED), report)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(prog="python -m tests.bench", description="Measure; `--list` names the benchmarks.")
    made.add_argument("names", nargs="*", help="benchmarks, or how their names begin; default: all")
    made.add_argument("--list", action="store_true", help="print the names and end")
    made.add_argument("--json", type=Path, help="write the figures here as well")
    made.add_argument("--seconds", type=float, default=0, help="length of a measurement; default: each benchmark's own")
    made.add_argument("--size", type=int, default=0, help="statements or entries; default: each benchmark's own")
    made.add_argument("--lines", type=int, default=4_000, help="bulk: statements a request")
    made.add_argument("--connections", type=int, default=4, help="bulk: connections")
    made.add_argument("--clients", type=int, default=64, help="single: clients at once")
    made.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of the service; repeatable")
    made.add_argument("--profile", type=Path, help="bulk: sample the service with py-spy, collapsed stacks to this file")
    made.add_argument("--no-audit", action="store_true", help="bulk: skip the audit at the end")
    return made


def main(words: Sequence[str] | None = None) -> int:
    """Run what was asked for."""
    asked = parser().parse_args(words)
    known = benchmarks()
    chosen = [name for name in known if not asked.names or any(f"{name}.".startswith(f"{one}.") for one in asked.names)]
    if asked.list or not chosen:
        print("\n".join(known))
        return 0 if asked.list else 2
    report = Report()
    report.note(f"{cores()} cores, Python {platform.python_version()}: a fixed piece of it takes {python_ms():.2f} ms")
    with rubbish():
        done = _measured(chosen, known, asked, report)
    if asked.json:
        report.write(asked.json, done)
    return 0


def _measured(chosen: Sequence[str], known: Mapping[str, Benchmark], asked: argparse.Namespace, report: Report) -> list[str]:
    begun, done = time.monotonic(), []
    for name in chosen:
        # Only a whole run is cut: who names a benchmark wants it.
        if not asked.names and time.monotonic() - begun > LAST_START_S:
            report.note(f"{name}: not started, this machine is too slow for all of them within ten minutes")
            continue
        known[name](asked, report)
        done.append(name)
    return done


if __name__ == "__main__":
    sys.exit(main())
