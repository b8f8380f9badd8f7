"""
Putting the parts together from settings: what `serve`, the commands and the tests open.

No thread starts here and nothing is written: whoever opens, runs and closes.
"""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from ledger.buckets import BucketObjects
from ledger.db import Database, open_database
from ledger.keys import Keys, note_signer
from ledger.models import WitnessRow
from ledger.objects import open_objects
from ledger.observing import Observer, Silent
from ledger.pooling import Pool
from ledger.publishing import Publisher
from ledger.sequencer import Sequencer, system_clock
from ledger.settings import Settings
from ledger.settling import Settled
from ledger.tiles import TileStore
from ledger.witness import Submit, Witness, over_http
from ledger.witnessing.cosigner import Cosigner
from ledger.witnessing.memory import Memory
from verify.note import COSIGNER, VerifierKey

LOCAL = "local:"


def database_of(settings: Settings) -> Database:
    """The configured database."""
    return open_database(settings.database)


def store_of(settings: Settings) -> TileStore:
    """The configured tile store."""
    return TileStore(open_objects(settings.tiles))


def store_for_readers(settings: Settings, database: Database, keys: Keys) -> TileStore:
    """The same, shut until what a power cut may have taken is there again (settling.py); a bucket loses nothing."""
    objects = open_objects(settings.tiles)
    if isinstance(objects, BucketObjects):
        return TileStore(objects)
    return TileStore(Settled(objects, database, (keys.log.vkey, keys.clock.vkey), quorum=quorum_of(settings) > 0))


def quorum_of(settings: Settings) -> int:
    """How many witnesses must sign before anything is published."""
    return 0 if settings.witness_fail_open else settings.witness_quorum


def sequencer_of(settings: Settings, database: Database, keys: Keys, observer: Observer | None = None) -> Sequencer:
    """The sequencer with its publisher and the witnesses of the database.  Run it under db.sequencer_lock."""
    store = store_of(settings)
    with database.reading() as session:
        witnesses = witnesses_of(session, settings, keys.log.vkey)
    watching = observer or Silent()
    publisher = Publisher(database, store, keys.log.vkey, keys.clock.vkey, witnesses, quorum_of(settings), watching)
    pool = Pool(settings.pool_limit)
    return Sequencer(database, store, keys, publisher, batch_limit=settings.batch_limit, pool=pool, observer=watching)


def witnesses_of(session: Session, settings: Settings, log: VerifierKey) -> Sequence[Witness]:
    """The witnesses we ask, by name."""
    rows = session.scalars(select(WitnessRow).order_by(WitnessRow.name)).all()
    timeout_s = settings.witness_timeout_s
    return [Witness(VerifierKey.parse(row.vkey), _transport(row.url, settings, log), timeout_s=timeout_s) for row in rows]


def _transport(url: str, settings: Settings, log: VerifierKey) -> Submit:
    if not url.startswith(LOCAL):
        return over_http(url, settings.witness_timeout_s)
    return local_witness(url.removeprefix(LOCAL), settings, log).add_checkpoint


def local_witness(name: str, settings: Settings, log: VerifierKey) -> Cosigner:
    """The witness of this name that runs in this process; its key is keys/witness-<file>.pem, its memory beside the database."""
    file = name.replace("/", "-")
    signer, path = note_signer(settings.keys / f"witness-{file}.pem", name, COSIGNER), settings.data / f"witness-{file}.db"
    memory = Memory.open(path, signer.vkey) if path.exists() else Memory.create(path, signer.vkey)
    memory.follow(log)
    return Cosigner(signer, memory, lambda: system_clock() // 1000)
