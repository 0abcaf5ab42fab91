"""
The tee as it is used: real posthog-js in Chromium, `replayport serve --tee`, a PostHog that dies.

Between the browser and the server is a proxy that passes everything on and notes what was
answered, as the browser got it. PostHog is a process; it is killed in the middle of the
visit and started again on the same port.
"""

from __future__ import annotations

import http.client
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

import pytest
from tests.browser.test_posthog_js import TOKEN, site
from tests.cli.command import run_json, serving
from tests.support.acknowledged import check_archive, items_of, missing
from tests.support.posthog_like import PostHogProcess

from replayport.archive import Archive

pytestmark = pytest.mark.browser

_OF_ONE_CONNECTION = {"connection", "keep-alive", "transfer-encoding", "host", "content-length"}


@dataclass
class Proxy:
    """What went through."""

    url: str
    answered: list[tuple[str, bytes, int]] = field(default_factory=list)
    """Path and query, body, status of snapshots, once the browser has its answer."""
    passed_on: set[bytes] = field(default_factory=set)
    """Bodies of snapshots, answered or not."""

    @property
    def kept(self) -> list[bytes]:
        return [body for _, body, status in list(self.answered) if status == 200]

    def until(self, more: int, page) -> None:
        """Move the mouse until so many more requests were answered 200."""
        wanted = len(self.kept) + more
        until(lambda: len(self.kept) >= wanted, page)


def until(condition, page=None):
    """Wait, and be somebody who moves the mouse."""
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "never happened"
        if page is None:
            time.sleep(0.05)
        else:
            n = int(time.monotonic() * 20)
            page.mouse.move(200 + n % 300, 200 + n % 97)
            page.wait_for_timeout(50)


@contextmanager
def proxy(target):
    host = urlsplit(target).netloc

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            of_snapshots = self.command == "POST" and urlsplit(self.path).path == "/ingest/s/"
            if of_snapshots:
                it.passed_on.add(body)
            connection = http.client.HTTPConnection(host, timeout=60)
            headers = {k: v for k, v in self.headers.items() if k.lower() not in _OF_ONE_CONNECTION}
            connection.request(self.command, self.path, body or None, headers)
            answer = connection.getresponse()
            content = answer.read()
            connection.close()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in _OF_ONE_CONNECTION:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
            if of_snapshots:
                it.answered.append((self.path, body, answer.status))

        do_GET = do_OPTIONS = do_POST  # noqa: N815

        def log_message(self, *args: object) -> None:
            return

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    it = Proxy(f"http://127.0.0.1:{httpd.server_address[1]}")
    thread = threading.Thread(target=httpd.serve_forever, daemon=True)
    thread.start()
    yield it
    httpd.shutdown()
    thread.join()
    httpd.server_close()


def test_both_sides_are_complete_though_posthog_dies_midway(browser, tmp_path):
    posthog = PostHogProcess(tmp_path / "notes")
    posthog.start()
    archive = tmp_path / "archive"
    more = ("--tee", posthog.url, "--capture-prefix", "/ingest", "--seal-idle-s", 1)
    complaints = []
    try:
        with (
            serving("--archive", archive, *more) as server,
            proxy(server.url) as between,
            site(None, None, f"{between.url}/ingest") as shop,
        ):
            context = browser.new_context(viewport={"width": 1000, "height": 700})
            page = context.new_page()
            page.on("pageerror", lambda e: complaints.append(str(e)))
            page.goto(f"{shop}/?api_host={between.url}/ingest")
            page.wait_for_function("() => window.posthog && window.posthog.__loaded")
            between.until(2, page)
            posthog.kill()
            between.until(2, page)  # taken by us alone
            page.goto(f"{shop}/help")  # its scripts come from us now
            between.until(1, page)
            posthog.start()
            between.until(1, page)
            page.goto("about:blank")
            page.wait_for_timeout(300)
            context.close()
            sent = items_of(between.passed_on)
            acknowledged = items_of(between.kept)
            until(lambda: posthog.bodies("/s").keys() >= set(between.kept))
            until(lambda: not missing(archive, TOKEN, acknowledged))
            assert server.stop() == 130
    finally:
        posthog.kill()
    assert complaints == []
    assert {status for _, _, status in between.answered} == {200}
    assert [q for q, _, _ in between.answered if "retry_count" in dict(parse_qsl(q))] == []
    assert check_archive(archive, TOKEN, sent, acknowledged) > 10
    assert set(between.kept) <= posthog.bodies("/s").keys() <= between.passed_on  # byte for byte
    assert run_json("verify", "--archive", archive)["problems"] == []
    with Archive.open(archive) as opened:
        (recording,) = opened.recordings()
        assert recording.manifest.complete
        kinds = {event.kind for event in recording.events()}
    assert {"meta", "full_snapshot", "mouse_move"} <= kinds
