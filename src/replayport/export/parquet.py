"""``events.parquet`` as it is stored (or of one window, or made playable)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from replayport.export import ExportOptions, ExportOptionsError
from replayport.export.events import selected_events
from replayport.format.reader import Recording
from replayport.format.schema import EVENTS_FILE
from replayport.format.writer import encode_events
from replayport.posthog.lines import EventDecoder


def export(recording: Recording, options: ExportOptions) -> Iterator[bytes]:
    """
    Yield the file.

    Raises:
        ExportOptionsError: The selection is empty.
    """
    if options.window_id is None and not options.playable:
        yield recording.file(EVENTS_FILE)
        return
    decoder = EventDecoder()
    # `seq` is the order of arrival, whatever part of the recording this is.
    for event in selected_events(recording, replace(options, arrival_order=True)):
        decoder.feed(event.window_id, event.to_json().encode())
    if not len(decoder.columns):
        raise ExportOptionsError("there is no event to export")
    manifest = recording.manifest
    metadata = {
        "id": manifest.id,
        "project": manifest.project,
        "session_id": manifest.session_id[:200],
    }
    data, _ = encode_events(decoder.columns, metadata=metadata)
    yield data
