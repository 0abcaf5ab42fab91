"""
What of a recording a link lets out: cut to a time, without what the link does not show.

```
stored events ── cut to [start, end) ── what is shown ── leaving() ── bytes of a Parquet file
```

Everything a shared page gets is made here, so what is not let out never leaves the server.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from replayport.catalog.accounts import ShareLink
from replayport.errors import RecordingNotFoundError
from replayport.format.reader import Recording
from replayport.format.writer import encode_events
from replayport.playable import needs_conversion, playable_columns
from replayport.posthog.lines import EventDecoder
from replayport.rrweb.columns import EventColumns
from replayport.rrweb.events import Event, EventType

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
    if needs_conversion(recording.manifest):
        source = Source(playable_columns(recording).events)
    else:
        source = Source(recording.events)
    columns = EventDecoder()
    for event in source.between(link.start_ms, link.end_ms):
        if is_shown(event, link.show):
            line = event.to_json().encode("utf-8", "surrogatepass")
            columns.feed(event.window_id, line)
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
