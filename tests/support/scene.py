"""
One item of a season as a shopper meets it: pak choi from a farm, by way of two warehouses, to a group leader's pick-up point.

The log is the workshop's; what the page shows before its script has run is read from the same records.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ledger.anchors import Head
from ledger.anchors.evm import EvmBackend, deploy
from ledger.anchors.keys import ChainKey
from ledger.anchors.node import connect
from tests.support.anchors import GAS_KEY
from tests.support.anvil import Anvil
from tests.support.processes import wait_until
from tests.support.workshop import FARM, FIELD, HARVEST, LEADER, PACKED, WAREHOUSE, Codes, Workshop, quantity, seed, to
from verify import gs1, merkle
from verify.bundle import AnchorEvidence, parse_bundle
from verify.policy import AnchorPin
from verify.subjects import Record

FRONT = "https://hub.example/pudong"
PARTIES: Mapping[str, Mapping[str, str]] = {
    FARM: {"en": "Li family farm, Chongming", "zh": "崇明李家农场"},
    WAREHOUSE: {"en": "Central warehouse, Jiading", "zh": "嘉定中心仓"},
    FRONT: {"en": "Front warehouse, Pudong", "zh": "浦东前置仓"},
    LEADER: {"en": "Pick-up point of Ms Wang", "zh": "王团长自提点"},
}
PRODUCT = PACKED.split("/10/")[0]
THINGS: Mapping[str, Mapping[str, str]] = {
    PRODUCT: {"en": "Pak choi, 500 g", "zh": "上海青 500 克"},
    FIELD: {"en": "Field 7, Chongming island", "zh": "崇明岛七号田"},
}
STEPS: Mapping[str, Mapping[str, str]] = {
    "en": {"commissioning": "Harvested", "packing": "Packed", "shipping": "Sent", "receiving": "Received"},
    "zh": {"commissioning": "采收", "packing": "包装", "shipping": "发出", "receiving": "收货"},
}
CODES = Codes(PACKED, count=40)
MINED_S = 30  # seconds for a block with nothing else to do
LABEL = f"https://shop.example/01/09520001000027/10/P-1/21/{CODES.serial(7)}"


@dataclass(frozen=True, slots=True)
class Scene:
    """A log, and the index of the farm's label commitment in it; the last entry is about something else."""

    shop: Workshop
    commitment: int

    def bundle(self, now_s: int, anchors: Sequence[AnchorEvidence] = (), **more: Any) -> str:
        """What the operator answers at `now_s`."""
        checkpoint = self.shop.checkpoint(time_s=now_s)
        item = CODES.proof(self.commitment, 7)
        return self.shop.pack(
            LABEL, leave_out=[len(self.shop.entries) - 1], checkpoint=checkpoint, item=item, anchors=anchors, **more
        )


def scene(*, recalled: bool = False) -> Scene:
    """Play the season; every hop is signed by both sides."""
    shop = Workshop()
    for party, role in ((FARM, "producer"), (WAREHOUSE, "warehouse"), (FRONT, "warehouse"), (LEADER, "retailer")):
        mint = ["https://id.gs1.org/01/0952000100", FARM] if party == FARM else []
        shop.grant(party, role, *(("brand-owner",) if party == FARM else ()), mint=mint, name=PARTIES[party])
    shop.add("MasterData", FARM, {"id": PRODUCT, "type": "Product", "name": THINGS[PRODUCT], "holder": FARM})
    shop.add("MasterData", FARM, {"id": FIELD, "type": "Place", "name": THINGS[FIELD], "holder": FARM})
    _tell(shop, FARM, "commissioning", "16T05:40", "ADD", quantityList=[quantity(HARVEST, 22.5)], readPoint={"id": FIELD})
    made = {"inputQuantityList": [quantity(HARVEST, 22.5)], "outputQuantityList": [quantity(PACKED, 40, None)]}
    shop.tell(FARM, "TransformationEvent", "packing", None, **made, eventTime=_time("16T08:10"), readPoint={"id": FIELD})
    commitment = shop.add("LabelCommitment", FARM, CODES.commitment())
    for sender, receiver, out, came, amount in (
        (FARM, WAREHOUSE, "16T09:00", "16T13:20", 40), (WAREHOUSE, FRONT, "16T22:00", "17T01:30", 24),
        (FRONT, LEADER, "17T06:10", "17T08:00", 12),
    ):  # fmt: skip
        _tell(shop, sender, "shipping", out, quantityList=[quantity(PACKED, amount, None)], destinationList=to(receiver))
        _tell(shop, receiver, "receiving", came, quantityList=[quantity(PACKED, amount, None)])
    if recalled:
        _recall(shop)
    shop.tell(FARM, "ObjectEvent", "commissioning", "ADD", quantityList=[quantity(HARVEST.replace("H-1", "H-2"), 30)])
    return Scene(shop, commitment)


def _time(text: str) -> str:
    return f"2026-11-{text}:00+08:00"


def _tell(shop: Workshop, party: str, step: str, time: str, action: str = "OBSERVE", **members: Any) -> None:
    shop.tell(party, "ObjectEvent", step, action, eventTime=_time(time), **members)


def _recall(shop: Workshop) -> None:
    reason = {"en": "Residue of an insecticide above the limit.", "zh": "一种杀虫剂残留超标。"}
    instructions = {"en": "Do not eat it. Bring it back to your pick-up point.", "zh": "请勿食用，请退回自提点。"}
    recall = {"id": "urn:uuid:00000000-0000-4000-8000-00000000000a", "log": shop.origin, "class": "II", "reason": reason}
    shop.add("RecallNotice", FARM, recall | {"scope": {"lots": [HARVEST]}, "instructions": instructions})


def summary(bundle: str, lang: str) -> dict[str, Any]:
    """The operator's own reading of a bundle, as the page's markup shows it."""
    rows, recall = [], ""
    for one in parse_bundle(bundle).statements:
        record, body = Record.of(one.index, one.time_ms, one.statement), one.statement.subject
        if one.statement.kind == "RecallNotice":
            recall = f"{body['reason'][lang]} {body['instructions'][lang]}"
        if record.event is not None:
            place = THINGS.get(gs1.canonical_uri(record.event.read_point), {}) if record.event.read_point else {}
            rows.append({"index": record.index, "when": record.event.time.strftime("%m-%d %H:%M"), "where": place.get(lang, ""),
                         "who": PARTIES[record.statement.issuer][lang],
                         "what": STEPS[lang][record.event.biz_step or ""]})  # fmt: skip
    dates = {"en": "harvested 16 Nov 2026 · packed 16 Nov 2026", "zh": "采收 2026-11-16 · 包装 2026-11-16"}[lang]
    return {"product": THINGS[PRODUCT][lang], "farm": PARTIES[FARM][lang], "dates": dates, "journey": rows, "recall": recall}


@dataclass(frozen=True, slots=True)
class Anchored:
    """A contract that holds a log's root for one signer, and the policy's line for it."""

    evidence: AnchorEvidence
    line: str


def anchored(node: Anvil, contract: str, code_sha256: str, shop: Workshop, signer: str) -> Anchored:
    """Publish the whole log under a signer of its own, through the ledger's own backend."""
    key = ChainKey(seed(f"signer {signer}"))
    pin = AnchorPin(node.chain_id, contract, shop.log_id(), key.address.lower(), code_sha256)
    backend = EvmBackend(connect(node.url), pin, anchor_key=key, gas_key=GAS_KEY)
    size = len(shop.entries)
    attempt = backend.prepare(Head(size, shop.root(size)), merkle.prove_consistency(shop.reader(), 1, size))
    backend.broadcast(attempt.raw)
    # The node answers before it mines; on a loaded machine a head that is asked for at once is still the old one.
    wait_until(lambda: backend.find(attempt.tx_hash) is not None, MINED_S, "the block that holds our root")
    assert backend.head() == Head(size, shop.root(size))
    line = f"anchor {pin.chain_id} {contract} {pin.log_id} {pin.signer} {code_sha256}"
    return Anchored(shop.evidence(size, node.chain_id, contract), line)


def contract_on(node: Anvil) -> tuple[str, str]:
    """Deploy the anchor contract; its address and the SHA-256 of its code."""
    node.rpc("anvil_setBalance", GAS_KEY.address, hex(10**20))
    found = deploy(connect(node.url), GAS_KEY, chain_id=node.chain_id)
    return found.contract, found.code_sha256
