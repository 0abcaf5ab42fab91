"""A small PostHog for the tee: notes what it gets, answers as told, goes down and comes back."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import threading
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field

import uvicorn


@contextmanager
def serve_with_lifespan(app):
    """Serve an app on a free port, with startup and shutdown; yields its address."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(
            uvicorn.Config(app, log_level="critical", lifespan="on", timeout_graceful_shutdown=1)
        )
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.005)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join()


@dataclass
class Got:
    method: str
    target: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes

    def header(self, name):
        return [v for n, v in self.headers if n == name.encode()]


@dataclass
class Upstream:
    """An ASGI app, and a server for it on one port that can be stopped and started."""

    config: dict = field(default_factory=lambda: {"sessionRecording": {"endpoint": "/s/"}})
    got: list[Got] = field(default_factory=list)
    status: int = 200
    hang: bool = False
    """Give no answer while this is true."""
    cut_after: int | None = None
    port: int = 0
    _server: uvicorn.Server | None = None
    _thread: threading.Thread | None = None

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def bodies(self):
        return Counter(g.body for g in self.got)

    def reset(self):
        self.config = {"sessionRecording": {"endpoint": "/s/"}}
        self.got = []
        self.status, self.hang, self.cut_after = 200, False, None

    def start(self):
        """Listen, on the port it had before; does nothing when it does."""
        if self._server is not None:
            return self
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        self.port = listener.getsockname()[1]
        self._server = uvicorn.Server(
            uvicorn.Config(self, log_level="critical", lifespan="off", timeout_graceful_shutdown=1)
        )
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [listener]}, daemon=True
        )
        self._thread.start()
        while not self._server.started:
            time.sleep(0.005)
        return self

    def stop(self):
        if self._server is not None:
            self._server.should_exit = True
            self._thread.join()
            self._server = None

    async def __call__(self, scope, receive, send):
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        query = scope["query_string"]
        target = scope["raw_path"] + (b"?" + query if query else b"")
        self.got.append(Got(scope["method"], target, list(scope["headers"]), body))
        while self.hang:  # noqa: ASYNC110  # turned off from another thread
            await asyncio.sleep(0.01)
        path = scope["path"].rstrip("/")
        headers = [(b"content-type", b"application/json"), (b"x-from", b"posthog"), (b"set-cookie", b"a=b"), (b"connection", b"keep-alive")]  # fmt: skip
        if b"origin" in dict(scope["headers"]):
            headers.append((b"access-control-allow-origin", dict(scope["headers"])[b"origin"]))
        if path.endswith("/config"):
            answer = json.dumps(self.config).encode()
        elif path.endswith("/config.js"):
            answer = b'(function(){c={"config":' + json.dumps(self.config).encode() + b"}})()"
        elif path in ("/flags", "/decide"):
            answer = json.dumps({"flags": {"beta": {"key": "beta", "enabled": True}}, **self.config}).encode()  # fmt: skip
        elif path.startswith("/static"):
            answer = b"/* posthog */" * 100_000
            if b"gzip" in dict(scope["headers"]).get(b"accept-encoding", b""):
                answer = gzip.compress(answer, mtime=0)
                headers.append((b"content-encoding", b"gzip"))
        elif path == "/moved":
            headers.append((b"location", b"https://elsewhere.example/"))
            answer = b""
        else:
            answer = b'{"status":"Ok","from":"posthog"}'
        status = 302 if path == "/moved" else self.status
        if self.cut_after is not None:
            headers.append((b"content-length", str(len(answer)).encode()))
            answer = answer[: self.cut_after]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": answer})
