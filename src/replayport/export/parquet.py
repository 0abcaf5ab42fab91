"""``events.parquet`` as it is stored (or of one window, or made playable)."""

from __future__ import annotations

from collections.abc import Iterator

from replayport.export import ExportOptions
from replayport.export.events import selected_events
from replayport.format.reader import Recording
from replayport.format.schema import EVENTS_FILE
from replayport.format.writer import encode_events
from replayport.posthog.lines import EventDecoder


def export(recording: Recording, options: ExportOptions) -> Iterator[bytes]:
    """Yield the file."""
    if options.window_id is None and not options.playable:
        yield recording.file(EVENTS_FILE)
        return
    decoder = EventDecoder()
    for event in selected_events(recording, options):
        decoder.feed(event.window_id, event.to_json().encode())
    data, _ = encode_events(decoder.columns, metadata={"id": recording.id})
    yield data
