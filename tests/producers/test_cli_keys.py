"""Keys and enrolments, as a farm types it: `python -m producers keygen | enroll`."""

import json
from pathlib import Path

import pytest

from producers.keys import read_key
from producers.sign import jwk_of
from tests.producers.fake_log import ORIGIN, FakeLog
from tests.producers.farm import FARM, statement
from tests.producers.typed import GOOD, USAGE, run
from verify.authority import possession_message
from verify.statement import thumbprint, verify_bytes
from verify.strict import b64u_decode


class TestKeys:
    def test_a_key_is_made_once_and_its_thumbprint_printed(self, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert run("keygen", "--key", "farm.pem") == GOOD
        printed = capsys.readouterr().out.strip()
        assert printed == thumbprint(jwk_of(read_key(home / "farm.pem").public_key()))
        assert run("keygen", "farm.pem") == USAGE
        assert capsys.readouterr().err.startswith("farm.pem: exists and is never overwritten")

    def test_a_producer_that_asks_for_no_lots_of_its_own_is_warned(self, farm: Path, capsys: pytest.CaptureFixture[str]) -> None:
        ask = ["enroll", "--name-en", "Li", "--origin", ORIGIN, "--role"]
        assert run(*ask, "producer") == GOOD
        assert "Without --mint you may name no lots" in capsys.readouterr().err
        assert run(*ask, "warehouse") == GOOD
        assert "--mint" not in capsys.readouterr().err

    def test_a_key_with_a_passphrase_signs_with_it_only(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("ORIGINMARK_PASSPHRASE", "three ripe tomatoes")
        assert run("keygen", "--key", "farm.pem", "--algorithm", "EdDSA", "--encrypt") == GOOD
        assert run("keygen") == USAGE
        ask = ["enroll", "--key", "farm.pem", "--issuer", FARM, "--role", "producer", "--name-zh", "李", "--origin", ORIGIN]
        assert run(*ask) == GOOD
        monkeypatch.setenv("ORIGINMARK_PASSPHRASE", "three rotten tomatoes")
        assert run(*ask) == USAGE

    def test_an_enrolment_is_what_a_registrar_checks(self, farm: Path, log: FakeLog, capsys: pytest.CaptureFixture[str]) -> None:
        log.append(statement(1))
        capsys.readouterr()
        prefix = "https://id.gs1.org/01/09521234"
        ask = ["enroll", "--role", "producer", "--role", "brand-owner", "--name-en", "Li", "--name-zh", "李", "--mint", prefix]
        assert run(*ask, "--server", log.server) == GOOD
        request = json.loads(capsys.readouterr().out)
        assert (request["party"], request["log"], request["mint"]) == (FARM, ORIGIN, [prefix])
        assert request["roles"] == ["producer", "brand-owner"]
        message = possession_message(ORIGIN, FARM, thumbprint(request["jwk"]))
        verify_bytes(message, b64u_decode(request["possession"]), request["jwk"])

    def test_lots_are_asked_for_under_the_one_spelling_that_readers_compare(
        self, farm: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        ask = ["enroll", "--role", "producer", "--name-en", "Li", "--origin", ORIGIN]
        capsys.readouterr()
        assert run(*ask, "--mint", "9521234000013", "--mint", " 09521234000013 ", "--mint", "9521234") == GOOD
        said = capsys.readouterr()
        wanted = ["https://id.gs1.org/01/09521234000013", "https://id.gs1.org/01/09521234"]
        assert json.loads(said.out)["mint"] == wanted
        assert f"begin with / 申请命名以下开头的批次: {', '.join(wanted)}" in said.err
        assert run(*ask, "--mint", "9521234000014") == USAGE
        assert "check digit" in capsys.readouterr().err

    @pytest.mark.parametrize("missing", ["--name-en", "--origin", "--role"])
    def test_an_enrolment_says_what_it_lacks(self, farm: Path, capsys: pytest.CaptureFixture[str], missing: str) -> None:
        given = {"--role": "producer", "--name-en": "Li", "--origin": ORIGIN}
        del given[missing]
        assert run("enroll", *[part for pair in given.items() for part in pair]) == USAGE
        assert missing in capsys.readouterr().err
