"""A farm's labels against the real service: what its commands printed, a scan proves, and no shopper meets an empty promise."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.support.service import Service, running_service
from verify import gs1
from verify.bundle import parse_bundle

FARM = "https://id.gs1.org/417/9521234000013"
PLACE = "https://id.gs1.org/414/9521234000013"
PRODUCT = "https://id.gs1.org/01/09521234000013"
GOOD, BAD, USAGE, NOT_SENT = 0, 1, 2, 3


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running_service(tmp_path_factory.mktemp("labels")) as service:
        yield service


@pytest.fixture(scope="module")
def farm(service: Service) -> Path:
    """The farm's folder, with a granted key."""
    return service.enrol(service.data.parent, FARM, "producer", mint=("9521234000013",)).parent


class Told:
    """What a farm types, for one lot."""

    def __init__(self, service: Service, farm: Path, lot: str) -> None:
        self.service, self.farm, self.lot = service, farm, f"{PRODUCT}/10/{lot}"
        self.speaks = ["--issuer", FARM, "--key", str(farm / "9521234000013.pem"), "--outbox", str(farm / f"{lot}.db")]
        self.server = ["--server", service.url]

    def harvest(self) -> int:
        return self.event("harvest", f"{self.lot},1,KGM", "--commodity", "tomato")

    def event(self, *words: str) -> int:
        return self.run("event", *words, "--place", PLACE, *self.speaks, *self.server)

    def labels(self, name: str, *words: str) -> int:
        made = ["--secret", str(self.farm / f"{name}.json"), "--out", str(self.farm / name), "--resolver", "https://id.example.org"]
        return self.run("labels", self.lot, "--count", "3", *made, *self.speaks, *words)

    def run(self, *words: str) -> int:
        return self.service.in_process("producers", *words)[0]

    def scanned(self, name: str) -> list[bool]:
        """Whether a scan of each printed code is answered with its proof."""
        codes = json.loads((self.farm / name / "codes.json").read_text())["codes"]
        answers = [httpx2.get(self.service.url + code.removeprefix("https://id.example.org")) for code in codes]
        return [parse_bundle(answer.content).item is not None for answer in answers]


def test_labels_made_without_a_network_are_proven_to_whoever_scans_them(service: Service, farm: Path) -> None:
    told = Told(service, farm, "A1")
    assert told.harvest() == GOOD
    assert told.labels("a1", "--origin", service.origin) == NOT_SENT
    assert told.run("submit", *told.speaks[4:], *told.server) == GOOD
    assert told.scanned("a1") == [True] * 3


def test_labels_made_before_the_harvest_are_proven_once_it_is_told(service: Service, farm: Path) -> None:
    told = Told(service, farm, "B1")
    assert told.labels("b1", *told.server) == BAD
    assert told.harvest() == GOOD
    assert told.run("submit", "--again", *told.speaks[4:], *told.server) == GOOD
    assert told.labels("b1", *told.server) == GOOD
    assert told.scanned("b1") == [True] * 3


def test_a_lot_with_labels_gets_no_others_from_another_computer_unless_they_top_it_up(
    service: Service, farm: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told, other = Told(service, farm, "C1"), Told(service, farm, "C1")
    other.speaks[-1] = str(farm / "other.db")
    assert told.harvest() == GOOD
    assert told.labels("c1", *told.server) == GOOD
    capsys.readouterr()
    assert other.labels("c2", *told.server) == USAGE
    digest = capsys.readouterr().err.partition("--previous ")[2].split()[0]
    assert [(farm / name).exists() for name in ("c2", "c2.json", "other.db")] == [False] * 3
    assert other.labels("c2", "--origin", service.origin, "--previous", digest) == NOT_SENT
    capsys.readouterr()
    assert other.labels("c3", *told.server, "--previous", digest) == USAGE  # the second ones wait, and are the last
    digest = capsys.readouterr().err.partition("--previous ")[2].split()[0]
    assert other.labels("c3", *told.server, "--previous", digest) == GOOD
    assert told.scanned("c1") + told.scanned("c2") + told.scanned("c3") == [True] * 9


def test_a_code_is_not_published_by_a_shipment_and_may_be_by_its_sale(
    service: Service, farm: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = Told(service, farm, "D1")
    assert told.harvest() == GOOD
    assert told.labels("d1", *told.server) == GOOD
    code = gs1.parse_label(json.loads((farm / "d1/codes.json").read_text())["codes"][0]).parts["21"]
    assert told.event("ship", f"01/9521234000013/10/D1/21/{code}", "--partner", "https://warehouse.example/hz") == BAD
    assert "serial" in capsys.readouterr().err
    assert told.event("sell", f"01/9521234000013/10/D1/21/{code}") == GOOD
