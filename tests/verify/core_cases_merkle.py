"""
Cases about trees: RFC 6962's own tree of eight, trees past 32 and 48 bits, and every way a proof may be bent.

Source: RFC 6962 section 2.1 with the vectors of transparency-dev/merkle; protocol.md section 1 (multiproof).
"""

from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Any

from tests.verify.core_cases import Case, accepts, refuses

ENTRIES = [bytes.fromhex(text) for text in (
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
)]  # fmt: skip
ROOTS = (
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)
L0 = "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
L1 = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"
L4 = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"
L6 = "b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f"
N24 = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e"
N46 = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a"
N68 = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0"
N48 = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"
MOST = 2**53 - 1  # the largest size


def leaf(entry: bytes) -> str:
    """The leaf hash, in hexadecimal."""
    return sha256(b"\x00" + entry).hexdigest()


def node(left: str, right: str) -> str:
    """The node hash, in hexadecimal."""
    return sha256(b"\x01" + bytes.fromhex(left) + bytes.fromhex(right)).hexdigest()


def middle_of(start: int, end: int) -> int:
    """RFC 6962's split: start plus the largest power of two below the count."""
    width = 1
    while width * 2 < end - start:
        width *= 2
    return start + width


def made_up(start: int, end: int) -> str:
    """A hash that stands for the subtree over [start, end) of a tree too large to build."""
    return sha256(f"subtree {start} {end}".encode()).hexdigest()


class Sparse:
    """A tree too large to build: known subtrees are folded, all others made up, and `proof` collects them."""

    def __init__(self, targets: Sequence[int], size: int) -> None:
        self.targets, self.size = targets, size
        self.proof: list[str] = []
        self.root = self._fold(0, size)

    def _fold(self, start: int, end: int) -> str:
        if not any(start <= target < end for target in self.targets):
            self.proof.append(made_up(start, end))
            return self.proof[-1]
        if end - start == 1:
            return made_up(start, end)
        middle = middle_of(start, end)
        return node(self._fold(start, middle), self._fold(middle, end))


def path(index: int, start: int, end: int) -> tuple[str, list[str]]:
    """The root over [start, end) and the inclusion proof of `index`, in the made-up tree."""
    if end - start == 1:
        return made_up(start, end), []
    middle = middle_of(start, end)
    if index < middle:
        found, proof = path(index, start, middle)
        return node(found, made_up(middle, end)), [*proof, made_up(middle, end)]
    found, proof = path(index, middle, end)
    return node(made_up(start, middle), found), [*proof, made_up(start, middle)]


def growth(old: int, start: int, end: int, whole: bool = True) -> tuple[str, str, list[str]]:
    """Old root, new root and consistency proof over [start, end), in the made-up tree."""
    if end == old:
        found = made_up(start, end)
        return found, found, [] if whole else [found]
    middle = middle_of(start, end)
    if old <= middle:
        before, after, proof = growth(old, start, middle, whole)
        right = made_up(middle, end)
        return before, node(after, right), [*proof, right]
    left = made_up(start, middle)
    before, after, proof = growth(old, middle, end, False)
    return node(left, before), node(left, after), [*proof, left]


def cases() -> Iterator[Case]:
    """All cases about trees."""
    for size, root in enumerate(ROOTS):
        given = {"leaves": [leaf(entry) for entry in ENTRIES[:size]]}
        yield accepts(
            f"merkle-root-of-{size}", f"The root of RFC 6962's tree at size {size}", "merkle.root", given, {"root": root}
        )
    yield from _inclusion()
    yield from _consistency()
    yield from _multi()


def _inclusion() -> Iterator[Case]:
    fn = "merkle.verify_inclusion"
    known: tuple[tuple[int, int, list[str]], ...] = (
        (0, 8, [L1, N24, N48]), (5, 8, [L4, N68, ROOTS[4]]), (2, 3, [ROOTS[2]]), (1, 5, [ROOTS[1], N24, L4]), (0, 1, []),
    )  # fmt: skip
    for index, size, proof in known:
        given = {"leaf": leaf(ENTRIES[index]), "index": index, "size": size, "proof": proof, "root": ROOTS[size]}
        yield accepts(f"merkle-inclusion-{index}-of-{size}", "A known answer of RFC 6962's tree", fn, given)
    good = {"leaf": leaf(ENTRIES[5]), "index": 5, "size": 8, "proof": [L4, N68, ROOTS[4]], "root": ROOTS[8]}
    bent: dict[str, tuple[str, dict[str, Any]]] = {
        "index-at-size": ("An index equal to the size is past the tree", {"index": 8}),
        "index-negative": ("An index below zero", {"index": -1}),
        "size-zero": ("Nothing is in the empty tree", {"index": 0, "size": 0, "proof": [], "root": ROOTS[0]}),
        "size-past-2-53": ("A size that JavaScript cannot count", {"size": 2**53}),
        "another-index": ("The proof of leaf 5 does not show leaf 4", {"index": 4}),
        "another-leaf": ("Another entry at the same index", {"leaf": leaf(ENTRIES[4])}),
        "another-root": ("A root of another size", {"root": ROOTS[7]}),
        "node-changed": ("One bit of one node", {"proof": [L4, N68, ROOTS[4][:-1] + "6"]}),
        "nodes-swapped": ("The nodes in another order", {"proof": [L4, ROOTS[4], N68]}),
        "proof-too-short": ("The root's child is missing", {"proof": [L4, N68]}),
        "proof-too-long": ("One node more", {"proof": [L4, N68, ROOTS[4], L6]}),
        "entry-as-node": (
            "A node passed off as a leaf of a smaller tree",
            {"leaf": N46, "index": 1, "size": 2, "proof": [ROOTS[4]]},
        ),
        "node-of-31-bytes": ("A node that is not a hash", {"proof": [L4, N68, ROOTS[4][2:]]}),
    }
    for name, (about, change) in bent.items():
        yield refuses(f"merkle-inclusion-{name}", about, fn, {**good, **change}, "not-included")
    # (index 4, size 5) verifies as (1 of 2), (2 of 3), (8 of 9) too: why size and root come from one signed checkpoint.
    loose = {"leaf": leaf(ENTRIES[4]), "index": 1, "size": 2, "proof": [ROOTS[4]], "root": ROOTS[5]}
    yield accepts("merkle-inclusion-binds-no-size", "A proof made for (4, 5) also verifies as (1, 2): known, and why", fn, loose)
    for index, size in ((2**31, 2**32 + 1), (2**32 + 5, 2**33 + 7), (2**52 + 12345, MOST), (MOST - 1, MOST), (0, MOST)):
        root, proof = path(index, 0, size)
        given = {"leaf": made_up(index, index + 1), "index": index, "size": size, "proof": proof, "root": root}
        yield accepts(f"merkle-inclusion-{index}-of-{size}", "An index beyond 32-bit arithmetic", fn, given)


def _consistency() -> Iterator[Case]:
    fn = "merkle.verify_consistency"
    known: tuple[tuple[int, int, list[str]], ...] = (
        (1, 8, [L1, N24, N48]), (6, 8, [N46, N68, ROOTS[4]]), (2, 5, [N24, L4]), (6, 7, [N46, L6, ROOTS[4]]), (1, 1, []),
    )  # fmt: skip
    for old, new, proof in known:
        given = {"old": old, "new": new, "old_root": ROOTS[old], "new_root": ROOTS[new], "proof": proof}
        yield accepts(f"merkle-consistency-{old}-to-{new}", "A known answer of RFC 6962's tree", fn, given)
    good = {"old": 6, "new": 8, "old_root": ROOTS[6], "new_root": ROOTS[8], "proof": [N46, N68, ROOTS[4]]}
    same = {"old": 8, "new": 8, "old_root": ROOTS[8], "new_root": ROOTS[8], "proof": []}
    bent = {
        "old-zero": ("Size 0 is consistent with everything, so it proves nothing", {**good, "old": 0, "old_root": ROOTS[0]}),
        "shrinks": ("The tree became smaller", {**good, "old": 8, "new": 6, "old_root": ROOTS[8], "new_root": ROOTS[6]}),
        "fork-at-one-size": ("Two roots at one size", {**same, "new_root": ROOTS[7]}),
        "equal-with-proof": ("Equal sizes need no proof", {**same, "proof": [L6]}),
        "empty-proof": ("No proof at all", {**good, "proof": []}),
        "proof-too-short": ("The last node is missing", {**good, "proof": [N46, N68]}),
        "proof-too-long": ("One node more", {**good, "proof": [N46, N68, ROOTS[4], L6]}),
        "old-root-changed": ("The history was rewritten", {**good, "old_root": ROOTS[5]}),
        "new-root-changed": ("The new tree is another", {**good, "new_root": ROOTS[7]}),
        "sizes-changed": ("The proof of 6 to 8 does not show 5 to 8", {**good, "old": 5, "old_root": ROOTS[5]}),
        "power-of-two-repeated": ("The old root may not be repeated in the proof",
                                  {**good, "old": 4, "old_root": ROOTS[4], "proof": [ROOTS[4], N48]}),
        "new-past-2-53": ("A size that JavaScript cannot count", {**good, "new": 2**53}),
    }  # fmt: skip
    for name, (about, given) in bent.items():
        yield refuses(f"merkle-consistency-{name}", about, fn, given, "not-consistent")
    for old, new in ((2**31 + 3, 2**33 + 1), (2**40 + 5, 2**52 + 3), (2**52, MOST), (MOST - 1, MOST)):
        before, after, proof = growth(old, 0, new)
        given = {"old": old, "new": new, "old_root": before, "new_root": after, "proof": proof}
        yield accepts(f"merkle-consistency-{old}-to-{new}", "Sizes beyond 32-bit arithmetic", fn, given)


def _multi() -> Iterator[Case]:
    fn = "merkle.verify_multi"
    leaves = {str(index): leaf(entry) for index, entry in enumerate(ENTRIES)}
    pair = {"leaves": {"1": leaves["1"], "5": leaves["5"]}, "size": 8, "proof": [L0, N24, L4, N68], "root": ROOTS[8]}
    yield accepts("merkle-multi-two-leaves", "Shared nodes once, left to right, depth first", fn, pair)
    yield accepts("merkle-multi-all-leaves", "Every leaf given: no node is needed", fn, {**pair, "leaves": leaves, "proof": []})
    yield accepts("merkle-multi-one-leaf", "One leaf is a multiproof too", fn,
                  {**pair, "leaves": {"5": leaves["5"]}, "proof": [ROOTS[4], L4, N68]})  # fmt: skip
    yield accepts("merkle-multi-size-one", "The only leaf of a tree", fn,
                  {"leaves": {"0": leaves["0"]}, "size": 1, "proof": [], "root": ROOTS[1]})  # fmt: skip
    far = Sparse((0, 7, 2**31 + 1, 2**33 + 2, 2**52 + 9, MOST - 1), MOST)
    given = {"leaves": {str(t): made_up(t, t + 1) for t in far.targets}, "size": MOST, "proof": far.proof, "root": far.root}
    yield accepts("merkle-multi-far-apart", "Indexes beyond 32-bit arithmetic", fn, given)
    bent: dict[str, tuple[str, dict[str, Any]]] = {
        "empty-set": ("A proof about nothing shows nothing", {"leaves": {}, "proof": [ROOTS[8]]}),
        "leftover-node": ("A node that is not consumed", {"proof": [L0, N24, L4, N68, L6]}),
        "missing-node": ("A node too few", {"proof": [L0, N24, L4]}),
        "nodes-swapped": ("The nodes in another order", {"proof": [N24, L0, L4, N68]}),
        "index-at-size": ("An index equal to the size", {"leaves": {"1": leaves["1"], "8": leaves["5"]}}),
        "index-negative": ("An index below zero", {"leaves": {"-1": leaves["1"], "5": leaves["5"]}}),
        "leaves-swapped": ("The two leaves in each other's place", {"leaves": {"1": leaves["5"], "5": leaves["1"]}}),
        "another-size": ("The proof of another size", {"size": 6}),
        "size-past-2-53": ("A size that JavaScript cannot count", {"size": 2**53}),
        "another-root": ("A root of another size", {"root": ROOTS[7]}),
        "not-maximal": (
            "Two nodes where their parent belongs",
            {"leaves": {"5": leaves["5"]}, "proof": [ROOTS[2], N24, L4, N68]},
        ),
    }
    yield accepts("merkle-multi-binds-no-size", "Leaves 1 and 5 of 8 also verify as of 7: known", fn, {**pair, "size": 7})
    for name, (about, change) in bent.items():
        yield refuses(f"merkle-multi-{name}", about, fn, {**pair, **change}, "not-included")
