"""
Documents written by others, through the whole way: each file signed under an issuer of its own, submitted over HTTP, and every
stored statement's proof checked against the log's own key.
"""

import json
from collections import Counter
from pathlib import Path

import httpx2
import pytest

from tests.support.service import Service, running_service
from verify import subjects
from verify.checkpoint import Checkpoint
from verify.entry import Entry
from verify.merkle import leaf_hash, verify_inclusion
from verify.note import open_note, parse_note
from verify.policy import Policy
from verify.proof import TlogProof
from verify.statement import parse_statement
from verify.tiles import read_entries

pytestmark = pytest.mark.conformance


def _import(service: Service, folder: Path, number: int, file: Path) -> dict[str, object]:
    """Import one file under its own issuer; the command's own figures."""
    party = f"https://importer.example/p{number}"
    key = service.enrol(folder, party, "producer")
    words = ["--issuer", party, "--key", str(key), "--server", service.url, "--outbox", str(folder / f"p{number}.db")]
    code, said = service.in_process("producers", "import", str(file), *words, "--skip-bad", "--json")
    assert code in (0, 1), (file.name, said[-2000:])
    figures: dict[str, object] = json.JSONDecoder().raw_decode(said)[0]
    return figures


def _check_proof(client: httpx2.Client, policy: Policy, entries: list[bytes], digest: str) -> int:
    """Verify one stored statement from what the public can fetch; its index."""
    proof = TlogProof.parse(client.get(f"/statements/{digest}/proof").raise_for_status().text)
    note = parse_note(proof.checkpoint)
    open_note(note, policy.logs)
    checkpoint = Checkpoint.parse(note.text)
    told = parse_statement(client.get(f"/statements/{digest}").raise_for_status().content)
    entry = Entry.decode(entries[proof.index])
    assert (entry.digest.hex(), entry.keys) == (digest, subjects.keys(told))
    leaf = leaf_hash(entries[proof.index])
    verify_inclusion(leaf, index=proof.index, size=checkpoint.size, proof=proof.path, root=checkpoint.root)
    return proof.index


def test_every_document_of_others_is_logged_or_refused_with_a_reason_and_every_logged_event_is_proved(
    conformance: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = sorted((conformance / "epcis" / "examples").glob("*.jsonld")) + sorted((conformance / "trace").glob("*.jsonld"))
    assert len(files) == 51
    total: Counter[str] = Counter()
    lines = []
    with running_service(tmp_path) as service:
        for number, file in enumerate(files):
            figures = _import(service, tmp_path, number, file)
            for name in ("read", "stored", "duplicate", "refused"):
                total[name] += int(str(figures[name]))
            lines += [f"{file.name}: {problem}" for problem in figures.get("problems", [])]  # type: ignore[attr-defined]
        with httpx2.Client(base_url=service.url) as client:
            policy = Policy.parse(client.get("/log/policy").text)
            size = Checkpoint.parse(parse_note(client.get("/log/checkpoint").text).text).size
            entries = read_entries(f"{service.url}/log", size)
            events = [Entry.decode(entry).digest.hex() for entry in entries[1 + len(files) :]]
            granted = {Entry.decode(entry).digest.hex() for entry in entries}
            indexes = [_check_proof(client, policy, entries, digest) for digest in sorted(granted)]
        assert sorted(indexes) == list(range(size))
        assert len(indexes) == 1 + len(files) + total["stored"]
        assert events or total["stored"] == 0
        audit = service.command("audit", check=False)
        assert audit.returncode == 0, audit.stdout + audit.stderr
    with capsys.disabled():
        print(f"\nimported {len(files)} files: {dict(total)}; {len(indexes)} proofs verified")
        print("\n".join(lines))
