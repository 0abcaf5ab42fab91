"""
What can happen to a recording or an event on its way in: closed sets, counted.

`RejectReason` is at once the key in reports and manifests, the column in the
catalog and the table in ``docs/reference/outcomes.md``. Something that is
rejected is not stored; a *finding* is stored and worth knowing.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class RejectReason(StrEnum):
    """Why an event, a block or a whole recording was not stored."""

    EMPTY = "empty"
    UNKNOWN_FORMAT = "unknown_format"
    INVALID_JSON = "invalid_json"
    INVALID_UTF8 = "invalid_utf8"
    INVALID_GZIP = "invalid_gzip"
    INVALID_ZLIB = "invalid_zlib"
    INVALID_ZSTD = "invalid_zstd"
    INVALID_SNAPPY = "invalid_snappy"
    INVALID_BASE64 = "invalid_base64"
    INVALID_ZIP = "invalid_zip"
    INVALID_PARQUET = "invalid_parquet"
    INVALID_WIRE = "invalid_wire"
    NOT_AN_EVENT = "not_an_event"
    INVALID_TIMESTAMP = "invalid_timestamp"
    INVALID_TYPE = "invalid_type"
    TOO_LARGE = "too_large"
    TRUNCATED = "truncated"
    MISSING_CHUNK = "missing_chunk"
    MISSING_BLOCK = "missing_block"
    UNREADABLE = "unreadable"
    UNAUTHORIZED = "unauthorized"
    NOT_FOUND = "not_found"
    DELETED = "deleted"
    RATE_LIMITED = "rate_limited"
    SOURCE_UNAVAILABLE = "source_unavailable"
    ENCRYPTED = "encrypted"
    STORE_FAILED = "store_failed"
    ERASED = "erased"


REASON_MEANINGS: dict[RejectReason, tuple[str, str]] = {
    RejectReason.EMPTY: (
        "The file, block or recording holds no event.",
        "Nothing to do; an idle tab makes one.",
    ),
    RejectReason.UNKNOWN_FORMAT: (
        "The bytes are none of the forms replayport reads.",
        "See docs/reference/formats.md for what can be imported.",
    ),
    RejectReason.INVALID_JSON: (
        "A line or document is not JSON.",
        "The other lines are stored. Fetch the file again if it was cut.",
    ),
    RejectReason.INVALID_UTF8: (
        "Bytes that must be UTF-8 are not, and could not be repaired.",
        "Fetch the file again.",
    ),
    RejectReason.INVALID_GZIP: (
        "A gzip stream is damaged.",
        "Fetch the file again; what decoded is stored.",
    ),
    RejectReason.INVALID_ZLIB: (
        "A zlib stream (packed rrweb) is damaged.",
        "Fetch the file again.",
    ),
    RejectReason.INVALID_ZSTD: ("A zstd stream is damaged.", "Fetch the file again."),
    RejectReason.INVALID_SNAPPY: (
        "A block is not raw snappy.",
        "Fetch the block again; on PostHog Cloud's own bucket blocks are encrypted.",
    ),
    RejectReason.INVALID_BASE64: ("Text that must be base64 is not.", "Fetch the file again."),
    RejectReason.INVALID_ZIP: ("A zip file cannot be read.", "Fetch the file again."),
    RejectReason.INVALID_PARQUET: (
        "A Parquet file cannot be read or lacks the recording columns.",
        "Run `replayport verify` on the archive it came from.",
    ),
    RejectReason.INVALID_WIRE: (
        "A captured request body breaks the capture protocol's rules.",
        "PostHog would have refused it too.",
    ),
    RejectReason.NOT_AN_EVENT: (
        "JSON, but not an rrweb event: no numeric type and timestamp.",
        "The other events are stored.",
    ),
    RejectReason.INVALID_TIMESTAMP: (
        "The event's timestamp is missing, NaN, or outside what a date can hold.",
        "The other events are stored; an event without a time cannot be placed.",
    ),
    RejectReason.INVALID_TYPE: (
        "The event's type is not an integer from -128 to 127.",
        "The other events are stored.",
    ),
    RejectReason.TOO_LARGE: (
        "Decoded, it is larger than the limit (a decompression bomb, or a huge recording).",
        "Raise `max_recording_bytes` if it is yours.",
    ),
    RejectReason.TRUNCATED: (
        "The bytes end before their length prefix or stream says.",
        "Fetch the file again; what came before is stored.",
    ),
    RejectReason.MISSING_CHUNK: (
        "A ClickHouse-era event set lacks one of its chunks.",
        "Export the missing rows; the other sets are stored.",
    ),
    RejectReason.MISSING_BLOCK: (
        "The source listed a block it did not deliver.",
        "Pull again later: the recording is not stored as complete.",
    ),
    RejectReason.UNREADABLE: (
        "The file cannot be opened.",
        "Check the path and its permissions.",
    ),
    RejectReason.UNAUTHORIZED: (
        "The source refused the key (401 or 403).",
        "Use a personal API key with the scopes session_recording:read and query:read.",
    ),
    RejectReason.NOT_FOUND: (
        "The source does not have the recording (404).",
        "It expired, or belongs to another project.",
    ),
    RejectReason.DELETED: (
        "The recording was deleted at the source (410).",
        "Nothing can bring it back.",
    ),
    RejectReason.RATE_LIMITED: (
        "The source asked to wait longer than this run may.",
        "Run the same command later; it continues where it stopped.",
    ),
    RejectReason.SOURCE_UNAVAILABLE: (
        "The source failed repeatedly (5xx, or cut connections).",
        "Run the same command later; it continues where it stopped.",
    ),
    RejectReason.ENCRYPTED: (
        "The block is encrypted per session, as PostHog Cloud's are.",
        "Use `replayport pull posthog`: the API serves it decrypted.",
    ),
    RejectReason.STORE_FAILED: (
        "The archive's store refused the write (disk full, permissions, network).",
        "Mend the store and run again; nothing half-written is visible.",
    ),
    RejectReason.ERASED: (
        "It was erased from this archive, or is of a person who was.",
        "Nothing to do: it must not come back. It does not make a run fail.",
    ),
}
"""Meaning and remedy of each reason; the reference page is made from this."""


FINDING_MEANINGS: dict[str, str] = {
    "compressed_field_undecodable": (
        "A PostHog-compressed field did not decompress; the event is stored as it came "
        "and left out at playback."
    ),
    "non_finite_number": "A NaN or Infinity, which JSON does not have, was stored as null.",
    "unknown_compression": "An event names a compression (`cv`) this version does not know.",
    "utf8_replaced": "Invalid UTF-8 was replaced by U+FFFD, as a browser does.",
    "timestamp_not_positive": "An event's timestamp is zero or negative; PostHog would drop it.",
    "duplicate_event": "The same event arrived twice in a row; both are stored, one is played.",
    "out_of_order": "Events arrived out of time order; they are stored in time order.",
    "no_full_snapshot": "A window has no full snapshot: it cannot be drawn, its data is kept.",
    "before_full_snapshot": "Events of a window come before its first full snapshot.",
    "bare_full_snapshot": "A snapshot without an event around it was stored with timestamp 0.",
    "highlight_messages_not_imported": (
        "Highlight keeps console messages beside the rrweb events; they were not imported."
    ),
    "highlight_resources_not_imported": (
        "Highlight keeps network requests beside the rrweb events; they were not imported."
    ),
    "missing_block": "The source skipped a block it had listed; the recording is incomplete.",
    "analytics_unavailable": (
        "The key may not query, or the query failed; stored without analytics events."
    ),
    "block_time_differs": ("A block's first event is not at the time the source listed for it."),
    "started_halfway": (
        "The source no longer has the first block, or its listing is at odds with itself."
    ),
    "rejected_events": "Events of this recording were not stored; see `rejected`.",
}
"""Codes of findings and what each means; the reference page is made from this."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """One thing that was not stored."""

    what: str
    """A recording id, file name or block address."""
    reason: RejectReason
    detail: str
    """A sentence for people: observation, meaning, remedy. Holds no recorded value."""

    def to_json(self) -> dict[str, str]:
        """Give the form the command line prints."""
        return {"what": self.what, "reason": self.reason.value, "detail": self.detail}


@dataclass(slots=True)
class Report:
    """The outcome of bulk work (``import``, ``pull``): a table, not an exception."""

    written: list[str] = field(default_factory=list)
    """Ids of recordings stored by this run."""
    already_there: list[str] = field(default_factory=list)
    """Ids of recordings the archive had."""
    left_for_later: list[str] = field(default_factory=list)
    """Ids of recordings still too young to be final (pull)."""
    rejected: list[Rejected] = field(default_factory=list)
    findings: Counter[str] = field(default_factory=Counter)
    """Finding codes over everything written."""

    @property
    def ok(self) -> bool:
        """True when everything asked for was done; keeping out what was erased is part of it."""
        return all(r.reason is RejectReason.ERASED for r in self.rejected)

    def to_json(self) -> dict[str, Any]:
        """Give the form the command line prints with ``--json``."""
        return {
            "written": self.written,
            "already_there": self.already_there,
            "left_for_later": self.left_for_later,
            "rejected": [r.to_json() for r in self.rejected],
            "findings": [
                {"code": code, "count": n, "detail": FINDING_MEANINGS.get(code, "")}
                for code, n in sorted(self.findings.items())
            ],
        }
