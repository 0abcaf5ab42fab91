"""Choosing the events an export writes: stored as they are, or made playable."""

from __future__ import annotations

from collections.abc import Iterator

from replayport.export import ExportOptions
from replayport.format.reader import Recording
from replayport.rrweb.events import Event


def selected_events(recording: Recording, options: ExportOptions) -> Iterator[Event]:
    """Yield the events to write, in the order asked for."""
    if options.playable:
        from replayport.playable import playable_columns

        for event in playable_columns(recording).events():
            if options.window_id is None or event.window_id == options.window_id:
                yield event
        return
    yield from recording.events(
        window_id=options.window_id, order="arrival" if options.arrival_order else "time"
    )
