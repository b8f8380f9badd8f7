"""
What a reader's side costs: verifying one statement, and a whole scan's bundle, on one core.

A statement is parsed under all rules and its signature verified; beside it, the bare verification on one core.  The bundle is
that of the tests' scene: an item of a lot that went from a farm by two warehouses to a pick-up point.
"""

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from producers.keys import Algorithm
from producers.sign import jwk_of
from tests.bench.bare import bare_rate
from tests.bench.farms import parties, write_statements
from tests.bench.figures import Report
from tests.bench.growth import median
from tests.bench.stage import workspace
from tests.support.scene import LABEL, scene
from tests.support.workshop import START_S
from verify.bundle import parse_bundle
from verify.policy import Policy
from verify.statement import parse_statement, thumbprint, verify_signature
from verify.verifier import verify_bundle

STATEMENTS = 2_000


def run(name: str, algorithms: Mapping[str, Algorithm], seconds: float, report: Report) -> None:
    """Measure statements of each key type, then the bundle."""
    with workspace() as folder:
        bare = {short: _statements(f"{name}.statement.{short}", algorithm, folder, seconds, report)
                for short, algorithm in algorithms.items()}  # fmt: skip
    _bundle(f"{name}.bundle", seconds, bare["es256"], report)


def _statements(name: str, algorithm: Algorithm, folder: Path, seconds: float, report: Report) -> float:
    who, file = parties(algorithm), folder / name
    write_statements(file, who, STATEMENTS)
    jwks = {thumbprint(jwk): jwk for jwk in (jwk_of(party.key.public_key()) for party in who)}
    raws = file.read_bytes().splitlines()

    def verify(number: int) -> None:
        told = parse_statement(raws[number % len(raws)])
        verify_signature(told, jwks[told.kid])

    bare = bare_rate(file, who, seconds, threads=1).rate
    times = repeat(verify, seconds)
    report.add(f"{name}.bare", bare, "verifications/s on one core")
    report.add(name, len(times) / sum(times), "statements/s", to=bare, against=f"{name}.bare")
    return bare


def _bundle(name: str, seconds: float, bare: float, report: Report) -> None:
    made = scene()
    text, policy = made.bundle(START_S + 60), Policy.parse(made.shop.policy())
    count = len(parse_bundle(text).statements)
    times = repeat(lambda _: verify_bundle(text, policy=policy, label=LABEL, now_s=START_S + 60), seconds)
    report.add(f"{name}.size", len(text.encode()), "bytes")
    report.add(f"{name}.p50", median(times) * 1_000, "ms")
    report.add(f"{name}.p99", sorted(times)[int(0.99 * len(times))] * 1_000, "ms")
    rate = len(times) / sum(times)
    report.add(f"{name}.statements", rate * count, "statements/s", to=bare, against="verify.statement.es256.bare")


def repeat(work: Callable[[int], object], seconds: float) -> list[float]:
    """Do `work` with 0, 1, 2 … for so long; the time of each."""
    times: list[float] = []
    end = time.perf_counter() + seconds
    while not times or time.perf_counter() < end:
        begun = time.perf_counter()
        work(len(times))
        times.append(time.perf_counter() - begun)
    return times
