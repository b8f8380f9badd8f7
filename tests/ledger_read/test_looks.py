"""Keys of regulators, and the record of every look they take."""

import pytest

from ledger.accounts import create_api_key, revoke_api_key
from ledger.db import Database
from ledger.looks import find_key, looks_of, record_look
from ledger.models import ApiKey


def test_only_the_whole_key_opens(database: Database) -> None:
    with database.writing() as session:
        key = create_api_key(session, "Market Supervision", "regulator", 1)
        found = find_key(session, key)
        assert found is not None
        assert (found.name, found.role) == ("Market Supervision", "regulator")
        for wrong in (key[:-1], key + "x", key.upper(), f"om_{found.id}_", found.id, "", "om__", "x" * 10_000, "om_\u4e2d_x"):
            assert find_key(session, wrong) is None


def test_a_stolen_table_of_keys_opens_nothing(database: Database) -> None:
    with database.writing() as session:
        key = create_api_key(session, "Market Supervision", "regulator", 1)
        row = session.query(ApiKey).one()
        assert key not in (row.id, row.name, row.sha256.hex())
        assert find_key(session, f"om_{row.id}_{row.sha256.hex()}") is None


def test_a_revoked_key_ends_at_once(database: Database) -> None:
    with database.writing() as session:
        key = create_api_key(session, "Market Supervision", "regulator", 1)
        found = find_key(session, key)
        assert found is not None
        revoke_api_key(session, found.id, 2)
        assert find_key(session, key) is None


@pytest.mark.parametrize("query", ["https://id.gs1.org/01/09520001000027/10/P-1", "\x00" * 5_000, "批次"])
def test_every_look_is_kept_with_who_what_and_when(database: Database, query: str) -> None:
    with database.writing() as session:
        record_look(session, "abcd", what="trace back", query=query, at_ms=7)
        record_look(session, "other", what="label", query="x", at_ms=8)
        (kept,) = looks_of(session, "abcd")
        assert (kept.at_ms, kept.what, kept.query[:3]) == (7, "trace back", query.replace("\x00", "\ufffd")[:3])
        assert len(looks_of(session)) == 2
