"""
GS1 Digital Link: what a scanned label leads to.

    browser                                    the scan page, whose script verifies the bundle that stands in it
    application/json, ?format=bundle, json     the bundle
    application/linkset+json, ?linkType=linkset   every link; another linkType redirects, or 404 where there is none

What cannot be read is refused with the reason, never answered with a page that looks right; so is a label that no record is
about.  A place, a party, a crate or a whole product has no bundle: its page lists the records that name it.

Source: GS1 Digital Link URI syntax; GS1-conformant resolver standard; interface.md.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse
from sqlalchemy import select
from sqlalchemy.orm import Session

from api.accept import HTML, JSON, LINKSET, prefer
from api.access import Viewer, Viewing
from api.cors import preflight
from api.deps import Lang, Reading, Service, Serving
from api.files import FILES
from api.language import TAGS
from api.linkset import DEFAULT, VOCABULARY, Link, by_type, links_of, linkset_of, resolver_description
from api.place import place_page
from api.policy import proposed_policy
from api.problems import HttpProblem
from api.scan import render_scan
from ledger.bundles import NothingKnown, TooMuch, make_bundle
from ledger.finding import is_recorded
from ledger.models import Published
from ledger.pooling import published_size
from verify import gs1
from verify.errors import Malformed

PUBLIC = {"access-control-allow-origin": "*", "access-control-expose-headers": "link, location"}
DEVCHAIN = "/devchain"
LISTED = ("place", "party", "asset")
Form = Annotated[Literal["bundle", "json", "csv", "xlsx"] | None, Query(alias="format")]
KEYS = ("00", "01", "414", "417", "8003")

router = APIRouter(tags=["digital link"])


@router.get("/.well-known/gs1resolver")
def description(service: Serving) -> Response:
    """What this resolver can do."""
    return JSONResponse(resolver_description(service.settings.base_url), headers=PUBLIC)


def resolve(
    request: Request, service: Serving, session: Reading, viewer: Viewing, lang: Lang,
    link_type: Annotated[str, Query(alias="linkType", max_length=200)] = "",
    form: Form = None,
) -> Response:  # fmt: skip
    """Answer one Digital Link."""
    path = request.url.path.rstrip("/")
    named = _subjects(f"{service.settings.base_url}{path}")
    uri, size = named[0], published_size(session)
    # A trace asks about the lot where nobody told anything of this one item.
    links = links_of(service.settings.base_url, path, next((one for one in named if is_recorded(session, one, size)), uri))
    media = JSON if form in ("bundle", "json") else prefer(request, (JSON, HTML, LINKSET))
    if link_type == "linkset" or (media == LINKSET and not link_type):
        return JSONResponse(linkset_of(service.settings.base_url, path, links), 200, _headers(links), LINKSET)
    if link_type and link_type.rpartition(":")[2].rpartition("/")[2] != DEFAULT:
        return _redirect(by_type(links, link_type), link_type)
    if media is None:
        raise HttpProblem("not-acceptable", f"{HTML}, {JSON} or {LINKSET}")
    viewer.record(service, "label", uri)
    level = gs1.level(uri)
    bundle = None if level in LISTED else _bundle(session, service, path, viewer, level)
    if bundle is None:
        return place_page(request, service, session, uri, as_html=media == HTML, headers=_headers(links), form=form)
    if form in FILES:
        raise HttpProblem("bad-parameter", "query/format: food is told as 'bundle' or 'json'", where="query/format")
    if media == JSON:
        return Response(bundle, 200, {"cache-control": "no-store"} | _headers(links), JSON)
    return _scan(session, service, bundle, lang)


def _scan(session: Session, service: Service, bundle: str, lang: str) -> Response:
    policy = proposed_policy(session, service.settings, is_demo=service.is_demo)
    html, csp = render_scan(
        bundle, lang=lang, catalog=service.catalog, policy=policy, rpc=[DEVCHAIN] if service.is_demo else [],
        is_demo=service.is_demo,
    )  # fmt: skip
    # Never stored: a recall that came a minute ago must not hide behind an old page.
    headers = {"content-security-policy": csp, "cache-control": "no-store", "content-language": TAGS[lang],
               "vary": "accept, accept-language, cookie"}  # fmt: skip
    return Response(html, 200, headers, HTML)


def _subjects(label: str) -> list[str]:
    try:
        return gs1.parse_label(label).uris()
    except Malformed as error:
        raise HttpProblem("bad-identifier", error.message, where="path") from None


def _bundle(session: Session, service: Service, path: str, viewer: Viewer, level: str) -> str | None:
    """The bundle; None for a product that is only named by its lots.  Raises HttpProblem."""
    published = session.scalar(select(Published))
    if published is None:
        raise HttpProblem("not-ready", "no checkpoint is published yet", retry_after_s=1)
    try:
        return make_bundle(
            session, service.store, service.log_signer, label=f"{service.settings.base_url}{path}", now_s=int(time.time()),
            published=published, audience=viewer.audience, tallies=service.tallies,
        )  # fmt: skip
    except NothingKnown as error:
        if level == "product":
            return None
        raise HttpProblem("unknown-subject", str(error), where="path") from None
    except TooMuch as error:
        raise HttpProblem("too-much", str(error)) from None


def _redirect(found: Sequence[Link], link_type: str) -> Response:
    if not found:
        raise HttpProblem("no-such-link", f"no link of type {link_type}", where="linkType")
    return RedirectResponse(found[0].href, 307, PUBLIC)


def _headers(links: Mapping[str, Sequence[Link]]) -> dict[str, str]:
    """CORS, and the Link header that names the default link and the linkset."""
    default = links[DEFAULT][0]
    named = f'<{default.href}>; rel="{VOCABULARY}{DEFAULT}"; type="{default.media}"'
    return PUBLIC | {"link": f'{named}, <{default.href}?linkType=linkset>; rel="linkset"; type="{LINKSET}"'}


for _key in KEYS:
    router.add_api_route(f"/{_key}/{{rest:path}}", resolve, methods=["GET"], include_in_schema=_key == "01")
    router.add_api_route(f"/{_key}/{{rest:path}}", preflight("GET, HEAD"), methods=["OPTIONS"], include_in_schema=False)
