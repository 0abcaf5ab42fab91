"""Small recordings made by hand, and posthog-js's compression, for tests."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable
from typing import Any

from replayport.draft import RecordingDraft
from replayport.posthog.lines import EventDecoder

START_MS = 1_790_000_000_000


def pack_field(value: Any) -> str:
    """Compress as posthog-js does: gzip bytes as latin-1 characters."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return gzip.compress(text.encode("utf-8", "surrogatepass"), mtime=0).decode("latin-1")


def meta(ms: int = 0, href: str = "https://shop.example/") -> dict[str, Any]:
    data = {"href": href, "width": 1280, "height": 720}
    return {"type": 4, "data": data, "timestamp": START_MS + ms}


def full_snapshot(ms: int = 1, text: str = "hello", pad: int = 0) -> dict[str, Any]:
    body = {
        "type": 2,
        "tagName": "body",
        "attributes": {},
        "id": 5,
        "childNodes": [{"type": 3, "textContent": text + "x" * pad, "id": 6}],
    }
    html = {"type": 2, "tagName": "html", "attributes": {}, "id": 3, "childNodes": [body]}
    node = {"type": 0, "id": 1, "childNodes": [html]}
    data = {"node": node, "initialOffset": {"top": 0, "left": 0}}
    return {"type": 2, "data": data, "timestamp": START_MS + ms}


def click(ms: int, node_id: int = 6, x: float = 10, y: float = 20) -> dict[str, Any]:
    data = {"source": 2, "type": 2, "id": node_id, "x": x, "y": y}
    return {"type": 3, "data": data, "timestamp": START_MS + ms}


def mutation(
    ms: int, texts: list[Any] | None = None, adds: list[Any] | None = None
) -> dict[str, Any]:
    data = {"source": 0, "texts": texts or [], "attributes": [], "removes": [], "adds": adds or []}
    return {"type": 3, "data": data, "timestamp": START_MS + ms}


def console(ms: int, level: str = "error") -> dict[str, Any]:
    payload = {"level": level, "trace": ["a.js:1"], "payload": ['"boom"']}
    data = {"plugin": "rrweb/console@1", "payload": payload}
    return {"type": 6, "data": data, "timestamp": START_MS + ms}


def visit() -> list[dict[str, Any]]:
    """Give a short visit: page, clicks, a mutation, an error."""
    return [
        meta(),
        full_snapshot(),
        {
            "type": 3,
            "timestamp": START_MS + 40,
            "data": {
                "source": 1,
                "positions": [
                    {"x": 1, "y": 2, "id": 6, "timeOffset": -20},
                    {"x": 3.5, "y": 4, "id": 5, "timeOffset": 0},
                ],
            },
        },
        click(100),
        mutation(120, texts=[{"id": 6, "value": "bye"}]),
        console(130),
        {
            "type": 5,
            "timestamp": START_MS + 140,
            "data": {"tag": "$url_changed", "payload": {"href": "https://shop.example/cart"}},
        },
        click(200),
    ]


def compressed(event: dict[str, Any]) -> dict[str, Any]:
    """Give an event as posthog-js sends it: full snapshots and mutations partly packed."""
    data = event["data"]
    if event["type"] == 2:
        return {**event, "data": pack_field(data), "cv": "2024-10"}
    if event["type"] == 3 and data["source"] == 0:
        packed = {k: pack_field(v) if k != "source" else v for k, v in data.items()}
        return {**event, "data": packed, "cv": "2024-10"}
    return event


def lines(events: Iterable[dict[str, Any]], window_id: str = "w1") -> bytes:
    """Give PostHog's JSON lines, byte for byte as JavaScript writes them."""
    return b"".join(
        json.dumps([window_id, e], ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
        for e in events
    )


def draft(
    events: Iterable[dict[str, Any]] | None = None,
    *,
    session_id: str = "s-1",
    project: str = "p",
    window_id: str = "w1",
    **fields: Any,
) -> RecordingDraft:
    decoder = EventDecoder()
    for event in visit() if events is None else events:
        decoder.feed(window_id, json.dumps(event).encode())
    return RecordingDraft(
        project=project,
        session_id=session_id,
        columns=decoder.columns,
        source={"kind": "test"},
        **{"rejected": decoder.rejected, "findings": decoder.findings, **fields},
    )
