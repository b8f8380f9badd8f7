"""
Figures: what a benchmark found, one line each on standard output, and all of them as JSON.

    name <tab> value <tab> unit <tab> ratio <tab> against

`ratio` is value ÷ what `against` names, measured in the same run on the same machine: figures of a machine mean little alone.
A dash stands where there is none.  Everything else that is said goes to standard error.

    python -m tests.bench.figures FILE ...      the figures of those JSON files as a table, for docs/benchmarks.md
"""

import json
import platform
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.bench.machine import cores, python_ms


@dataclass(frozen=True, slots=True)
class Figure:
    """One finding."""

    name: str
    value: float
    unit: str
    ratio: float | None = None
    against: str = ""

    def line(self) -> str:
        """As printed."""
        ratio = "-" if self.ratio is None else digits(self.ratio)
        return "\t".join((self.name, digits(self.value), self.unit, ratio, self.against or "-"))


def digits(value: float) -> str:
    """Four significant digits and no exponent; whole numbers in full."""
    if value == int(value) or abs(value) >= 1_000:
        return f"{value:.0f}"
    return f"{value:.4g}"


@dataclass(slots=True)
class Report:
    """Collects figures and prints each as it comes."""

    figures: list[Figure] = field(default_factory=list)
    begun: float = field(default_factory=time.monotonic)

    def add(self, name: str, value: float, unit: str, *, to: float | None = None, against: str = "") -> None:
        """Add a figure; `to` is what it is divided by."""
        figure = Figure(name, value, unit, None if to is None else value / to, against)
        self.figures.append(figure)
        print(figure.line(), flush=True)

    def note(self, text: str) -> None:
        """Say something that is no figure."""
        print(f"  [{time.monotonic() - self.begun:5.1f} s] {text}", file=sys.stderr, flush=True)

    def write(self, path: Path, asked: Sequence[str]) -> None:
        """Write everything as JSON, with what the machine is."""
        machine = {
            "cores": cores(), "python": platform.python_version(), "python_ms": python_ms(), "system": platform.platform(),
        }  # fmt: skip
        told = {
            "machine": machine, "asked": list(asked), "seconds": round(time.monotonic() - self.begun, 1),
            "figures": [asdict(one) for one in self.figures],
        }  # fmt: skip
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", "utf-8")


def table(paths: Sequence[Path]) -> str:
    """The figures that `Report.write` wrote, as Markdown."""
    told = [Figure(**one) for path in paths for one in json.loads(path.read_text("utf-8"))["figures"]]
    rows = [" | ".join(("`" + one.name + "`", *one.line().split("\t")[1:])) for one in told]
    return "\n".join(f"| {row} |" for row in ("name | value | unit | ratio | against", " | ".join(["---"] * 5), *rows))


if __name__ == "__main__":
    print(table([Path(word) for word in sys.argv[1:]]))
