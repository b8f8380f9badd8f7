"""
The tables.  What each is for, and who can hurt us through it, stands at its class.

    log.py           the log itself: what waits, what is in it, the checkpoint over it
    derived.py       what follows from the log, and is rebuilt from it
    freezing.py      the end of a log
    operations.py    what the log does not say: anchors under way, witnesses, accounts, item codes

Digests, keys and hashes are raw bytes (32 unless said otherwise), times are ms since 1970 in UTC, URIs are canonical
(verify/gs1.py).  alembic owns the schema (migrations/); `index` is always a position in the log.
"""

from ledger.models.base import Base
from ledger.models.derived import (
    CommitmentRow,
    EventObject,
    EventRow,
    GrantRow,
    Link,
    MasterRow,
    RecallRow,
    RecallScope,
    RevocationRow,
    SubjectKey,
    WithdrawalRow,
)
from ledger.models.freezing import FreezeRow
from ledger.models.log import (
    CheckpointRow,
    EntryRow,
    HashHead,
    Log,
    ParcelRow,
    Published,
    RefusalRow,
    StatementRow,
)
from ledger.models.operations import (
    AnchorAttempt,
    AnchorRow,
    ApiKey,
    CosignatureRow,
    LabelTree,
    Look,
    Scan,
    WitnessRow,
)

__all__ = [
    "Base",
    "Log",
    "CheckpointRow",
    "Published",
    "FreezeRow",
    "ParcelRow",
    "RefusalRow",
    "EntryRow",
    "StatementRow",
    "HashHead",
    "SubjectKey",
    "GrantRow",
    "RevocationRow",
    "EventRow",
    "EventObject",
    "Link",
    "RecallRow",
    "RecallScope",
    "CommitmentRow",
    "MasterRow",
    "WithdrawalRow",
    "AnchorRow",
    "AnchorAttempt",
    "CosignatureRow",
    "WitnessRow",
    "ApiKey",
    "Look",
    "LabelTree",
    "Scan",
]
