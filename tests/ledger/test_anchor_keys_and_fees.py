"""The anchor's key files, and what a transaction offers."""

import os
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ledger.anchors.fees import FeeLimits, Fees, bump, quote
from ledger.anchors.keys import ChainKey, KeyRefused, create_key, read_key

GAS_KEY = ChainKey(sha256(b"gas payer").digest())


class TestFees:
    def test_the_offer_leaves_room_for_the_base_fee_to_double(self):
        assert quote(100, [5, 1, 9], FeeLimits(min_tip=0)) == Fees(max_fee=205, tip=5)
        assert quote(100, [], FeeLimits(min_tip=7)) == Fees(max_fee=207, tip=7)

    @pytest.mark.parametrize("amount", [1, 2, 7, 8, 9, 10**9, 10**9 + 1])
    def test_a_replacement_offers_enough_more_for_every_pool(self, amount):
        more = bump(Fees(amount, amount), Fees(0, 0))
        assert more.max_fee * 8 >= amount * 9  # 12.5 %
        assert more.tip * 8 >= amount * 9

    def test_a_replacement_follows_a_market_that_rose_faster(self):
        assert bump(Fees(10, 1), Fees(100, 50)) == Fees(100, 50)


class TestKeyFiles:
    def test_a_key_is_written_for_its_owner_only_and_never_overwritten(self, tmp_path):
        path = tmp_path / "keys" / "anchor.pem"
        key = create_key(path)
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.parent.stat().st_mode & 0o777 == 0o700
        assert read_key(path) == key
        with pytest.raises(FileExistsError):
            create_key(path)
        assert key.secret.hex() not in repr(key)

    @pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
    def test_a_key_that_others_can_read_is_refused(self, tmp_path, mode):
        path = tmp_path / "anchor.pem"
        create_key(path)
        os.chmod(path, mode)
        with pytest.raises(KeyRefused, match="chmod 600"):
            read_key(path)

    def test_a_key_in_hexadecimal_digits_is_read_too(self, tmp_path):
        path = tmp_path / "gas.hex"
        path.write_text("0x" + GAS_KEY.secret.hex() + "\n")
        path.chmod(0o600)
        assert read_key(path) == GAS_KEY

    @pytest.mark.parametrize("content", [b"", b"00" * 32, b"ff" * 32, b"\xff" * 40, b"-----BEGIN PRIVATE KEY-----\n"])
    def test_a_file_without_a_key_is_refused_without_being_quoted(self, tmp_path, content):
        path = tmp_path / "anchor.pem"
        path.write_bytes(content)
        path.chmod(0o600)
        with pytest.raises(KeyRefused, match="no secp256k1"):
            read_key(path)

    def test_a_key_of_another_curve_is_refused(self, tmp_path):
        path = tmp_path / "anchor.pem"
        pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        path.write_bytes(pem)
        path.chmod(0o600)
        with pytest.raises(KeyRefused):
            read_key(path)

    def test_the_address_is_the_one_that_ethereum_gives_the_key(self):
        assert ChainKey((1).to_bytes(32, "big")).address == "0x7e5f4552091a69125d5dfcb7b8c2659029395bdf"
