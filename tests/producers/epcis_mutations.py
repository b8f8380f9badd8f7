"""
Ways to spoil an EPCIS document, for holding our schema to GS1's verdicts.

Each mutation changes one place of a JSON value and copies only what lies on the way there.  Everything is deterministic:
the same corpus gives the same mutations in the same order.
"""

from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Any

Json = Any
Path = tuple[str | int, ...]

EVENT_TYPES = ("ObjectEvent", "AggregationEvent", "AssociationEvent", "TransactionEvent", "TransformationEvent")
DOCUMENT_TYPES = ("EPCISDocument", "EPCISQueryDocument")

WORDS = (
    *EVENT_TYPES, *DOCUMENT_TYPES, "https://ns.example/MyEvent", "ADD", "OBSERVE", "DELETE", "add",
    "shipping", "recalled", "po", "owning_party", "did_not_occur", "Temperature", "ALARM_CONDITION", "latitude",
    "urn:epcglobal:cbv:bizstep:shipping", "https://ns.gs1.org/cbv/BizStep-shipping", "http://ns.gs1.org/cbv/x",
    "https://ref.gs1.org/cbv/BizStep-shipping", "https://gs1.org/voc/Temperature", "http://www.gs1.org/voc/x",
    "ext:word", "1:x", ":", "http://a.example/b c", "http://a.example/%zz", "//a.example/b", "中文:词",
    "+14:00", "+14:01", "-13:59", "-00:00", "+8:00", "08:00", "Z", "KGM", "kg", "H87X", "EA", "K", "2.0", "2.", "2.0.1",
    "2020-01-01T00:00:00Z", "2020-01-01T00:00:00", "2020-02-30T00:00:00Z", "2020-01-01", "2020-01-01T00:00:00+25:00",
    "2020-01-01t00:00:00z", "2016-12-31T23:59:60Z", "2020-01-01 00:00:00Z", "ABCdef09", "ABG", "", " ", "word",
)  # fmt: skip
VALUES: Sequence[Json] = (
    None, True, 0, -1, 1.5, 1e300, [], {}, [[]], [{}], [None], ["http://a.example/1"], ["word"],
    ["http://a.example/1", "http://a.example/1"], [{"id": "http://a.example/1"}], {"id": "http://a.example/1"}, {"id": 1},
    {"ext:a": 1}, {"a": 1}, [{"epcClass": "http://a.example/1"}], [{"bizTransaction": "http://a.example/1"}],
    [{"type": "Temperature", "value": 3}], {"set": ["active"]}, {"set": []}, {"unset": ["active", "active"]},
    {"declarationTime": "2020-01-01T00:00:00Z"},
    *WORDS,
)  # fmt: skip


def at(value: Json, path: Path) -> Json:
    """What stands at `path`."""
    for step in path:
        value = value[step]
    return value


def changed(value: Json, path: Path, change: Callable[[Json], Json]) -> Json:
    """A copy in which `change` was applied at `path`; the rest is shared."""
    if not path:
        return change(value)
    copy = value.copy()
    copy[path[0]] = changed(value[path[0]], path[1:], change)
    return copy


def paths(value: Json, path: Path = ()) -> Iterator[Path]:
    """Every place in a value, the whole first."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, member in items:
        yield from paths(member, (*path, step))


def mutations(value: Json, donors: dict[str, Json]) -> Iterator[Json]:
    """Every single mutation; `donors` are members that other events have, to be added where they do not belong."""
    for path in paths(value):
        for change, place in changes(value, path, donors):
            yield changed(value, place, change)


def spoilt(value: Json, donors: dict[str, Json], rng: Random) -> Json:
    """One mutation by lot."""
    change, place = rng.choice(list(changes(value, rng.choice(list(paths(value))), donors)))
    return changed(value, place, change)


def changes(value: Json, path: Path, donors: dict[str, Json]) -> Iterator[tuple[Callable[[Json], Json], Path]]:
    """What can be done to the part at `path`, each with the place where it is done."""
    for replacement in VALUES:
        yield lambda _, new=replacement: new, path
    if path:
        yield lambda parent, step=path[-1]: without(parent, step), path[:-1]
    if path and isinstance(path[-1], str):
        for name in ("x" + path[-1], "ext:" + path[-1], path[-1].upper()):
            yield lambda parent, old=path[-1], new=name: renamed(parent, old, new), path[:-1]
    here = at(value, path)
    if isinstance(here, list) and here:
        yield lambda old: [*old, old[0]], path
    if isinstance(here, dict):
        for name, donated in donors.items():
            yield lambda old, name=name, new=donated: {**old, name: new}, path


def without(parent: Json, step: str | int) -> Json:
    """The object or list without one of its parts."""
    if isinstance(parent, dict):
        return {name: value for name, value in parent.items() if name != step}
    return [value for position, value in enumerate(parent) if position != step]


def renamed(parent: dict[str, Json], old: str, new: str) -> dict[str, Json]:
    """The object with one member under another name."""
    return {new if name == old else name: value for name, value in parent.items()}


def events_of(document: Json) -> list[Json]:
    """The events of a document or query document."""
    body = document["epcisBody"]
    found: list[Json] = body.get("queryResults", {}).get("resultsBody", body)["eventList"]
    return found


def single(document: Json) -> Iterator[Json]:
    """The document once per event, with that event only; and each event bare, with the document's context."""
    events = events_of(document)
    path: Path = ("epcisBody", "eventList")
    if document["type"] == "EPCISQueryDocument":
        path = ("epcisBody", "queryResults", "resultsBody", "eventList")
    for event in events:
        yield changed(document, path, lambda _, one=event: [one])
        yield {"@context": document["@context"], **event}


def donors_of(documents: Sequence[Json]) -> dict[str, Json]:
    """Each member name that occurs in any event, with the first value it has; and members that are unknown."""
    found: dict[str, Json] = {"foo": 1, "ext:foo": {"a": 1}, "foo:": 1}
    for document in documents:
        for event in events_of(document):
            for path in paths(event):
                if path and isinstance(path[-1], str):
                    found.setdefault(path[-1], at(event, path))
    return found
