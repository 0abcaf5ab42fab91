"""The bundle: the recording's folder as one uncompressed zip (`format.bundle`)."""

from __future__ import annotations

from collections.abc import Iterator

from replayport.export import ExportOptions
from replayport.format.bundle import write_bundle
from replayport.format.reader import Recording


def export(recording: Recording, options: ExportOptions) -> Iterator[bytes]:
    """
    Yield the zip.

    Raises:
        ValueError: Part of a recording was asked for; a bundle is the whole of it.
    """
    if options.window_id is not None or options.playable or options.arrival_order:
        raise ValueError("a bundle is the whole recording: --window and the like do not apply")
    yield write_bundle(
        recording.manifest, {name: recording.file(name) for name in recording.manifest.files}
    )
