"""
The demo's stage: a folder with a log, its keys, a witness and a chain of its own, and the policy that names them.

The chain lives in memory: at every start it is new, at the same address, and the log is anchored on it again.  Everything
else stays.  A folder that holds somebody's real log is never touched, and a season that was cut short is begun anew.
"""

import json
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import available_timezones

from sqlalchemy import delete
from sqlalchemy.orm import Session

from api.demo.play import Registrar
from api.devchain import CHAIN_ID, DevChain
from api.policy import proposed_policy
from ledger.accounts import create_api_key
from ledger.anchors.keys import ChainKey, create_key, read_key
from ledger.db import Database
from ledger.genesis import create_log, registrar_uri
from ledger.keys import Keys, create_keys
from ledger.migrate import upgrade
from ledger.models import AnchorAttempt, AnchorRow, Log, WitnessRow
from ledger.running import LOCAL, database_of, local_witness
from ledger.settings import Settings
from producers.keys import generate_key, write_key
from producers.private import create_private, read_private

MARK = "demo-season.json"  # made before the log: this folder is the demo's
ITEMS = "demo-items.json"  # made after the season: it was played to its end
POLICY = "demo-policy.txt"
KEY = "demo-regulator.key"
WITNESS = "localhost/witness"


class NotOurs(Exception):
    """The folder holds a log that is not the demo's."""


@dataclass(frozen=True, slots=True)
class Stage:
    """What `run` needs."""

    settings: Settings
    chain: DevChain
    registrar: Registrar
    regulator_key: str
    is_new: bool
    """Whether the season is still to be played."""

    @property
    def items(self) -> Path:
        """Where the items of a played season stand."""
        return self.settings.data / ITEMS

    @property
    def policy(self) -> Path:
        """The policy that this demo proposes."""
        return self.settings.data / POLICY


def set_up(data: Path, base_url: str) -> Stage:
    """Make or open the demo in `data`.  Raises NotOurs; KeyRefused where others can read a key."""
    _begin(data)
    settings = _settings(data, base_url)
    anchor, gas = (_chain_key(settings.keys / f"{name}.pem") for name in ("anchor", "gas"))
    chain = DevChain([gas.address])
    settings = settings.model_copy(update={"anchor_chain_id": CHAIN_ID, "anchor_contract": chain.contract})
    keys = create_keys(settings.keys, settings.origin)
    database = database_of(settings)
    try:
        upgrade(database)
        key = _write(settings, database, keys, anchor)
    finally:
        database.close()
    registrar = Registrar(registrar_uri(settings.origin), keys.registrar)
    return Stage(settings, chain, registrar, key, not (data / ITEMS).exists())


def _begin(data: Path) -> None:
    if (data / ITEMS).exists():
        return
    if (data / MARK).exists():
        # Cut short: half a season cannot be told on, since its keys are granted and its salts are gone.
        shutil.rmtree(data)
    elif (data / "ledger.db").exists() or (data / "keys").exists():
        raise NotOurs(f"{data} holds a log that is not the demo's: set ORIGINMARK_DATA to another folder")
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    (data / MARK).write_text(json.dumps({"begun_ms": _now_ms()}) + "\n", "utf-8")


def _settings(data: Path, base_url: str) -> Settings:
    # All said here, so that nothing comes from an operator's environment: a demo must not write into a real database.
    return Settings(
        data=data, database_url="", tiles_url="", origin="localhost/originmark", base_url=base_url, anchor_rpc_url="",
        anchor_interval_s=1, sequence_interval_ms=100, witness_fail_open=True, timezone=_home(),
    )  # fmt: skip


def _home() -> str:
    """The season's own time zone, where the system knows it."""
    return "Asia/Shanghai" if "Asia/Shanghai" in available_timezones() else "UTC"


def _write(settings: Settings, database: Database, keys: Keys, anchor: ChainKey) -> str:
    """Log, witness and regulator's key, each where there is none; the policy file anew.  Returns the regulator's key."""
    with database.writing() as session:
        if session.get(Log, 1) is None:
            create_log(session, keys, now_ms=_now_ms(), anchor_signers=[anchor.address])
        # The chain that held these is gone.
        session.execute(delete(AnchorAttempt))
        session.execute(delete(AnchorRow))
        _witness(session, settings, keys)
        key = _regulator(session, settings.data / KEY)
        policy = proposed_policy(session, settings, is_demo=True)
        session.commit()
    (settings.data / POLICY).write_text(policy, "utf-8")
    return key


def _witness(session: Session, settings: Settings, keys: Keys) -> None:
    path = settings.keys / f"witness-{WITNESS.replace('/', '-')}.pem"
    if not path.exists():
        write_key(path, generate_key("EdDSA"))
    vkey = local_witness(WITNESS, settings, keys.log.vkey).signer.vkey
    session.merge(WitnessRow(name=WITNESS, vkey=vkey.format(), url=f"{LOCAL}{WITNESS}"))


def _regulator(session: Session, path: Path) -> str:
    """The key that is printed; a real operator shows one once and keeps its hash alone."""
    if not path.exists():
        create_private(path, create_api_key(session, "Demo regulator 演示监管", "regulator", _now_ms()).encode())
    return read_private(path).decode()


def _chain_key(path: Path) -> ChainKey:
    return read_key(path) if path.exists() else create_key(path)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
