"""
Security headers on every answer.

An endpoint that needs another content security policy (the scan page, whose script is inlined under its hash) sets its own;
the strictest holds where none is set.  Nothing of a third party is ever loaded.

Source: CSP Level 3; OWASP secure headers.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache

from starlette.types import ASGIApp, Message, Receive, Scope, Send

API_CSP = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
PAGE_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
COMMON: Mapping[str, str] = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "geolocation=(), microphone=(), payment=(), usb=()",
}
_EMBEDDABLE = {b"access-control-allow-origin", b"cross-origin-resource-policy"}
HSTS = "max-age=31536000"  # seconds: one year


Field = tuple[bytes, bytes]
Head = tuple[Field, ...]


class Completing:
    """Completes heads of answers; `https` adds the header that keeps browsers on TLS."""

    def __init__(self, *, https: bool) -> None:
        common = {**COMMON, "content-security-policy": API_CSP} | ({"strict-transport-security": HSTS} if https else {})
        self._common = [(name.encode(), value.encode()) for name, value in common.items()]
        # Answers differ in their values; there are few sets of names.
        self._missing = lru_cache(maxsize=256)(self._missing_beside)

    def completed(self, head: Iterable[Field]) -> list[Field]:
        """The head with what every answer says."""
        given = [*head]
        return given + self._missing(tuple([name for name, _ in given]))

    def _missing_beside(self, names: tuple[bytes, ...]) -> list[Field]:
        given = {name.lower() for name in names}
        missing = [one for one in self._common if one[0] not in given]
        # What others may embed says so itself: tiles, bundles and receipts are for everybody.
        return missing if given & _EMBEDDABLE else [*missing, (b"cross-origin-resource-policy", b"same-origin")]


class SecurityHeaders:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp, *, completing: Completing) -> None:
        self.app = app
        self.completing = completing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and complete the head of its answer."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def completed(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = self.completing.completed(message.get("headers", ()))
            await send(message)

        await self.app(scope, receive, completed)
