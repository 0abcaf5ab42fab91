"""Tiny recordings, written by hand."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from replayport.format.writer import encode_events
from replayport.posthog.lines import EventDecoder

START_MS = 1_700_000_000_000

Event = dict[str, Any]


def element(node_id: int, tag: str, *children: Event, **attributes: Any) -> Event:
    """A serialised element."""
    return {
        "type": 2,
        "id": node_id,
        "tagName": tag,
        "attributes": {k.replace("_", "-"): v for k, v in attributes.items()},
        "childNodes": list(children),
    }


def text(node_id: int, content: str) -> Event:
    """A serialised text node."""
    return {"type": 3, "id": node_id, "textContent": content}


def document(*body: Event, head: Sequence[Event] = ()) -> Event:
    """A serialised document; its nodes 1 to 4 are taken, the body is 4."""
    return {
        "type": 0,
        "id": 1,
        "childNodes": [
            {"type": 1, "id": 2, "name": "html", "publicId": "", "systemId": ""},
            element(3, "html", element(5, "head", *head), element(4, "body", *body)),
        ],
    }


def meta(at_ms: int, href: str = "https://shop.example/") -> Event:
    """A Meta event."""
    return {
        "type": 4,
        "timestamp": START_MS + at_ms,
        "data": {"href": href, "width": 800, "height": 600},
    }


def snapshot(at_ms: int, node: Event) -> Event:
    """A full snapshot."""
    return {
        "type": 2,
        "timestamp": START_MS + at_ms,
        "data": {"node": node, "initialOffset": {"left": 0, "top": 0}},
    }


def incremental(at_ms: int, source: int, **data: Any) -> Event:
    """An incremental snapshot."""
    return {"type": 3, "timestamp": START_MS + at_ms, "data": {"source": source, **data}}


def mutation(at_ms: int, **lists: Any) -> Event:
    """A Mutation event; the lists not given are empty."""
    empty: dict[str, Any] = {"texts": [], "attributes": [], "removes": [], "adds": []}
    return incremental(at_ms, 0, **{**empty, **lists})


def click(at_ms: int, node_id: int) -> Event:
    """A click."""
    return incremental(at_ms, 2, type=2, id=node_id, x=20, y=20)


def parquet(events: Iterable[Event] | Mapping[str, Iterable[Event]]) -> bytes:
    """Store events of one window, or of several by window id."""
    windows = events if isinstance(events, Mapping) else {"w1": events}
    decoder = EventDecoder()
    for window_id, of_window in windows.items():
        for event in of_window:
            decoder.feed(window_id, json.dumps(event).encode())
    data, _ = encode_events(decoder.columns)
    return data


def shop(seconds: int = 20) -> list[Event]:
    """A page that says each second which second it is, with a click in the middle."""
    events = [
        meta(0),
        snapshot(10, document(element(10, "h1", text(11, "second 0")), element(12, "button"))),
    ]
    for second in range(1, seconds + 1):
        events.append(mutation(second * 1000, texts=[{"id": 11, "value": f"second {second}"}]))
        events.append(click(second * 1000 + 300, 12))
    return events


MANIFEST: dict[str, object] = {
    "id": "tiny",
    "start_ms": START_MS,
    "duration_ms": 20_000,
    "events": 3,
    "first_url": "https://shop.example/cart?secret=1",
}
