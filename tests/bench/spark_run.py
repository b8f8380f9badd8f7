"""
Two audits of one log: ours from its tiles, Spark's from its Parquet export.  They must agree, on a good log and on a damaged one.

    make spark                                         agree on 10^6 entries; then Spark alone on 10^7, against the checkpoint
    python -m tests.bench.spark_run --agree 100000 --size 0

The log is made here (spark_log.py), exported by the product's own command, and audited by processes of their own.  Figures as in
figures.py; exit code 1 where the audits do not agree.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.bench.figures import Report
from tests.bench.spark_log import make_log
from verify.tiles import WIDTH, tile_path

ROOT = Path(__file__).parents[2]
MEMORY = Path("/dev/shm")
BYTES = 400  # of temporary files for each entry, at most
AT = 9  # byte of an entry that is flipped: the first of its digest


class Disagree(Exception):
    """The two audits say different things, or one says what is not so."""


@dataclass(frozen=True, slots=True)
class Log:
    """A synthetic log, and its export."""

    tiles: Path
    parquet: Path
    key: str
    size: int


def made(folder: Path, size: int, report: Report) -> Log:
    """Make a log and export it."""
    key = _timed(report, f"spark.make.{size}", lambda: make_log(folder / "tiles", size))
    log = Log(folder / "tiles", folder / "parquet", key, size)
    words = ("export", "parquet", str(log.parquet), "--from-tiles", str(log.tiles), "--log", log.key)
    done = _timed(report, f"spark.export.{size}", lambda: _originmark(*words))
    if done.returncode:
        raise Disagree(done.stderr[-2_000:])
    return log


def audited(log: Log, report: Report, name: str) -> subprocess.CompletedProcess[str]:
    """Ours, from tiles."""
    return _timed(report, f"audit.tiles.{name}.{log.size}", lambda: _originmark("audit", str(log.tiles), "--log", log.key))


def sparked(log: Log, python: Path, report: Report, name: str) -> dict[str, Any]:
    """Spark's, from Parquet."""
    words = [python, "-m", "tests.bench.spark_audit", log.parquet, "--log", log.key]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=3_600)
    if not done.stdout.startswith("{"):
        raise Disagree(done.stderr[-3_000:])
    told: dict[str, Any] = json.loads(done.stdout)
    for what, seconds in told["seconds"].items():
        report.add(f"audit.spark.{name}.{what}.{log.size}", seconds, "s")
    return told


def flip(log: Log, index: int) -> None:
    """Change one bit of one entry, in its bundle and in the export."""
    path = log.tiles / tile_path("entries", index // WIDTH)
    data, at = bytearray(path.read_bytes()), 0
    for _ in range(index % WIDTH):
        at += 2 + int.from_bytes(data[at : at + 2], "big")
    data[at + 2 + AT] ^= 1
    path.write_bytes(data)
    for file in sorted((log.parquet / "entries").glob("*.parquet")):
        start, end = map(int, file.stem.split("-"))
        if start <= index < end:
            _flip_row(file, index - start)


def _flip_row(file: Path, row: int) -> None:
    table = pq.read_table(file)
    place, column = table.schema.get_field_index("entry"), table.column("entry").combine_chunks()
    entry = bytearray(column[row].as_py())
    entry[AT] ^= 1
    changed = pa.concat_arrays([column[:row], pa.array([bytes(entry)], pa.binary()), column[row + 1 :]])
    pq.write_table(table.set_column(place, "entry", changed), file, compression="zstd")


def agree(log: Log, python: Path, report: Report) -> None:
    """Both audits on the log as it is, then with one bit of it flipped.  Raises Disagree."""
    good, spark = audited(log, report, "good"), sparked(log, python, report, "good")
    if good.returncode or spark["count"] or spark["rows"] != log.size:
        raise Disagree(f"a good log: {good.stderr} / {spark}")
    index = log.size * 2 // 3
    flip(log, index)
    bad, spark = audited(log, report, "flipped"), sparked(log, python, report, "flipped")
    report.note(f"flipped a bit of entry {index}")
    report.note(f"originmark audit: {bad.stderr.strip()}")
    report.note(f"spark: {spark['faults']}")
    # A changed digest is still an entry: the tree says it is another, tile by tile; where the audit can, it says which.
    names = (f"entry {index}:", f"tile {index // WIDTH} of level 0", tile_path(0, index // WIDTH))
    if not bad.returncode or not any(name in bad.stderr for name in names):
        raise Disagree(f"the audit of the tiles does not name entry {index}: {bad.stderr}")
    if index not in [one["index"] for one in spark["faults"]]:
        raise Disagree(f"Spark does not name entry {index}: {spark}")


def whole(log: Log, python: Path, report: Report) -> None:
    """Spark alone, against the signed checkpoint.  Raises Disagree."""
    spark = sparked(log, python, report, "good")
    if spark["count"] or spark["rows"] != log.size or not spark["is_signed"]:
        raise Disagree(str(spark))
    report.add(f"audit.spark.rate.{log.size}", log.size / (spark["seconds"]["all"] - spark["seconds"]["start"]), "entries/s")


def _originmark(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "api", *words], cwd=ROOT, capture_output=True, text=True, timeout=3_600)


def _timed(report: Report, name: str, work: Any) -> Any:
    begun = time.monotonic()
    done = work()
    report.add(name, time.monotonic() - begun, "s")
    return done


def _room(size: int) -> Path | None:
    return MEMORY if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > 2 * size * BYTES else None


def main() -> int:
    """Run what was asked for."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--agree", type=int, default=1_000_000, help="entries that both audit; 0 for none")
    words.add_argument("--size", type=int, default=10_000_000, help="entries that Spark audits alone; 0 for none")
    words.add_argument("--python", type=Path, default=ROOT / "build/spark/bin/python", help="a Python that has pyspark")
    words.add_argument("--json", type=Path)
    asked = words.parse_args()
    report = Report()
    try:
        for size, look in ((asked.agree, agree), (asked.size, whole)):
            if size:
                with tempfile.TemporaryDirectory(prefix="originmark-spark-", dir=_room(size)) as folder:
                    look(made(Path(folder), size, report), asked.python, report)
    except Disagree as error:
        print(f"DISAGREE: {error}", file=sys.stderr)
        return 1
    if asked.json:
        report.write(asked.json, sys.argv[1:])
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
