"""Workers of a service that was killed end with it: nobody else would tell them."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

SCRIPT = """
import signal
from ledger.examiners import Examiners
from producers.epcis.validate import EventValidator

examiners = Examiners(EventValidator.build(), 2)
examiners.start()
print(*examiners._pool._processes, flush=True)
signal.pause()
"""
END_S = 30.0


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_no_worker_outlives_a_service_that_was_killed() -> None:
    root = Path(__file__).parents[2]
    words = [sys.executable, "-c", SCRIPT]
    service = subprocess.Popen(words, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert service.stdout is not None
    workers = [int(pid) for pid in service.stdout.readline().split()]
    assert len(workers) == 2
    assert all(map(is_alive, workers))
    os.kill(service.pid, signal.SIGKILL)
    service.wait(timeout=END_S)
    end = time.monotonic() + END_S
    while any(map(is_alive, workers)):
        assert time.monotonic() < end
        threading.Event().wait(0.05)
