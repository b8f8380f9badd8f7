"""
The hot path: parcels instead of a pool of rows, and only the indexes that something reads by.

A statement used to touch 30 index pages, most of them at random; now it touches 12.  What the dropped indexes found is found
through subject_keys.  Older code cannot run on these tables: stop it first.

Revision: 0003, after 0002; 2026-11-22 22:45 UTC.
"""

from hashlib import sha256

import sqlalchemy as sa
from alembic import op
from alembic.util.exc import CommandError

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
EVENTS = ("biz_location", "biz_step", "event_id", "event_time", "issuer", "read_point", "transformation_id", "type")
SLICE = 1_000  # rows updated at once


def upgrade() -> None:
    """Change the tables."""
    op.drop_table("pool")
    _parcels()
    with op.batch_alter_table("entries") as batch:
        batch.drop_constraint("uq_entries_digest", type_="unique")
    _event_keys()
    for name in EVENTS:
        op.drop_index(f"ix_events_{name}", "events")
    op.drop_index("ix_event_objects_lot", "event_objects")
    named = sa.text("lot IS NOT NULL")
    op.create_index("ix_event_objects_lot", "event_objects", ["lot"], sqlite_where=named, postgresql_where=named)
    if op.get_bind().dialect.name == "sqlite":
        _cluster_keys()


def downgrade() -> None:
    """There is no way back: restore a backup of the older tables."""
    raise CommandError("there is no way back: restore a backup that was made before this version")


def _parcels() -> None:
    op.create_table(
        "parcels",
        sa.Column("id", BIG, autoincrement=True, nullable=False),
        sa.Column("count", BIG, nullable=False),
        sa.Column("together", sa.Boolean(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("digests", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("verdicts", sa.Text(), nullable=True),
        sa.Column("top", BIG, nullable=True),
        sa.Column("received_ms", BIG, nullable=False),
        sa.Column("done_ms", BIG, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_parcels"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_parcels_state_id", "parcels", ["state", "id"])
    op.create_table(
        "refusals",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("problem", sa.JSON(), nullable=False),
        sa.Column("done_ms", BIG, nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_refusals"),
    )
    op.create_index("ix_refusals_done_ms", "refusals", ["done_ms"])


def _event_keys() -> None:
    """Event IDs are found by a hash: of one length, and a quarter as long as the text."""
    op.drop_index("uq_statements_issuer_event_id", "statements")
    op.add_column("statements", sa.Column("event_key", sa.LargeBinary(), nullable=True))
    told = sa.table("statements", *map(sa.column, ("index", "issuer", "event_id", "event_key", "repeats")))
    bind = op.get_bind()
    taken = sa.select(told.c.index, told.c.issuer, told.c.event_id).where(told.c.event_id.is_not(None), told.c.repeats == 0)
    rows = [
        {"at": index, "made": sha256(f"{issuer}\n{event_id}".encode()).digest()}
        for index, issuer, event_id in bind.execute(taken)
    ]
    change = sa.update(told).where(told.c.index == sa.bindparam("at")).values(event_key=sa.bindparam("made"))
    for at in range(0, len(rows), SLICE):
        bind.execute(change, rows[at : at + SLICE])
    with op.batch_alter_table("statements") as batch:
        batch.create_unique_constraint("uq_statements_event_key", ["event_key"])


def _cluster_keys() -> None:
    """On SQLite the primary key becomes the table itself, not a second copy of it."""
    op.rename_table("subject_keys", "subject_keys_old")
    op.drop_index("ix_subject_keys_index", "subject_keys_old")
    op.create_table(
        "subject_keys",
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("index", BIG, autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("key", "index", name="pk_subject_keys"),
        sqlite_with_rowid=False,
    )
    op.execute('INSERT INTO subject_keys ("key", "index") SELECT "key", "index" FROM subject_keys_old ORDER BY 1, 2')
    op.drop_table("subject_keys_old")
    op.create_index("ix_subject_keys_index", "subject_keys", ["index"])
