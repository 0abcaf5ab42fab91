"""
What of a recording a link lets out: cut to a time, without what the link does not show.

```
stored events ── cut to [start, end) ── what is shown ── leaving() ── bytes of a Parquet file
```

Everything a shared page gets is made here, so what is not let out never leaves the server.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from replayport.catalog.accounts import ShareLink
from replayport.errors import RecordingNotFoundError
from replayport.format.reader import Recording
from replayport.format.writer import encode_events
from replayport.playable import needs_conversion, playable_columns
from replayport.posthog.lines import EventDecoder
from replayport.rrweb.columns import EventColumns
from replayport.rrweb.events import Event, EventType, IncrementalSource, kind_of
from replayport.rrweb.mirror import Mirror
from replayport.rrweb.mirror.css import own_text
from replayport.rrweb.nodes import CSS_TEXT

FEEDS_OF: Final[dict[str, tuple[str, ...]]] = {
    "replay": (),
    "actions": ("actions",),
    "all": ("actions", "console", "network"),
}
"""Feeds a link gives, by what it shows."""

Leaving = Callable[[EventColumns], EventColumns]
"""Changes events on their way out: the place of a redaction profile."""


def as_they_are(columns: EventColumns) -> EventColumns:
    """Let events out unchanged."""
    return columns


@dataclass(frozen=True, slots=True)
class Cut:
    """What a link lets out."""

    start_ms: int
    end_ms: int
    events: int
    parquet: bytes


def cut(recording: Recording, link: ShareLink, *, leaving: Leaving = as_they_are) -> Cut:
    """
    Make what a link lets out.

    Args:
        recording: The whole.
        link: What it lets out.
        leaving: Applied to what is left, last.

    Raises:
        RecordingNotFoundError: Nothing is left that could be drawn.

    Memory:
        The whole of what is let out.
    """
    columns = EventDecoder()
    for event in _between(_events(recording), link.start_ms, link.end_ms):
        if is_shown(event, link.show):
            columns.feed(event.window_id, event.to_json().encode("utf-8", "surrogatepass"))
    left = leaving(columns.columns)
    if not len(left):
        raise RecordingNotFoundError("nothing of the recording is in the time the link shows")
    data, summary = encode_events(left, metadata={"id": recording.id})
    return Cut(summary.start_ms, summary.end_ms, summary.events, data)


def is_shown(event: Event, show: str) -> bool:
    """
    Tell whether an event belongs to what is shown.

    The replay needs pages, what changed on them, and the pointer. Plugins (console, requests)
    and custom events are data beside it.
    """
    if event.type == EventType.PLUGIN:
        return show == "all" and event.kind in ("console", "network")
    if event.type == EventType.CUSTOM:
        return show == "all"
    return event.type in (
        EventType.DOM_CONTENT_LOADED,
        EventType.LOAD,
        EventType.FULL_SNAPSHOT,
        EventType.INCREMENTAL_SNAPSHOT,
        EventType.META,
    )


def _events(recording: Recording) -> Iterator[Event]:
    """Yield what can be drawn, in playing order."""
    if not needs_conversion(recording.manifest):
        return recording.events()
    found = list(playable_columns(recording).events())
    return iter(sorted(found, key=lambda e: (e.timestamp_ms, e.seq)))


def _between(events: Iterator[Event], start_ms: int | None, end_ms: int | None) -> Iterator[Event]:
    """
    Yield the events of a time, each window beginning with the page as it is then.

    What happened before is known only by what it left on the page: the events themselves do
    not come out, nor does anything they removed.
    """
    mirrors: dict[str, Mirror] = {}
    latest = ""
    is_empty = True
    for event in events:
        if end_ms is not None and event.timestamp_ms >= end_ms:
            break
        if start_ms is not None and event.timestamp_ms < start_ms:
            latest = event.window_id
            try:
                mirrors.setdefault(latest, Mirror()).apply(event.type, event.source, event.data)
            except (ValueError, RecursionError):  # deeper than Python reads: a browser neither
                continue
            continue
        is_empty = False
        # A tab that was closed before is not opened again: only those with something to show.
        yield from _beginning(event.window_id, mirrors.pop(event.window_id, None), start_ms)
        yield event
    if is_empty:
        yield from _beginning(latest, mirrors.get(latest), start_ms)


def _beginning(window_id: str, mirror: Mirror | None, at_ms: int | None) -> Iterator[Event]:
    """Yield events that draw a window as it is."""
    node = None if mirror is None or mirror.root is None else mirror.node(mirror.root)
    if mirror is None or node is None or at_ms is None:
        return
    _write_edited_styles(mirror)
    size = {"width": mirror.width or 1280, "height": mirror.height or 720}
    scroll = dict(zip(("left", "top"), mirror.scroll(mirror.root or 0), strict=True))
    for type_, source, data in (
        (EventType.META, None, {"href": mirror.url, **size}),
        (EventType.FULL_SNAPSHOT, None, {"node": node, "initialOffset": scroll}),
        *_live(mirror),
    ):
        yield Event(
            timestamp_ms=at_ms,
            seq=0,
            window_id=window_id,
            type=type_,
            source=source,
            kind=kind_of(type_, source),
            data_json=json.dumps(data),
            extra_json=None,
        )


def _write_edited_styles(mirror: Mirror) -> None:
    """Write rules that scripts changed into the elements they belong to."""
    for node_id in list(mirror.ids()):
        text = mirror.sheet_text(node_id)
        node = mirror.node(node_id)
        if text is not None and node is not None and text != own_text(node):
            node.setdefault("attributes", {})[CSS_TEXT] = text
            node["childNodes"] = []


def _live(mirror: Mirror) -> Iterator[tuple[EventType, int, dict[str, Any]]]:
    """Yield what no snapshot holds: what is typed, how far is scrolled, rules scripts changed."""
    for node_id in mirror.ids():
        value = mirror.live_value(node_id)
        if value is not None:
            data = {"text": value, "isChecked": bool(mirror.checked(node_id)), "id": node_id}
            yield EventType.INCREMENTAL_SNAPSHOT, IncrementalSource.INPUT, _of("INPUT", data)
        x, y = mirror.scroll(node_id)
        if (x or y) and node_id != mirror.root:
            data = {"id": node_id, "x": x, "y": y}
            yield EventType.INCREMENTAL_SNAPSHOT, IncrementalSource.SCROLL, _of("SCROLL", data)
        texts = mirror.adopted_texts(node_id)
        if texts:
            first = -1_000_000 - node_id * 1000  # ids of our own, no recorder gives negative ones
            styles = [
                {"styleId": first - n, "rules": [{"rule": text, "index": 0}]}
                for n, text in enumerate(texts)
            ]
            data = {
                "id": node_id,
                "styles": styles,
                "styleIds": [style["styleId"] for style in styles],
            }
            yield (
                EventType.INCREMENTAL_SNAPSHOT,
                IncrementalSource.ADOPTED_STYLE_SHEET,
                _of("ADOPTED_STYLE_SHEET", data),
            )


def _of(source: str, data: dict[str, Any]) -> dict[str, Any]:
    return {"source": int(IncrementalSource[source]), **data}
