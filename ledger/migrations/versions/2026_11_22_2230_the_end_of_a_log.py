"""
The end of a log.

The old code does not look at the table and goes on growing the log: stop it before `originmark freeze`.

Revision: 0002, after 0001; 2026-11-22 22:30 UTC.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the table, empty."""
    op.create_table(
        "freezes",
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("successor", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("announced_ms", BIG, nullable=False),
        sa.Column("frozen_ms", BIG, nullable=True),
        sa.Column("size", BIG, nullable=True),
        sa.PrimaryKeyConstraint("origin", name="pk_freezes"),
    )


def downgrade() -> None:
    """Drop it: a frozen log would grow again."""
    op.drop_table("freezes")
