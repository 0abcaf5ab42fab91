"""A site on loopback whose every answer a test writes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

Answer = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class Site:
    """A server, and what it was asked."""

    url: str
    port: int
    answers: dict[str, Answer] = field(default_factory=dict)
    hits: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    def file(self, path: str, body: bytes, content_type: str, **headers: str) -> None:
        """Answer a path with a file."""
        self.answers[path] = lambda h: reply(h, 200, body, content_type, headers)

    def status(self, path: str, status: int, **headers: str) -> None:
        """Answer a path with a status and headers, underscores for hyphens."""
        self.answers[path] = lambda h: reply(h, status, b"", "text/plain", headers)


def reply(
    handler: BaseHTTPRequestHandler,
    status: int,
    body: bytes,
    content_type: str,
    headers: dict[str, str],
) -> None:
    handler.send_response(status)
    handler.send_header("Content-Type", content_type)
    handler.send_header("Content-Length", str(len(body)))
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


@pytest.fixture
def site() -> Iterator[Site]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            it.hits.append(self.path)
            it.headers.append({k.lower(): v for k, v in self.headers.items()})
            answer = it.answers.get(self.path)
            if answer is None:
                reply(self, 404, b"", "text/plain", {})
            else:
                answer(self)

        def log_message(self, *args: Any) -> None:
            return

    class Quiet(ThreadingHTTPServer):
        def handle_error(self, *args: Any) -> None:
            """A client that hangs up is what several tests are about."""

    httpd = Quiet(("127.0.0.1", 0), Handler)
    port = httpd.server_address[1]
    it = Site(f"http://127.0.0.1:{port}", port)
    thread = threading.Thread(target=httpd.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield it
    httpd.shutdown()
    thread.join()
    httpd.server_close()
