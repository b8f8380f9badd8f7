"""
Import: every event of some files becomes one signed statement in the outbox, or none does.

Importing twice changes nothing: an event is known by issuer and eventID, and a missing eventID is minted from the event's
bytes.  `skip_bad` signs the good ones where some are bad; a bad event is never signed.

Source: interface.md, `producers import`; protocol.md section 2, Events.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from producers.epcis.problems import Problem
from producers.outbox import EventIdTaken, Outbox, content_of, event_key
from producers.reading import Reading, Told
from producers.records import NOTHING, Withholding, event_record, sign_record
from producers.sign import PrivateKey, jwk_of
from verify.errors import Malformed

SUBJECT = "/credentialSubject"


@dataclass(slots=True)
class Imported:
    """Figures of one import, in events; read == stored + duplicate + refused + held."""

    read: int = 0
    stored: int = 0
    """Newly signed and in the outbox."""
    duplicate: int = 0
    """Signed before."""
    refused: int = 0
    held: int = 0
    """Good, and not signed because others were not."""
    problems: list[Problem] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    """Sheets that are none of ours, as `file#sheet`."""


def import_events(
    readings: Sequence[Reading], outbox: Outbox, key: PrivateKey, *, issuer: str, now_ms: int, skip_bad: bool = False,
    withhold: Withholding = NOTHING, on_signed: Callable[[], None] = lambda: None,
) -> Imported:  # fmt: skip
    """
    Sign the events of `readings` for `issuer` and save them, in one transaction.

    Raises NotWithholdable; what is wrong with single events is in `problems`.
    """
    done = survey(readings)
    statements: list[bytes] = []
    here: dict[str | None, bytes] = {}
    for reading in readings:
        for told in reading.good:
            try:
                if _is_repeated(told, here) or outbox.has_event(issuer, told.event):
                    done.duplicate += 1
                    continue
                statements.append(sign_record(event_record(told.text, issuer=issuer, withhold=withhold), key))
                on_signed()
            except (EventIdTaken, Malformed) as error:
                done.refused += 1
                done.problems.append(_problem(error, told, reading.name))
    if done.problems and not skip_bad:
        done.held = len(statements)
        return done
    # One transaction: a crash leaves all of them in the outbox, or none and nothing is known outside.
    added = outbox.add(statements, now_ms=now_ms, jwk=jwk_of(key.public_key()))
    done.stored = added.stored
    done.duplicate += added.duplicate
    return done


def survey(readings: Sequence[Reading]) -> Imported:
    """The figures that need neither key nor outbox: what was read, and what is wrong with it."""
    problems = [problem for reading in readings for problem in reading.problems]
    read, bad = sum(reading.count for reading in readings), sum(reading.bad for reading in readings)
    unread = [f"{reading.name}#{sheet}" for reading in readings for sheet in reading.unread]
    return Imported(read=read, refused=bad, problems=problems, unread=unread)


def _is_repeated(told: Told, here: dict[str | None, bytes]) -> bool:
    """Whether another file of this import tells the same event.  Raises EventIdTaken where it tells another one."""
    content = content_of(told.event)
    known = here.setdefault(event_key(told.event), content)
    if known != content:
        raise EventIdTaken("another file of this import has this eventID for another event / 另一文件以此 eventID 记录了不同事件")
    return known is not content


def _problem(error: EventIdTaken | Malformed, told: Told, name: str) -> Problem:
    if isinstance(error, EventIdTaken):
        return Problem(f"{told.place}/eventID", str(error), "event-id-taken", name)
    where = (error.where or "").removeprefix(SUBJECT)
    return Problem(told.place + where, f"cannot be signed: {error.message} / 无法签名", error.code, name)
