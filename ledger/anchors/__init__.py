"""
Anchors: what a chain must offer so that a head of the log can be written where the operator cannot unwrite it.

    State      submitted -> included -> safe -> final: the chain's own words, never ours

    AnchorError           the chain did not do what was asked
      NodeTrouble           no usable answer: nothing is decided, look again later
      WrongChain            chain id, contract or code is not the pinned one: nothing was signed
      Refused               the contract refuses this head
      Conflict              the contract holds another root for this size: raise the alarm, never overwrite
      TooDear               the fees are above the cap: wait, and tell somebody

The outbox that keeps the attempts is not here, nor is any chain: one module per kind of chain (evm.py).

Source: protocol.md section 4.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, Protocol

from verify.merkle import Hash
from verify.policy import AnchorPin

from .fees import Fees

BlockTag = Literal["latest", "safe", "finalized"]


class State(StrEnum):
    """How firmly a head stands on the chain."""

    SUBMITTED = "submitted"
    INCLUDED = "included"
    SAFE = "safe"
    FINAL = "final"


@dataclass(frozen=True, slots=True)
class Head:
    """The newest tree a signer anchored: size leaves (at least 1) and the root over them."""

    size: int
    root: Hash


@dataclass(frozen=True, slots=True)
class Attempt:
    """One signed transaction.  Store it before it is broadcast: these bytes may be sent again, others must not."""

    raw: bytes
    tx_hash: bytes
    """32 bytes; what `find` asks for."""
    nonce: int
    fees: Fees


@dataclass(frozen=True, slots=True)
class Submitted:
    """The node has the transaction, or says why it will not take it; only the head tells whether it counts."""

    tx_hash: bytes
    remark: str | None
    """The node's words where they mean "look again": already known, nonce too low, underpriced."""


@dataclass(frozen=True, slots=True)
class Included:
    """The block that holds a transaction.  Before finality another block may take its place."""

    number: int
    block_hash: bytes
    time_s: int
    """The chain's time, seconds since 1970: neither the party's nor ours."""
    reverted: bool
    """The transaction is in the block and changed nothing."""


class AnchorBackend(Protocol):
    """One contract on one chain, for one log and one signer.  Every method may raise NodeTrouble."""

    @property
    def pin(self) -> AnchorPin:
        """What a reader's policy has to name."""

    def head(self, at: BlockTag = "latest") -> Head:
        """The signer's head; (1, log id) where nothing was published.  Raises WrongChain where no contract is."""

    def prepare(self, head: Head, proof: Sequence[Hash], *, replaces: Attempt | None = None) -> Attempt:
        """
        Sign a transaction that anchors `head`, and send nothing.

        `proof` leads from the contract's head to the new one.  `replaces` keeps the nonce of a stuck attempt and raises
        its fees; without it nothing may be in flight.  Raises WrongChain, Refused, TooDear.
        """

    def broadcast(self, raw: bytes) -> Submitted:
        """Send the stored bytes, once; sending them again is always safe."""

    def standing(self, head: Head) -> State:
        """How firmly the contract holds `head` or one grown from it.  Raises Conflict."""

    def find(self, tx_hash: bytes) -> Included | None:
        """The block that holds the transaction now; None where no block does."""

    def next_nonce(self) -> int:
        """The first nonce that no block has used: an attempt below it is decided, one way or the other."""

    def gas_money(self) -> int:
        """What the gas payer owns, in wei."""


class AnchorError(Exception):
    """The chain did not do what was asked."""


class NodeTrouble(AnchorError):
    """No usable answer: nothing is decided, look again later."""


class WrongChain(AnchorError):
    """Chain id, contract or code is not the pinned one: nothing was signed."""


class Refused(AnchorError):
    """The contract refuses this head; `reason` is the name of its error."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the contract refuses this head: {reason}")
        self.reason = reason


class Conflict(AnchorError):
    """The contract holds another root for this size."""

    def __init__(self, held: Head, ours: Head) -> None:
        super().__init__(f"the contract holds another root at size {held.size} than the log")
        self.held = held
        self.ours = ours


class TooDear(AnchorError):
    """The fees are above the cap; all in wei per gas."""

    def __init__(self, needed: int, cap: int) -> None:
        super().__init__(f"an anchor would cost {needed} wei per gas, the cap is {cap}")
        self.needed = needed
        self.cap = cap
