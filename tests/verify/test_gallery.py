"""
The gallery in Python: whole bundles, most of them lies, each with the verdict that PROTOCOL.md asks for.

tests/js/gallery.test.mjs runs the same files.
"""

import json
from base64 import b64decode
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pytest

from tests.verify import make_gallery
from tests.verify.make_core_vectors import FOLDER
from verify.answer import Answer, convict
from verify.bundle import parse_bundle
from verify.errors import Omitted, VerificationError
from verify.note import parse_note
from verify.policy import AnchorPin, Policy
from verify.verifier import Heads, Verification, verify_bundle

FILES = sorted(FOLDER.glob(make_gallery.PATTERN))


def heads_of(given: Mapping[str, Any]) -> Heads | None:
    """An RPC that answers from the vector, and is down for every other chain."""

    def read(pin: AnchorPin) -> tuple[int, bytes]:
        if str(pin.chain_id) not in given["heads"]:
            raise OSError("the node is down")
        head = given["heads"][str(pin.chain_id)]
        return head["size"], b64decode(head["root"])

    return None if given["heads"] is None else read


def run(given: Mapping[str, Any]) -> Verification:
    """Verify a vector's bundle; the run, whether it failed or not."""
    policy = Policy.parse(given["policy"])
    try:
        return verify_bundle(given["bundle"], policy=policy, label=given["label"], now_s=given["now"], heads=heads_of(given))
    except VerificationError as error:
        return cast(Verification, error.run)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_lie_is_caught_at_its_step(path: Path) -> None:
    vector = json.loads(path.read_text())
    given, expect = vector["input"], vector["expect"]
    found = run(given)
    failed = next((step for step in found.steps if step.state == "failed" and step.code != "recalled"), None)
    told = (found.exit_code, failed and failed.number, failed and failed.code)
    assert told == (expect["exit"], expect["step"], expect["code"]), found.steps[-1]
    seen = {str(step.number): f"{step.state} {step.code}" for step in found.steps}
    assert {number: seen.get(number) for number in expect["seen"]} == expect["seen"]
    assert {question: found.answers[question] for question in expect["answers"]} == expect["answers"]


@pytest.mark.parametrize("path", [path for path in FILES if '"convicted"' in path.read_text()], ids=lambda path: path.stem)
def test_what_the_operator_hides_its_own_tiles_convict(path: Path) -> None:
    vector = json.loads(path.read_text())
    answer = Answer.parse(parse_note(parse_bundle(vector["input"]["bundle"]).answer).text)
    entries = [b64decode(entry) for entry in vector["input"]["entries"]]
    with pytest.raises(Omitted) as refusal:
        convict(answer, entries)
    assert refusal.value.code == vector["expect"]["convicted"]
    with pytest.raises(VerificationError, match="not the log that the answer is about"):
        convict(answer, entries[:-1])


def test_the_vectors_on_disk_are_what_their_maker_prints() -> None:
    assert make_gallery.main(["--check"]) == 0


def test_every_step_is_failed_by_some_case() -> None:
    failing = {json.loads(path.read_text())["expect"]["step"] for path in FILES}
    assert failing >= {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 16}
    assert len(FILES) >= 100
