"""
Security headers on every answer.

An endpoint that needs another content security policy (the scan page, whose script is inlined under its hash) sets its own;
the strictest holds where none is set.  Nothing of a third party is ever loaded.

Source: CSP Level 3; OWASP secure headers.
"""

from collections.abc import Mapping

from starlette.datastructures import MutableHeaders
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
HSTS = "max-age=31536000"  # seconds: one year


class SecurityHeaders:
    """ASGI middleware; `https` adds the header that keeps browsers on TLS."""

    def __init__(self, app: ASGIApp, *, https: bool) -> None:
        self.app = app
        self.common = {**COMMON, "strict-transport-security": HSTS} if https else COMMON

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and complete the head of its answer."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def completed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self.common.items():
                    headers.setdefault(name, value)
                headers.setdefault("content-security-policy", API_CSP)
                # What others may embed says so itself: tiles, bundles and receipts are for everybody.
                if "access-control-allow-origin" not in headers:
                    headers.setdefault("cross-origin-resource-policy", "same-origin")
            await send(message)

        await self.app(scope, receive, completed)
