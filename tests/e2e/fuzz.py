"""
`python -m tests.e2e.fuzz [--seconds 300] [--seed N]`: a real service under hostile input, for as long as it is told.

    statements     damaged bytes, and damaged content under good signatures, by the line and one by one
    requests       damaged paths, queries and headers on raw connections
    described      whatever the service's own OpenAPI description allows, and what it does not (schemathesis)

Nothing may be answered with 500, hang, or grow the process; afterwards a good statement is published, and the audit is clean.
A test runs it for seconds, `make fuzz` for minutes.
"""

import argparse
import json
import random
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

from producers.keys import read_key
from producers.sign import PrivateKey, sign
from tests.support.hostile import statements_from
from tests.support.hostile_requests import DIGEST, request
from tests.support.ledger import GTIN, LOT, event_body, payload, quantity
from tests.support.service import Service
from verify.statement import parse_statement
from verify.strict import b64u_encode

FARM = "https://fuzzed-farm.example/"
LINES = 60  # hostile statements a request
MANY = 300  # so many that they are examined in other processes
MANNERS: tuple[dict[str, str], ...] = ({}, {}, {"prefer": "respond-async"}, {"gs1_capture_error_behaviour": "rollback"})
HANGS_S = 20.0  # longer, on a machine that does other things as well, and it hangs
GROWTH = 160 * 1_048_576  # bytes of resident memory, beyond what the first round needed


class Found(AssertionError):
    """A request that must not be answered like that."""


@dataclass
class Fuzz:
    """One service under attack; counts what it was sent."""

    service: Service
    key: PrivateKey
    source: random.Random
    sent: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.seeds = self._good()

    def _good(self) -> list[tuple[bytes, PrivateKey]]:
        """Good statements of many kinds."""
        event = {"quantityList": [quantity(LOT, 5)]}
        commit = {"id": LOT, "log": self.service.origin, "root": b64u_encode(bytes(32)), "count": 8}
        name, geo = {"en": "Field", "zh": "田"}, {"lat": "25.1", "lon": "102.7"}
        place = {"id": f"{FARM}fields/7", "type": "Place", "name": name, "geo": geo}
        recall = {
            "id": "urn:uuid:00000000-0000-4000-8000-00000000f0f0", "log": self.service.origin, "class": "I",
            "scope": {"lots": [LOT], "products": [], "places": []}, "reason": {"en": "x", "zh": "甲"},
            "instructions": {"en": "x", "zh": "甲"},
        }  # fmt: skip
        changed = {
            "type": "TransformationEvent", "action": None, "bizStep": "packing", "quantityList": None,
            "inputQuantityList": [quantity(LOT, 5)], "outputQuantityList": [quantity(f"{GTIN}/10/P-1", 5)],
        }  # fmt: skip
        texts = [
            payload("TraceabilityEvent", FARM, event_body(1, **event)),
            payload("TraceabilityEvent", FARM, event_body(2, **changed)),
            payload("TraceabilityEvent", FARM, event_body(3, epcList=[f"{GTIN}/21/S1"], quantityList=None, action="OBSERVE")),
            payload("LabelCommitment", FARM, commit),
            payload("MasterData", FARM, place),
            payload("RecallNotice", FARM, recall),
            payload("Adoption", FARM, {"adopts": DIGEST, "event": event_body(4, **event)}),
            payload("Withdrawal", FARM, {"id": f"urn:originmark:statement:{DIGEST}", "log": self.service.origin, "digest": DIGEST,
                                         "keys": [DIGEST], "reason": "x"}),
            payload("KeyRevocation", FARM, {"id": FARM, "log": self.service.origin, "kid": "a" * 43, "reason": "x"}),
            payload("LabReport", FARM, {"id": "urn:uuid:00000000-0000-4000-8000-00000000f0f1", "lot": LOT, "sample": "1",
                                        "results": [], "method": "x", "verdict": "pass", "attestation": "issuer"}),
        ]  # fmt: skip
        return [(sign(text, self.key), self.key) for text in texts]

    def run(self, seconds: float) -> None:
        """Send until the time is over."""
        make = statements_from(self.seeds, self.source)
        self._many(make)
        self._requests(40)
        end, grown = time.monotonic() + seconds, self._resident() + GROWTH
        while time.monotonic() < end:
            self._many(make)
            for _ in range(4):
                self._one(make())
            self._requests(60)
            if self._resident() > grown:
                raise Found(f"the process grew by more than {GROWTH} bytes")

    def described(self, examples: int) -> None:
        """Let schemathesis send what the description allows and what it does not."""
        import schemathesis
        from hypothesis import HealthCheck, Phase, given, settings
        from schemathesis.checks import not_a_server_error
        from schemathesis.specs.openapi.checks import (
            content_type_conformance,
            response_schema_conformance,
            status_code_conformance,
        )

        checks = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
        quiet = settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck),
                         phases=[Phase.explicit, Phase.generate])  # fmt: skip
        schema = schemathesis.openapi.from_url(f"{self.service.url}/openapi.json")
        for result in schema.get_all_operations():
            operation = result.ok()

            @quiet
            @given(case=operation.as_strategy())
            def send(case: schemathesis.Case) -> None:
                self._count("described")
                case.call_and_validate(checks=checks, timeout=HANGS_S)

            send()

    def settle(self) -> None:
        """After everything: a good statement is published, and the journal holds no error."""
        last = event_body(999_999, quantityList=[quantity(f"{GTIN}/10/LAST", 5)])
        answer = self._post(sign(payload("TraceabilityEvent", FARM, last), self.key))
        if answer.status_code not in (200, 201):
            raise Found(f"a good statement was refused: {answer.text}")
        self.service.end()
        audit = self.service.command("audit", check=False)
        if audit.returncode:
            raise Found(audit.stderr)
        for line in (self.service.data.parent / f"{self.service.data.name}.log").read_text("utf-8").splitlines():
            if not line.startswith("{") or "exception" in (told := json.loads(line)) or told["level"] in ("error", "critical"):
                raise Found(line)

    def _many(self, make: Callable[[], bytes]) -> None:
        count = self.source.choice((LINES, LINES, LINES, MANY))
        body = b"\n".join(make() for _ in range(count))
        answer = self._post(body, "text/plain", **self.source.choice(MANNERS))
        self._count("statements", count)
        if answer.status_code not in (200, 202):
            raise Found(f"{answer.status_code} {answer.text[:300]}")
        for line in answer.text.splitlines():
            told = json.loads(line)
            if told["status"] == "refused" and told["problem"]["status"] >= 500 and "retry_after" not in told["problem"]:
                raise Found(line)

    def _one(self, raw: bytes) -> None:
        self._count("statements")
        answer = self._post(raw, self.source.choice(["application/vc+jwt", "application/vc+sd-jwt", "application/jsonl"]))
        self._judge(answer.status_code, answer.headers.get("retry-after"), raw)

    def _post(self, raw: bytes, media: str = "application/vc+jwt", **more: str) -> httpx2.Response:
        headers = {"content-type": media} | {name.replace("_", "-"): value for name, value in more.items()}
        return httpx2.post(f"{self.service.url}/statements", content=raw, headers=headers, timeout=HANGS_S)

    def _requests(self, count: int) -> None:
        known = [f"/statements/{parse_statement(raw).digest.hex()}{end}" for raw, _ in self.seeds for end in ("", "/proof")]
        for _ in range(count):
            self._count("requests")
            raw = request(self.source, known)
            try:
                with socket.create_connection(("127.0.0.1", self.service.port), timeout=HANGS_S) as wire:
                    wire.sendall(raw)
                    wire.shutdown(socket.SHUT_WR)
                    head = wire.recv(4_096)
            except ConnectionError:
                continue  # it hung up on garbage
            except TimeoutError:
                raise Found(f"hangs on {raw!r}") from None
            if head:
                lower = head.lower()
                self._judge(int(head.split()[1]), "?" if b"retry-after" in lower else None, raw)

    def _judge(self, status: int, retry_after: str | None, raw: bytes) -> None:
        if status >= 500 and not (status == 503 and retry_after):
            raise Found(f"{status} for {raw!r}")

    def _count(self, what: str, count: int = 1) -> None:
        self.sent[what] = self.sent.get(what, 0) + count

    def _resident(self) -> int:
        assert self.service.process is not None
        text = Path(f"/proc/{self.service.process.pid}/status").read_text()
        return int(next(line.split()[1] for line in text.splitlines() if line.startswith("VmRSS"))) * 1024


def attack(folder: Path, *, seconds: float, examples: int, seed: int) -> dict[str, int]:
    """Start a service, attack it, look at what is left; returns what was sent.  Raises Found, and what schemathesis raises."""
    service = Service(folder / "operator", extra={"ORIGINMARK_SEQUENCE_INTERVAL_MS": "20"})
    service.command("init")
    service.start()
    try:
        key = read_key(service.enrol(folder, FARM, "producer", "brand-owner", "laboratory", mint=(GTIN,)))
        fuzz = Fuzz(service, key, random.Random(seed))
        if seconds:
            fuzz.run(seconds)
        if examples:
            fuzz.described(examples)
        fuzz.settle()
        return fuzz.sent
    finally:
        service.end()


def main() -> None:
    """Attack, and print what was sent."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--examples", type=int, default=200)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 2**32)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        try:
            sent = attack(Path(name), seconds=arguments.seconds, examples=arguments.examples, seed=arguments.seed)
        except Found as error:
            sys.exit(f"seed {arguments.seed}: {error}")
    told = ", ".join(f"{count} {what}" for what, count in sent.items())
    print(f"{told}: no 500, no hang, no growth, audit clean (seed {arguments.seed})")


if __name__ == "__main__":
    main()
