"""A small farm for tests: one party, one key, as many harvest events as wanted."""

from producers import records
from producers.epcis.identity import mint_event_id
from producers.keys import generate_key
from verify.statement import PrivateKey

FARM = "https://id.gs1.org/417/9521234000013"
LOT = "https://id.gs1.org/01/09521234000013/10/H7"
PLACE = "https://id.gs1.org/414/9521234000013"
KEY = generate_key()


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
