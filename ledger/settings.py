"""
Settings of the service, from the environment (ORIGINMARK_*) or `.env`.

Each says who could hurt us through it.  Values only: nothing is opened here.
"""

from datetime import UTC, tzinfo
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIXES = {"Settings": "ORIGINMARK_", "BucketSettings": "ORIGINMARK_S3_"}
"""Of the names in the environment, by the class whose members they set."""


def zone(name: str) -> tzinfo:
    """The time zone of a name like Asia/Shanghai.  Raises ValueError where the system knows none."""
    try:
        return UTC if name == "UTC" else ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"the system knows no time zone {name}: Asia/Shanghai and the like, or UTC") from None


def _known_zone(name: str) -> str:
    zone(name)
    return name


class Settings(BaseSettings):
    """Everything an operator chooses; the defaults run one log on one machine."""

    model_config = SettingsConfigDict(env_prefix=PREFIXES["Settings"], env_file=".env", extra="ignore", frozen=True)

    data: Path = Path("var")
    """Trusted: holds the private keys.  Mode 0700."""
    database_url: str = ""
    """Trusted: whoever writes the checkpoint table can make the log sign a fork.  Default: SQLite under `data`."""
    tiles_url: str = ""
    """Not trusted: every reader detects damage; at worst the log stops.  A folder or s3://bucket/prefix; default under `data`."""
    origin: str = "localhost/originmark"
    """The log's unique name, a URL without scheme.  Fixed by `init`; another value later is refused."""
    base_url: str = "http://localhost:8000"
    """Where the public finds this service; printed on labels, proves nothing."""
    sequence_interval_ms: int = Field(default=50, ge=0, le=60_000)
    """The most that a batch is gathered for, and from one look for other processes' statements to the next."""
    pool_limit: int = Field(default=32_768, ge=1)
    """Pending statements before submitters are asked to come back (503)."""
    batch_limit: int = Field(default=8_192, ge=1, le=65_536)
    """Statements per checkpoint, about: a parcel is never cut."""
    workers: int | None = Field(default=None, ge=0, le=32)
    """Processes that examine large batches; one a core by default, 0 keeps it all in the service's own."""
    witness_timeout_s: float = Field(default=1.0, gt=0, le=60)
    """A slow witness delays every submitter by this much."""
    witness_fail_open: bool = True
    """Publish without the quorum.  False stops the log when a witness is down; readers' policies decide in both cases."""
    witness_quorum: int = Field(default=0, ge=0)
    """How many of our witnesses must sign before we publish, where `witness_fail_open` is false."""
    max_requests: int = Field(default=1_024, ge=1)
    """Requests at work at once; one more is asked to come back (503).  Each that waits for its receipt counts."""
    max_connections: int = Field(default=2_048, ge=1)
    """Open connections; one more is closed with 503."""
    max_body_memory: int = Field(default=268_435_456, ge=1_048_576)
    """Bytes of request bodies held at once, by all requests together."""
    patience_s: float = Field(default=10.0, gt=0, le=300)
    """How long a client may take for the head of a request, and lag behind 1 KiB/s with its body."""
    address_rate: int = Field(default=600_000, ge=0)
    """Requests a minute from one address (IPv6: one /64); 0 for no limit.  The default is more than two cores can answer."""
    party_rate: int = Field(default=600_000, ge=0)
    """Statements a minute under one key, counted once its signature verified; 0 for no limit."""
    drain_notice_s: float = Field(default=1.0, ge=0, le=300)
    """How long `readyz` says no before the listening socket closes: what a load balancer needs to look elsewhere."""
    log_format: Literal["auto", "json", "text"] = "auto"
    """auto: text for a terminal, JSON for everything else."""
    timezone: Annotated[str, AfterValidator(_known_zone)] = "UTC"
    """In which pages show the log's times; files, receipts and the log itself have UTC."""
    anchor_rpc_url: str = ""
    """Not trusted: a lying node can delay an anchor, and readers ask their own.  Empty: nothing is anchored."""
    anchor_chain_id: int = 0
    """Pinned: a node on another chain is refused before anything is signed."""
    anchor_contract: str = ""
    """Pinned, 0x and 40 hexadecimal digits."""
    anchor_interval_s: int = Field(default=3_600, ge=1)
    """At most one transaction in this time, whatever the write rate."""

    @property
    def database(self) -> str:
        """The URL that is in force."""
        return self.database_url or f"sqlite:///{self.data / 'ledger.db'}"

    @property
    def tiles(self) -> str:
        """The tile store that is in force: a folder or an s3:// URL."""
        return self.tiles_url or str(self.data / "tiles")

    @property
    def keys(self) -> Path:
        """The folder of private keys."""
        return self.data / "keys"


def what_is_wrong(error: ValidationError) -> str | None:
    """Which settings cannot be used and why, a line each, without their values; None where the error is about something else."""
    prefix = PREFIXES.get(error.title)
    if prefix is None:
        return None
    lines = [("_".join(map(str, one["loc"])).upper(), one["msg"]) for one in error.errors(include_url=False)]
    return "\n".join(f"{prefix}{name}: {told.removeprefix('Value error, ')}" for name, told in lines)
