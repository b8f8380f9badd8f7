"""
The journal: one JSON object a line to standard error, or text for a person at a terminal.

uvicorn's and alembic's lines go the same way.  Nothing of a statement and nobody's address is written: requests are named by
their route and a random id, errors by their type and where they were raised, since messages repeat what they choked on.

Source: structlog, "Standard Library Logging" (ProcessorFormatter).
"""

import json
import logging
import sys
import traceback
from collections.abc import MutableMapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, TextIO

import structlog

MAX_TEXT = 500  # characters of one value
FRAMES = 12  # innermost frames of an error
Line = MutableMapping[str, Any]

log = structlog.get_logger()


class Journal:
    """
    A stream that takes lines where it can.  A journal whose disk is full, or whose reader has gone, must stop nobody: the error
    would end the very thread that reports what the full disk did to it.  What was lost is seen in the metrics.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write, or lose it."""
        with suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Hand on what was written, or keep it for the next time."""
        with suppress(OSError):
            self._stream.flush()


def write_journal(form: str = "auto", stream: TextIO | None = None, level: int = logging.INFO) -> None:
    """Set up the process's logging: `form` is auto, json or text.  For the command line only; nothing else calls it."""
    target: Any = Journal(stream or sys.stderr)
    is_text = form == "text" or (form == "auto" and (stream or sys.stderr).isatty())
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        name_the_error,
        shorten,
    ]
    last: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer() if is_text else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    # Our own lines do not take the way through `logging`: one a request, at half the time.
    structlog.configure(
        processors=[*shared, last],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(target),
    )
    handler = logging.StreamHandler(target)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, last]
        )
    )
    logging.captureWarnings(True)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        # Whoever ran a server in this process before may have given them handlers that print everything.
        theirs = logging.getLogger(name)
        theirs.handlers[:], theirs.propagate = [], True
    for name in ("httpx2", "httpcore", "alembic", "urllib3", "web3"):
        logging.getLogger(name).setLevel(logging.WARNING)  # one line for every call they make is theirs to keep


def request_line(name: str, method: str, route: str, status: int, seconds: float, problem: str | None) -> str | None:
    """
    The line of a request, for `write_lines`; None where the journal is text for a person: then it is written already.

    `name` is a plain word; of the rest there are few values, so that texts are made once.
    """
    config, ms = structlog.get_config(), round(seconds * 1000, 1)
    factory, last = config["logger_factory"], config["processors"][-1]
    if not isinstance(factory, structlog.WriteLoggerFactory) or not isinstance(last, structlog.processors.JSONRenderer):
        more = {} if problem is None else {"problem": problem}
        log.info("request", method=method, route=route, status=status, ms=ms, **more)
        return None
    # Every statement has one of these: by the general way it costs as much as reading the request.
    now = datetime.now(UTC).replace(tzinfo=None).isoformat()
    return f'{_begun(method, route, status, problem)}, "ms": {ms}, "request": "{name}", "timestamp": "{now}Z"}}'


def write_lines(lines: Sequence[str]) -> None:
    """Write lines of requests, all in one go."""
    structlog.get_config()["logger_factory"]().msg("\n".join(lines))


@lru_cache(maxsize=4_096)
def _begun(method: str, route: str, status: int, problem: str | None) -> str:
    more = {} if problem is None else {"problem": problem}
    line = {"event": "request", "level": "info", "method": method, "route": route, "status": status} | more
    return json.dumps(line, ensure_ascii=False).removesuffix("}")


def name_the_error(_logger: object, _method: str, line: Line) -> Line:
    """Replace an exception by its type and the places it passed."""
    given = line.pop("exc_info", None)
    if given is None or given is False:
        return line
    found = given if isinstance(given, BaseException) else (given if isinstance(given, tuple) else sys.exc_info())[1]
    if found is not None:
        frames = traceback.extract_tb(found.__traceback__)[-FRAMES:]
        line["exception"] = type(found).__name__
        line["raised"] = [f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in frames]
    return line


def shorten(_logger: object, _method: str, line: Line) -> Line:
    """Cut what a database adds to its errors, statement by statement, and every text that is too long."""
    for name, value in line.items():
        if isinstance(value, str):
            line[name] = value.partition("\n[SQL:")[0].partition("\nDETAIL:")[0][:MAX_TEXT]
    return line
