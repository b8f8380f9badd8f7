"""
The description of the HTTP interface at `/openapi.json`: what the framework sees, and what it cannot see.

It sees paths and parameters.  It does not see bodies that are read as streams, media types, the states of an answer, or that
every failure is a problem (RFC 9457), a page for a person's browser.  Those stand here, one line an operation, and a test
sends each operation anything at all and compares the answers.  HEAD is answered wherever GET is, and not described again.

Source: OpenAPI 3.1; interface.md, HTTP.
"""

import warnings
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

JSON, TEXT, HTML, BYTES = "application/json", "text/plain", "text/html", "application/octet-stream"
ONE, LINES = ("application/vc+jwt", "application/vc+sd-jwt"), "application/jsonl"
LINK_KEYS = ("00", "414", "417", "8003")
"""GS1 keys that are answered as `/01` is."""
Media = tuple[str, ...]
SUMMARY = "A traceability ledger for food. Reading needs no account; submitting needs a key that a registrar granted."
TABLES = ("text/csv", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")


@dataclass(frozen=True, slots=True)
class Told:
    """What one operation answers by status where it succeeds, and what it reads."""

    answers: Mapping[int, Media]
    reads: Media = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    """Request headers that matter, with what they mean."""


OPERATIONS: Mapping[tuple[str, str], Told] = {
    ("post", "/statements"): Told(
        {200: (JSON, LINES), 201: (JSON,), 202: (JSON, LINES)}, (*ONE, TEXT, LINES),
        {
            "prefer": "respond-async: do not wait for publication",
            "gs1-capture-error-behaviour": "rollback: all lines or none; proceed (default): each by itself",
        },
    ),
    ("get", "/statements/{digest}"): Told({200: (*ONE, JSON), 202: (JSON,)}),
    ("get", "/statements/{digest}/proof"): Told({200: (TEXT,)}),
    ("get", "/log/checkpoint"): Told({200: (TEXT,)}),
    ("get", "/log/tile/{path}"): Told({200: (BYTES,)}),
    ("get", "/log/policy"): Told({200: (TEXT,)}),
    ("get", "/anchors"): Told({200: (JSON, *TABLES)}),
    ("get", "/trace/{direction}"): Told({200: (JSON, HTML, *TABLES)}),
    ("get", "/recalls"): Told({200: (JSON, HTML, *TABLES)}),
    ("get", "/recalls/{digest}"): Told({200: (JSON, HTML, *TABLES)}),
    ("get", "/reports"): Told({200: (JSON,)}),
    ("get", "/reports/{name}"): Told({200: (JSON, *TABLES)}),
    ("get", "/labels/{path}.svg"): Told({200: ("image/svg+xml",)}),
    ("post", "/codes"): Told({201: (JSON,)}, (BYTES,)),
    ("get", "/livez"): Told({200: (TEXT,)}),
    ("get", "/readyz"): Told({200: (TEXT,)}),
    ("get", "/metrics"): Told({200: (TEXT,)}),
    ("get", "/.well-known/gs1resolver"): Told({200: (JSON,)}),
    ("get", "/01/{rest}"): Told({200: (JSON, HTML, "application/linkset+json", *TABLES), 307: ()}),
}  # fmt: skip

PROBLEM: Mapping[str, Any] = {
    "type": "object",
    "required": ["type", "title", "titles", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string", "description": "address of a page that explains the code"},
        "title": {"type": "string"},
        "titles": {"type": "object", "properties": {"en": {"type": "string"}, "zh": {"type": "string"}}},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string"},
        "code": {"type": "string", "pattern": "^[a-z0-9-]{2,40}$"},
        "where": {"type": "string", "description": "JSON pointer into the statement, or the parameter"},
        "retry_after": {"type": "integer", "minimum": 1, "description": "seconds"},
    },
}
OUTCOME: Mapping[str, Any] = {
    "type": "object",
    "required": ["status", "digest"],
    "properties": {
        "status": {"enum": ["published", "duplicate", "pending"]},
        "digest": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
        "index": {"type": "integer", "minimum": 0},
        "time": {"type": "integer", "description": "ms since 1970, by the log"},
        "proof": {"type": "string", "description": "c2sp.org/tlog-proof"},
    },
}
_PROBLEM_REF = {"$ref": "#/components/schemas/Problem"}
_SCHEMAS: Mapping[tuple[str, str], Mapping[str, Any]] = {("post", "/statements"): {"$ref": "#/components/schemas/Outcome"}}


def describe(app: FastAPI) -> None:
    """Have the application describe itself truthfully."""
    app.openapi = partial(_described, app)  # type: ignore[method-assign] # FastAPI's own way to extend it


def _described(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # GET and HEAD share a function
            made = get_openapi(title=app.title, version=app.version, routes=app.routes, description=SUMMARY)
        for path, operations in made["paths"].items():
            operations.pop("head", None)
            for method, operation in operations.items():
                _complete(method, path, operation, OPERATIONS.get((method, path), Told({200: ()})))
        for key in LINK_KEYS:
            made["paths"][f"/{key}/{{rest}}"] = _renamed(made["paths"]["/01/{rest}"], key)
        made["components"] = {"schemas": {"Problem": PROBLEM, "Outcome": OUTCOME}}
        app.openapi_schema = made
    return app.openapi_schema


def _complete(method: str, path: str, operation: dict[str, Any], told: Told) -> None:
    operation["operationId"] = f"{method}{path.title()}".translate(str.maketrans("", "", "/{}.-_"))
    schema = _SCHEMAS.get((method, path), {})
    operation["responses"] = {str(status): _answer(media, schema) for status, media in told.answers.items()}
    for group in ("4XX", "5XX"):
        content = {"application/problem+json": {"schema": _PROBLEM_REF}, HTML: {"schema": {"type": "string"}}}
        operation["responses"][group] = {"description": "a problem", "content": content}
    if told.reads:
        binary = {"schema": {"type": "string", "format": "binary"}}
        operation["requestBody"] = {"required": True, "content": {media: binary for media in told.reads}}
    parameters = operation.setdefault("parameters", [])
    if "{rest}" in path and not any(one["name"] == "rest" for one in parameters):
        parameters.append({"name": "rest", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}})
    for name, meaning in told.headers.items():
        parameters.append({"name": name, "in": "header", "required": False, "description": meaning, "schema": {"type": "string"}})


def _answer(media: Media, schema: Mapping[str, Any]) -> dict[str, Any]:
    content = {one: {"schema": schema} if one == JSON and schema else {} for one in media}
    return {"description": "as asked", "content": content} if content else {"description": "as asked"}


def _renamed(operations: Mapping[str, Any], key: str) -> dict[str, Any]:
    copied: dict[str, Any] = deepcopy(dict(operations))
    for method, operation in copied.items():
        operation["operationId"] = f"{method}{key}Rest"
    return copied
