"""JSON lines ``["<windowId>", event]``, as PostHog's snapshots API serves them."""

from __future__ import annotations

import json
from collections.abc import Iterator

from replayport.export import ExportOptions
from replayport.export.events import selected_events
from replayport.format.reader import Recording


def export(recording: Recording, options: ExportOptions) -> Iterator[bytes]:
    """Yield a line an event."""
    for event in selected_events(recording, options):
        yield f"[{json.dumps(event.window_id)},{event.to_json()}]\n".encode()
