"""
A JSON array of rrweb events, as rrweb's own player loads it.

Where a recording has several windows each event carries its ``windowId``, as PostHog's
UI export does: node ids are unique per window only, so rrweb-player can play one
window at a time (choose it with ``--window``).
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from replayport.export import ExportOptions
from replayport.export.events import selected_events
from replayport.format.reader import Recording
from replayport.rrweb.events import Event


def export(recording: Recording, options: ExportOptions) -> Iterator[bytes]:
    """Yield the array, an event a line."""
    several = options.window_id is None and len(recording.manifest.windows) > 1
    lead = b"[\n"
    for event in selected_events(recording, options):
        text = event.to_json()
        if several and not _names_window(event):
            text = f'{text[:-1]},"windowId":{json.dumps(event.window_id)}}}'
        yield lead + text.encode("utf-8")
        lead = b",\n"
    yield b"[]\n" if lead == b"[\n" else b"\n]\n"


def _names_window(event: Event) -> bool:
    """Tell whether the source's event has the key already."""
    extra = event.extra_json
    return extra is not None and '"windowId"' in extra and "windowId" in json.loads(extra)
