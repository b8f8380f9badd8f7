"""
What a statement takes to examine, on one core and without a service: the whole, its parts, and the literal reading.

CPU time, since other work on the machine changes it least; each figure beside a bare verification of the same signatures.  Every
part gets statements that nothing has read before it, as a service does: what is remembered of a lot would flatter it.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ledger import admission, quick, quick_event
from ledger.candidates import pack, unpack
from ledger.examiners import SLICE, examine_here, settle_down
from producers.epcis.validate import EventValidator
from producers.keys import Algorithm
from producers.sign import jwk_of
from tests.bench.bare import bare_rate
from tests.bench.farms import parties, write_statements
from tests.bench.figures import Report
from tests.bench.stage import workspace
from verify.statement import thumbprint

COUNT = 2_000  # statements a part
BARE_S = 1.0
PARTS = ("", ".base64", ".json", ".event", ".schema", ".handed", ".literal")


def run(name: str, algorithms: Mapping[str, Algorithm], count: int, report: Report) -> None:
    """Measure statements of each key type."""
    with workspace() as folder:
        for short, algorithm in algorithms.items():
            _measure(f"{name}.{short}", algorithm, folder / short, count or COUNT, report)


def _measure(name: str, algorithm: Algorithm, file: Path, count: int, report: Report) -> None:
    who, now = parties(algorithm), datetime.now(UTC)
    validator, now_ms = EventValidator.build(), int(now.timestamp() * 1000)
    jwks = {thumbprint(jwk): jwk for jwk in (jwk_of(party.key.public_key()) for party in who)}
    write_statements(file, who, (len(PARTS) + 1) * count)
    lines = file.read_bytes().splitlines()
    warm, *chunks = (lines[at : at + count] for at in range(0, len(lines), count))
    whole, encoded, printed, parsed, checked, found, literal = chunks
    texts = [quick._base64(raw.split(b".")[1]) for raw in (*printed, *parsed, *checked)]
    events = [quick._payload(quick._parse(text)) for text in texts[count:]]

    def examine(raw: bytes) -> Any:
        return quick.examine(raw, now=now, validator=validator, jwks=jwks)

    def examine_all(raws: Sequence[bytes]) -> Any:
        return examine_here(raws, now_ms, validator, jwks)

    settle_down()  # what was prepared here is no part of what a worker's collector looks at
    bare = bare_rate(file, who, BARE_S, threads=1).cpu_us
    _cpu_us(examine, warm)
    candidates = list(map(examine, found))
    slices = [(candidates[at : at + SLICE], found[at : at + SLICE]) for at in range(0, count, SLICE)]
    told = (
        _cpu_us(examine_all, [whole[at : at + SLICE] for at in range(0, count, SLICE)]) * -(-count // SLICE) / count,
        _cpu_us(quick._base64, [raw.split(b".")[1] for raw in encoded]),
        _cpu_us(quick._parse, texts[:count]),
        _cpu_us(lambda one: quick_event.read_told(one[2], one[0], now, validator), events[:count]),
        _cpu_us(lambda one: validator.fits(one[2]), events[count:]),
        _cpu_us(lambda one: unpack(pack(*one), one[1]), slices) * len(slices) / count,
        _cpu_us(lambda raw: admission.examine(raw, now_ms=now_ms, validator=validator, jwks=jwks), literal),
    )
    report.add(f"{name}.bare", bare, "µs a verification")
    for part, value in zip(PARTS, told, strict=True):
        report.add(name + part, value, "µs a statement", to=bare, against=f"{name}.bare")


def _cpu_us(work: Callable[[Any], object], items: Sequence[Any]) -> float:
    """CPU time of `work`, µs an item."""
    begun = time.process_time()
    for item in items:
        work(item)
    return (time.process_time() - begun) / len(items) * 1e6
