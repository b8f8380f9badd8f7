"""
Validation of one EPCIS event: the schema first, then the rules that no schema can say.

Used by the farm before it signs and by the log before it admits, so that nothing is refused later that passed at home.
The schema is our own (schema.json); tests hold it to the verdicts of GS1's file.  Not here: signatures, key validity,
whether the eventID is new (the log judges those in order).

Numbers: `verify.strict` yields int and Decimal, and jsonschema-rs takes Decimal as it is, so an event is parsed once
and never passes through a float.  (Measured: 200,000 events/s with Decimals; re-reading the text with floats first,
117,000.)

Source: EPCIS 2.0 and CBV 2.0; protocol, sections 1 and 2.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from importlib import resources
from typing import Any, cast

import jsonschema_rs

from producers.epcis import rules
from producers.epcis.problems import SHOWN, EventRefused, Problem, in_both, schema_problems
from producers.epcis.text import parse
from verify.errors import Malformed

DOCUMENT_TYPES = ("EPCISDocument", "EPCISQueryDocument")


class EventValidator:
    """
    The compiled schema and the rules.  Build one with `build()` and share it: checking keeps no state.

    Building takes a few milliseconds, so neither an import nor a request should pay for it.
    """

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._schema = schema
        # A document is a list of events; where one event is wanted it must not pass as one.
        event_only = {"$schema": schema["$schema"], "$ref": "#/$defs/event", "$defs": schema["$defs"]}
        self._event = jsonschema_rs.validator_for(event_only, validate_formats=True, offline=True)
        self._any = jsonschema_rs.validator_for(dict(schema), validate_formats=True, offline=True)

    @classmethod
    def build(cls) -> "EventValidator":
        """Read and compile the schema that is shipped with this package."""
        return cls(json.loads(resources.files("producers.epcis").joinpath("schema.json").read_text("utf-8")))

    def check(
        self, event: Mapping[str, object] | bytes | str, *, now: datetime | None = None, logged: bool = True,
        identifiers: bool = True,
    ) -> None:  # fmt: skip
        """
        Check one event, given as its JSON text or as `verify.strict.parse` reads it.

        `logged` asks for what an event needs to be signed: eventID and its own @context.  `now` (aware) refuses
        events of more than 24 h in the future; without it no clock is consulted.  `identifiers` False leaves them to a caller
        that reads every one (verify.epcis.read_event).

        Raises EventRefused with the first few problems.  Its code is `event-in-future` only where nothing else is
        wrong: the same event may be sent again later, any other must first be repaired.
        """
        value = _parsed(event)
        found = self._schema_problems(value) or list(_rule_problems(cast(rules.Event, value), now, logged, identifiers))
        if found:
            found.sort(key=lambda problem: problem.code == rules.IN_FUTURE)
            raise EventRefused(found[:SHOWN])

    def fits(self, event: Mapping[str, object]) -> bool:
        """Whether the schema, and no rule yet, takes an event: for a caller that words no refusal."""
        return self._event.is_valid(event)

    def document_problems(self, document: Mapping[str, object]) -> list[Problem]:
        """What the schema finds wrong with a whole document, or with one whose list of events was emptied."""
        return [] if self._any.is_valid(document) else schema_problems(self._any.iter_errors(document), self._schema)

    def _schema_problems(self, value: object) -> list[Problem]:
        if isinstance(value, Mapping) and value.get("type") in DOCUMENT_TYPES:
            return [Problem("/type", "names a document; one event is wanted / 应为单个事件,而不是文档", "not-an-event")]
        return [] if self._event.is_valid(value) else schema_problems(self._event.iter_errors(value), self._schema)


def validate_event(
    event: Mapping[str, object] | bytes | str,
    *,
    validator: EventValidator,
    now: datetime | None = None,
    logged: bool = True,
) -> None:
    """Check one event with a validator built before; see `EventValidator.check`."""
    validator.check(event, now=now, logged=logged)


def _parsed(event: Mapping[str, object] | bytes | str) -> object:
    if not isinstance(event, bytes | str):
        return event
    try:
        return parse(event)
    except Malformed as error:
        sentence = in_both(f"is not JSON as we read it: {error.message}", error.code)
        raise EventRefused([Problem(error.where or "", sentence, error.code)]) from None


def _rule_problems(event: rules.Event, now: datetime | None, logged: bool, identifiers: bool) -> Iterator[Problem]:
    if logged:
        yield from rules.identity_problems(event)
        yield from rules.type_problems(event)
    yield from rules.time_problems(event, now)
    yield from rules.aggregation_problems(event)
    yield from rules.quantity_problems(event)
    yield from rules.declaration_problems(event)
    if identifiers:
        yield from rules.identifier_problems(event)
    yield from rules.reference_problems(event)
