"""
A recording inside a notebook: Jupyter, VS Code, marimo, Colab.

```
notebook page
└── <iframe sandbox="allow-scripts allow-same-origin" src="data:text/html,…">
    │                                              origin: opaque, by its data: URL
    └── the HTML export in it                      its own policy: no network
        └── the frame of the recorded page         no script either
```

A recording is foreign HTML. Nothing of it is in the notebook's own document, where a
script could run cells. The address makes the origin opaque, not the sandbox, as in the
player itself (docs/adr/0001-sandbox-not-sanitise.md): with ``allow-scripts`` alone the
replayer could not reach into its own inner frame, and ``srcdoc`` with ``allow-same-origin``
would be of the notebook's origin.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from typing import Final
from urllib.parse import quote

from replayport.errors import ReplayError
from replayport.export import ExportOptions
from replayport.export.html import export
from replayport.format.reader import Recording
from replayport.plurals import counted

MAX_PLAY_BYTES: Final = 2 * 2**20 - 1024
"""
Largest address of a player in a notebook. Chromium's end at 2 MiB; Firefox takes 32. A
recording of about 1 MB in the archive fits, some 15 MB of events.
"""

_BASE64: Final = 4 / 3
_PLAIN: Final = "".join(c for c in map(chr, range(0x21, 0x7F)) if c not in "\"#%&'<>\\^`{|}")
"""Characters an address holds as they are, and an attribute too."""


@dataclass(frozen=True, slots=True, repr=False)
class Shown:
    """Something a notebook shows as HTML."""

    html: str

    def __repr__(self) -> str:
        # A notebook keeps this beside the HTML: not the page a second time.
        return f"<shown in a notebook, {len(self.html):,} characters>"

    def _repr_html_(self) -> str:
        return self.html

    def _mime_(self) -> tuple[str, str]:
        """Show it in marimo."""
        return "text/html", self.html


def play(recording: Recording, *, height_px: int = 640, max_bytes: int | None = None) -> Shown:
    """
    Give a player for a notebook; a message where the page would be too large.

    Args:
        recording: What to play.
        height_px: Of the frame.
        max_bytes: Of the page; `MAX_PLAY_BYTES` when None.

    Raises:
        PlayerNotBuiltError: The web player was not built.
        DamagedRecordingError: A file is missing or damaged.
    """
    limit = MAX_PLAY_BYTES if max_bytes is None else max_bytes
    # Known before anything is read: what the page holds in base64.
    least = int(_stored_bytes(recording) * _BASE64)
    if least > limit:
        return Shown(_too_large(recording, least, limit))
    address = data_url(b"".join(export(recording, ExportOptions())))
    if len(address) > limit:
        return Shown(_too_large(recording, len(address), limit))
    return Shown(frame(address, height_px=height_px, title=f"Recording {recording.id}"))


def shown(recording: Recording) -> str:
    """Give what a notebook shows of a recording by itself: facts, and a player when small."""
    try:
        player = play(recording).html
    except ReplayError as e:  # facts are still worth showing
        player = f"<p>{escape(str(e))}</p>"
    return f"<div>{_facts(recording)}{player}</div>"


def data_url(page: bytes) -> str:
    """Give the address that is a page; not base64, which most of the page is already."""
    return "data:text/html;charset=utf-8," + quote(page, safe=_PLAIN)


def frame(address: str, *, height_px: int, title: str) -> str:
    """
    Put a page into a frame of its own.

    Args:
        address: A ``data:`` URL, so that its origin is nobody's.
        height_px: Of the frame.
        title: For screen readers.

    Raises:
        ValueError: Another address: the frame would have an origin.
    """
    if not address.startswith("data:text/html;"):
        raise ValueError("a frame takes a data: address, so that it has no origin")
    return (
        f'<iframe sandbox="allow-scripts allow-same-origin" referrerpolicy="no-referrer" '
        f'title="{escape(title)}" '
        f'style="width: 100%; height: {int(height_px)}px; border: 1px solid #8884; '
        f'border-radius: 6px" src="{escape(address)}"></iframe>'
    )


def _stored_bytes(recording: Recording) -> int:
    manifest = recording.manifest
    assets = manifest.assets.bytes if manifest.assets else 0
    return assets + sum(f.bytes for n, f in manifest.files.items() if n.endswith(".parquet"))


def _facts(recording: Recording) -> str:
    m = recording.manifest
    try:
        when = f"{datetime.fromtimestamp(m.start_ms / 1000, UTC):%Y-%m-%d %H:%M} UTC"
    except (OverflowError, ValueError, OSError):
        when = f"{m.start_ms} ms"
    said = (
        f"{m.project}/{m.id} · {when} · {m.duration_ms / 1000:.1f} s · {counted(m.events, 'event')}"
    )
    return f"<p><b>Recording</b> {escape(said)}<br>{escape((m.first_url or '')[:200])}</p>"


def _too_large(recording: Recording, size: int, limit: int) -> str:
    name = escape(f"{recording.manifest.project}/{recording.id}")
    return (
        f"<p>The player for this recording is {size / 1e6:.1f} MB or more, over the limit of "
        f"{limit / 1e6:.1f} MB that browsers have for one inside a notebook. "
        f"<code>replayport export {name} --as html</code> makes a page of its own.</p>"
    )
