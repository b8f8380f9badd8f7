"""
The cast of the demo: parties, places and products, with numbers that GS1 keeps for examples (prefix 952).

Values only.  The chain told here is a group-buying one (产地 → 中心仓 → 前置仓 → 自提点); nothing else in the code knows it.

Source: GS1 General Specifications (check digits, prefix 952).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from verify.gs1 import HOST, check_digit, lot_uri

Names = Mapping[str, str]
"""{"en": ..., "zh": ...}"""


def gtin(company: int, item: int) -> str:
    """A GTIN of 14 digits under company prefix 952<company>, both small numbers."""
    digits = f"0952{company:04}{item:05}"
    return digits + check_digit(digits)


def gln(company: int, number: int) -> str:
    """A GLN of 13 digits."""
    digits = f"952{company:04}{number:05}"
    return digits + check_digit(digits)


def pallet(company: int, number: int) -> str:
    """The URI of a pallet (SSCC, 18 digits)."""
    digits = f"0952{company:04}{number:09}"
    return f"{HOST}/00/{digits}{check_digit(digits)}"


@dataclass(frozen=True, slots=True)
class Town:
    """Where places are: real towns, so that maps and postal codes fit."""

    city: Names
    region: Names
    postal_code: str
    dial: str
    """The area code, without the 0 in front."""


@dataclass(frozen=True, slots=True, eq=False)
class Party:
    """Who signs: `short` names the key file.  One object each, compared as that."""

    short: str
    company: int
    name: Names
    roles: tuple[str, ...]
    place_name: Names
    town: Town
    lat: str
    lon: str

    @property
    def uri(self) -> str:
        """The party's own identifier."""
        return f"{HOST}/417/{gln(self.company, 0)}"

    @property
    def place(self) -> str:
        """Where it works."""
        return f"{HOST}/414/{gln(self.company, 1)}"

    @property
    def phone(self) -> str:
        """Nobody's: no subscriber's number in China begins with 0."""
        return f"+86 {self.town.dial} 0000 {self.company}"

    @property
    def location(self) -> Mapping[str, object]:
        """What a food law asks of a place (21 CFR 1.1310), beside its name and holder; the road is invented."""
        road = {"en": f"{self.company} Demo Road (invented)", "zh": f"演示路{self.company}号（虚构）"}
        return {"address": road, "city": self.town.city, "region": self.town.region, "postalCode": self.town.postal_code,
                "country": "CN", "phone": self.phone}  # fmt: skip

    @property
    def mint(self) -> tuple[str, ...]:
        """What it may commission under: its own company prefix, where it makes anything."""
        return (f"{HOST}/01/0952{self.company:04}",) if "producer" in self.roles else ()


@dataclass(frozen=True, slots=True)
class Product:
    """What is grown and packed; `bulk` is its harvest, loose in kilograms."""

    owner: Party
    number: int
    name: Names
    commodity: str
    variety: str
    size: str

    @property
    def gtin(self) -> str:
        """The packed unit's."""
        return gtin(self.owner.company, self.number)

    @property
    def uri(self) -> str:
        """The packed product."""
        return f"{HOST}/01/{self.gtin}"

    @property
    def bulk(self) -> str:
        """The harvest's GTIN."""
        return gtin(self.owner.company, self.number + 1)

    @property
    def bulk_uri(self) -> str:
        """The harvest as a product."""
        return f"{HOST}/01/{self.bulk}"

    def lot(self, code: str) -> str:
        """A lot of packed units."""
        return lot_uri(self.gtin, code)

    def harvest(self, code: str) -> str:
        """A lot of the loose harvest."""
        return lot_uri(self.bulk, code)


KUNMING = Town({"en": "Kunming", "zh": "昆明"}, {"en": "Yunnan", "zh": "云南"}, "650200", "871")
YANTAI = Town({"en": "Yantai", "zh": "烟台"}, {"en": "Shandong", "zh": "山东"}, "264000", "535")
KUNSHAN = Town({"en": "Kunshan", "zh": "昆山"}, {"en": "Jiangsu", "zh": "江苏"}, "215300", "512")
SHANGHAI = Town({"en": "Shanghai", "zh": "上海"}, {"en": "Shanghai", "zh": "上海"}, "200000", "21")
JINAN = Town({"en": "Jinan", "zh": "济南"}, {"en": "Shandong", "zh": "山东"}, "250000", "531")

YUNNAN = Party(
    "yunnan", 1001, {"en": "Yunnan Flower Base (demo)", "zh": "云南花卉基地（演示）"}, ("producer", "brand-owner"),
    {"en": "Greenhouse 3, Dounan, Kunming", "zh": "昆明斗南3号温室"}, KUNMING, "24.9050", "102.8010",
)  # fmt: skip
SHANDONG = Party(
    "shandong", 1002, {"en": "Shandong Apple Orchard (demo)", "zh": "山东苹果园（演示）"}, ("producer", "brand-owner"),
    {"en": "East slope, Qixia, Yantai", "zh": "烟台栖霞东坡"}, YANTAI, "37.3350", "120.8490",
)  # fmt: skip
CENTRAL = Party(
    "central", 1003, {"en": "Jiangnan Central Warehouse (demo)", "zh": "江南中心仓（演示）"}, ("warehouse",),
    {"en": "Central warehouse, Kunshan", "zh": "昆山中心仓"}, KUNSHAN, "31.3850", "120.9810",
)  # fmt: skip
PUDONG = Party(
    "front-pudong", 1004, {"en": "Pudong Front Warehouse (demo)", "zh": "浦东前置仓（演示）"}, ("warehouse",),
    {"en": "Front warehouse, Pudong", "zh": "浦东前置仓"}, SHANGHAI, "31.2210", "121.5440",
)  # fmt: skip
MINHANG = Party(
    "front-minhang", 1005, {"en": "Minhang Front Warehouse (demo)", "zh": "闵行前置仓（演示）"}, ("warehouse",),
    {"en": "Front warehouse, Minhang", "zh": "闵行前置仓"}, SHANGHAI, "31.1120", "121.3810",
)  # fmt: skip
CHEN = Party(
    "pickup-chen", 1006, {"en": "Pick-up point Chen (demo)", "zh": "陈团长自提点（演示）"}, ("retailer",),
    {"en": "Gate 2, Lujia Garden", "zh": "陆家花园2号门"}, SHANGHAI, "31.2300", "121.5100",
)  # fmt: skip
LIN = Party(
    "pickup-lin", 1007, {"en": "Pick-up point Lin (demo)", "zh": "林团长自提点（演示）"}, ("retailer",),
    {"en": "Shop 5, Chunshen Road", "zh": "春申路5号店"}, SHANGHAI, "31.1200", "121.3900",
)  # fmt: skip
WANG = Party(
    "pickup-wang", 1008, {"en": "Pick-up point Wang (demo)", "zh": "王团长自提点（演示）"}, ("retailer",),
    {"en": "Community hall, Century Park", "zh": "世纪公园社区活动室"}, SHANGHAI, "31.2150", "121.5520",
)  # fmt: skip
CERTIFIER = Party(
    "certifier", 1009, {"en": "Green Food Certifier (demo)", "zh": "绿色食品认证机构（演示）"}, ("certifier",),
    {"en": "Certifier's office", "zh": "认证机构办公地"}, JINAN, "36.6500", "117.1200",
)  # fmt: skip
LABORATORY = Party(
    "laboratory", 1010, {"en": "Produce Laboratory (demo)", "zh": "农产品检测实验室（演示）"}, ("laboratory",),
    {"en": "Laboratory, Yantai", "zh": "烟台实验室"}, YANTAI, "37.4600", "121.4400",
)  # fmt: skip

PARTIES = (YUNNAN, SHANDONG, CENTRAL, PUDONG, MINHANG, CHEN, LIN, WANG, CERTIFIER, LABORATORY)

ROSES = Product(YUNNAN, 10, {"en": "Roses, bunch of 20", "zh": "玫瑰 20枝"}, "Roses", "Carola", "20 stems")
APPLES = Product(SHANDONG, 20, {"en": "Fuji apples, 2.5 kg", "zh": "红富士苹果 2.5公斤"}, "Apples", "Fuji", "2.5 kg box")
PRODUCTS = (ROSES, APPLES)
