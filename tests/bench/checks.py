"""
After the clock has stopped: was every answer true?

A rate counts only if every statement was published at an index of its own, the log has exactly these entries, proofs verify with
the verifier's code, and the audit finds nothing.
"""

import random
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx2

from tests.bench.load import Load
from tests.support.service import Service
from verify import subjects
from verify.checkpoint import Checkpoint
from verify.entry import Entry
from verify.merkle import leaf_hash, verify_inclusion
from verify.note import open_note, parse_note
from verify.policy import Policy
from verify.proof import TlogProof
from verify.statement import parse_statement

SAMPLE = 64  # proofs


class Wrong(Exception):
    """The service answered something that is not so."""


def check_answers(service: Service, loads: list[Load], file: Path, before: int) -> str:
    """Check what a served log answered; `before` entries were there earlier.  Returns a sentence.  Raises Wrong."""
    rows = {number: row for load in loads for number, row in load.rows()}
    bad = [row for row in rows.values() if row["status"] != "published"]
    indexes = {row["index"] for row in rows.values() if row["status"] == "published"}
    with httpx2.Client(base_url=service.url) as client:
        size = Checkpoint.parse(parse_note(client.get("/log/checkpoint").text).text).size
        if bad or len(indexes) != len(rows) or indexes != set(range(before, size)):
            raise Wrong(f"{len(rows)} answers, {len(bad)} not published ({bad[:1]}), {len(indexes)} indexes, log of {size}")
        policy = Policy.parse(client.get("/log/policy").text)
        sample = random.sample(sorted(rows), min(SAMPLE, len(rows)))
        lines = _lines(file, set(sample))
        for number in sample:
            _check_proof(client, policy, lines[number], rows[number])
    return f"{len(rows)} answers, every index once, log of {size}, {len(sample)} proofs verified"


def check_audit(service: Service) -> float:
    """Audit a log that is not served any more; seconds it took.  Raises Wrong."""
    begun = time.perf_counter()
    done = service.command("audit", check=False)
    if done.returncode:
        raise Wrong(done.stdout + done.stderr)
    return time.perf_counter() - begun


def _lines(file: Path, wanted: set[int]) -> dict[int, bytes]:
    with file.open("rb") as lines:
        return {number: line.rstrip(b"\n") for number, line in enumerate(lines) if number in wanted}


def _check_proof(client: httpx2.Client, policy: Policy, raw: bytes, row: Mapping[str, Any]) -> None:
    told = parse_statement(raw)
    # A single statement's answer brings its proof along.
    text = row.get("proof") or client.get(f"/statements/{told.digest.hex()}/proof").raise_for_status().text
    proof = TlogProof.parse(text)
    note = parse_note(proof.checkpoint)
    open_note(note, policy.logs)
    checkpoint = Checkpoint.parse(note.text)
    entry = Entry(row["time"], told.digest, subjects.keys(told)).encode()
    if (row["digest"], row["index"]) != (told.digest.hex(), proof.index):
        raise Wrong(f"answered {row}, proved {proof.index}")
    leaf = leaf_hash(entry)
    verify_inclusion(leaf, index=proof.index, size=checkpoint.size, proof=proof.path, root=checkpoint.root)
