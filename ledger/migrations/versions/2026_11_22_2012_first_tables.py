"""
First tables.

There is no older code: nothing reads this database while it runs.

Revision: 0001, after nothing; 2026-11-22 20:12 UTC.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")  # SQLite counts up only a column of type INTEGER


def upgrade() -> None:
    """Create everything."""
    _log()
    _derived()
    _operations()


def downgrade() -> None:
    """Drop everything: the log is lost."""
    for table in (
        "scans", "label_trees", "looks", "api_keys", "witnesses", "cosignatures", "anchor_attempts", "anchors",
        "withdrawals", "master_data", "commitments", "recall_scope", "recalls", "links", "event_parties",
        "event_objects", "events", "revocations", "grants", "subject_keys", "statements", "entries", "pool",
        "published", "checkpoint", "log",
    ):  # fmt: skip
        op.drop_table(table)


def _log() -> None:
    """The log itself, and what waits to enter it."""
    op.create_table(
        "log",
        sa.Column("id", BIG, autoincrement=False, nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("genesis_digest", sa.LargeBinary(), nullable=False),
        sa.Column("created_ms", BIG, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_log"),
    )
    op.create_table(
        "checkpoint",
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("size", BIG, nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("time_ms", BIG, nullable=False),
        sa.PrimaryKeyConstraint("origin", name="pk_checkpoint"),
    )
    op.create_table(
        "published",
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("size", BIG, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("time_ms", BIG, nullable=False),
        sa.PrimaryKeyConstraint("origin", name="pk_published"),
    )
    op.create_table(
        "pool",
        sa.Column("id", BIG, autoincrement=True, nullable=False),
        sa.Column("signing_input_hash", sa.LargeBinary(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("jws", sa.LargeBinary(), nullable=False),
        sa.Column("disclosures", sa.JSON(), nullable=False),
        sa.Column("received_ms", BIG, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("repeated", sa.Boolean(), nullable=False),
        sa.Column("together", sa.Text(), nullable=True),
        sa.Column("index", BIG, nullable=True),
        sa.Column("problem", sa.JSON(), nullable=True),
        sa.Column("done_ms", BIG, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_pool"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_pool_digest", "pool", ["digest"])
    op.create_index("ix_pool_index", "pool", ["index"])
    op.create_index("ix_pool_state_id", "pool", ["state", "id"])
    op.create_table(
        "entries",
        sa.Column("index", BIG, autoincrement=False, nullable=False),
        sa.Column("time_ms", BIG, nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("entry", sa.LargeBinary(), nullable=False),
        sa.Column("leaf", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("index", name="pk_entries"),
        sa.UniqueConstraint("digest", name="uq_entries_digest"),
    )
    op.create_table(
        "statements",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("index", BIG, nullable=False),
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
        sa.PrimaryKeyConstraint("digest", name="pk_statements"),
        sa.UniqueConstraint("index", name="uq_statements_index"),
        sa.UniqueConstraint("signing_input_hash", name="uq_statements_signing_input_hash"),
    )
    op.create_index("ix_statements_kind_index", "statements", ["kind", "index"])
    op.create_index(
        "uq_statements_issuer_event_id", "statements", ["issuer", "event_id"], unique=True,
        sqlite_where=sa.text("repeats = 0"), postgresql_where=sa.text("repeats = 0"),
    )  # fmt: skip


def _derived() -> None:
    """What is derived from the log, and can be again."""
    op.create_table(
        "subject_keys",
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("index", BIG, autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("key", "index", name="pk_subject_keys"),
    )
    op.create_index("ix_subject_keys_index", "subject_keys", ["index"])
    op.create_table(
        "grants",
        sa.Column("index", BIG, autoincrement=False, nullable=False),
        sa.Column("party", sa.Text(), nullable=False),
        sa.Column("thumbprint", sa.Text(), nullable=False),
        sa.Column("jwk", sa.JSON(), nullable=False),
        sa.Column("roles", sa.JSON(), nullable=False),
        sa.Column("mint", sa.JSON(), nullable=False),
        sa.Column("name", sa.JSON(), nullable=False),
        sa.Column("registrar", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("index", name="pk_grants"),
    )
    op.create_index("ix_grants_party", "grants", ["party"])
    op.create_index("ix_grants_thumbprint", "grants", ["thumbprint"])
    op.create_table(
        "revocations",
        sa.Column("index", BIG, autoincrement=False, nullable=False),
        sa.Column("party", sa.Text(), nullable=False),
        sa.Column("thumbprint", sa.Text(), nullable=False),
        sa.Column("compromised_from", BIG, nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("index", name="pk_revocations"),
        sa.UniqueConstraint("party", "thumbprint", name="uq_revocations_party_thumbprint"),
    )
    op.create_table(
        "events",
        sa.Column("index", BIG, autoincrement=False, nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=True),
        sa.Column("biz_step", sa.Text(), nullable=True),
        sa.Column("disposition", sa.Text(), nullable=True),
        sa.Column("event_id", sa.Text(), nullable=True),
        sa.Column("event_time", BIG, nullable=False),
        sa.Column("offset", sa.Text(), nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("read_point", sa.Text(), nullable=True),
        sa.Column("biz_location", sa.Text(), nullable=True),
        sa.Column("error_declaration", sa.Boolean(), nullable=False),
        sa.Column("transformation_id", sa.Text(), nullable=True),
        sa.Column("adopts", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("index", name="pk_events"),
    )
    op.create_index("ix_events_biz_location", "events", ["biz_location"])
    op.create_index("ix_events_biz_step", "events", ["biz_step"])
    op.create_index("ix_events_event_id", "events", ["event_id"])
    op.create_index("ix_events_event_time", "events", ["event_time"])
    op.create_index("ix_events_issuer", "events", ["issuer"])
    op.create_index("ix_events_read_point", "events", ["read_point"])
    op.create_index("ix_events_transformation_id", "events", ["transformation_id"])
    op.create_index("ix_events_type", "events", ["type"])
    op.create_table(
        "event_objects",
        sa.Column("id", BIG, autoincrement=True, nullable=False),
        sa.Column("index", BIG, nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("uri", sa.Text(), nullable=False),
        sa.Column("lot", sa.Text(), nullable=True),
        sa.Column("product", sa.Text(), nullable=True),
        sa.Column("quantity", sa.Text(), nullable=True),
        sa.Column("uom", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_event_objects"),
    )
    op.create_index("ix_event_objects_index", "event_objects", ["index"])
    op.create_index("ix_event_objects_lot", "event_objects", ["lot"])
    op.create_index("ix_event_objects_product", "event_objects", ["product"])
    op.create_index("ix_event_objects_uri", "event_objects", ["uri"])
    op.create_table(
        "event_parties",
        sa.Column("id", BIG, autoincrement=True, nullable=False),
        sa.Column("index", BIG, nullable=False),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("uri", sa.Text(), nullable=False),
        sa.Column("withheld", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_event_parties"),
    )
    op.create_index("ix_event_parties_index", "event_parties", ["index"])
    op.create_index("ix_event_parties_uri", "event_parties", ["uri"])
    op.create_table(
        "links",
        sa.Column("id", BIG, autoincrement=True, nullable=False),
        sa.Column("from_uri", sa.Text(), nullable=False),
        sa.Column("to_uri", sa.Text(), nullable=False),
        sa.Column("index", BIG, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_links"),
        sa.UniqueConstraint("index", "from_uri", "to_uri", "kind", name="uq_links_index_from_uri_to_uri_kind"),
    )
    op.create_index("ix_links_from_uri", "links", ["from_uri"])
    op.create_index("ix_links_to_uri", "links", ["to_uri"])
    op.create_table(
        "recalls",
        sa.Column("index", BIG, autoincrement=False, nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("class", sa.Text(), nullable=False),
        sa.Column("closes", sa.LargeBinary(), nullable=True),
        sa.Column("closed_by", BIG, nullable=True),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("index", name="pk_recalls"),
        sa.UniqueConstraint("digest", name="uq_recalls_digest"),
    )
    op.create_table(
        "recall_scope",
        sa.Column("index", BIG, autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("uri", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("index", "kind", "uri", name="pk_recall_scope"),
    )
    op.create_index("ix_recall_scope_uri", "recall_scope", ["uri"])
    op.create_table(
        "commitments",
        sa.Column("index", BIG, autoincrement=False, nullable=False),
        sa.Column("lot", sa.Text(), nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("count", BIG, nullable=False),
        sa.Column("previous", sa.LargeBinary(), nullable=True),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("index", name="pk_commitments"),
    )
    op.create_index("ix_commitments_lot", "commitments", ["lot"])
    op.create_table(
        "master_data",
        sa.Column("index", BIG, autoincrement=False, nullable=False),
        sa.Column("uri", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("index", name="pk_master_data"),
    )
    op.create_index("ix_master_data_uri", "master_data", ["uri"])
    op.create_table(
        "withdrawals",
        sa.Column("index", BIG, autoincrement=False, nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("target", BIG, nullable=False),
        sa.PrimaryKeyConstraint("index", name="pk_withdrawals"),
    )
    op.create_index("ix_withdrawals_digest", "withdrawals", ["digest"])
    op.create_index("ix_withdrawals_target", "withdrawals", ["target"])


def _operations() -> None:
    """Anchors, witnesses, accounts, codes."""
    op.create_table(
        "anchors",
        sa.Column("id", BIG, autoincrement=True, nullable=False),
        sa.Column("chain_id", BIG, nullable=False),
        sa.Column("contract", sa.Text(), nullable=False),
        sa.Column("signer", sa.Text(), nullable=False),
        sa.Column("log_id", sa.LargeBinary(), nullable=False),
        sa.Column("size", BIG, nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("tx_hash", sa.LargeBinary(), nullable=True),
        sa.Column("block", BIG, nullable=True),
        sa.Column("block_time_s", BIG, nullable=True),
        sa.Column("remark", sa.Text(), nullable=True),
        sa.Column("created_ms", BIG, nullable=False),
        sa.Column("changed_ms", BIG, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_anchors"),
        sa.UniqueConstraint("chain_id", "contract", "signer", "size", name="uq_anchors_chain_id_contract_signer_size"),
    )
    op.create_index("ix_anchors_state", "anchors", ["state"])
    op.create_table(
        "anchor_attempts",
        sa.Column("id", BIG, autoincrement=True, nullable=False),
        sa.Column("anchor_id", BIG, nullable=False),
        sa.Column("nonce", BIG, nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=False),
        sa.Column("tx_hash", sa.LargeBinary(), nullable=False),
        sa.Column("max_fee", BIG, nullable=False),
        sa.Column("tip", BIG, nullable=False),
        sa.Column("created_ms", BIG, nullable=False),
        sa.Column("sent_ms", BIG, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_anchor_attempts"),
        sa.UniqueConstraint("tx_hash", name="uq_anchor_attempts_tx_hash"),
    )
    op.create_index("ix_anchor_attempts_anchor_id", "anchor_attempts", ["anchor_id"])
    op.create_table(
        "cosignatures",
        sa.Column("size", BIG, autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("key_id", sa.LargeBinary(), nullable=False),
        sa.Column("line", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("size", "name", name="pk_cosignatures"),
    )
    op.create_table(
        "witnesses",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("vkey", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_witnesses"),
    )
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("created_ms", BIG, nullable=False),
        sa.Column("revoked_ms", BIG, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
    )
    op.create_table(
        "looks",
        sa.Column("id", BIG, autoincrement=True, nullable=False),
        sa.Column("at_ms", BIG, nullable=False),
        sa.Column("api_key", sa.Text(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("query", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_looks"),
    )
    op.create_index("ix_looks_api_key", "looks", ["api_key"])
    op.create_index("ix_looks_at_ms", "looks", ["at_ms"])
    op.create_table(
        "label_trees",
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("lot", sa.Text(), nullable=False),
        sa.Column("leaves", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("root", name="pk_label_trees"),
    )
    op.create_index("ix_label_trees_lot", "label_trees", ["lot"])
    op.create_table(
        "scans",
        sa.Column("leaf", sa.LargeBinary(), nullable=False),
        sa.Column("lot", sa.Text(), nullable=False),
        sa.Column("first_ms", BIG, nullable=False),
        sa.Column("last_ms", BIG, nullable=False),
        sa.Column("count", BIG, nullable=False),
        sa.PrimaryKeyConstraint("leaf", name="pk_scans"),
    )
    op.create_index("ix_scans_lot", "scans", ["lot"])
