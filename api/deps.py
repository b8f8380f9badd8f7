"""
What a request gets: the service, a session, the reader's language, a signed-in regulator.

A session for writing commits here, when its endpoint returned without raising and before the answer is sent; nothing
deeper commits.  Sessions end with the endpoint, so that a slow reader of an answer holds none.
"""

from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, cast

from fastapi import Depends, Request, Response
from fastapi.routing import APIRoute
from limits.strategies import FixedWindowRateLimiter
from sqlalchemy.orm import Session

from api.alone import Alone
from api.intake import Intake
from api.language import Catalog, pick_language
from api.metrics import Metrics
from api.views import Views
from api.watcher import Watcher
from ledger.db import Database
from ledger.settings import Settings
from ledger.tallies import Tallies
from ledger.tiles import TileStore
from producers.epcis.validate import EventValidator
from producers.sign import Signer
from verify.note import VerifierKey


@dataclass(frozen=True, slots=True)
class Service:
    """Everything that lives as long as the process; opened by app.py, and nowhere global."""

    settings: Settings
    database: Database
    store: TileStore
    validator: EventValidator
    watcher: Watcher
    views: Views
    intake: Intake
    alone: Alone
    tallies: Tallies
    log_signer: Signer
    """Signs answer notes here, and checkpoints in the sequencer."""
    clock_key: VerifierKey
    limiter: FixedWindowRateLimiter
    metrics: Metrics
    """What this process counts; it also watches the sequencer."""
    is_demo: bool

    @property
    def log_key(self) -> VerifierKey:
        """What the log's signatures are verified with."""
        return self.log_signer.vkey

    @property
    def catalog(self) -> Catalog:
        """The words of the pages."""
        return self.views.catalog


def service_of(request: Request) -> Service:
    """The service that this application serves."""
    return cast(Service, request.app.state.service)


async def _serving(request: Request) -> Service:
    # Asynchronous, or every request would take a thread for this line.
    return service_of(request)


class Direct(APIRoute):
    """A route that gets its request and nothing else: described like the others, without what finding out dependencies costs."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """See APIRoute."""
        return self.endpoint


Serving = Annotated[Service, Depends(_serving)]
Lang = Annotated[str, Depends(pick_language)]


def _reading(service: Serving) -> Iterator[Session]:
    with service.database.reading() as session:
        yield session


def _writing(service: Serving) -> Iterator[Session]:
    with service.database.writing() as session:
        yield session
        session.commit()


Reading = Annotated[Session, Depends(_reading, scope="function")]
Writing = Annotated[Session, Depends(_writing, scope="function")]
