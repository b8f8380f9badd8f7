"""A receipt costs the same in a long log: the statement is found by an index, never by reading through the entries."""

from typing import Any

from sqlalchemy import Connection, event

from ledger.receipts import receipt
from tests.support.ledger import FARM, Rig, p256


def test_no_table_is_read_through_to_make_a_receipt(farm: Rig) -> None:
    raws = [farm.event(FARM, p256("farm")) for _ in range(300)]
    indexes = farm.log(*raws)
    asked: list[tuple[str, Any]] = []

    def note(_c: Connection, _cursor: object, statement: str, parameters: Any, _context: object, _many: bool) -> None:
        asked.append((statement, parameters))

    event.listen(farm.database.engine, "before_cursor_execute", note)
    with farm.database.reading() as session:
        found = receipt(session, farm.store, farm.entry(indexes[7]).digest)
    event.remove(farm.database.engine, "before_cursor_execute", note)
    assert found.index == indexes[7]
    queries = [one for one in asked if " entries" in one[0]]
    assert queries
    if not farm.database.is_sqlite:
        return  # PostgreSQL reads through a table this small, and knows better in a long one
    with farm.database.engine.connect() as connection:
        for statement, parameters in queries:
            plan = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)]
            assert not any(step.startswith("SCAN") for step in plan), plan
