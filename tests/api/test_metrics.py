"""What an operator watches: every metric is documented, every documented one is there, and none names anybody."""

import re
from pathlib import Path

from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from api.limits import Traffic
from api.metrics import Gauges, Metrics
from ledger.db import open_database
from ledger.models import AnchorRow, CosignatureRow, WitnessRow
from ledger.pooling import Pool
from ledger.running import database_of
from tests.api.conftest import Operator
from tests.support.ledger import FARM, LOT

DOCS = Path(__file__).parents[2] / "docs"


def scraped(operator: Operator) -> dict[str, dict[str, float]]:
    """Value by labels, by sample."""
    found: dict[str, dict[str, float]] = {}
    for family in text_string_to_metric_families(operator.client.get("/metrics").text):
        for sample in family.samples:
            found.setdefault(sample.name, {})[",".join(f"{k}={v}" for k, v in sorted(sample.labels.items()))] = sample.value
    return found


def served(operator: Operator) -> set[str]:
    families = text_string_to_metric_families(operator.client.get("/metrics").text)
    named = {family.name + ("_total" if family.type == "counter" else "") for family in families}
    return {name for name in named if not name.endswith("_created")}  # the library's own: when it began to count


def test_every_metric_is_documented_and_every_documented_one_is_served(operator: Operator) -> None:
    documented = set(re.findall(r"^\| `(originmark_[a-z_]+)`", (DOCS / "operations.md").read_text("utf-8"), re.M))
    assert served(operator) == documented


def test_every_alert_is_about_a_metric_that_is_served(operator: Operator) -> None:
    named = set(re.findall(r"originmark_[a-z_]+", (DOCS / "alerts.yml").read_text("utf-8")))
    names = served(operator)
    known = names | {f"{name}{end}" for name in names for end in ("_bucket", "_count", "_sum")}
    assert named - {"originmark_"} <= known


def test_a_refusal_is_counted_by_its_type_and_names_nobody(operator: Operator) -> None:
    before = scraped(operator).get("originmark_refused_total", {}).get("code=not-a-jws", 0)
    operator.post(b"hello")
    operator.client.get("/recalls")
    operator.client.get(LOT.removeprefix("https://id.gs1.org"))
    after = scraped(operator)
    assert after["originmark_refused_total"]["code=not-a-jws"] == before + 1
    assert "method=GET,route=/recalls,status=200" in after["originmark_http_seconds_count"]
    text = operator.client.get("/metrics").text
    assert FARM not in text
    assert "H-1" not in text


def test_lag_of_witness_and_anchor_is_what_the_tables_say(operator: Operator) -> None:
    size, database = operator.size, database_of(operator.settings)
    with database.writing() as session:
        session.add(WitnessRow(name="slow.example/w", vkey="x", url="local:slow"))
        session.add(CosignatureRow(size=1, name="slow.example/w", key_id=b"1234", line="x"))
        session.add(AnchorRow(chain_id=1, contract="0x", signer="0x", log_id=b"", size=1, root=b"", state="final",
                              created_ms=0, changed_ms=0))  # fmt: skip
        session.commit()
    found = scraped(operator)
    assert found["originmark_witness_lag_entries"]["witness=slow.example/w"] == size - 1
    assert found["originmark_anchor_lag_entries"][""] == size - 1
    assert found["originmark_anchored_entries"][""] == 1
    assert 0 <= found["originmark_checkpoint_age_seconds"][""] < 700
    with database.writing() as session:
        for table in (WitnessRow, CosignatureRow, AnchorRow):
            session.query(table).delete()
        session.commit()
    database.close()


def test_batches_are_counted_as_the_sequencer_tells_them() -> None:
    metrics = Metrics(CollectorRegistry())
    metrics.batch(judged=300, added=299, size=1_000, seconds=0.2, waited_s=0.4)
    metrics.stopped(OSError())
    metrics.witness("w", signed=False, seconds=1.0)
    value = metrics.registry.get_sample_value
    assert value("originmark_batch_statements_sum") == 300
    assert value("originmark_sequencing_seconds_sum") == 0.2
    assert value("originmark_publication_seconds_sum") == 0.4
    assert value("originmark_sequencer_stops_total") == 1
    assert value("originmark_witness_seconds_count", {"witness": "w", "signed": "false"}) == 1


def test_a_database_that_is_away_does_not_blind_the_operator(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path / 'empty.db'}")
    found = {one.name: one for one in Gauges(database, Pool(), Traffic(requests=3)).collect()}
    database.close()
    assert found["originmark_database_up"].samples[0].value == 0
    assert found["originmark_requests_now"].samples[0].value == 3
