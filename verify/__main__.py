"""`python -m verify BUNDLE|URL --policy POLICY [--label URL] [--rpc URL …] [--log URL|DIR] [--lang en|zh] [--json]`
`python -m verify watch …` and `python -m verify evidence …` are in watch.py.
Exit codes: 0 nothing stands against it; 1 a step failed, or an open recall reaches the label (the message names the step);
2 usage; 3 could not be checked (also: only the operator has seen it)."""
import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast
from urllib.error import URLError
from . import anchor, answer, bundle, tiles, verifier, watch
from .errors import Omitted, VerificationError
from .note import parse_note
from .policy import Policy

END_OF_TIME = 2**37  # seconds since 1970, the year 6325: a clock's own number may be anything
MARKS = {"verified": "✓", "failed": "✗", "unchecked": "?", "stated": "·", "none": "–"}

def _arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m verify", description="Check a bundle against your own policy.")
    parser.add_argument("bundle", help="a file, or an address that answers with a bundle")
    parser.add_argument("--policy", required=True, type=Path, help="what you trust: keys, quorum, registrars, contracts")
    parser.add_argument("--label", help="what you scanned; any host")
    parser.add_argument("--rpc", action="append", default=[], help="a JSON-RPC address of your choice; repeatable")
    parser.add_argument("--log", help="the log's tiles (address prefix or folder): tries the operator's answer against them")
    parser.add_argument("--now", type=int, default=None, help="seconds since 1970, in place of this machine's clock")
    parser.add_argument("--lang", choices=("en", "zh"), default="en")
    parser.add_argument("--json", action="store_true", help="machine-readable report")
    return parser.parse_args(argv)

def _words(step: verifier.Step, table: dict[str, str]) -> str:
    # One line for a step: its name, and what it established, in the reader's language.
    facts: dict[str, Any] = {"detail": "", "where": "", **step.facts}
    if isinstance(facts.get("time"), int) and facts["time"] < END_OF_TIME:
        facts["time"] = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(facts["time"]))
    text = table.get(step.code) or f"{table['refused']} ({step.code}): {{detail}}"
    for name, value in facts.items():
        text = text.replace("{" + name + "}", str(value))
    place = f" [{facts['where']}]" if facts["where"] else ""
    return f"{MARKS[step.state]} {step.number:2} {table['step.' + step.name]}: {text}{place}"

def main(argv: Sequence[str]) -> int:
    """Run one verification, print it, and return the exit code."""
    arguments = _arguments(argv)
    table: dict[str, str] = json.loads((Path(__file__).parent / "messages" / f"{arguments.lang}.json").read_text("utf-8"))
    say = (lambda step: None) if arguments.json else (lambda step: print(_words(step, table)))
    try:
        policy = Policy.parse(arguments.policy.read_text("utf-8"))
        data = tiles.fetch(arguments.bundle, bundle.MAX_BYTES, "application/json")
    except (OSError, UnicodeError, VerificationError) as error:
        print(f"{table['usage']} {error} {getattr(error, 'where', None) or ''}", file=sys.stderr)
        # A wrong name is the caller's mistake; an address that does not answer says nothing about the label.
        return 3 if isinstance(error, URLError) else 2
    heads = (lambda pin: anchor.read_head(pin, arguments.rpc)) if arguments.rpc else None
    try:
        run = verifier.verify_bundle(data, policy=policy, label=arguments.label, now_s=arguments.now, heads=heads, on_step=say)
    except VerificationError as error:
        run = cast(verifier.Verification, error.run)
    tried = _try_answer(run, data, arguments.log) if arguments.log and run.state(14) == verifier.STATED else True
    if arguments.json:
        steps = [{"number": one.number, "name": one.name, "state": one.state, "code": one.code, **one.facts} for one in run.steps]
        print(json.dumps({"exit": run.exit_code, "answers": run.answers, "steps": steps}, ensure_ascii=False, default=str))
    for question, state in () if arguments.json else run.answers.items():
        print(f"{table['question.' + question]} {table[f'answer.{question}.{state}']}")
    return run.exit_code if tried else run.exit_code or 3

def _try_answer(run: verifier.Verification, data: bytes, log: str) -> bool:
    # The operator's answer against its own tiles; False where they cannot be read or are not the answer's log.
    told = answer.Answer.parse(parse_note(bundle.parse_bundle(data).answer).text)
    try:
        answer.convict(told, tiles.read_entries(log, told.size))
    except Omitted as error:
        run.fail(14, error)
    except (OSError, VerificationError) as error:
        run.take(14, verifier.UNCHECKED, getattr(error, "code", "log-unreadable"), {"detail": str(error), "where": log})
        return False
    return True

if __name__ == "__main__":
    sys.exit((watch.main if sys.argv[1:2] in (["watch"], ["evidence"]) else main)(sys.argv[1:]))
