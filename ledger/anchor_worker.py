"""
The anchor worker: ticks the configured outbox (anchoring.py) until it is told to stop, whatever fails.

    anchoring_of      the outbox that the settings name
    anchor_worker     begins as soon as it can, and ticks
    keep_anchoring    ticks

A thread that ended would leave the log without anchors, and tell nobody.

Source: protocol.md section 4.
"""

import threading
from typing import Any

import structlog
from obstore.exceptions import BaseError
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from ledger.anchoring import Anchoring
from ledger.anchors import AnchorError, NodeTrouble
from ledger.db import Database
from ledger.models import EntryRow
from ledger.problems import Fatal
from ledger.sequencer import system_clock
from ledger.settings import Settings
from ledger.tiles import TileStore

log = structlog.get_logger()

TICK = 12.0  # s; one block of Ethereum


def anchoring_of(settings: Settings, database: Database, store: TileStore, provider: Any = None) -> Anchoring | None:
    """
    The configured outbox, None where nothing is to be anchored.  `provider` is a chain in this process.

    Raises KeyRefused, FileNotFoundError where keys/anchor.pem or keys/gas.pem cannot be used; ValueError for a bad pin.
    """
    if not settings.anchor_contract or (provider is None and not settings.anchor_rpc_url):
        return None
    # web3 takes most of a second to import: only who anchors pays.
    from ledger.anchors.evm import EvmBackend
    from ledger.anchors.keys import read_key
    from ledger.anchors.node import connect
    from verify.policy import AnchorPin

    with database.reading() as session:
        log_id = session.scalar(select(EntryRow.leaf).where(EntryRow.index == 0))
    if log_id is None:
        raise ValueError("there is no log yet: originmark init")
    anchor, gas = read_key(settings.keys / "anchor.pem"), read_key(settings.keys / "gas.pem")
    pin = AnchorPin(settings.anchor_chain_id, settings.anchor_contract.lower(), "0x" + log_id.hex(), anchor.address, None)
    backend = EvmBackend(provider or connect(settings.anchor_rpc_url), pin, anchor_key=anchor, gas_key=gas)
    return Anchoring(database, store, backend, settings.anchor_interval_s * 1000)


def anchor_worker(
    settings: Settings, database: Database, store: TileStore, stop: threading.Event, *, provider: Any = None,
    tick_s: float = TICK,
) -> None:  # fmt: skip
    """Tick until `stop` is set, and begin again where it could not begin; returns at once where nothing is to be anchored."""
    while not stop.is_set():
        try:
            anchoring = anchoring_of(settings, database, store, provider)
        except Exception as error:
            # A database that is away just now, or a key that is not there yet.
            log.error("anchor.not_begun", reason=str(error))
            stop.wait(tick_s)
            continue
        if anchoring is not None:
            keep_anchoring(anchoring, stop, tick_s)
        return


def keep_anchoring(anchoring: Anchoring, stop: threading.Event, tick_s: float) -> None:
    """Tick until `stop` is set, whatever fails: a thread that ended would leave the log without anchors, and tell nobody."""
    while not stop.is_set():
        try:
            anchoring.tick(system_clock())
        except NodeTrouble as error:
            log.warning("anchor.no_answer", reason=str(error))
        except (AnchorError, Fatal) as error:
            log.error("anchor.failed", reason=str(error))
        except (OSError, BaseError, SQLAlchemyError) as error:
            # Readers are not let in yet after a start, the database fails over, the bucket is away.
            log.warning("anchor.store_away", reason=str(error))
        except Exception as error:
            # A node may answer anything, in shapes that no library foresaw.
            log.error("anchor.failed", exc_info=error)
        stop.wait(tick_s)
