"""
What a transaction offers for its place in a block: arithmetic only, in wei per gas.

Asking the node for the figures is in evm.py; refusing what is too dear is too.

Source: EIP-1559; geth's pool replaces a transaction for 10 % more of both fields, other pools for 12.5 %.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median_low

GWEI = 10**9  # wei
BUMP = (5, 4)  # 1.25: above the 12.5 % that the strictest pool asks for


@dataclass(frozen=True, slots=True)
class Fees:
    """The two fields of an EIP-1559 transaction."""

    max_fee: int
    tip: int


@dataclass(frozen=True, slots=True)
class FeeLimits:
    """What the operator is willing to pay."""

    min_tip: int = GWEI // 10
    """Offered even where the last blocks gave less: a chain's miners ignore dust."""
    max_fee: int = 200 * GWEI
    """Never offered more, bumps included."""


def quote(base: int, tips: Sequence[int], limits: FeeLimits) -> Fees:
    """Fees for the next block: room for the base fee to double, and the median of the recent tips."""
    tip = max(median_low(tips) if tips else 0, limits.min_tip)
    return Fees(max_fee=2 * base + tip, tip=tip)


def bump(stuck: Fees, market: Fees) -> Fees:
    """Fees that replace a stuck transaction: both fields x 1.25, rounded up, and not below the market."""
    return Fees(max_fee=max(_more(stuck.max_fee), market.max_fee), tip=max(_more(stuck.tip), market.tip))


def _more(amount: int) -> int:
    return -(-amount * BUMP[0] // BUMP[1])
