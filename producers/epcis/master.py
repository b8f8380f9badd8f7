"""
Master data in an EPCIS document: what its sender says about products, places and parties beside the events.

Collected with pointers, for whoever makes statements of it; nothing is checked here beyond the document's schema.

Source: EPCIS 2.0, master data in the header of a document or in query results.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from producers.epcis.problems import join

_VOCABULARIES = (
    ("epcisHeader", "epcisMasterData", "vocabularyList"),
    ("epcisBody", "queryResults", "resultsBody", "vocabularyList"),
)


@dataclass(frozen=True, slots=True)
class MasterElement:
    """One element of the document's master data: a product, a place, a party."""

    pointer: str
    vocabulary: str
    """URI of the vocabulary, such as urn:epcglobal:epcis:vtype:EPCClass; empty where the document says none."""
    id: str
    attributes: tuple[tuple[str, object], ...]
    """(attribute URI, value) in the file's order; an attribute may occur more than once."""
    children: tuple[str, ...]


def master_data(envelope: Mapping[str, object]) -> Iterator[MasterElement]:
    """Yield every element of every vocabulary, in the document's order."""
    for path in _VOCABULARIES:
        for at, vocabulary in _objects(_follow(envelope, path)):
            for position, element in _objects(vocabulary.get("vocabularyElementList")):
                attributes = [attribute for _, attribute in _objects(element.get("attributes"))]
                children = element.get("children")
                yield MasterElement(
                    pointer=join("", *path, at, "vocabularyElementList", position),
                    vocabulary=str(vocabulary.get("type", "")),
                    id=str(element.get("id", "")),
                    attributes=tuple((str(one.get("id", "")), one.get("attribute")) for one in attributes),
                    children=tuple(map(str, children)) if isinstance(children, list) else (),
                )


def _follow(value: object, path: tuple[str, ...]) -> object:
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _objects(value: object) -> Iterator[tuple[int, Mapping[str, object]]]:
    for position, item in enumerate(value if isinstance(value, list) else []):
        if isinstance(item, Mapping):
            yield position, item
