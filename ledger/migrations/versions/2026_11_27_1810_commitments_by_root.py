"""
Commitments are found by their root: anybody may hand in leaves, and each time all commitments were looked through.

Revision: 0006, after 0005; 2026-11-27 18:10 UTC.
"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the index."""
    op.create_index("ix_commitments_root", "commitments", ["root"])


def downgrade() -> None:
    """Drop it."""
    op.drop_index("ix_commitments_root", "commitments")
