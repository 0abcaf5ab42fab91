"""The bundle: the recording's folder as one uncompressed zip (`format.bundle`)."""

from __future__ import annotations

from collections.abc import Iterator

from replayport.export import ExportOptions, ExportOptionsError
from replayport.format.assets import asset_key
from replayport.format.bundle import write_bundle
from replayport.format.reader import Recording


def export(recording: Recording, options: ExportOptions) -> Iterator[bytes]:
    """
    Yield the zip.

    Raises:
        ExportOptionsError: Part of a recording was asked for; a bundle is the whole of it.
    """
    if options.window_id is not None or options.playable or options.arrival_order:
        raise ExportOptionsError(
            "a bundle is the whole recording: --window, --order and --playable do not apply"
        )
    files = {name: recording.file(name) for name in recording.manifest.files}
    for sha256 in recording.assets().sizes():
        files[asset_key(sha256)] = recording.asset(sha256)
    yield write_bundle(recording.manifest, files)
