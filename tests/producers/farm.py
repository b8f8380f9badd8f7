"""A small farm for tests: one party, one key, as many harvest events as wanted."""

import csv
from pathlib import Path
from typing import Any

from producers import records
from producers.epcis.identity import mint_event_id
from producers.keys import generate_key
from producers.sign import PrivateKey

FARM = "https://id.gs1.org/417/9521234000013"
LOT = "https://id.gs1.org/01/09521234000013/10/H7"
PLACE = "https://id.gs1.org/414/9521234000013"
KEY = generate_key()
HARVEST = {
    "商品编码 GTIN": "09521234000013", "批号 Lot": "H7", "数量 Quantity": "820.5", "单位 Unit": "公斤",
    "采收时间 Harvest time": "2026-03-02 06:10", "时区 UTC offset": "+08:00", "产地 Place (GLN)": "9521234000013",
    "品名 Commodity": "番茄", "品种 Variety": "", "地块 Field": "3号棚", "收货方 Recipient (GLN)": "",
}  # fmt: skip


def event_text(number: int, *, event_id: str = "", quantity: str = "820.50") -> str:
    """Harvest number `number`, as JSON text."""
    minute = f"{number // 60 % 24:02}:{number % 60:02}"
    rest = (
        f'"eventTime":"2026-03-02T{minute}:00.{number % 1000:03}+08:00","eventTimeZoneOffset":"+08:00","action":"ADD",'
        f'"bizStep":"commissioning","quantityList":[{{"epcClass":"{LOT}-{number}","quantity":{quantity},"uom":"KGM"}}],'
        f'"readPoint":{{"id":"{PLACE}"}}}}'
    )
    identifier = event_id or mint_event_id(rest.encode(), FARM)
    context = "https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"
    return f'{{"@context":"{context}","type":"ObjectEvent","eventID":"{identifier}",{rest}'


def statement(number: int, *, key: PrivateKey = KEY, issuer: str = FARM) -> bytes:
    """Harvest number `number`, signed."""
    return records.sign_record(records.event_record(event_text(number), issuer=issuer), key)


def statements(count: int, *, first: int = 0) -> list[bytes]:
    """Harvests first, first + 1 ..., signed."""
    return [statement(number) for number in range(first, first + count)]


def document(*events: str) -> str:
    """An EPCIS document of these events."""
    return (
        '{"@context":"https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld","type":"EPCISDocument",'
        '"schemaVersion":"2.0","creationDate":"2026-03-02T21:00:00+08:00","epcisBody":{"eventList":['
        + ",\n ".join(events)
        + "]}}"
    )


def csv_file(path: Path, *rows: dict[str, Any], encoding: str = "utf-8-sig") -> Path:
    """A filled sheet."""
    with path.open("w", encoding=encoding, newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path
