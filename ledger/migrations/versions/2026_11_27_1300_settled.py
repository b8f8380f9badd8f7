"""
How far the object store is known to be on the disk: from there on a start derives it again.

Until now every object was synced before its checkpoint was served, so all that is published is settled.  Older code runs on
these tables, and leaves the mark behind: then a start compares more than it must.

Revision: 0005, after 0004; 2026-11-27 13:00 UTC.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the mark."""
    big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.add_column("published", sa.Column("settled", big, nullable=False, server_default="0"))
    op.execute("UPDATE published SET settled = size")


def downgrade() -> None:
    """Drop it."""
    with op.batch_alter_table("published") as batch:
        batch.drop_column("settled")
