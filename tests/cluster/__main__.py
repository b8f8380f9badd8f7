"""
`make cluster`: a whole cluster on this machine, hammered while its parts are killed, then audited.

    PostgreSQL 15 × 3 under Patroni and etcd · SeaweedFS, 3 volume servers · 3 API processes behind HAProxy

Everything runs on loopback, in a folder of its own, and is ended by process id, also after Ctrl-C.  Exit code 0 only where
everything that was acknowledged was found at its index, nothing that the hammer read failed to verify, and the audit is clean.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.bench.hammering.book import read_book
from tests.cluster.database import Patroni, binaries
from tests.cluster.faults import KINDS, Blow, strike, victims
from tests.cluster.front import ROOT, Front
from tests.support.processes import NotReady, Servers
from tests.support.seaweed import Seaweed

PACKAGES = {"patroni": "patroni", "etcd": "etcd-server", "haproxy": "haproxy", "psql": "postgresql-15"}
FOREVER_S = 100_000
READY_S = 60
WARM_S = 5  # of load before the first kill


def main() -> int:
    """Start, hammer, kill, audit, tell; the exit code."""
    asked = _arguments()
    _install()
    # A terminated run must end its servers too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    folder = Path(tempfile.mkdtemp(prefix="originmark-cluster-"))
    folder.chmod(0o755)  # the database's user passes through
    console = Console(stderr=True, width=None if sys.stderr.isatty() else 120)
    try:
        with Servers(folder) as servers:
            return _run(servers, asked, console)
    except NotReady as error:
        console.print(f"[bold red]{error}", markup=True, highlight=False)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        if asked.keep:
            console.print(f"logs and data: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)


def _run(servers: Servers, asked: argparse.Namespace, console: Console) -> int:
    begun = time.monotonic()
    front = _start(servers, asked, console)
    console.print(f"up after {time.monotonic() - begun:.0f} s: {front.url}, commits confirmed by "
                  f"{front.patroni.synchronous_standby_names()}", highlight=False)  # fmt: skip
    book = servers.folder / "acknowledged.tsv"
    _hammer(front, book, asked)
    blows: dict[str, Blow] = {}
    for kind, find in victims(front).items():
        if asked.only and kind not in asked.only:
            continue
        victim = find()
        console.print(f"{victim.name} {victim.what}", highlight=False)
        blows[kind] = strike(victim, book)
    return _judge(front, book, blows, console)


def _start(servers: Servers, asked: argparse.Namespace, console: Console) -> Front:
    seaweed, patroni = Seaweed(servers), Patroni(servers, asked.patroni)
    console.print("starting SeaweedFS …", highlight=False)
    seaweed.start()
    console.print(f"starting PostgreSQL under Patroni {patroni.version} …", highlight=False)
    patroni.start()
    front = Front(servers, patroni, seaweed)
    console.print("starting the service …", highlight=False)
    front.start()
    return front


def _hammer(front: Front, book: Path, asked: argparse.Namespace) -> None:
    front.servers.start("hammer", [
        sys.executable, "-m", "tests.bench.hammer", "--url", front.url, "--keys", front.keys, "--book", book,
        "--seconds", str(FOREVER_S), "--rate", str(asked.rate), "--batch", "32", "--processes", "1",
        "--proofs", "0", "--json", front.servers.folder / "hammer.json",
    ], cwd=ROOT)  # fmt: skip

    def is_warm() -> bool:
        return book.exists() and len(read_book(book)) >= WARM_S * asked.rate

    front.servers.wait_until(is_warm, READY_S, "the load", "hammer")


def _judge(front: Front, book: Path, blows: Mapping[str, Blow], console: Console) -> int:
    hammer = front.servers.running["hammer"]
    os.kill(hammer.process.pid, signal.SIGINT)
    # It finishes what it has begun, then looks every acknowledgement up.
    code = hammer.process.wait(timeout=600)
    words = [sys.executable, "-m", "tests.bench.hammer", "--check", book, "--url", front.url, "--proofs", "3000"]
    check = subprocess.run([*map(str, words)], cwd=ROOT, capture_output=True, text=True, timeout=600)
    audits = {"audit": front.command("audit", check=False), "audit_replica": front.command("audit", check=False, ask="standby")}
    found = dict(line.split("\t")[:2] for line in check.stdout.splitlines() if "\t" in line)
    _tell(blows, found, console)
    print(f"cluster.database\t{front.patroni.bytes_stored()}\tbytes")
    for name, audit in audits.items():
        print(f"cluster.{name}\t{audit.returncode}\texit code", flush=True)
        console.print(audit.stdout.strip(), audit.stderr.strip(), markup=False, highlight=False)
        code = code or audit.returncode
    if code or check.returncode:
        console.print(hammer.tail(), check.stderr, markup=False, highlight=False)
    return code or check.returncode


def _tell(blows: Mapping[str, Blow], found: Mapping[str, str], console: Console) -> None:
    table = Table(title="make cluster", title_justify="left")
    for name in ("what", "", "writes stood still", "another after"):
        table.add_column(name, no_wrap=True)
    for kind, blow in blows.items():
        new = "" if blow.until_new_s is None else f"{blow.until_new_s:.1f} s"
        table.add_row(blow.victim, blow.what, f"{blow.standstill_s:.1f} s", new)
        print(f"cluster.standstill.{kind}\t{blow.standstill_s}\ts")
    console.print(table)
    for name in ("promised", "found", "log_size", "proofs_verified", "faults"):
        print(f"cluster.{name}\t{found.get('check.' + name, 'nan')}\tcount")


def _install() -> None:
    """Debian's packages, where they are missing and we may.  Raises SystemExit."""
    missing = [package for program, package in PACKAGES.items() if shutil.which(program) is None]
    try:
        binaries()
    except FileNotFoundError:
        missing = [*missing, "postgresql-15"]
    if not missing:
        return
    words = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *sorted(set(missing))]
    if os.geteuid() != 0:
        raise SystemExit(f"as root, first: {' '.join(words)}")
    for command in (["apt-get", "update", "-q"], words):
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"})


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.cluster", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--rate", type=float, default=300, help="statements a second")
    parser.add_argument("--patroni", type=Path, default=Path("/usr/bin/patroni"), help="another Patroni than Debian's")
    parser.add_argument("--only", action="append", default=[], choices=KINDS, help="of the faults; several times for several")
    parser.add_argument("--keep", action="store_true", help="leave logs and data")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
