"""A static site on loopback for browser tests: pages by path, compressed as the browser asks, and every request counted."""

import gzip
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Page:
    """One answer: HTML with its Content-Security-Policy."""

    html: str
    csp: str

    @cached_property
    def bodies(self) -> Mapping[str, bytes]:
        """By content encoding, compressed before anyone asks, as a proxy would."""
        data = self.html.encode()
        return {"br": brotli(data), "gzip": gzip.compress(data, 9)}


@dataclass(slots=True)
class Site:
    """A running site; `pages` may grow, `requests` are the paths asked for so far."""

    url: str = ""
    pages: dict[str, Page] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)


def brotli(data: bytes) -> bytes:
    """Compress as a proxy would beforehand, with Node's zlib at its best."""
    script = "process.stdout.write(require('zlib').brotliCompressSync(require('fs').readFileSync(0)))"
    return subprocess.run(["node", "-e", script], input=data, capture_output=True, check=True).stdout


@contextmanager
def serving() -> Iterator[Site]:
    """Serve until the block ends."""
    site = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.requests.append(self.path)
            page = site.pages.get(self.path.split("?")[0])
            if page is None:
                self.send_error(404)
                return
            how = "br" if "br" in self.headers.get("accept-encoding", "") else "gzip"
            body = page.bodies[how]
            self.send_response(200)
            self.send_header("content-type", "text/html; charset=utf-8")
            self.send_header("content-security-policy", page.csp)
            self.send_header("content-encoding", how)
            self.send_header("content-length", str(len(body)))
            self.send_header("cache-control", "no-store")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    site.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
