"""Our schema of EPCIS 2.0 gives the verdicts of GS1's, on what is good and on what is spoilt."""

import json
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import jsonschema_rs
import pytest

from producers.epcis.validate import EventValidator
from tests.producers import epcis_mutations as spoil

pytestmark = pytest.mark.conformance

SPOILT_BY_LOT = 20_000
OURS = Path(__file__).parents[2] / "producers/epcis/schema.json"
SWEPT = 6  # events, of every type and both kinds of document, whose every single mutation is compared


@pytest.fixture(scope="module")
def gs1(conformance: Path) -> jsonschema_rs.Validator:
    """GS1's own file, with format checks on."""
    schema = json.loads((conformance / "epcis/epcis-json-schema.json").read_text("utf-8"))
    return jsonschema_rs.validator_for(schema, validate_formats=True, offline=True)


@pytest.fixture(scope="module")
def documents(conformance: Path) -> dict[str, Any]:
    """Every EPCIS document of the conformance data, by file name."""
    files = [*conformance.glob("epcis/examples/*"), *conformance.glob("trace/*"), *conformance.glob("event-hash/*.jsonld")]
    return {file.name: json.loads(file.read_text("utf-8")) for file in sorted(files)}


@pytest.fixture(scope="module")
def ours() -> jsonschema_rs.Validator:
    return jsonschema_rs.validator_for(json.loads(OURS.read_text("utf-8")), validate_formats=True, offline=True)


def disagreements(ours: jsonschema_rs.Validator, gs1: jsonschema_rs.Validator, values: Sequence[Any]) -> list[str]:
    """The values on which the two differ, as text for a person."""
    return [json.dumps(value)[:400] for value in values if ours.is_valid(value) != gs1.is_valid(value)]


def without_header(document: Any) -> Any:
    """Master data is large, and most places to spoil would be in it."""
    return {name: value for name, value in document.items() if name != "epcisHeader"}


def test_every_example_of_the_standard_is_valid(conformance: Path) -> None:
    validator = EventValidator.build()
    examples = sorted(conformance.glob("epcis/examples/*"))
    assert len(examples) == 47
    for file in examples:
        assert validator.document_problems(json.loads(file.read_text("utf-8"))) == [], file.name


def test_every_document_of_other_peoples_systems_gets_the_same_verdict(ours, gs1, documents) -> None:
    assert len(documents) == 63
    assert disagreements(ours, gs1, list(documents.values())) == []
    refused = [name for name, document in documents.items() if not gs1.is_valid(document)]
    assert refused == ["all_wholechain_events.jsonld"]  # an empty transformationID, and a header in a query document


def test_every_single_change_to_a_full_event_gets_the_same_verdict(ours, gs1, documents) -> None:
    donors = spoil.donors_of(list(documents.values()))
    full = [documents[name] for name in documents if name.startswith("WithFullCombination")]
    assert len(full) == SWEPT - 1
    values = [
        spoilt
        for document in [*full, documents["EPCISQueryDocument.jsonld"]]
        for unit in list(spoil.single(document))[:1]
        for spoilt in spoil.mutations(unit, donors)
    ]
    assert len(values) > 80_000
    assert disagreements(ours, gs1, values) == []


def test_events_spoilt_in_several_places_get_the_same_verdict(ours, gs1, documents) -> None:
    donors, rng = spoil.donors_of(list(documents.values())), Random(20260302)
    units = [unit for document in documents.values() for unit in spoil.single(without_header(document))]
    values = []
    for _ in range(SPOILT_BY_LOT):
        value = rng.choice(units)
        for _ in range(rng.randint(1, 3)):
            value = spoil.spoilt(value, donors, rng)
        values.append(value)
    good = sum(map(gs1.is_valid, values))
    assert SPOILT_BY_LOT // 20 < good < SPOILT_BY_LOT // 2  # or the comparison would say little
    assert disagreements(ours, gs1, values) == []
