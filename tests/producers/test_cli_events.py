"""`python -m producers event`, as a farm types it: one line, one signed record."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.producers.fake_log import FakeLog
from tests.producers.farm import FARM, LOT, PLACE
from tests.producers.typed import GOOD, USAGE, logged, run

PALLET = "https://id.gs1.org/00/095212340000000013"


class TestEvents:
    EVENTS: Sequence[tuple[str, ...]] = (
        ("harvest", f"{LOT},820.50,kg", "--commodity", "tomato", "--variety", "粉果"),
        ("pack", f"{LOT},820.5,KGM", "--into", "01/09521234000013/10/PK1,1600,H87", "--description", "500 g tray"),
        ("aggregate", "01/09521234000013/10/PK1,1600,H87", "--parent", PALLET),
        ("ship", PALLET, "--partner", "https://warehouse.example/hz", "--reference", "po:4711"),
        ("receive", PALLET, "--partner", "https://farm.example/wang"),
        ("sell", "01/09521234000013/10/PK1,1,H87", "--last"),
    )

    def test_every_kind_is_told_in_one_line(self, farm: Path, log: FakeLog) -> None:
        for kind, *rest in self.EVENTS:
            assert run("event", kind, *rest, "--place", "9521234000013", "--server", log.server) == GOOD
        told = [one.disclosed for one in logged(log)]
        assert [event["type"] for event in told] == [
            "ObjectEvent", "TransformationEvent", "AggregationEvent", "ObjectEvent", "ObjectEvent", "ObjectEvent",
        ]  # fmt: skip
        assert [event.get("bizStep") for event in told] == [
            "commissioning", "packing", "packing", "shipping", "receiving", "retail_selling",
        ]  # fmt: skip
        assert str(told[0]["quantityList"][0]["quantity"]) == "820.50"
        assert all(event["readPoint"] == {"id": PLACE} for event in told)
        assert told[3]["sourceList"][0] == {"type": "owning_party", "source": FARM}
        assert told[4]["destinationList"][0] == {"type": "owning_party", "destination": FARM}

    def test_an_event_can_be_looked_at_before_it_is_signed(self, farm: Path, capsys: pytest.CaptureFixture[str]) -> None:
        time = "2026-03-02T06:10:00+08:00"
        harvest = ["harvest", f"{LOT},1,KGM", "--commodity", "tomato", "--place", PLACE, "--time", time]
        assert run("event", *harvest, "--print") == GOOD
        assert json.loads(capsys.readouterr().out)["eventTime"] == "2026-03-02T06:10:00.000+08:00"
        assert not (farm / "outbox.db").exists()

    def test_the_same_event_told_twice_is_one(self, farm: Path, log: FakeLog) -> None:
        time = ["--time", "2026-03-02T06:10:00+08:00", "--place", PLACE, "--server", log.server]
        for _ in range(2):
            assert run("event", "harvest", f"{LOT},1,KGM", "--commodity", "tomato", *time) == GOOD
        assert len(log.entries) == 1

    @pytest.mark.parametrize(("kind", "option", "value"), [
        ("sell", "--partner", "https://warehouse.example/hz"), ("sell", "--into", LOT), ("harvest", "--into", LOT),
        ("ship", "--last", ""), ("aggregate", "--commodity", "tomato"), ("receive", "--parent", PALLET),
        ("harvest", "--partner-place", PLACE), ("pack", "--partner", FARM), ("sell", "--description", "tray"),
    ])  # fmt: skip
    def test_an_option_of_another_kind_is_refused_and_never_left_out_of_what_is_signed(
        self, farm: Path, capsys: pytest.CaptureFixture[str], kind: str, option: str, value: str
    ) -> None:
        assert run("event", kind, LOT, "--place", PLACE, option, *[value] * bool(value)) == USAGE
        said = capsys.readouterr().err.replace("\n", " ")
        assert option in said
        assert f"{kind} does not take this; it takes --" in said
        assert not (farm / "outbox.db").exists()

    @pytest.mark.parametrize(("arguments", "said"), [
        (("cook", LOT), "one of"),
        (("harvest", LOT), "--commodity"),
        (("ship", LOT), "--partner"),
        (("aggregate", LOT), "--parent"),
        (("pack", LOT, "--description", "x"), "at least one input and one output"),
        (("harvest", f"{LOT},many", "--commodity", "x"), "not a number"),
        (("harvest", f"{LOT},1_0", "--commodity", "x"), "not a number in plain digits"),
        (("harvest", f"{LOT},１０", "--commodity", "x"), "not a number in plain digits"),
        (("harvest", LOT, "--commodity", " "), "--commodity"),
        (("pack", LOT, "--into", LOT, "--description", "\t"), "--description"),
        (("pack", LOT, "--into", "01/9521234000013/10/H7,5,KGM", "--description", "x"), "stands on both sides"),
        (("aggregate", PALLET, "--parent", "00/095212340000000013"), "stands on both sides"),
        (("aggregate", LOT, "--parent", PLACE), "a place or a party, no goods"),
        (("ship", PLACE, "--partner", FARM), "a place or a party, no goods"),
        (("sell", "417/9521234000013"), "a place or a party, no goods"),
        (("ship", LOT, "--partner", PLACE), "is no party but a place"),
        (("ship", LOT, "--partner", LOT), "is no party but a lot"),
        (("harvest", f"{LOT},1,basket", "--commodity", "x"), "unknown unit"),
        (("harvest", f"{LOT},1,KGM,2", "--commodity", "x"), "URI,AMOUNT"),
        (("harvest", "01/09521234000014/10/H7", "--commodity", "x"), "check digit"),
        (("sell", LOT, "--time", "yesterday"), "RFC 3339"),
        (("sell", LOT, "--time", "2099-01-01T00:00:00Z"), "24 hours ahead"),
        (("sell", LOT, "--time", "2026-11-28T06:00:00+15:00"), "at most 14 hours"),
        (("sell", LOT, "--reference", "4711"), "KIND:NUMBER"),
    ])  # fmt: skip
    def test_what_is_missing_or_wrong_is_said(
        self, farm: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
    ) -> None:
        assert run("event", *arguments, "--place", PLACE) == USAGE
        assert said in capsys.readouterr().err.replace("\n", " ")
        assert not (farm / "outbox.db").exists()
