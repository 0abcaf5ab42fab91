"""
Columns of ``events.parquet`` and ``analytics.parquet``, and how they are encoded.

Normative text: ``spec/recording.md``. A test holds the two against each other.
"""

from __future__ import annotations

from typing import Final

import pyarrow as pa

METADATA_KEY: Final = b"replayport"
"""Footer key-value metadata: a JSON object with format, version, id and counts."""

EVENTS_FILE: Final = "events.parquet"
ANALYTICS_FILE: Final = "analytics.parquet"
MANIFEST_FILE: Final = "manifest.json"

EVENTS_SCHEMA: Final = pa.schema(
    [
        pa.field("timestamp_ms", pa.int64(), nullable=False),
        pa.field("seq", pa.int32(), nullable=False),
        pa.field("window_id", pa.dictionary(pa.int32(), pa.string()), nullable=False),
        pa.field("type", pa.int8(), nullable=False),
        pa.field("source", pa.int8()),
        pa.field("kind", pa.dictionary(pa.int32(), pa.string()), nullable=False),
        pa.field("node_id", pa.int32()),
        pa.field("x", pa.float32()),
        pa.field("y", pa.float32()),
        pa.field("url", pa.string()),
        pa.field("data", pa.string()),
        pa.field("extra", pa.string()),
    ]
)

ANALYTICS_SCHEMA: Final = pa.schema(
    [
        pa.field("timestamp_ms", pa.int64(), nullable=False),
        pa.field("uuid", pa.string()),
        pa.field("event", pa.string(), nullable=False),
        pa.field("distinct_id", pa.string()),
        pa.field("window_id", pa.string()),
        pa.field("url", pa.string()),
        pa.field("properties", pa.string()),
    ]
)

LIGHT_COLUMNS: Final = tuple(n for n in EVENTS_SCHEMA.names if n not in ("data", "extra"))
"""Everything but the JSON texts: what lists, timelines and counts need."""

DICTIONARY_COLUMNS: Final = ("window_id", "type", "source", "kind", "node_id", "url", "extra")
"""Few distinct values. ``data`` never: a dictionary of snapshots is the snapshots."""

DELTA_COLUMNS: Final = {
    "timestamp_ms": "DELTA_BINARY_PACKED",
    "seq": "DELTA_BINARY_PACKED",
    "data": "DELTA_LENGTH_BYTE_ARRAY",
}

ROW_GROUP_TARGET_BYTES: Final = 4 * 2**20
"""
Uncompressed ``data`` after which the next full snapshot starts a new row group.

Breaking at *every* full snapshot costs about twice the size, because pages of
one site repeat each other's markup and styles (docs/adr/0003).
"""

ROW_GROUP_MAX_BYTES: Final = 2 * ROW_GROUP_TARGET_BYTES
"""Uncompressed ``data`` at which a row group ends wherever it is."""

SMALL_BYTES: Final = 2**20
"""
Uncompressed ``data`` up to which a recording is small.

Small ones repeat themselves less, so a level that hardly helps a large recording leaves a
tenth of their size behind. Their other columns hold a few hundred bytes each: as written
these are not compressed, because making a compressor costs more than its work.
"""

WRITE_LEVEL: Final = 3
SMALL_WRITE_LEVEL: Final = 5
"""zstd levels as written."""

COMPACT_LEVEL: Final = 9
SMALL_COMPACT_LEVEL: Final = 19
"""zstd levels after `replayport compact`."""


def compact_level(raw_bytes: int) -> int:
    """Give the level a compacted recording has, by the bytes of its ``data``."""
    return SMALL_COMPACT_LEVEL if raw_bytes <= SMALL_BYTES else COMPACT_LEVEL
