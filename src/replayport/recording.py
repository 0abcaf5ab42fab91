"""
What is known of a recording without reading its events: the manifest.

```
recordings/<project>/<yyyy>/<mm>/<dd>/<recording_id>/
├── manifest.json       <- Manifest is this file
├── events.parquet
└── analytics.parquet
```

The manifest is written last and read first: a recording exists when its manifest
does. Normative text: ``spec/recording.md``.
"""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from msgspec import Struct, field

from replayport.errors import DamagedRecordingError, FormatVersionError

FORMAT_NAME: Final = "replayport-recording"
FORMAT_VERSION: Final = 1
"""Raised only by a change an old reader would misread; new fields do not raise it."""

MAX_URLS: Final = 25
"""Distinct page addresses kept in a manifest (as many as PostHog keeps of a block)."""

MAX_URL_CHARS: Final = 4096

MAX_MISSING_ASSETS: Final = 1000
"""Addresses of missing assets named in a manifest."""

_SAFE_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_SAFE_PROJECT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


class Window(Struct, frozen=True, kw_only=True):
    """One browser tab of a recording."""

    window_id: str
    events: int
    start_ms: int
    end_ms: int
    first_url: str | None = None
    """Address of its first page; None when no event names one."""
    full_snapshots: int = 0
    """Without one the window cannot be drawn."""


class Finding(Struct, frozen=True, kw_only=True):
    """Something stored that is worth knowing; codes in `outcomes.FINDING_MEANINGS`."""

    code: str
    count: int = 1
    detail: str = ""


class FileInfo(Struct, frozen=True, kw_only=True):
    """Size and digest of a file beside the manifest."""

    bytes: int
    sha256: str


class Viewport(Struct, frozen=True, kw_only=True):
    """Size of the first page recorded, CSS px."""

    width: int
    height: int


class Person(Struct, frozen=True, kw_only=True):
    """Who was recorded, as the source names them."""

    distinct_id: str
    properties: dict[str, Any] = field(default_factory=dict)


class MissingAsset(Struct, frozen=True, kw_only=True):
    """An address that could not be frozen."""

    url: str
    reason: str
    """Value of `assets.fetch.MissReason`."""


class FrozenAssets(Struct, frozen=True, kw_only=True):
    """What `replayport freeze` did; ``assets.json`` beside the manifest says where things are."""

    stored: int
    """Addresses in ``assets.json``."""
    bytes: int
    """Of the files they name, each counted once."""
    missing: list[MissingAsset] = field(default_factory=list)
    """What could not be had, up to `MAX_MISSING_ASSETS`."""
    not_listed: int = 0
    """How many more are missing."""
    frozen_ms: int = 0
    """When this was last changed."""


class Manifest(Struct, frozen=True, kw_only=True):
    """``manifest.json``: who, when, where from, how many; provenance; digests."""

    id: str
    """Unique within its project; the source's session id where that is a safe name."""
    project: str
    session_id: str
    """The source's own id, verbatim; equal to ``id`` unless that was unsafe or missing."""
    start_ms: int
    end_ms: int
    duration_ms: int
    events: int
    raw_bytes: int
    """Bytes of all ``data`` texts, decoded: what ``events.parquet`` compresses."""
    windows: list[Window]
    kinds: dict[str, int]
    """How many events of each `kind`."""
    files: dict[str, FileInfo]
    source: dict[str, Any]
    """``kind`` (``posthog-api``, ``posthog-bucket``, ``file`` …) and what that source says."""
    format: str = FORMAT_NAME
    format_version: int = FORMAT_VERSION
    urls: list[str] = field(default_factory=list)
    first_url: str | None = None
    viewport: Viewport | None = None
    snapshot_source: str = "web"
    """``web`` or ``mobile`` (wireframes, converted when played)."""
    console_errors: int = 0
    analytics_events: int = 0
    llm_events: int = 0
    """Of those, LLM events (``$ai_…``)."""
    activity: list[int] = field(default_factory=list)
    """Things the visitor did in each of `rrweb.activity.PARTS` equally long parts."""
    person: Person | None = None
    complete: bool = True
    """False when the source is known to hold more than is stored; see ``missing``."""
    missing: list[str] = field(default_factory=list)
    """What the source did not deliver: block keys, byte ranges."""
    findings: list[Finding] = field(default_factory=list)
    rejected: dict[str, int] = field(default_factory=dict)
    """Events not stored, by reject reason."""
    assets: FrozenAssets | None = None
    """None when assets were never frozen."""
    privacy: list[dict[str, Any]] = field(default_factory=list)
    """What was redacted, by which rules, when: oldest first."""
    created_ms: int = 0
    software: str = ""
    provenance: dict[str, Any] = field(default_factory=dict)

    @property
    def is_redacted_for_good(self) -> bool:
        """
        Whether something was removed after storing.

        What comes later of such a recording was never looked at and is not taken. One that was
        redacted before storing takes more: that goes through the same profile.
        """
        return any(entry.get("when") != "stored" for entry in self.privacy)

    @property
    def clicks(self) -> int:
        """Click events, a double click's own event not counted."""
        return self.kinds.get("click", 0)

    @property
    def key_prefix(self) -> str:
        """Store prefix of the recording's folder, without a trailing slash."""
        return recording_prefix(self.project, self.id, self.start_ms)

    def to_bytes(self) -> bytes:
        """Give the file's bytes: indented JSON that a person can read."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n"

    @staticmethod
    def from_bytes(data: bytes, *, key: str) -> Manifest:
        """
        Read ``manifest.json``.

        Raises:
            FormatVersionError: Written by a newer replayport.
            DamagedRecordingError: Not a manifest.
        """
        try:
            head = msgspec.json.decode(data, type=_Head)
            if head.format != FORMAT_NAME:
                raise DamagedRecordingError(
                    f"the file says it is {head.format!r:.60}, not a recording's manifest", key=key
                )
            if head.format_version > FORMAT_VERSION:
                raise FormatVersionError(
                    found=head.format_version, supported=FORMAT_VERSION, key=key
                )
            return msgspec.json.decode(data, type=Manifest)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as e:
            raise DamagedRecordingError(
                f"the manifest of {len(data)} bytes does not parse ({type(e).__name__}). "
                "It was changed or cut. Import or pull the recording again",
                key=key,
            ) from e


class _Head(Struct):
    format: str
    format_version: int


def safe_id(session_id: str) -> str:
    """
    Make a recording id of a source's session id.

    Args:
        session_id: Whatever the source calls it, possibly a path or 10 kB long.

    Returns:
        The same text when it is a plain name (letters, digits, ``-``, ``_``, at most
        100); else ``id-`` and 32 hex digits of its SHA-256.
    """
    if _SAFE_ID.fullmatch(session_id):
        return session_id
    return "id-" + hashlib.sha256(session_id.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def safe_project(project: str) -> str:
    """Make a folder name of a project's name, as `safe_id` does of an id."""
    if _SAFE_PROJECT.fullmatch(project) and ".." not in project:
        return project
    return "p-" + hashlib.sha256(project.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def storable(text: str) -> str:
    """Make text storable as UTF-8: lone surrogates become U+FFFD."""
    return _SURROGATE.sub("\ufffd", text)


def recording_prefix(project: str, recording_id: str, start_ms: int) -> str:
    """
    Give the store prefix of a recording: ``recordings/<project>/<yyyy>/<mm>/<dd>/<id>``.

    The date is that of the first event, UTC, held between the years 1970 and 9999.
    """
    seconds = min(max(start_ms // 1000, 0), 253_402_300_799)
    day = datetime.fromtimestamp(seconds, tz=UTC)
    return f"recordings/{project}/{day:%Y/%m/%d}/{recording_id}"
