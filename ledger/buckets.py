"""
Objects in a bucket, through obstore: S3 and whatever speaks it; every write is conditional.

    create       If-None-Match: never in place of another object
    replace      If-Match: in place of exactly the object that we read or wrote last, so that a request that was delayed on its
                 way can never put an old checkpoint over a newer one

A request without an answer may have been done.  It is asked again until `timeout_s` is over, and what is there decides.

Source: obstore's S3Store; AWS, "Conditional writes"; SeaweedFS 4.48 keeps both promises under racing writers.
"""

import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from configparser import ConfigParser
from configparser import Error as ConfigError
from datetime import timedelta
from pathlib import Path
from typing import Any, NoReturn

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    NotFoundError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)
from obstore.store import S3Store, from_url
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from ledger.problems import Fatal
from ledger.settings import PREFIXES
from ledger.stored import Listed, StoreRefused, StoreUnavailable
from producers.private import NotPrivate, read_private

ABSENT = (FileNotFoundError, NotFoundError)
TAKEN = (AlreadyExistsError, PreconditionError)
REFUSED = (PermissionDeniedError, UnauthenticatedError)
NO_BUCKET = "NoSuchBucket"
NOT_OURS = frozenset(("AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", NO_BUCKET))  # where obstore calls it generic
PAUSE = 0.2  # s between two attempts after an answer that never came
SECRETS = ("access_key_id", "secret_access_key", "session_token")


class BucketSettings(BaseSettings):
    """How to reach the bucket of ORIGINMARK_TILES_URL.  What is not set here is as obstore reads it: AWS_* in the environment."""

    model_config = SettingsConfigDict(env_prefix=PREFIXES["BucketSettings"], env_file=".env", extra="ignore", frozen=True)

    endpoint: str = ""
    """https://… of a store that is not Amazon's; http:// only on a network of your own."""
    region: str = ""
    """The region that requests are signed for."""
    path_style: bool = True
    """False where the bucket is part of the host's name."""
    credentials: Path | None = None
    """Trusted: a file of mode 0600 in the form of ~/.aws/credentials, section [default]; whoever reads it can stop the log."""
    timeout_s: float = Field(default=20.0, gt=0, le=240)
    """How long a request is asked again before the batch fails; submitters wait meanwhile."""
    streams: int = Field(default=16, ge=1, le=256)
    """Requests at once."""


class BucketObjects:
    """See objects.Objects, Batches and Shelf."""

    def __init__(self, url: str, settings: BucketSettings | None = None) -> None:
        self._settings = settings or BucketSettings()
        self._store = _opened(url, self._settings)
        self._url = url
        self._tags: dict[str, Any] = {}
        """What identifies the object that we read or wrote last under a name that is replaced."""

    def read(self, path: str) -> bytes | None:
        """See Objects."""
        try:
            return bytes(obstore.get(self._store, path).bytes())
        except ABSENT as error:
            if NO_BUCKET in str(error):
                self._fail(error, path)
            return None
        except BaseError as error:
            self._fail(error, path)

    def create(self, path: str, data: bytes) -> None:
        """See Objects."""
        try:
            self._until_known(path, data, lambda: obstore.put(self._store, path, data, mode="create"))
        except TAKEN:
            # Our own earlier attempt whose answer was lost: fine.
            if self.read(path) != data:
                raise Fatal(f"{path} exists with other bytes") from None

    def replace(self, path: str, data: bytes) -> None:
        """See Objects.  Raises Fatal where somebody else replaced the object since we last saw it."""
        tag = self._tags.pop(path, None) or self._head(path)
        try:
            mode = "create" if tag is None else tag
            self._tags[path] = self._until_known(path, data, lambda: obstore.put(self._store, path, data, mode=mode))
        except TAKEN:
            if self.read(path) != data:
                raise Fatal(f"{path} was replaced by another writer") from None

    def write_many(self, items: Mapping[str, bytes], *, replace: bool) -> None:
        """See Batches: all at once, since each is mostly waiting.  Raises the first error after every write has ended."""
        write = self._overwrite if replace else self.create
        with ThreadPoolExecutor(min(self._settings.streams, len(items) or 1)) as pool:
            done = [pool.submit(write, path, data) for path, data in items.items()]
        for one in done:
            one.result()

    def settle(self, paths: Iterable[str]) -> None:
        """See Objects.  A bucket answers once the object is durable."""

    def listed(self, prefix: str) -> list[Listed]:
        """See Shelf."""
        try:
            found = [one for page in obstore.list(self._store, prefix) for one in page]
        except BaseError as error:
            self._fail(error, prefix)
        return [Listed(one["path"], one["size"], one["last_modified"].timestamp()) for one in found]

    def drop(self, paths: Sequence[str]) -> None:
        """See Shelf."""
        try:
            obstore.delete(self._store, list(paths))
        except ABSENT:
            return
        except BaseError as error:
            self._fail(error, paths[0])

    def _overwrite(self, path: str, data: bytes) -> None:
        # For what is immutable and was re-derived: whoever writes it last writes the same bytes.
        self._until_known(path, data, lambda: obstore.put(self._store, path, data))

    def _until_known(self, path: str, data: bytes, put: Callable[[], Any]) -> Any:
        """Put until there is an answer, or the object is there, or the time is over."""
        end = time.monotonic() + self._settings.timeout_s
        while True:
            try:
                return _tag(put())
            except TAKEN:
                raise
            except (*REFUSED, *ABSENT) as error:
                self._fail(error, path)
            except BaseError as error:
                if time.monotonic() >= end:
                    self._fail(error, path)
            if self.read(path) == data:  # it was done, and only the answer is lost
                return self._head(path)
            time.sleep(PAUSE)

    def _head(self, path: str) -> Any:
        try:
            return _tag(obstore.head(self._store, path))
        except ABSENT:
            return None
        except BaseError as error:
            self._fail(error, path)

    def _fail(self, error: Exception, path: str) -> NoReturn:
        reason = _reason(error)
        if isinstance(error, (*REFUSED, *ABSENT)) or reason in NOT_OURS:
            raise StoreRefused(f"{self._url}: the store refuses {path}: {reason}") from None
        raise StoreUnavailable(f"{self._url}: no good answer about {path}: {reason}") from None


def _opened(url: str, settings: BucketSettings) -> Any:
    if not url.startswith("s3://"):
        return from_url(url)
    chosen = {"endpoint": settings.endpoint, "region": settings.region} | _credentials(settings.credentials)
    client: dict[str, Any] = {"timeout": timedelta(seconds=settings.timeout_s), "connect_timeout": timedelta(seconds=5)}
    if settings.endpoint.startswith("http://"):
        client["allow_http"] = True
    backoff = {"init_backoff": timedelta(milliseconds=50), "max_backoff": timedelta(seconds=1)}
    # By time and not by count: what matters is how long submitters wait.
    retry = {"max_retries": 1_000, "retry_timeout": timedelta(seconds=settings.timeout_s), "backoff": backoff}
    return S3Store.from_url(url, client_options=client, retry_config=retry,
                            virtual_hosted_style_request=not settings.path_style,
                            **{name: value for name, value in chosen.items() if value})  # fmt: skip


def _credentials(path: Path | None) -> dict[str, str]:
    """Read them.  Raises StoreRefused where others can read the file, or where it is in another form; OSError."""
    if path is None:
        return {}
    parser = ConfigParser(interpolation=None)
    try:
        parser.read_string(read_private(path).decode())
        section = parser["default"]
    except NotPrivate as error:
        raise StoreRefused(str(error)) from None
    except (KeyError, UnicodeDecodeError, ConfigError) as error:
        raise StoreRefused(f"{path} is not in the form of ~/.aws/credentials: {type(error).__name__}") from None
    return {name: section[f"aws_{name}"] for name in SECRETS if f"aws_{name}" in section}


def _tag(told: Mapping[str, Any]) -> dict[str, Any]:
    return {name: told[name] for name in ("e_tag", "version") if told.get(name)}


def _reason(error: Exception) -> str:
    """One line.  obstore's whole text has pages, with headers of the request in them."""
    text = str(error).split("\n\nDebug source")[0]
    code = re.search(r"<Code>(\w+)</Code>", text) or re.search(r"status code: (\d+ [A-Za-z ]+)", text)
    return code[1] if code else text.partition("\n")[0][:300]
