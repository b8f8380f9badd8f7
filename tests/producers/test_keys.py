"""Key files: nobody else's eyes, never overwritten; and asking a registrar for a grant."""

import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from producers.keys import Algorithm, KeyRefused, enrol, generate_key, read_key, write_key
from producers.private import NotPrivate, create_private, read_private
from producers.sign import jwk_of
from verify import strict
from verify.authority import possession_message
from verify.errors import BadSignature, Malformed
from verify.statement import thumbprint, verify_bytes

PASSPHRASE = "three ripe tomatoes"
FARM = "https://id.gs1.org/417/9521234000013"


@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA"])
@pytest.mark.parametrize("passphrase", [None, PASSPHRASE])
def test_a_key_comes_back_as_it_was_written(tmp_path: Path, algorithm: Algorithm, passphrase: str | None) -> None:
    key = generate_key(algorithm)
    write_key(tmp_path / "key.pem", key, passphrase)
    assert jwk_of(read_key(tmp_path / "key.pem", passphrase).public_key()) == jwk_of(key.public_key())


def test_only_its_owner_can_read_a_key_file(tmp_path: Path) -> None:
    write_key(tmp_path / "farm" / "key.pem", generate_key())
    assert stat.S_IMODE((tmp_path / "farm" / "key.pem").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "farm").stat().st_mode) == 0o700


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o610])
def test_a_key_file_that_others_can_touch_is_refused(tmp_path: Path, mode: int) -> None:
    write_key(tmp_path / "key.pem", generate_key())
    (tmp_path / "key.pem").chmod(mode)
    with pytest.raises(NotPrivate, match="chmod 600"):
        read_key(tmp_path / "key.pem")


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    write_key(tmp_path / "key.pem", generate_key())
    before = (tmp_path / "key.pem").read_bytes()
    with pytest.raises(FileExistsError):
        write_key(tmp_path / "key.pem", generate_key())
    assert (tmp_path / "key.pem").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["key.pem"]


def test_an_encrypted_key_does_not_show_itself(tmp_path: Path) -> None:
    write_key(tmp_path / "key.pem", generate_key(), PASSPHRASE)
    assert b"BEGIN ENCRYPTED PRIVATE KEY" in (tmp_path / "key.pem").read_bytes()


@pytest.mark.parametrize("wrong", [None, "three rotten tomatoes"])
def test_an_encrypted_key_needs_its_passphrase(tmp_path: Path, wrong: str | None) -> None:
    write_key(tmp_path / "key.pem", generate_key(), PASSPHRASE)
    with pytest.raises(KeyRefused, match="口令"):
        read_key(tmp_path / "key.pem", wrong)


def test_a_passphrase_for_a_key_without_one_is_a_mistake(tmp_path: Path) -> None:
    write_key(tmp_path / "key.pem", generate_key())
    with pytest.raises(KeyRefused, match="has no passphrase"):
        read_key(tmp_path / "key.pem", PASSPHRASE)


def test_a_passphrase_that_could_be_tried_out_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyRefused, match="12"):
        write_key(tmp_path / "key.pem", generate_key(), "tomatoes")
    assert not (tmp_path / "key.pem").exists()


def test_a_key_of_another_curve_is_refused(tmp_path: Path) -> None:
    other = ec.generate_private_key(ec.SECP384R1())
    plain = serialization.NoEncryption()
    pem = other.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    create_private(tmp_path / "key.pem", pem)
    with pytest.raises(KeyRefused, match="P-256"):
        read_key(tmp_path / "key.pem")


@pytest.mark.parametrize("content", [b"", b"tomatoes", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"])
def test_a_file_without_a_key_is_refused(tmp_path: Path, content: bytes) -> None:
    create_private(tmp_path / "key.pem", content)
    with pytest.raises(KeyRefused):
        read_key(tmp_path / "key.pem")


def test_a_folder_is_no_private_file(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="directory"):
        read_private(tmp_path)


@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA"])
def test_an_enrolment_proves_that_whoever_asks_holds_the_key(algorithm: Algorithm) -> None:
    name = {"en": "Li", "zh": "李"}
    request = enrol(generate_key(algorithm), origin="log.example/a", party=FARM, name=name, roles=["producer"])
    message = possession_message("log.example/a", FARM, thumbprint(request.jwk))
    verify_bytes(message, strict.b64u_decode(request.possession), request.jwk)
    elsewhere = possession_message("log.example/b", FARM, thumbprint(request.jwk))
    with pytest.raises(BadSignature):
        verify_bytes(elsewhere, strict.b64u_decode(request.possession), request.jwk)


def test_an_enrolment_names_the_party_canonically() -> None:
    request = enrol(generate_key(), origin="o", party="urn:epc:id:pgln:952123400001.", name={}, roles=["producer"])
    assert request.party == FARM
    assert request.to_json()["party"] == FARM


def test_an_unknown_role_or_party_is_refused_before_anything_is_signed() -> None:
    with pytest.raises(KeyRefused, match="unknown role"):
        enrol(generate_key(), origin="o", party=FARM, name={}, roles=["farmer"])
    with pytest.raises(Malformed):
        enrol(generate_key(), origin="o", party="https://id.gs1.org/417/9521234000014", name={}, roles=["producer"])
