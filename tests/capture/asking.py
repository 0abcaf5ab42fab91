"""Asks an ASGI app without a socket, and an inbox that only remembers."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import uuid
from dataclasses import dataclass, field

from replayport.capture.projects import Projects
from replayport.capture.routes import capture_app
from replayport.capture.sdk_files import SdkFiles

TOKEN = "phc_test"
SESSION = "0198a0b0-0000-7000-8000-000000000001"
SDK = SdkFiles("1.449.2", {"array.js": b"window.sdk=1", "recorder.js": b"window.rrweb={}"})


class MemoryInbox:
    """Keeps what is put; raises `error` instead when there is one."""

    def __init__(self) -> None:
        self.kept = []
        self.error = None
        self.hang = False

    async def put(self, captured):
        while self.hang:  # noqa: ASYNC110  # a plain switch for tests
            await asyncio.sleep(0.005)
        if self.error is not None:
            raise self.error
        if captured.session_ids:
            self.kept.append(captured)


@dataclass
class Answered:
    status: int
    headers: dict[str, str]
    body: bytes
    raw_headers: list = field(default_factory=list)

    @property
    def json(self):
        return json.loads(self.body)


async def ask_async(
    app,
    method,
    path,
    *,
    query=b"",
    headers=(),
    body=b"",
    chunks=None,
    root_path="",
    client="9.9.9.9",
):
    """Ask, and give the answer; None when the app gave none."""
    parts = [body] if chunks is None else list(chunks)
    messages = [
        {"type": "http.request", "body": part, "more_body": n + 1 < len(parts)}
        for n, part in enumerate(parts)
    ] + [{"type": "http.disconnect"}]
    sent = []

    async def receive():
        message = messages.pop(0)
        if callable(message.get("body")):
            message["body"] = await message["body"]()
        return message

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http",
        "method": method,
        "path": root_path + path,
        "raw_path": (root_path + path).encode(),
        "root_path": root_path,
        "query_string": query,
        "headers": [(n.lower().encode(), v.encode()) for n, v in dict(headers).items()],
        "client": (client, 1234) if client else None,
    }
    await app(scope, receive, send)
    if not sent:
        return None
    start = sent[0]
    return Answered(
        start["status"],
        {n.decode(): v.decode() for n, v in start["headers"]},
        b"".join(m.get("body", b"") for m in sent[1:]),
        start["headers"],
    )


def ask(app, method, path, **options):
    return asyncio.run(ask_async(app, method, path, **options))


def make(inbox=None, projects=None, **options):
    """Make an app and its inbox."""
    inbox = inbox or MemoryInbox()
    options.setdefault("sdk_files", SDK)
    return capture_app(inbox, projects or Projects(), **options), inbox


def rrweb(n=3, start_ms=1_790_000_000_000):
    first = {
        "type": 4,
        "timestamp": start_ms,
        "data": {"href": "https://shop.example/secret-page", "width": 800, "height": 600},
    }
    rest = [
        {"type": 3, "timestamp": start_ms + i, "data": {"source": 3, "id": i, "x": 0, "y": i}}
        for i in range(1, n)
    ]
    return [first, *rest]


def snapshot(session_id=SESSION, token=TOKEN, events=None, **properties):
    return {
        "uuid": str(uuid.uuid4()),
        "event": "$snapshot",
        "properties": {
            "$snapshot_bytes": 12,
            "$snapshot_data": rrweb() if events is None else events,
            "$session_id": session_id,
            "$window_id": "window-1",
            "token": token,
            "distinct_id": "person-1",
            **properties,
        },
        "offset": 12,
        "sent_at": "2026-08-22T10:00:00.000Z",
    }


def analytics(session_id=SESSION, token=TOKEN, name="$pageview", **properties):
    own = {"distinct_id": "person-1", "token": token, **properties}
    if session_id is not None:
        own["$session_id"] = session_id
    return {"uuid": str(uuid.uuid4()), "event": name, "properties": own, "offset": 5}


def envelope(*events, token=TOKEN):
    return {"api_key": token, "batch": list(events), "sent_at": "2026-08-22T10:00:00.000Z"}


def zipped(value):
    return gzip.compress(json.dumps(value).encode(), mtime=0)


def form(value):
    from urllib.parse import quote

    return b"data=" + quote(base64.b64encode(json.dumps(value).encode()), safe="").encode()
