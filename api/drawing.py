"""
A trace as a picture: objects in columns from upstream to downstream, hops as lines, drawn as SVG by the server.

On the way forward also the places where shippers sent it.  The picture repeats the table beside it and adds nothing, so whoever
cannot see it misses nothing.  Positions come from the longest way to each object; crossing lines are not minimised.

Source: Sugiyama's layers, first step only; WCAG 2.2 (1.1.1).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ledger.trace import Graph

MAX_DRAWN = 200  # nodes; more would be a grey block, and the table says it better
COLUMN, ROW = 300, 44  # pixels
BOX = (256, 30)
MARGIN = 12
SHOWN = 36  # characters of a name


@dataclass(frozen=True, slots=True)
class Box:
    """Where an object, or a place that it was sent to, is drawn; its name as shown, and its whole identifier."""

    x: int
    y: int
    text: str
    id: str
    role: str


@dataclass(frozen=True, slots=True)
class Drawing:
    """What the template draws."""

    width: int
    height: int
    boxes: Sequence[Box]
    lines: Sequence[tuple[int, int, int, int]]


def draw(graph: Graph, name: Callable[[str], str], sent: Sequence[tuple[str, str]] = ()) -> Drawing | None:
    """Lay the graph out, with the places in `sent` (from, to) where they fit; None where it is too large to be read."""
    roles = {node.id: node.role for node in graph.nodes}
    places = {end: "place" for way in sent for end in way if end not in roles}
    ways = [(hop.source, hop.target) for hop in graph.edges]
    if len(roles) + len(places) <= MAX_DRAWN:
        roles, ways = roles | places, list(dict.fromkeys([*ways, *sent]))
    return _laid_out(roles, ways, name) if len(roles) <= MAX_DRAWN else None


def _laid_out(roles: Mapping[str, str], ways: Sequence[tuple[str, str]], name: Callable[[str], str]) -> Drawing:
    layers = _layers(list(roles), ways)
    filled: dict[int, int] = {}
    boxes: dict[str, Box] = {}
    for uri, role in roles.items():
        layer = layers[uri]
        row = filled[layer] = filled.get(layer, -1) + 1
        text = name(uri)
        text = text if len(text) <= SHOWN else f"…{text[-SHOWN + 1 :]}"
        boxes[uri] = Box(MARGIN + layer * COLUMN, MARGIN + row * ROW, text, uri, role)
    width, height = BOX
    lines = [
        (start.x + width, start.y + height // 2, end.x, end.y + height // 2)
        for source, target in ways
        if (start := boxes.get(source)) is not None and (end := boxes.get(target)) is not None
    ]
    columns, rows = max(layers.values(), default=0) + 1, max(filled.values(), default=0) + 1
    return Drawing(columns * COLUMN + MARGIN, rows * ROW + MARGIN, list(boxes.values()), lines)


def _layers(nodes: Sequence[str], hops: Sequence[tuple[str, str]]) -> Mapping[str, int]:
    """The longest way to each node; a circle, which only a lie can make, ends after as many rounds as there are nodes."""
    layers = dict.fromkeys(nodes, 0)
    for _ in range(len(nodes)):
        moved = False
        for source, target in hops:
            if source in layers and target in layers and source != target and layers[target] <= layers[source]:
                layers[target] = min(layers[source] + 1, len(nodes) - 1)
                moved = moved or layers[target] != len(nodes) - 1
        if not moved:
            break
    return layers
