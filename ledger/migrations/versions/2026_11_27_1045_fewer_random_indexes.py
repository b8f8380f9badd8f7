"""
Fewer random indexes: statements stand in the order of the log and are found by eight bytes, objects by their subject keys.

A statement brought 23 index rows, 7 of them at random places; now it brings 10, and 3.  Nothing is lost: what the dropped indexes
found is found through the others, and what they kept unique is judged (earlier.py).  Every statement is copied: there must be
room for them twice.  Older code cannot run on these tables: stop it first.

Revision: 0004, after 0003; 2026-11-27 10:45 UTC.
"""

import json
from typing import Any

import sqlalchemy as sa
from alembic import op
from alembic.util.exc import CommandError

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
HEAD = "('x' || encode(substring({0} FROM 1 FOR 8), 'hex'))::bit(64)::bigint"  # on PostgreSQL; on SQLite a function of ours
KEPT = 'digest, signing_input_hash, kind, issuer, kid, event_id, repeats, valid_from, jws, disclosures, erased_by'
SLICE = 10_000  # entries
NUMBERED = {
    "event_objects": "role, uri, lot, product, quantity, uom",
    "links": "from_uri, to_uri, kind",
}
DROPPED = {
    "statements": (("ix_statements_kind_index",), ("pk", "uq_{}_index", "uq_{}_signing_input_hash", "uq_{}_event_key")),
    "event_objects": (("ix_{}_index", "ix_{}_lot", "ix_{}_product", "ix_{}_uri"), ("pk",)),
    "links": (("ix_{}_from_uri", "ix_{}_to_uri"), ("pk", "uq_{}_index_from_uri_to_uri_kind")),
}


def upgrade() -> None:
    """Change the tables."""
    op.drop_index("ix_subject_keys_index", "subject_keys")
    # The one event ID that is looked for: a declaration that an event was wrong.
    op.create_index("ix_events_event_id", "events", ["event_id"], sqlite_where=sa.text("error_declaration = 1"),
                    postgresql_where=sa.text("error_declaration"))  # fmt: skip
    _statements()
    _event_objects()
    _parties()
    _links()


def downgrade() -> None:
    """There is no way back: restore a backup of the older tables."""
    raise CommandError("there is no way back: restore a backup that was made before this version")


def _statements() -> None:
    _put_aside("statements")
    op.create_table(
        "statements",
        sa.Column("index", BIG, autoincrement=False, nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("signing_input_hash", sa.LargeBinary(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("kid", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=True),
        sa.Column("repeats", BIG, nullable=False),
        sa.Column("valid_from", sa.Text(), nullable=False),
        sa.Column("jws", sa.LargeBinary(), nullable=True),
        sa.Column("disclosures", sa.JSON(), nullable=False),
        sa.Column("erased_by", BIG, nullable=True),
        sa.PrimaryKeyConstraint("index", name="pk_statements"),
        postgresql_with={"toast_tuple_target": 8_160},  # bytes: rows of 2 KB are not worth compressing
    )
    op.create_table(
        "hash_heads",
        sa.Column("head", BIG, autoincrement=False, nullable=False),
        sa.Column("index", BIG, autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("head", "index", name="pk_hash_heads"),
        sqlite_with_rowid=False,
    )
    head = HEAD
    if op.get_bind().dialect.name == "sqlite":
        raw: Any = op.get_bind().connection.driver_connection
        raw.create_function("head", 1, lambda hashed: int.from_bytes(hashed[:8], "big", signed=True), deterministic=True)
        head = "head({0})"
    taken = head.format("coalesce(event_key, signing_input_hash)")
    op.execute(f'INSERT INTO statements ("index", {KEPT}) SELECT "index", {KEPT} FROM statements_old ORDER BY "index"')  # noqa: S608
    op.execute(f"""
        INSERT INTO hash_heads (head, "index")
        SELECT {head.format("digest")}, "index" FROM statements_old
        UNION SELECT {taken}, "index" FROM statements_old ORDER BY 1, 2
    """)  # noqa: S608 - names of our own
    op.drop_table("statements_old")


def _event_objects() -> None:
    _number(
        "event_objects",
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("uri", sa.Text(), nullable=False),
        sa.Column("lot", sa.Text(), nullable=True),
        sa.Column("product", sa.Text(), nullable=True),
        sa.Column("quantity", sa.Text(), nullable=True),
        sa.Column("uom", sa.Text(), nullable=True),
    )
    op.create_index("ix_event_objects_product", "event_objects", ["product"])


def _parties() -> None:
    """What an event names as source or destination becomes a column of it: nothing is looked for by it."""
    op.add_column("events", sa.Column("parties", sa.Text(), nullable=True))
    ends = sa.table("event_parties", *map(sa.column, ("id", "index", "direction", "type", "uri", "withheld")))
    told = sa.table("events", *map(sa.column, ("index", "parties")))
    change = sa.update(told).where(told.c.index == sa.bindparam("at")).values(parties=sa.bindparam("made"))
    bind = op.get_bind()
    last = bind.scalar(sa.select(sa.func.max(ends.c.index)))
    for start in range(0, (last or 0) + 1, SLICE):
        found: dict[int, list[list[object]]] = {}
        span = sa.select(ends).where(ends.c.index >= start, ends.c.index < start + SLICE).order_by(ends.c.id)
        for _, index, *one, withheld in bind.execute(span):
            found.setdefault(index, []).append([*one, bool(withheld)])
        rows = [{"at": at, "made": json.dumps(made, ensure_ascii=False, separators=(",", ":"))} for at, made in found.items()]
        if rows:
            bind.execute(change, rows)
    op.drop_table("event_parties")


def _links() -> None:
    _number(
        "links",
        sa.Column("from_uri", sa.Text(), nullable=False),
        sa.Column("to_uri", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
    )
    op.create_index("ix_links_from_uri", "links", ["from_uri"])
    op.create_index("ix_links_to_uri", "links", ["to_uri"])


def _number(name: str, *columns: sa.Column[Any]) -> None:
    """Number the rows of each statement from 0, in the order in which they were written, instead of all of them together."""
    _put_aside(name)
    op.create_table(
        name,
        sa.Column("index", BIG, autoincrement=False, nullable=False),
        sa.Column("ordinal", BIG, autoincrement=False, nullable=False),
        *columns,
        sa.PrimaryKeyConstraint("index", "ordinal", name=f"pk_{name}"),
        sqlite_with_rowid=False,
    )
    told = NUMBERED[name]
    op.execute(f"""
        INSERT INTO {name} ("index", ordinal, {told})
        SELECT "index", row_number() OVER (PARTITION BY "index" ORDER BY id) - 1, {told} FROM {name}_old ORDER BY 1, 2
    """)  # noqa: S608 - names of our own
    op.drop_table(f"{name}_old")


def _put_aside(name: str) -> None:
    """Rename a table, and free the names of its indexes."""
    indexes, constraints = DROPPED[name]
    for index in indexes:
        op.drop_index(index.format(name), name)
    op.rename_table(name, f"{name}_old")
    if op.get_bind().dialect.name == "postgresql":
        for constraint in constraints:
            op.drop_constraint(f"pk_{name}" if constraint == "pk" else constraint.format(name), f"{name}_old")
