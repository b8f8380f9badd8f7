"""Item codes: nobody but the farm can make one, and each is provably one of exactly so many."""

import io
from pathlib import Path

import pytest
import zxingcpp
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from producers import sheet
from producers.labels import ALPHABET, ItemCodes, WrongSecret, create_secret, leaf_input, read_secret, serial
from producers.private import NotPrivate
from tests.producers.farm import LOT
from verify.errors import Malformed, NotIncluded
from verify.gs1 import parse_label
from verify.merkle import leaf_hash, verify_inclusion

SECRET = bytes(range(32))
OTHER_LOT = LOT + "-2"


class TestSerials:
    def test_a_serial_is_the_first_100_bits_of_the_mac(self) -> None:
        # HMAC-SHA-256 of 00000000 under bytes 00..1f, computed with another implementation of HMAC and of base 32.
        from base64 import b32encode
        from hashlib import sha256

        inner = sha256(bytes(byte ^ 0x36 for byte in SECRET.ljust(64, b"\0")) + bytes(4)).digest()
        mac = sha256(bytes(byte ^ 0x5C for byte in SECRET.ljust(64, b"\0")) + inner).digest()
        expected = b32encode(mac)[:20].decode().translate(str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", ALPHABET))
        assert serial(SECRET, 0) == expected

    @given(index=st.integers(0, 2**32 - 1))
    def test_a_serial_is_20_characters_that_nobody_misreads(self, index: int) -> None:
        assert len(serial(SECRET, index)) == 20
        assert set(serial(SECRET, index)) <= set(ALPHABET)
        assert not set(ALPHABET) & set("ILOU")

    def test_serials_neither_repeat_nor_follow_each_other(self) -> None:
        found = [serial(SECRET, index) for index in range(5_000)]
        assert len(set(found)) == 5_000
        assert found != sorted(found)


class TestCommitment:
    @pytest.mark.parametrize("count", [1, 2, 3, 100, 257])
    def test_every_code_and_no_other_is_committed_to(self, count: int) -> None:
        codes = ItemCodes(LOT, SECRET, count)
        for index in {0, count // 2, count - 1}:
            proof = codes.prove(index)
            leaf = leaf_hash(leaf_input(LOT, proof.index, proof.serial))
            verify_inclusion(leaf, index=proof.index, size=count, proof=proof.path, root=codes.root)
            made_up = leaf_hash(leaf_input(LOT, proof.index, "0" * 20))
            with pytest.raises(NotIncluded):
                verify_inclusion(made_up, index=proof.index, size=count, proof=proof.path, root=codes.root)
        with pytest.raises(ValueError, match="no leaf"):
            codes.prove(count)

    def test_a_code_of_one_lot_is_none_of_another(self) -> None:
        assert ItemCodes(LOT, SECRET, 10).root != ItemCodes(OTHER_LOT, SECRET, 10).root

    def test_a_printed_code_leads_back_to_its_index(self) -> None:
        codes = ItemCodes(LOT, SECRET, 50)
        printed = parse_label(codes.label(17, "https://id.example.org/"))
        assert (printed.parts["10"], printed.parts["21"]) == ("H7", serial(SECRET, 17))
        assert codes.find(printed.parts["21"]) == 17
        with pytest.raises(ValueError, match="tuple"):
            codes.find("0" * 20)

    @pytest.mark.parametrize("count", [0, -1, 1_000_001])
    def test_a_count_out_of_range_is_refused(self, count: int) -> None:
        with pytest.raises(ValueError, match="1 to"):
            ItemCodes(LOT, SECRET, count)


class TestSecret:
    def test_it_comes_back_for_its_own_lot_only(self, tmp_path: Path) -> None:
        made = create_secret(tmp_path / "h7.json", LOT)
        assert read_secret(tmp_path / "h7.json", LOT) == made
        assert read_secret(tmp_path / "h7.json", LOT.replace("id.gs1.org", "shop.example")) == made
        with pytest.raises(WrongSecret, match="另一批次"):
            read_secret(tmp_path / "h7.json", OTHER_LOT)

    def test_it_is_never_replaced_and_never_read_once_others_can(self, tmp_path: Path) -> None:
        create_secret(tmp_path / "h7.json", LOT)
        with pytest.raises(FileExistsError):
            create_secret(tmp_path / "h7.json", LOT)
        (tmp_path / "h7.json").chmod(0o644)
        with pytest.raises(NotPrivate):
            read_secret(tmp_path / "h7.json", LOT)

    @pytest.mark.parametrize("content", ["", "{}", f'{{"lot":"{LOT}","secret":"AAAA"}}'])
    def test_another_file_is_none(self, tmp_path: Path, content: str) -> None:
        (tmp_path / "h7.json").write_text(content)
        (tmp_path / "h7.json").chmod(0o600)
        with pytest.raises(WrongSecret):
            read_secret(tmp_path / "h7.json", LOT)

    @pytest.mark.parametrize("uri", [
        "https://id.gs1.org/01/09521234000013", "https://id.gs1.org/01/09521234000013/21/1", "https://id.gs1.org/414/9521234000013",
        "https://farm.example/lot/7",
    ])  # fmt: skip
    def test_what_is_no_lot_has_none(self, tmp_path: Path, uri: str) -> None:
        with pytest.raises(Malformed):
            create_secret(tmp_path / "h7.json", uri)


class TestSheets:
    """What is printed is read back by a scanner."""

    def draw(self, modules: list[list[bool]], scale: int = 6) -> Image.Image:
        image = Image.new("L", (len(modules) * scale, len(modules) * scale), 255)
        pen = ImageDraw.Draw(image)
        for y, row in enumerate(modules):
            for x, dark in enumerate(row):
                if dark:
                    pen.rectangle((x * scale, y * scale, x * scale + scale - 1, y * scale + scale - 1), fill=0)
        return image

    def drawn(self, path: str, size: int) -> list[list[bool]]:
        modules = [[False] * size for _ in range(size)]
        for run in path.removeprefix("M").split("M"):
            place, _, rest = run.partition("h")
            x, y = map(int, place.split())
            for at in range(x, x + int(rest.partition("v")[0])):
                modules[y][at] = True
        return modules

    def test_a_png_is_read_back(self) -> None:
        text = ItemCodes(LOT, SECRET, 1).label(0, "https://id.example.org")
        image = Image.open(io.BytesIO(sheet.label_png(text)))
        assert zxingcpp.read_barcodes(image)[0].text == text

    def test_the_modules_of_an_svg_are_read_back(self) -> None:
        text = ItemCodes(LOT, SECRET, 1).label(0, "https://id.example.org")
        svg = sheet.label_svg(text)
        size = len(sheet.matrix(text))
        path = svg.partition(' d="')[2].partition('"')[0]
        assert self.drawn(path, size) == [list(row) for row in sheet.matrix(text)]
        assert zxingcpp.read_barcodes(self.draw(self.drawn(path, size)))[0].text == text
        assert f'width="{size * sheet.MODULE_MM:.1f}mm"' in svg

    def test_labels_do_not_overlap_and_stay_on_the_page(self) -> None:
        codes = ItemCodes(LOT.replace("H7", "H" * 20), SECRET, sheet.LABELS_A_PAGE)
        page = sheet.page_svg([(codes.label(index, "https://id.example.org"), "x") for index in range(codes.count)])
        side = len(sheet.matrix(codes.label(0, "https://id.example.org"))) * sheet.MODULE_MM
        places = [tuple(map(float, part.partition(")")[0].split())) for part in page.split("translate(")[1:]]
        assert len(places) == sheet.LABELS_A_PAGE
        assert all(0 <= x <= sheet.PAGE_MM[0] - side and 0 <= y <= sheet.PAGE_MM[1] - side for x, y in places)
        for at, (x, y) in enumerate(places):
            assert all(abs(x - u) >= side or abs(y - v) >= side for u, v in places[:at])

    def test_a_page_without_labels_is_no_page(self) -> None:
        with pytest.raises(ValueError, match="a page"):
            sheet.page_svg([])
