"""A short run of what `make fuzz` does for minutes: no 500, no hang, no growth, and the description tells the truth."""

from pathlib import Path

from tests.e2e.fuzz import attack

SEED = 20_261_122


def test_hostile_statements_and_requests_end_in_refusals_and_a_clean_audit(tmp_path: Path) -> None:
    sent = attack(tmp_path, seconds=6, examples=0, seed=SEED)
    assert sent["statements"] >= 120
    assert sent["requests"] >= 100


def test_the_service_answers_everything_as_its_own_description_says(tmp_path: Path) -> None:
    assert attack(tmp_path, seconds=0, examples=7, seed=SEED)["described"] >= 100
