"""
Status: how the outbox stands, and what its owner must look at.

    not-sent         signed more than a day ago, and no verified receipt yet
    not-covered      published longer than the policy's max-age, and nobody beside the operator saw it
    refused          the log said no
    fork, anchor-mismatch, bad-receipt         the log did not verify (follow.py, delivery.py)
    foreign-entry, foreign-key, not-shown      entries under our name that were not sent from here (follow.py)

A summary of what is stored; it asks nobody.  Where the policy names neither quorum nor anchor, nothing will ever be more than
published: that is no alarm, and not green either (`unchecked`).
"""

from collections import Counter
from dataclasses import dataclass

from producers.outbox import PUBLISHED, SAVED, SENT, Outbox
from producers.seen import Alarm
from verify.policy import Policy

STUCK_MS = 86_400_000  # a day: a farm without a network for longer should know that nobody has its records yet


@dataclass(frozen=True, slots=True)
class Status:
    """Items by state, and alarms: stored ones first."""

    counts: dict[str, int]
    alarms: tuple[Alarm, ...]
    unchecked: tuple[str, ...]
    """What nobody can check under this policy, in words."""

    @property
    def exit_code(self) -> int:
        """1 an alarm; 3 something waits or cannot be checked; else 0."""
        if self.alarms:
            return 1
        return 3 if self.unchecked or self.counts[SAVED] + self.counts[SENT] else 0


def status(outbox: Outbox, policy: Policy | None, *, now_ms: int) -> Status:
    """Sum up an outbox under the policy it believes by."""
    found = list(outbox.seen.alarms())
    if stuck := outbox.older((SAVED, SENT), now_ms - STUCK_MS):
        found.append(Alarm("not-sent", str(stuck), f"{stuck} not sent for a day / {stuck} 条超过一天未上传", now_ms))
    reasons = Counter(str(item.problem or "refused / 被拒绝") for item in outbox.refusals.items())
    found += [Alarm("refused", str(count), f"{count}: {reason}", now_ms) for reason, count in reasons.items()]
    unchecked: tuple[str, ...] = ()
    if policy is not None and (policy.quorum or policy.anchors):
        late = outbox.older((PUBLISHED,), now_ms - policy.max_age_s * 1_000)
        if late:
            detail = f"{late} seen by the operator only / {late} 条只有运营方见过"
            found.append(Alarm("not-covered", str(late), detail, now_ms))
    elif policy is not None:
        unchecked = ("the policy names no witness and no anchor: only the operator sees this / 信任策略中没有见证方或链上锚定",)
    return Status(outbox.counts(), tuple(found), unchecked)
