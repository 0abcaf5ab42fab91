"""
One HTML page that plays a recording offline, with no network.

```
recording.html
├── <meta http-equiv="Content-Security-Policy">    scripts by hash, nothing from anywhere
├── <replayport-player inline="recording" inline-assets="assets">
├── <script type="application/json" id="assets">    what was frozen, each file once in base64
├── <script type="application/octet-stream" id="recording">    events.parquet in base64
└── <script>    the player, with the document of its sandboxed frame inside
```

A script element of those types is data to a browser. Base64 has no character that could
end it, and in the JSON every ``<`` is an escape. What comes from the manifest is text and is escaped as text.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from html import escape
from typing import Final
from urllib.parse import urlsplit

import msgspec

from replayport import __version__
from replayport.export import ExportOptions, parquet
from replayport.format.assets import AssetMap
from replayport.format.reader import Recording
from replayport.player_assets import EXPORT_TEMPLATE_FILE, static_text
from replayport.plurals import counted

_PLACEHOLDER: Final = re.compile(r"%(TITLE|HEADING|FACTS|FOOTER|GENERATOR|ASSETS|RECORDING)%")
_MAX_HEADING_CHARS: Final = 200


def export(recording: Recording, options: ExportOptions) -> Iterator[bytes]:
    """
    Yield the page.

    Mobile recordings are made playable first: their wireframes are no DOM.

    Raises:
        DamagedRecordingError: A file, or a frozen asset, is missing or damaged.
        PlayerNotBuiltError: The web player was not built (``make web``).
    """
    playable = options.playable or recording.manifest.snapshot_source == "mobile"
    options = replace(options, playable=playable, arrival_order=False)
    events = b"".join(parquet.export(recording, options))
    assets = recording.assets()
    yield render_html(
        events,
        msgspec.to_builtins(recording.manifest),
        assets,
        {sha256: recording.asset(sha256) for sha256 in assets.sizes()},
    )


def render_html(
    parquet: bytes,
    manifest: Mapping[str, object],
    assets: AssetMap | None = None,
    files: Mapping[str, bytes] | None = None,
) -> bytes:
    """
    Make the page.

    Args:
        parquet: An ``events.parquet``.
        manifest: Of the recording, as JSON values. Only ``first_url``, ``id``,
            ``start_ms``, ``duration_ms`` and ``events`` are shown; missing ones and
            ones of another type are left out.
        assets: What was frozen; None when nothing was.
        files: The bytes of those assets, by SHA-256.

    Returns:
        The page, UTF-8.

    Raises:
        PlayerNotBuiltError: The web player was not built (``make web``).
    """
    heading = _heading(manifest)
    values = {
        "TITLE": escape(f"{heading} · session replay"),
        "HEADING": escape(heading),
        "FACTS": escape(_facts(manifest)),
        "FOOTER": escape(_footer(manifest)),
        "GENERATOR": escape(f"replayport {__version__}"),
        "ASSETS": _assets(assets, files or {}),
        "RECORDING": b64encode(parquet).decode("ascii"),
    }
    # The template is split before anything is put in, so a value that looks like a
    # placeholder stays a value, and the player's own text is never searched.
    head, player = static_text(EXPORT_TEMPLATE_FILE).split('id="recording">', 1)
    opening = 'id="recording">'
    body, _, rest = player.partition("</script>")
    page = _fill(head, values) + opening + _fill(body, values) + "</script>" + rest
    return page.encode("utf-8")


def _assets(assets: AssetMap | None, files: Mapping[str, bytes]) -> str:
    if assets is None or not assets.assets:
        return ""
    document = {
        "assets": assets.assets,
        "files": {sha256: b64encode(data).decode("ascii") for sha256, data in files.items()},
    }
    return msgspec.json.encode(document).decode().replace("<", "\\u003c")


def _fill(template: str, values: Mapping[str, str]) -> str:
    return _PLACEHOLDER.sub(lambda match: values[match[1]], template)


def _heading(manifest: Mapping[str, object]) -> str:
    """Host and path of the first page, without query: titles end up in shared histories."""
    url = manifest.get("first_url")
    if isinstance(url, str) and url:
        try:
            parts = urlsplit(url)
        except ValueError:
            return url[:_MAX_HEADING_CHARS]
        place = f"{parts.netloc.rpartition('@')[2]}{parts.path}".rstrip("/")
        return (place or url)[:_MAX_HEADING_CHARS]
    recording_id = manifest.get("id")
    return f"Recording {recording_id}"[:_MAX_HEADING_CHARS] if recording_id else "Recording"


def _facts(manifest: Mapping[str, object]) -> str:
    facts = []
    start = _start(manifest)
    if start is not None:
        facts.append(f"{start.day} {start:%B %Y, %H:%M} UTC")
    duration_ms = manifest.get("duration_ms")
    if isinstance(duration_ms, int) and duration_ms >= 0:
        facts.append(_duration(duration_ms))
    events = manifest.get("events")
    if isinstance(events, int):
        facts.append(counted(events, "event"))
    return " · ".join(facts)


def _footer(manifest: Mapping[str, object]) -> str:
    start = _start(manifest)
    recorded = f"Recorded {start:%Y-%m-%d %H:%M} UTC, exported" if start else "Exported"
    return f"{recorded} by replayport. This page makes no network request."


def _start(manifest: Mapping[str, object]) -> datetime | None:
    start_ms = manifest.get("start_ms")
    if not isinstance(start_ms, int):
        return None
    try:
        return datetime.fromtimestamp(start_ms / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def _duration(duration_ms: int) -> str:
    minutes, seconds = divmod(duration_ms // 1000, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
