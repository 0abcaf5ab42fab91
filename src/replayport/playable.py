"""
A stored recording made ready to play: PostHog's post-processing, applied on reading.

What is stored stays as the source sent it. A browser recording plays nearly as it is,
and the web player mends the rest itself; a mobile one is wireframes, which no rrweb
player draws until they are converted.
"""

from __future__ import annotations

import json
from typing import Any

from replayport.format.reader import Recording
from replayport.format.writer import encode_events
from replayport.posthog.lines import EventDecoder
from replayport.posthog.playback import Viewport, from_events, playback_events
from replayport.recording import Manifest
from replayport.rrweb.columns import EventColumns


def needs_conversion(manifest: Manifest) -> bool:
    """Tell whether a recording cannot be drawn from its stored events."""
    return manifest.snapshot_source == "mobile"


def playable_columns(recording: Recording) -> EventColumns:
    """
    Give a recording's events with every playback fix applied.

    Memory:
        The whole recording as objects.
    """
    playback = playback_events(
        from_events(recording.events(order="arrival")), viewports=_viewports(recording)
    )
    decoder = EventDecoder()
    for item in playback.events:
        decoder.feed(item.window_id, json.dumps(item.event).encode())
    return decoder.columns


def playable_parquet(recording: Recording) -> bytes:
    """Give an ``events.parquet`` of the recording with every playback fix applied."""
    data, _ = encode_events(playable_columns(recording), metadata={"id": recording.id})
    return data


def _viewports(recording: Recording) -> list[Viewport]:
    """Read page sizes from the session's analytics events, for snapshots without a Meta."""
    found = []
    for row in (
        recording.analytics_table().select(["timestamp_ms", "url", "properties"]).to_pylist()
    ):
        try:
            properties: Any = json.loads(row["properties"] or "{}")
        except ValueError:
            continue
        if not isinstance(properties, dict):
            continue
        width, height = properties.get("$viewport_width"), properties.get("$viewport_height")
        if isinstance(width, int | float) and isinstance(height, int | float):
            found.append(Viewport(row["timestamp_ms"], width, height, row["url"]))
    return found
