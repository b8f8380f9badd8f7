"""
One run of the numbered protocol: what each step established, and the three answers that follow.

Not here: the steps themselves (verifier.py).  Source: PROTOCOL.md, "The verdict".
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from .edges import Journey
from .errors import VerificationError
from .history import Record, RecordHistory
from .policy import AnchorPin, Policy

STEPS = ("bundle", "checkpoint", "witnesses", "clock", "statements", "signatures", "entries", "inclusion", "genesis",
         "keys", "label", "origin", "item", "answer", "recall", "anchor")  # fmt: skip
VERIFIED, FAILED, UNCHECKED, STATED, NONE = "verified", "failed", "unchecked", "stated", "none"

Heads = Callable[[AnchorPin], tuple[int, bytes]]
"""Reads (size, root) of a signer's head from the reader's own RPC; raises OSError where it cannot."""


@dataclass(frozen=True, slots=True)
class Step:
    """What one numbered step established; `code` names the words in messages/, `facts` fill them."""

    number: int
    state: str
    code: str
    facts: Mapping[str, object] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The step's short name."""
        return STEPS[self.number - 1]


@dataclass(slots=True)
class Verification:
    """One run: what is known so far.  `steps` grows as they are taken; a failure is its last."""

    policy: Policy
    label: str | None
    now_s: int
    heads: Heads | None
    on_step: Callable[[Step], None]
    steps: list[Step] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    counted: list[Record] = field(default_factory=list)
    history: RecordHistory = field(init=False)
    journey: Journey = field(default_factory=Journey)
    uri: str = ""
    lot: str = ""
    serial: str | None = None
    time_s: int | None = None
    recalls: list[Record] = field(default_factory=list)

    def take(self, number: int, state: str, code: str, **facts: object) -> None:
        """Note a step and tell the caller at once."""
        step = Step(number, state, code, facts)
        self.steps.append(step)
        self.on_step(step)

    def fail(self, number: int, error: VerificationError) -> None:
        """Note that a step failed, and where; the error carries the run from here on."""
        error.step = error.step or number
        self.take(error.step, FAILED, error.code, detail=error.message, where=error.where or "")
        error.run = self

    def state(self, number: int) -> str:
        """The state of a step, `unchecked` before it was taken."""
        return next((step.state for step in self.steps if step.number == number), UNCHECKED)

    @property
    def answers(self) -> dict[str, str]:
        """The three answers: is the record genuine, does this item look like the original, is it recalled."""
        seen = VERIFIED in (self.state(3), self.state(16))
        whole = all(self.state(number) == VERIFIED for number in (1, 2, 5, 6, 7, 8, 9, 10, 11, 12))
        failed = any(step.state == FAILED and step.code != "recalled" for step in self.steps)
        record = FAILED if failed else VERIFIED if seen and whole else UNCHECKED
        return {"record": record, "item": self.state(13), "recall": self.state(15)}

    @property
    def exit_code(self) -> int:
        """0 nothing stands against it; 1 a step failed or an open recall reaches it; 3 could not be checked."""
        answers = self.answers
        if FAILED in answers.values():
            return 1
        return 3 if UNCHECKED in (answers["record"], answers["recall"]) else 0
