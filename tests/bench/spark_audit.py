"""
A whole log audited by Spark, from its Parquet export alone.

    python -m tests.bench.spark_audit FOLDER [--log VKEY] [--master MASTER]

Each executor takes blocks of 2^16 indexes, recomputes every leaf from the entry's bytes, and hands back one hash a block; the
driver combines those to the root and compares it with the checkpoint.  Faults come with their index.  Nothing is believed of how
the files are laid out.  Prints one JSON object; exit code 1 where the export is not the log that the checkpoint signs.

Runs in an environment of its own (requirements-spark.txt); of the project it imports verify/ and nothing else.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as sql

from verify import merkle
from verify.checkpoint import Checkpoint
from verify.entry import Entry
from verify.errors import VerificationError
from verify.merkle import Hash, leaf_hash
from verify.note import VerifierKey, open_note, parse_note

ROOT = Path(__file__).parents[2]
HEIGHT = 16
BLOCK = 1 << HEIGHT  # entries of one subtree
SHOWN = 20  # faults named of one block, and of the whole
MASTER = "local-cluster[2,1,1024]"
LOOPBACK = "127.0.0.1"
OF_BLOCK = "block long, rows long, first_ms long, last_ms long, hashes binary, count long, faults string"
COLUMNS = ("index", "time_ms", "digest", "entry", "leaf", "keys")


@dataclass(slots=True)
class Audited:
    """What an audit found."""

    size: int
    root: str
    is_signed: bool
    rows: int = 0
    count: int = 0
    """Faults; `faults` names the first of them."""
    faults: list[dict[str, Any]] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    def add(self, what: str, index: int | None = None, count: int = 1) -> None:
        """Something that is not as it must be."""
        self.count += count
        self.faults.append({"index": index, "what": what})


def audit(spark: SparkSession, folder: Path, log: VerifierKey | None) -> Audited:
    """Audit an export.  Raises VerificationError where the checkpoint itself is not the log's."""
    note = parse_note(json.loads((folder / "manifest.json").read_text("utf-8"))["checkpoint"])
    if log is not None:
        open_note(note, [log])
    checkpoint = Checkpoint.parse(note.text)
    found = Audited(checkpoint.size, checkpoint.root.hex(), log is not None)
    begun = time.monotonic()
    entries = spark.read.parquet(str(folder / "entries")).select(*COLUMNS)
    blocks = _blocks(entries, checkpoint.size)
    found.seconds["tree"] = round(time.monotonic() - begun, 1)
    _check_blocks(blocks, checkpoint, found)
    begun = time.monotonic()
    for digest, first, second in _repeated(entries):
        found.add(f"the digest {digest.hex()} is also entry {first}'s", second)
    found.seconds["digests"] = round(time.monotonic() - begun, 1)
    found.faults = sorted(found.faults, key=lambda one: -1 if one["index"] is None else one["index"])[:SHOWN]
    return found


def _blocks(entries: DataFrame, size: int) -> list[Any]:
    def look(table: pa.Table) -> pa.Table:
        return look_at_block(table, size)

    groups = entries.groupBy(sql.floor(sql.col("index") / BLOCK)).applyInArrow(look, OF_BLOCK)
    return sorted(groups.collect(), key=lambda row: row["block"])


def _repeated(entries: DataFrame) -> list[Any]:
    """Digests of more than one entry: (digest, lowest index, highest index)."""
    index = sql.col("index")
    counted = entries.groupBy("digest").agg(sql.count("*").alias("n"), sql.min(index).alias("a"), sql.max(index).alias("b"))
    return [(bytes(row["digest"]), row["a"], row["b"]) for row in counted.where("n > 1").limit(SHOWN).collect()]


def look_at_block(table: pa.Table, size: int) -> pa.Table:
    """One block: its order, leaves, columns and times; and the hashes of its largest complete subtrees, left to right."""
    rows = table.sort_by("index").to_pydict()
    indexes, start = rows["index"], rows["index"][0] // BLOCK * BLOCK
    faults = list(_order_faults(indexes, start, min(start + BLOCK, size)))
    leaves, times = [leaf_hash(entry) for entry in rows["entry"]], rows["time_ms"]
    for at, index in enumerate(indexes):
        if (what := _entry_fault({name: rows[name][at] for name in COLUMNS}, leaves[at])) is not None:
            faults.append({"index": index, "what": what})
        elif at and times[at] < times[at - 1]:
            faults.append({"index": index, "what": "its time is before the entry's before it"})
    whole = indexes == list(range(start, start + len(indexes)))
    hashes = b"".join(_subtrees(leaves)) if whole else b""
    told = (start // BLOCK, len(indexes), times[0], times[-1], hashes, len(faults), json.dumps(faults[:SHOWN]))
    names = ("block", "rows", "first_ms", "last_ms", "hashes", "count", "faults")
    kinds = (*[pa.int64()] * 4, pa.binary(), pa.int64(), pa.string())
    return pa.table({name: pa.array([value], kind) for name, value, kind in zip(names, told, kinds, strict=True)})


def _order_faults(indexes: list[int], start: int, end: int) -> Iterator[dict[str, Any]]:
    expected = start
    for index in indexes:
        if index < expected:
            yield {"index": index, "what": "it is there twice"}
        elif index > expected:
            yield {"index": expected, "what": f"entries up to {index - 1} are missing"}
        expected = max(expected, index + 1)
    if expected < end:
        yield {"index": expected, "what": f"entries up to {end - 1} are missing"}
    elif expected > end:
        yield {"index": end, "what": "entries beyond the checkpoint's size"}


def _entry_fault(row: Mapping[str, Any], leaf: Hash) -> str | None:
    if row["leaf"] != leaf:
        return "its leaf is not the hash of its bytes"
    try:
        entry = Entry.decode(row["entry"])
    except VerificationError as error:
        return error.message
    told = (row["time_ms"], row["digest"], tuple(row["keys"]))
    return None if told == (entry.time_ms, entry.digest, entry.keys) else "its columns contradict its bytes"


def _subtrees(leaves: list[Hash]) -> Iterator[Hash]:
    read, start = merkle.roots_reader(leaves), 0
    for level in range(HEIGHT, -1, -1):
        if len(leaves) & (1 << level):
            yield read(level, start >> level)
            start += 1 << level


def _check_blocks(blocks: list[Any], checkpoint: Checkpoint, found: Audited) -> None:
    last, expected = 0, 0
    for row in blocks:
        faults = json.loads(row["faults"])
        found.rows += row["rows"]
        found.count += row["count"]
        found.faults += faults
        if row["block"] != expected:
            found.add(f"entries up to {row['block'] * BLOCK - 1} are missing", expected * BLOCK)
        if row["first_ms"] < last:
            found.add("its time is before the entry's before it", row["block"] * BLOCK)
        last, expected = row["last_ms"], row["block"] + 1
    try:
        root = merkle.root(_reader(blocks, checkpoint.size), checkpoint.size)
    except KeyError:
        found.add("the tree has holes")
        return
    if root != checkpoint.root:
        found.add(f"the entries give the root {root.hex()}")


def _reader(blocks: list[Any], size: int) -> merkle.Reader:
    known: dict[tuple[int, int], Hash] = {}
    for row in blocks:
        start, hashes = row["block"] * BLOCK, bytes(row["hashes"])
        for at, level in enumerate(_levels(min(BLOCK, size - start))):
            if piece := hashes[at * 32 : at * 32 + 32]:
                known[level, start >> level] = piece
            start += 1 << level

    def read(level: int, index: int) -> Hash:
        if (level, index) in known or level <= HEIGHT:
            return known[level, index]
        return merkle.node_hash(read(level - 1, 2 * index), read(level - 1, 2 * index + 1))

    return read


def _levels(count: int) -> Iterator[int]:
    return (level for level in range(HEIGHT, -1, -1) if count & (1 << level))


def cluster(master: str) -> SparkSession:
    """A Spark of our own on loopback: a driver here and executors as processes of their own."""
    for name in ("PYSPARK_PYTHON", "PYSPARK_DRIVER_PYTHON"):
        os.environ[name] = sys.executable
    os.environ |= {"SPARK_LOCAL_IP": LOOPBACK, "PYTHONPATH": str(ROOT)}
    settings = {
        "spark.driver.host": LOOPBACK, "spark.driver.bindAddress": LOOPBACK, "spark.ui.enabled": "false",
        "spark.executorEnv.PYTHONPATH": str(ROOT), "spark.executor.memory": "1g", "spark.sql.shuffle.partitions": "32",
        "spark.sql.execution.arrow.maxRecordsPerBatch": "65536", "spark.log.level": "ERROR",
        "spark.hadoop.parquet.page.verify-checksum.enabled": "true",
    }  # fmt: skip
    builder = SparkSession.builder.master(master).appName("originmark audit")
    for name, value in settings.items():
        builder = builder.config(name, value)
    return builder.getOrCreate()


def main() -> int:
    """Audit one export."""
    words = argparse.ArgumentParser(description="Audit a log's Parquet export with Spark.")
    words.add_argument("folder", type=Path)
    words.add_argument("--log", default="", help="the log's verifier key")
    words.add_argument("--master", default=MASTER)
    asked = words.parse_args()
    begun = time.monotonic()
    spark = cluster(asked.master)
    started = round(time.monotonic() - begun, 1)
    try:
        found = audit(spark, asked.folder.resolve(), VerifierKey.parse(asked.log) if asked.log else None)
    finally:
        spark.stop()
    found.seconds |= {"start": started, "all": round(time.monotonic() - begun, 1)}
    print(json.dumps(asdict(found)))
    return 1 if found.count else 0


if __name__ == "__main__":
    raise SystemExit(main())
