"""
${message}.

What the old code sees while this runs, and after it: (say it here)

Revision: ${up_revision}, after ${down_revision or "nothing"}; ${create_date}.
"""

import sqlalchemy as sa
from alembic import op
${imports if imports else ""}
revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the tables forward."""
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    """Bring them back, losing what only the newer code knew."""
    ${downgrades if downgrades else "pass"}
