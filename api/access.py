"""
Who looks: the public, or a regulator with a key, whose every look is recorded before it is answered.

A key travels as `Authorization: Bearer …` from programs, and from browsers in a cookie that scripts cannot read and other
sites cannot cause to be sent.  It is looked up at every request, so that a revoked key ends at once.

Source: interface.md; RFC 6265bis (SameSite); Fetch Metadata.
"""

import time
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from api.deps import Reading, Service, Serving
from api.problems import HttpProblem
from ledger.looks import find_key, record_look
from ledger.shown import Audience

COOKIE = "originmark"
MAX_KEY = 200  # characters


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who asks; `key_id` is None for the public."""

    key_id: str | None
    name: str = ""

    @property
    def audience(self) -> Audience:
        """What may be shown."""
        return Audience.PUBLIC if self.key_id is None else Audience.REGULATOR

    def record(self, service: Service, what: str, query: str) -> None:
        """Write down a regulator's look, committed before anything is shown; the public is not written down."""
        if self.key_id is None:
            return
        with service.database.writing() as session:
            record_look(session, self.key_id, what=what, query=query, at_ms=time.time_ns() // 1_000_000)
            session.commit()


def viewer_of(request: Request, session: Reading) -> Viewer:
    """The public, or the regulator whose key came along.  Raises HttpProblem for a key that is not good."""
    scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
    shown = bearer.strip() if scheme.lower() == "bearer" else request.cookies.get(COOKIE, "")
    if not shown:
        return Viewer(None)
    key = find_key(session, shown[:MAX_KEY])
    if key is None and scheme:
        raise HttpProblem("sign-in", "this key is not known, or was revoked")
    # A browser whose cookie went stale is the public again; a program would rather be told.
    return Viewer(None) if key is None else Viewer(key.id, key.name)


Viewing = Annotated[Viewer, Depends(viewer_of, scope="function")]


def regulator_of(viewer: Viewing) -> Viewer:
    """The signed-in regulator.  Raises HttpProblem."""
    if viewer.key_id is None:
        raise HttpProblem("sign-in", "sign in at /regulator")
    return viewer


Regulating = Annotated[Viewer, Depends(regulator_of, scope="function")]


def refuse_other_sites(request: Request, service: Serving) -> None:
    """Refuse a form that another site's page sent.  Raises HttpProblem."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    own = {service.settings.base_url, str(request.base_url).rstrip("/")}
    # The first is the browser's own word and cannot be set by a page; older browsers send the second alone.
    is_own = site in ("same-origin", "none") if site is not None else origin is None or origin in own
    if not is_own:
        raise HttpProblem("other-site", "open the form on this site and send it again")
