"""`python -m producers labels`, as a farm types it: whatever happens on the way, a code that is printed can be proven."""

import json
import stat
from collections.abc import Sequence
from pathlib import Path

import pytest

from producers.labels import ItemCodes, read_secret
from producers.resolver import NoResolver, check_label, check_resolver, is_private
from tests.producers.fake_log import ORIGIN, FakeLog, Problem
from tests.producers.farm import LOT, PLACE
from tests.producers.typed import BAD, GOOD, NOT_SENT, USAGE, run
from verify import gs1
from verify.statement import Statement, parse_statement

ADDRESS = ("--resolver", "https://id.example.org")
MAKE = ("labels", LOT, "--count", "60", "--secret", "h7.json", *ADDRESS)
HARVEST = ("event", "harvest", f"{LOT},1,KGM", "--commodity", "tomato", "--place", PLACE)


def leaves(farm: Path, secret: str = "h7.json", count: int = 60) -> bytes:
    return b"".join(ItemCodes(LOT, read_secret(farm / secret, LOT), count).leaves())


def commitments(log: FakeLog) -> list[Statement]:
    return [one for one in map(parse_statement, log.statements.values()) if one.kind == "LabelCommitment"]


def before_the_harvest(log: FakeLog) -> Problem | None:
    """What a log says to a commitment for a lot that nobody has told of."""
    told = any(parse_statement(raw).kind == "TraceabilityEvent" for raw in log.statements.values())
    return None if told else {"code": "not-commissioner", "title": "not yours to say"}


class TestLabels:
    def test_codes_sheets_and_the_signed_commitment_are_made_together(self, farm: Path, log: FakeLog) -> None:
        make = ["labels", LOT, "--count", "60", "--secret", "h7.json", "--out", "out", "--resolver", "https://id.example.org"]
        assert run(*make, "--server", log.server) == GOOD
        listed = json.loads((farm / "out/codes.json").read_text())
        assert (len(listed["codes"]), len(set(listed["codes"]))) == (60, 60)
        assert sorted(path.name for path in (farm / "out").iterdir()) == ["codes.json", "sheet-0001.svg", "sheet-0002.svg"]
        for path in (farm / "h7.json", *(farm / "out").iterdir()):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
        [said] = commitments(log)
        assert said.subject == {"id": LOT, "log": ORIGIN, "root": listed["root"], "count": 60}
        assert [len(leaves) for leaves in log.leaves] == [60 * 32]

    def test_the_same_secret_gives_the_same_codes_and_never_overwrites(self, farm: Path) -> None:
        make = ["labels", LOT, "--count", "3", "--secret", "h7.json", "--resolver", "https://id.example.org", "--origin", ORIGIN]
        assert run(*make, "--out", "a", "--png") == NOT_SENT
        assert run(*make, "--out", "b") == NOT_SENT
        assert (farm / "a/codes.json").read_text() == (farm / "b/codes.json").read_text()
        assert (farm / "a/label-000002.png").read_bytes().startswith(b"\x89PNG")
        assert run(*make, "--out", "a") == USAGE
        assert run(*make, "--out", "c", "--previous", "00" * 32) == USAGE  # a top-up with the old secret would repeat codes

    @pytest.mark.parametrize(("lot", "resolver"), [(LOT, ""), (LOT, "id.example.org"), (PLACE, "https://id.example.org")])
    def test_what_is_no_lot_or_no_address_is_refused(self, farm: Path, lot: str, resolver: str) -> None:
        make = ["labels", lot, "--count", "3", "--secret", "h7.json", "--out", "a", "--resolver", resolver]
        assert run(*make) == USAGE
        assert not (farm / "h7.json").exists()


class TestCodesCanBeProven:
    def test_labels_made_without_a_network_are_proven_once_submit_has_sent_them(self, farm: Path, log: FakeLog) -> None:
        assert run(*MAKE, "--out", "out", "--origin", ORIGIN) == NOT_SENT
        assert run("submit", "--server", log.server) == GOOD
        assert log.leaves == [leaves(farm)]
        assert run("submit", "--server", log.server) == GOOD
        assert len(log.leaves) == 1

    def test_labels_made_before_the_harvest_are_proven_once_the_refused_is_sent_again(
        self, farm: Path, log: FakeLog, capsys: pytest.CaptureFixture[str]
    ) -> None:
        log.refuse = lambda one: before_the_harvest(log) if one.kind == "LabelCommitment" else None
        assert run(*MAKE, "--out", "out", "--server", log.server) == BAD
        said = capsys.readouterr().err
        assert "no harvest of this lot from you yet" in said
        assert "enroll --mint" in said
        assert not (farm / "out").exists()
        assert run(*HARVEST, "--server", log.server) == GOOD
        assert run("submit", "--server", log.server, "--again") == GOOD
        assert log.leaves == [leaves(farm)]
        assert run(*MAKE, "--out", "out", "--server", log.server) == GOOD
        assert len(json.loads((farm / "out/codes.json").read_text())["codes"]) == 60

    def test_a_refused_commitment_is_sent_again_and_not_made_twice(self, farm: Path, log: FakeLog) -> None:
        log.refuse = lambda one: before_the_harvest(log) if one.kind == "LabelCommitment" else None
        assert run(*MAKE, "--out", "out", "--server", log.server) == BAD
        assert run(*HARVEST, "--server", log.server) == GOOD
        assert run(*MAKE, "--out", "out", "--server", log.server) == GOOD
        assert log.leaves == [leaves(farm)]
        assert run("status", "--server", log.server) == GOOD

    def test_another_refused_record_does_not_keep_codes_from_being_proven(self, farm: Path, log: FakeLog) -> None:
        assert run(*HARVEST) == NOT_SENT
        log.refuse = lambda one: {"code": "unknown-key"} if one.kind == "TraceabilityEvent" else None
        assert run(*MAKE, "--out", "out", "--server", log.server) == BAD
        assert log.leaves == [leaves(farm)]
        assert (farm / "out/codes.json").exists()

    def test_any_command_that_publishes_the_commitment_hands_its_codes_in(self, farm: Path, log: FakeLog) -> None:
        assert run(*MAKE, "--out", "out", "--origin", ORIGIN) == NOT_SENT
        assert run(*HARVEST, "--server", log.server) == GOOD
        assert log.leaves == [leaves(farm)]

    @pytest.mark.parametrize("moment", ["before_request", "before_answer"])
    def test_a_connection_that_breaks_while_codes_are_handed_in_loses_nothing(
        self, farm: Path, log: FakeLog, capsys: pytest.CaptureFixture[str], moment: str
    ) -> None:
        setattr(log, moment, lambda path: "cut" if path == "/codes" else "")
        assert run(*MAKE, "--out", "out", "--server", log.server) == NOT_SENT
        assert run("status", "--server", log.server) == NOT_SENT
        assert "run `submit`" in capsys.readouterr().err
        setattr(log, moment, lambda path: "")
        assert run("submit", "--server", log.server) == GOOD
        assert set(log.leaves) == {leaves(farm)}
        assert run("status", "--server", log.server) == GOOD

    def test_codes_that_the_log_will_not_take_do_not_hold_up_those_of_another_lot(self, farm: Path, log: FakeLog) -> None:
        other = ("labels", f"{LOT}-2", "--count", "3", "--secret", "other.json", *ADDRESS, "--out", "other", "--origin", ORIGIN)
        assert run(*MAKE, "--out", "out", "--origin", ORIGIN) == NOT_SENT
        assert run(*other) == NOT_SENT
        taken, unwanted = log.take, leaves(farm)
        log.take = lambda body: (422, "application/json", b"{}") if body == unwanted else taken(body)  # type: ignore[method-assign]
        assert run("submit", "--server", log.server) == NOT_SENT
        assert [len(one) for one in log.leaves] == [3 * 32]


class TestAgain:
    def test_labels_again_for_a_logged_commitment_only_hands_in_its_codes(
        self, farm: Path, log: FakeLog, capsys: pytest.CaptureFixture[str]
    ) -> None:
        for _ in range(2):
            assert run(*MAKE, "--out", "out", "--server", log.server) == GOOD
        assert "in the log already: only its codes are handed in" in capsys.readouterr().err
        assert log.leaves == [leaves(farm)] * 2
        assert len(commitments(log)) == 1

    def test_so_it_does_after_the_outbox_was_lost(self, farm: Path, log: FakeLog, capsys: pytest.CaptureFixture[str]) -> None:
        assert run(*MAKE, "--out", "out", "--server", log.server) == GOOD
        for path in farm.glob("outbox.db*"):
            path.unlink()
        assert run(*MAKE, "--out", "again", "--server", log.server) == GOOD
        assert "in the log already" in capsys.readouterr().err
        assert len(commitments(log)) == 1
        assert (farm / "again/codes.json").read_bytes() == (farm / "out/codes.json").read_bytes()

    def test_a_commitment_that_waits_is_not_made_twice(self, farm: Path, log: FakeLog) -> None:
        assert run(*MAKE, "--out", "a", "--origin", ORIGIN) == NOT_SENT
        assert run(*MAKE, "--out", "b", "--origin", ORIGIN) == NOT_SENT
        assert run("submit", "--server", log.server) == GOOD
        assert len(log.entries) == 1


class TestNothingIsLeftBehind:
    """What is refused leaves no secret, no sheets and no outbox: the corrected command then goes through."""

    def test_a_log_that_nobody_named_is_asked_for_before_a_sheet_is_written(self, farm: Path, log: FakeLog) -> None:
        assert run(*MAKE, "--out", "out") == USAGE
        assert sorted(path.name for path in farm.iterdir()) == ["farm.pem"]
        assert run(*MAKE, "--out", "out", "--server", log.server) == GOOD

    @pytest.mark.parametrize("wrong", [
        ("--policy", "policy"), ("--issuer", "foo"), ("--key", "nokey.pem"), ("--out", "farm.pem"), ("--previous", "00" * 31),
    ])  # fmt: skip
    def test_what_else_is_wrong_is_found_before_a_sheet_is_written(self, farm: Path, log: FakeLog, wrong: Sequence[str]) -> None:
        assert run(*MAKE, "--out", "out", "--server", log.server, *wrong) == USAGE
        assert sorted(path.name for path in farm.iterdir() if "outbox" not in path.name) == ["farm.pem"]
        assert run(*MAKE, "--out", "out", "--server", log.server) == GOOD

    @pytest.mark.parametrize("out", ["h7.json", "farm.pem", "farm.pem/x/y", "h7.json/x"])
    def test_a_folder_that_cannot_be_made_is_found_before_the_log_is_told(self, farm: Path, log: FakeLog, out: str) -> None:
        assert run(*MAKE, "--out", out, "--server", log.server) == USAGE
        assert run(*MAKE, "--out", "out", "--secret", "out/codes.json", "--server", log.server) == USAGE
        assert sorted(path.name for path in farm.iterdir() if "outbox" not in path.name) == ["farm.pem"]
        assert log.entries == []

    @pytest.mark.parametrize("network", [True, False], ids=["logged", "waiting"])
    def test_a_lot_that_has_its_labels_gets_no_others_printed_for_nothing(
        self, farm: Path, log: FakeLog, capsys: pytest.CaptureFixture[str], network: bool
    ) -> None:
        way = ("--server", log.server) if network else ("--origin", ORIGIN)
        assert run(*MAKE, "--out", "out", *way) == (GOOD if network else NOT_SENT)
        first = capsys.readouterr().out.strip()
        again = ("labels", LOT, "--count", "200", "--secret", "new.json", *ADDRESS, "--out", "more", *way)
        assert run(*again) == USAGE
        assert f"--previous {first}" in capsys.readouterr().err
        assert not (farm / "new.json").exists()
        assert not (farm / "more").exists()

    def test_a_file_in_the_folder_stops_all_before_the_first_sheet(self, farm: Path) -> None:
        (farm / "out").mkdir()
        (farm / "out/sheet-0002.svg").touch()
        assert run(*MAKE, "--out", "out", "--origin", ORIGIN) == USAGE
        assert sorted(path.name for path in (farm / "out").iterdir()) == ["sheet-0002.svg"]
        assert not (farm / "h7.json").exists()


class TestTopUp:
    def test_more_labels_are_made_with_a_new_secret_and_the_digest_that_the_first_ones_printed(
        self, farm: Path, log: FakeLog, capsys: pytest.CaptureFixture[str]
    ) -> None:
        capsys.readouterr()
        assert run(*MAKE, "--out", "out", "--server", log.server) == GOOD
        first = capsys.readouterr().out.strip()
        more = ("labels", LOT, "--count", "5", "--secret", "more.json", *ADDRESS, "--out", "more", "--server", log.server)
        assert run(*more, "--previous", first.upper()) == GOOD
        assert capsys.readouterr().out.strip() == commitments(log)[1].digest.hex()
        assert commitments(log)[0].digest.hex() == first
        assert commitments(log)[1].subject["previous"] == first
        assert [len(one) // 32 for one in log.leaves] == [60, 5]

    def test_a_refused_top_up_is_made_again_with_the_right_digest_and_the_labels_secret(
        self, farm: Path, log: FakeLog, capsys: pytest.CaptureFixture[str]
    ) -> None:
        log.refuse = lambda one: {"code": "second-commitment"} if one.subject.get("previous") == "0" * 64 else None
        assert run(*MAKE, "--out", "out", "--server", log.server, "--previous", "0" * 64) == BAD
        assert "new --secret file, and --previous with the digest" in capsys.readouterr().err
        assert run(*MAKE, "--out", "out", "--server", log.server, "--previous", "1" * 64) == GOOD
        assert log.leaves == [leaves(farm)]


class TestAddress:
    BARE = ("labels", LOT, "--count", "2", "--secret", "h7.json", "--out", "out", "--origin", ORIGIN)

    @pytest.mark.parametrize("address", [
        "https://", "https:///x", "id.example.org", "ftp://id.example.org", "https://id.example.org/x?y=1", "https://id.example.org#f",
        "https://a b", "https://a..b", "https://-a.example", "https://user@id.example.org", "https://id.example.org:99999",
        "https://id.example.org//x", "Https://id.example.org", "https://id.example.org/%", "https://id.example.org/溯源",
    ])  # fmt: skip
    def test_an_address_that_no_phone_opens_is_refused_before_anything_is_written(self, farm: Path, address: str) -> None:
        assert run(*self.BARE, "--resolver", address) == USAGE
        assert sorted(path.name for path in farm.iterdir()) == ["farm.pem"]

    def test_a_chinese_name_is_refused_with_the_form_that_labels_can_hold(
        self, farm: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert run(*self.BARE, "--resolver", "https://溯源.中国") == USAGE
        assert "xn--" in capsys.readouterr().err

    def test_capitals_which_make_a_smaller_code_are_taken(self, farm: Path) -> None:
        assert run(*self.BARE, "--resolver", "HTTPS://ID.EXAMPLE.ORG") == NOT_SENT
        for text in json.loads((farm / "out/codes.json").read_text())["codes"]:
            assert text.startswith("HTTPS://ID.EXAMPLE.ORG/01/09521234000013/10/H7/21/")
            assert gs1.parse_label(text).parts["10"] == "H7"

    def test_a_farm_is_warned_that_shoppers_cannot_open_an_address_of_its_own_machine(
        self, farm: Path, log: FakeLog, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert run(*self.BARE, "--server", log.server) == GOOD
        said = capsys.readouterr().err
        assert f"the labels point to {log.server}" in said
        assert "NO SHOPPER CAN OPEN THIS ADDRESS" in said

    @pytest.mark.parametrize(("address", "private"), [
        ("http://localhost:8000", True), ("http://127.0.0.1/x", True), ("http://[::1]:8000", True), ("http://a.localhost", True),
        ("http://192.168.1.5", True), ("HTTP://LOCALHOST", True), ("https://id.example.org", False), ("https://8.8.8.8", False),
        ("https://printer", True), ("https://nas.lan", True), ("https://trace.internal", True), ("https://a.home.arpa", True),
        ("https://farm.local", True), ("https://100.64.0.1", True), ("https://0x7f.1", True), ("https://2130706433", True),
        ("https://0.0.0.0", True), ("https://224.0.0.1", True), ("https://[fe80::1]", True), ("https://[::ffff:10.0.0.1]", True),
        ("https://[1:2]", True), ("https://1.2.3.4.5", True), ("https://[2606:4700::1]", False),
        ("https://lan.example.org", False),
    ])  # fmt: skip
    def test_which_addresses_only_this_machine_or_network_can_open(self, address: str, private: bool) -> None:
        check_resolver(address)
        assert is_private(address) == private

    def test_a_label_that_leads_to_another_item_is_not_printed(self) -> None:
        text = f"https://id.example.org{LOT.removeprefix(gs1.HOST)}/21/A"
        check_label(text, lot=LOT, serial="A")
        for wrong in (text + "B", text.replace("H7", "H8"), text.replace("09521234000013", "09521234000014"), "https:/01/x"):
            with pytest.raises(NoResolver):
                check_label(wrong, lot=LOT, serial="A")
