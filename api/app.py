"""
The application: routers, the edge of every request, and what runs beside it while it lives.

`create_app` only puts things together; databases, keys and threads are opened when the server starts (running.py) and
closed when it has drained.

Source: architecture, "The life of a batch".
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib import resources
from pathlib import Path

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from starlette.staticfiles import StaticFiles

from api import anchors, codes, labels, log, ops, pages, problems, recalls, regulator, reports, resolver, statements, trace
from api.devroute import devchain_router
from api.headers import Completing, SecurityHeaders
from api.limits import Gate, Limits, Traffic
from api.measure import Measure, Notes
from api.metrics import Gauges
from api.openapi import describe
from api.running import Local, running
from api.straight import Application, Edge, Endpoint, Straight
from ledger.settings import Settings

ROUTERS = (statements, log, anchors, trace, recalls, reports, labels, codes, ops, pages, regulator, resolver)


def create_app(settings: Settings, local: Local | None = None) -> FastAPI:
    """
    Build the service for `settings`.  `local` adds what a demo or a test runs in this process: witnesses, a chain.

    Nothing is opened before the server starts the application's lifespan.
    """
    local = local or Local()
    app = Application(
        title="Originmark", version="0.1.0", lifespan=_lifespan(settings, local), docs_url=None, redoc_url=None,
        openapi_url="/openapi.json",
        # To add or drop a slash, the framework sends people to whatever host the Host header names.
        redirect_slashes=False,
    )  # fmt: skip
    app.state.base_url = settings.base_url
    app.state.traffic = Traffic()
    problems.install(app)
    for area in ROUTERS:
        app.include_router(with_heads(area.router))
    if local.devchain is not None:
        app.include_router(devchain_router(local.devchain.rpc))
    describe(app)
    app.mount("/static", StaticFiles(directory=_static()), name="static")
    add_edge(app, Edge(
        Gate(app.state.traffic, settings), Notes(), Completing(https=settings.base_url.startswith("https://")),
    ), path=statements.SUBMIT, endpoint=statements.submit)  # fmt: skip
    return app


def with_heads(router: APIRouter) -> APIRouter:
    """Answer HEAD wherever GET is answered: the endpoint runs, and the server keeps the body.  Source: RFC 9110 section 9.3.2."""
    for route in router.routes:
        if isinstance(route, APIRoute) and route.methods and "GET" in route.methods:
            route.methods.add("HEAD")
    return router


def add_edge(app: Application, edge: Edge, *, path: str, endpoint: Endpoint) -> None:
    """Put what every request meets before the routes, and the straight way to the endpoint of `path` beside them."""
    app.add_middleware(Limits, gate=edge.gate)
    app.add_middleware(Measure, notes=edge.notes)
    app.add_middleware(SecurityHeaders, completing=edge.completing)
    app.straight = Straight(app, edge, path=path, endpoint=endpoint)


def _lifespan(settings: Settings, local: Local) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with running(settings, local) as service:
            app.state.service = service
            service.metrics.registry.register(Gauges(service.database, service.intake.pool, app.state.traffic))
            yield

    return lifespan


def _static() -> Path:
    return Path(str(resources.files("api").joinpath("static")))
