"""The end of a log: one row, or none while it grows."""

from sqlalchemy.orm import Mapped, mapped_column

from ledger.models.base import Base


class FreezeRow(Base):
    """Trusted for availability: who writes it stops the log, who removes it lets it go on.  See freezing.py."""

    __tablename__ = "freezes"
    origin: Mapped[str] = mapped_column(primary_key=True)
    successor: Mapped[str]
    """Origin of the log that goes on; empty where none does."""
    url: Mapped[str]
    """Where its statements are taken."""
    announced_ms: Mapped[int]
    """From here on nothing new is admitted."""
    frozen_ms: Mapped[int | None]
    """Time of the last checkpoint; None while what was admitted before is still being sequenced."""
    size: Mapped[int | None]
    """Of the frozen log."""
