"""
Asking several witnesses at once, for no longer than it takes enough of them.

A witness that never answers delays a batch by its timeout once, and rests afterwards (witness.py).

Source: c2sp.org/tlog-witness v1.0.0.
"""

import threading
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait

from ledger.witness import Prove, Witness, WitnessFailed

GRACE_S = 0.2  # for the rest, once enough have signed: a batch's interval


def collect(
    witnesses: Sequence[Witness], body: str, prove: Prove, enough: int | None = None, grace_s: float = GRACE_S
) -> tuple[dict[str, str], list[WitnessFailed]]:
    """
    Ask all at once: signature lines by witness name, and who failed.

    Returns `grace_s` after `enough` have signed (None: when all have), and after the longest timeout in any case; a slower
    answer is not used.  Who rests is asked only where there are not `enough` without.  What `prove` raises passes through.
    """
    awake = [one for one in witnesses if not one.is_resting]
    asked = witnesses if len(awake) < (enough or 0) else awake
    failed = [one.failed("resting", "it failed a moment ago") for one in witnesses if one not in asked]
    running = {_started(one, body, prove): one for one in asked}
    lines: dict[str, str] = {}
    latest = end = time.monotonic() + max((one.timeout_s for one in asked), default=0.0)
    while running and (left := end - time.monotonic()) > 0:
        for done in wait(running, left, FIRST_COMPLETED).done:
            witness = running.pop(done)
            try:
                lines[witness.key.name] = done.result()
            except WitnessFailed as error:
                failed.append(error)
        if enough is not None and len(lines) >= enough and end == latest:
            end = min(end, time.monotonic() + grace_s)
    cut = end < latest
    return lines, failed + [one.failed("slower", "enough had signed") if cut else one.late() for one in running.values()]


def _started(witness: Witness, body: str, prove: Prove) -> Future[str]:
    """Ask in a thread that nobody has to wait for: a witness that never answers must not keep the process from ending."""
    future: Future[str] = Future()

    def run() -> None:
        try:
            future.set_result(witness.cosign(body, prove))
        except BaseException as error:
            future.set_exception(error)  # raised again where the result is taken

    threading.Thread(target=run, name=f"witness {witness.key.name}", daemon=True).start()
    return future
