"""
Objects in memory with what a disk really does: what was not settled is gone after a power cut, and settling can be a lie.

Implements ledger.objects.Objects and Shelf; `Tapped` puts it on a wire.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ledger.problems import Fatal
from ledger.stored import Listed
from ledger.tiles import CHECKPOINT
from tests.ledger.faults.wire import Way, Wire


@dataclass
class MemoryObjects:
    """`visible` is what readers see, `durable` what a power cut leaves."""

    visible: dict[str, bytes] = field(default_factory=dict)
    durable: dict[str, bytes] = field(default_factory=dict)
    unsettled: set[str] = field(default_factory=set)
    served: list[str] = field(default_factory=list)
    """Every checkpoint that anybody could ever read."""

    def read(self, path: str) -> bytes | None:
        """See Objects."""
        return self.visible.get(path)

    def create(self, path: str, data: bytes) -> None:
        """See Objects."""
        if self.visible.setdefault(path, data) != data:
            raise Fatal(f"{path} exists with other bytes")
        self.unsettled.add(path)

    def replace(self, path: str, data: bytes) -> None:
        """See Objects."""
        self.visible[path] = data
        self.unsettled.add(path)
        if path == CHECKPOINT:
            self.served.append(data.decode())

    def settle(self) -> None:
        """See Objects."""
        self.durable |= {path: self.visible[path] for path in self.unsettled}
        self.unsettled.clear()

    def listed(self, prefix: str) -> list[Listed]:
        """See Shelf."""
        found = sorted(path for path in self.visible if path.startswith(prefix) and "/" not in path[len(prefix) :])
        return [Listed(path, len(self.visible[path]), 0.0) for path in found]

    def drop(self, paths: list[str]) -> None:
        """See Shelf."""
        for path in paths:
            self.visible.pop(path, None)
            self.durable.pop(path, None)

    def damage(self, path: str, data: bytes) -> None:
        """Leave something at a path that a write broken off may leave there."""
        self.visible[path] = self.durable[path] = data
        self.unsettled.discard(path)

    def lie(self) -> None:
        """Say yes, and keep nothing."""
        self.unsettled.clear()

    def power_cut(self) -> None:
        """Whatever was not settled is as if it had never been written."""
        self.visible = dict(self.durable)
        self.unsettled.clear()

    def load(self, objects: Mapping[str, bytes]) -> None:
        """Hold exactly these, durably."""
        self.visible, self.durable = dict(objects), dict(objects)
        self.unsettled.clear()
        self.served = [objects[CHECKPOINT].decode()] if CHECKPOINT in objects else []


@dataclass
class Tapped:
    """The same on the wire."""

    inner: MemoryObjects
    wire: Wire

    def read(self, path: str) -> bytes | None:
        """See Objects."""
        return self.wire.carry(f"read {path}", lambda: self.inner.read(path))

    def create(self, path: str, data: bytes) -> None:
        """See Objects."""
        self.wire.carry(f"create {path}", lambda: self.inner.create(path, data), spoil=lambda way: self._spoil(path, data, way))

    def replace(self, path: str, data: bytes) -> None:
        """See Objects."""
        self.wire.carry(f"replace {path}", lambda: self.inner.replace(path, data), spoil=lambda way: self._spoil(path, data, way))

    def settle(self) -> None:
        """See Objects."""
        self.wire.carry("settle", self.inner.settle, spoil=lambda way: self.inner.lie())

    def listed(self, prefix: str) -> list[Listed]:
        """See Shelf."""
        return self.wire.carry(f"list {prefix}", lambda: self.inner.listed(prefix))

    def drop(self, paths: list[str]) -> None:
        """See Shelf."""
        self.wire.carry(f"delete {len(paths)}", lambda: self.inner.drop(paths))

    def _spoil(self, path: str, data: bytes, way: Way) -> None:
        self.inner.damage(path, b"" if way is Way.EMPTY else data[: len(data) // 2])
