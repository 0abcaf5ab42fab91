"""A real browser for the player's tests; skipped where none is installed."""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Error, Page, sync_playwright

from replayport.player_assets import PLAYER_FILE, PlayerNotBuiltError, static_file

CHROMIUM_ARGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
)


def chromium_path() -> str | None:
    """The installed Chromium, or None."""
    named = os.environ.get("REPLAYPORT_CHROMIUM")
    if named:
        return named
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if (path := shutil.which(name)) is not None:
            return path
    return None


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser a module: while Playwright is open, no other event loop can run."""
    path = chromium_path()
    if path is None:
        pytest.skip("no Chromium here; set REPLAYPORT_CHROMIUM to one")
    try:
        static_file(PLAYER_FILE)
    except PlayerNotBuiltError as error:
        pytest.skip(str(error))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(CHROMIUM_ARGS))
        yield browser
        browser.close()


@dataclass
class Watched:
    """A page, and everything it should not do."""

    page: Page
    requests: list[str] = field(default_factory=list)
    """Addresses asked for, less the page itself and what is inside it (``data:``)."""
    complaints: list[str] = field(default_factory=list)
    """Console errors and uncaught exceptions."""

    def open(self, url: str) -> None:
        """Load a page; its own address does not count as a request."""
        self.page.goto(url)
        self.requests[:] = [r for r in self.requests if r != url]

    def until(self, expression: str, *, timeout_s: float = 20) -> Any:
        """
        Wait for an expression to be truthy and give its value.

        Asked again from here, because a page that forbids eval cannot poll by itself.
        """
        for _ in range(int(timeout_s / 0.05)):
            value = self.page.evaluate(expression)
            if value:
                return value
            self.page.wait_for_timeout(50)
        raise AssertionError(f"never became true: {expression}")

    def recorded_text(self) -> str:
        """Text of the recorded page as it is drawn now."""
        for frame in self.page.frames:
            if frame.parent_frame is not None and frame.parent_frame.parent_frame is not None:
                try:
                    element = frame.frame_element()
                    if element.evaluate("e => !!e.closest('.take.shown')"):
                        return str(frame.evaluate("document.body ? document.body.innerText : ''"))
                except Error:
                    continue  # its page gave way to a newer one meanwhile
        return ""

    def until_text(self, wanted: str, *, timeout_s: float = 20) -> None:
        """Wait for a text in the recorded page."""
        for _ in range(int(timeout_s / 0.05)):
            if wanted in self.recorded_text():
                return
            self.page.wait_for_timeout(50)
        raise AssertionError(f"{wanted!r} not drawn, but {self.recorded_text()!r}")


LISTEN = """
if (self === top) {
  window.seen = [];
  for (const name of ["ready", "firstframe", "play", "pause", "ended", "finding",
                      "windowchange", "error"]) {
    document.addEventListener(name, (event) => window.seen.push([name, event.detail]));
  }
}
"""


@pytest.fixture
def watched(browser: Browser) -> Iterator[Watched]:
    """A page without network, that notes what it asks for and what goes wrong."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.add_init_script(LISTEN)
    it = Watched(page)
    page.on(
        "request",
        lambda r: None if r.url.startswith(("data:", "about:")) else it.requests.append(r.url),
    )
    page.on("console", lambda m: it.complaints.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: it.complaints.append(str(error)))
    yield it
    context.close()


@dataclass
class Server:
    """A server on loopback that counts what reaches it."""

    url: str
    hits: list[str]
    files: dict[str, tuple[str, bytes]]
    """Path -> content type and body; ranges are answered."""


@pytest.fixture
def server() -> Iterator[Server]:
    """Serves what a test puts into ``files`` and notes every request."""
    hits: list[str] = []
    files: dict[str, tuple[str, bytes]] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            hits.append(f"{self.path} {self.headers.get('Range', '')}".strip())
            kind, body = files.get(self.path, ("", b""))
            wanted = self.headers.get("Range")
            etag = hashlib.sha256(body).hexdigest()
            if not kind:
                self.send_response(404)
                body = b""
            elif wanted is not None:
                first, _, last = wanted.removeprefix("bytes=").partition("-")
                start, end = int(first), min(int(last) + 1, len(body))
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(body)}")
                body = body[start:end]
            else:
                self.send_response(200)
            self.send_header("Content-Type", kind or "text/plain")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("ETag", f'"{etag}"')
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            return

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever, daemon=True)
    thread.start()
    yield Server(f"http://127.0.0.1:{httpd.server_address[1]}", hits, files)
    httpd.shutdown()
    thread.join()
    httpd.server_close()


@pytest.fixture
def page_file(tmp_path: Path) -> Path:
    """Where a test puts its page."""
    return tmp_path / "recording.html"
