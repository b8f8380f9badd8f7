"""Every benchmark, at a size that says nothing, so that the figures can be had when somebody wants them."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.bench.__main__ import benchmarks
from tests.support.service import ROOT

TINY = {
    "ingest.bulk.eddsa.postgresql": ["--size", "300", "--lines", "100", "--connections", "2"],
    "examine": ["--size", "100"],
    "ingest.single.sqlite": ["--size", "60", "--clients", "4"],
    "order.postgresql": ["--size", "600"],
    "growth.synthetic.sqlite": ["--size", "3000"],
    "growth.indexed.postgresql": ["--size", "3000"],
    "growth.served.sqlite": ["--size", "300", "--lines", "100", "--connections", "2"],
    "peer": ["--size", "3000"],
    "verify": [],
}


def run(folder: Path, *words: str) -> tuple[list[list[str]], dict[str, object]]:
    """Run benchmarks; the figures as printed and as written."""
    path = folder / "bench.json"
    command = [sys.executable, "-m", "tests.bench", *words, "--seconds", "0.3", "--json", str(path)]
    small = os.environ | {"BENCH_JOURNAL_MB": "1"}
    done = subprocess.run(command, cwd=ROOT, env=small, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [line.split("\t") for line in done.stdout.splitlines()], json.loads(path.read_text("utf-8"))


@pytest.mark.parametrize("name", TINY)
def test_a_benchmark_checks_what_it_measured_and_prints_figures_that_a_script_can_read(name: str, tmp_path: Path) -> None:
    if name == "peer" and find_spec("pymerkle") is None:
        pytest.skip("pymerkle is installed by make bench alone")
    lines, told = run(tmp_path, name, *TINY[name])
    figures = told["figures"]
    assert isinstance(figures, list)
    assert [line[0] for line in lines] == [one["name"] for one in figures]
    assert all(line[0].startswith(name.removesuffix(".sqlite")) and len(line) == 5 and float(line[1]) > 0 for line in lines)
    ratios = [line for line in lines if line[3] != "-"]
    assert ratios
    assert all(float(line[3]) > 0 and line[4] != "-" for line in ratios)


def test_a_name_stands_for_all_that_begin_with_it() -> None:
    listed = subprocess.run([sys.executable, "-m", "tests.bench", "--list"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert listed.stdout.splitlines() == list(benchmarks())
    assert {name.split(".")[0] for name in benchmarks()} == {"ingest", "examine", "order", "growth", "peer", "verify"}
