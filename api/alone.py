"""
Statements that come alone, one a request, from their bytes to the answer with its proof.

Those that come at one moment are examined together, wait in one parcel, and get their proofs in one go; each is judged for
itself, and each sender is told about their own.

Source: interface.md, POST /statements.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from api.intake import Intake
from api.proofs import Proofs
from api.together import Together
from ledger.pooling import Outcome


class Told(NamedTuple):
    """What became of one statement; its receipt as text where it has an index."""

    outcome: Outcome
    proof: str | None


@dataclass(slots=True)
class Alone:
    """Belongs to one event loop."""

    intake: Intake
    proofs: Proofs
    _together: Together[Told] = field(init=False)

    def __post_init__(self) -> None:
        self._together = Together(self._log)

    async def log(self, raw: bytes) -> Told:
        """Log one statement.  Raises Refused (`pool-full`), and what making a receipt raises."""
        # Before it joins the others: a key that nobody knows is looked for in its sender's own time.
        await self.intake.learn(raw)
        return await self._together.answer_to(raw)

    async def _log(self, raws: Sequence[bytes]) -> list[Told]:
        outcomes = await self.intake.submit_apart(raws)
        places = [(one.index, one.digest) for one in outcomes if one.index is not None]
        proofs = iter(await self.proofs.of(places) if places else ())
        return [Told(one, None if one.index is None else next(proofs)) for one in outcomes]
