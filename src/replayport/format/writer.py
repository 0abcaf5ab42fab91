"""
Writes ``events.parquet`` and ``analytics.parquet``.

```
recordings/…/<recording_id>/
├── events.parquet            <- encode_events makes this
│   ├── row group 0           from the first event (a Meta and its full snapshot)
│   ├── row group 1           from a full snapshot, once a group holds 4 MiB
│   └── footer                key-value metadata: format, version, counts
└── analytics.parquet         <- encode_analytics makes this
```

Events come as columns in arrival order and leave in time order. The JSON texts are
gathered one row group at a time, so memory is that of the decoded recording plus one
row group.
"""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from replayport.format.schema import (
    ANALYTICS_SCHEMA,
    DELTA_COLUMNS,
    DICTIONARY_COLUMNS,
    EVENTS_SCHEMA,
    METADATA_KEY,
    ROW_GROUP_MAX_BYTES,
    ROW_GROUP_TARGET_BYTES,
    SMALL_BYTES,
    SMALL_WRITE_LEVEL,
    WRITE_LEVEL,
)
from replayport.recording import (
    FORMAT_NAME,
    FORMAT_VERSION,
    MAX_URL_CHARS,
    MAX_URLS,
    Viewport,
    Window,
    storable,
)
from replayport.rrweb.columns import NO_INT, NO_SOURCE, EventColumns
from replayport.rrweb.events import EventType

_PAGE_BYTES: Final = 2 * ROW_GROUP_MAX_BYTES
"""One page a column chunk: each page is compressed by itself, and a group is read whole."""

_TEXTS_LEVEL: Final = 9
"""zstd level of analytics events: they are few, and most of each repeats the one before."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What a recording's events say about it, counted while writing."""

    start_ms: int
    end_ms: int
    events: int
    raw_bytes: int
    windows: list[Window]
    kinds: dict[str, int]
    urls: list[str]
    viewport: Viewport | None
    snapshot_source: str
    console_errors: int
    findings: Counter[str]


def encode_events(
    columns: EventColumns, *, metadata: Mapping[str, Any] | None = None
) -> tuple[bytes, Summary]:
    """
    Write a recording's events as one Parquet file.

    Args:
        columns: At least one event, in arrival order; ``seq`` becomes that order.
        metadata: Added to the footer's ``replayport`` object (ids, for people who
            meet the file alone).

    Returns:
        The file's bytes, and what was counted on the way.

    Raises:
        ValueError: There are no events.
    """
    if not len(columns):
        raise ValueError("a recording needs at least one event")
    rows = _Rows(columns)
    findings = rows.findings()
    out = pa.BufferOutputStream()
    with _events_writer(out, _levels(len(columns.data))) as writer:
        for start, end in rows.row_groups():
            writer.write_batch(rows.batch(start, end, findings))
        summary = rows.summary(findings)
        footer = {
            "format": FORMAT_NAME,
            "format_version": FORMAT_VERSION,
            "events": summary.events,
            "start_ms": summary.start_ms,
            "end_ms": summary.end_ms,
            **(metadata or {}),
        }
        writer.add_key_value_metadata({METADATA_KEY: json.dumps(footer).encode()})
    return out.getvalue().to_pybytes(), summary


def reencode_events(batches: Iterable[pa.RecordBatch], *, level: int, footer: bytes) -> bytes:
    """
    Write already ordered events again, one row group a batch (``compact``).

    Args:
        batches: Of `EVENTS_SCHEMA`, in order.
        level: zstd level.
        footer: Value of the ``replayport`` metadata key, kept as it was.
    """
    out = pa.BufferOutputStream()
    with _events_writer(out, dict.fromkeys(EVENTS_SCHEMA.names, level)) as writer:
        for batch in batches:
            writer.write_batch(batch)
        writer.add_key_value_metadata({METADATA_KEY: footer})
    encoded: bytes = out.getvalue().to_pybytes()
    return encoded


def encode_analytics(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """
    Write the session's product-analytics and LLM events, ordered by time.

    Args:
        rows: Dicts with the columns of `ANALYTICS_SCHEMA`; ``properties`` is JSON text.
    """
    ordered = sorted(rows, key=lambda r: (r["timestamp_ms"], r.get("uuid") or ""))
    table = pa.Table.from_pylist([dict(r) for r in ordered], schema=ANALYTICS_SCHEMA)
    out = io.BytesIO()
    pq.write_table(
        table,
        out,
        compression="zstd",
        compression_level=_TEXTS_LEVEL,
        store_schema=False,
        use_dictionary=["event", "distinct_id", "window_id", "url"],
        # Statistics of texts are whole texts: they were a third of the file.
        write_statistics=["timestamp_ms"],
    )
    return out.getvalue()


def row_group_bounds(
    sizes: Sequence[int], full_snapshots: Iterable[int], starts: Mapping[int, int]
) -> list[tuple[int, int]]:
    """
    Decide where row groups begin.

    Args:
        sizes: Uncompressed bytes of each row's ``data``, in stored order.
        full_snapshots: Rows that are full snapshots, ascending.
        starts: For a full snapshot that a Meta of its window directly precedes, the
            Meta's row: the two stay together.

    Returns:
        Half-open row ranges ``[start, end)`` that cover all rows.
    """
    n = len(sizes)
    cumulative = np.concatenate(([0], np.cumsum(np.asarray(sizes, dtype=np.int64))))
    breaks = [starts.get(row, row) for row in full_snapshots]
    bounds: list[tuple[int, int]] = []
    start = 0
    next_break = 0
    while start < n:
        at_target = int(np.searchsorted(cumulative, cumulative[start] + ROW_GROUP_TARGET_BYTES))
        at_max = int(np.searchsorted(cumulative, cumulative[start] + ROW_GROUP_MAX_BYTES))
        while next_break < len(breaks) and (
            breaks[next_break] <= start or breaks[next_break] < at_target
        ):
            next_break += 1
        end = min(n, max(at_max, start + 1))
        if next_break < len(breaks):
            end = min(end, breaks[next_break])
        bounds.append((start, end))
        start = end
    return bounds


def _levels(raw_bytes: int) -> dict[str, int]:
    """Choose each column's zstd level as written; one without is not compressed."""
    if raw_bytes <= SMALL_BYTES:
        return {"data": SMALL_WRITE_LEVEL}
    return dict.fromkeys(EVENTS_SCHEMA.names, WRITE_LEVEL)


def _events_writer(out: pa.BufferOutputStream, levels: Mapping[str, int]) -> pq.ParquetWriter:
    return pq.ParquetWriter(
        out,
        EVENTS_SCHEMA,
        compression=dict.fromkeys(levels, "zstd"),
        compression_level=dict(levels),
        use_dictionary=list(DICTIONARY_COLUMNS),
        column_encoding=dict(DELTA_COLUMNS),
        write_statistics=["timestamp_ms"],
        data_page_size=_PAGE_BYTES,
        dictionary_pagesize_limit=2**20,
        store_schema=False,
    )


class _ConsolePayload(msgspec.Struct):
    level: str | None = None


class _ConsoleData(msgspec.Struct):
    payload: _ConsolePayload


class _MetaData(msgspec.Struct):
    width: float = 0
    height: float = 0


_console = msgspec.json.Decoder(_ConsoleData)
_meta = msgspec.json.Decoder(_MetaData)


class _Rows:
    """`EventColumns` as NumPy and Arrow views, with the stored order."""

    def __init__(self, columns: EventColumns) -> None:
        self._columns = columns
        self._n = len(columns)
        self._timestamp = np.frombuffer(columns.timestamp_ms, np.int64)
        self._type = np.frombuffer(columns.type, np.int8)
        self._source = np.frombuffer(columns.source, np.int16)
        self._node_id = np.frombuffer(columns.node_id, np.int32)
        self._x = np.frombuffer(columns.x, np.float64)
        self._y = np.frombuffer(columns.y, np.float64)
        self._window = np.frombuffer(columns.window, np.int32)
        self._kind = np.frombuffer(columns.kind, np.int32)
        ends = np.frombuffer(columns.data_end, np.int64)
        self._offsets = np.concatenate((np.zeros(1, np.int64), ends))
        self._sizes = np.diff(self._offsets)
        self._sorted = bool(np.all(self._timestamp[1:] >= self._timestamp[:-1]))
        self._order = np.argsort(self._timestamp, kind="stable")
        self._texts = pa.LargeBinaryArray.from_buffers(
            pa.large_binary(),
            self._n,
            [None, pa.py_buffer(self._offsets), pa.py_buffer(columns.data)],
        )
        self._window_names = pa.array([storable(w) for w in columns.windows.values], pa.string())
        self._kind_names = pa.array([storable(k) for k in columns.kinds.values], pa.string())

    def row_groups(self) -> list[tuple[int, int]]:
        order = self._order
        full = np.flatnonzero(self._type[order] == EventType.FULL_SNAPSHOT)
        starts = {
            int(row): int(row) - 1
            for row in full
            if row > 0
            and self._type[order[row - 1]] == EventType.META
            and self._window[order[row - 1]] == self._window[order[row]]
        }
        return row_group_bounds(self._sizes[order], full.tolist(), starts)  # type: ignore[arg-type]

    def batch(self, start: int, end: int, findings: Counter[str]) -> pa.RecordBatch:
        """Gather one row group, counting what had to be repaired."""
        rows = self._order[start:end]
        source = self._source[rows]
        no_source = (source == NO_SOURCE) | (source > 127)
        node_id = self._node_id[rows]
        x, y = _float32(self._x[rows]), _float32(self._y[rows])
        return pa.RecordBatch.from_arrays(
            [
                pa.array(self._timestamp[rows]),
                pa.array(rows.astype(np.int32)),
                pa.DictionaryArray.from_arrays(pa.array(self._window[rows]), self._window_names),
                pa.array(self._type[rows]),
                pa.array(np.where(no_source, 0, source).astype(np.int8), mask=no_source),
                pa.DictionaryArray.from_arrays(pa.array(self._kind[rows]), self._kind_names),
                pa.array(node_id, mask=node_id == NO_INT),
                pa.array(x, mask=np.isnan(x)),
                pa.array(y, mask=np.isnan(y)),
                self._sparse(self._columns.url, rows, findings),
                self._data(start, end, rows, findings),
                self._sparse(self._columns.extra, rows, findings),
            ],
            schema=EVENTS_SCHEMA,
        )

    def _data(
        self, start: int, end: int, rows: np.ndarray[Any, Any], findings: Counter[str]
    ) -> pa.Array:
        if self._sorted:
            texts = self._texts.slice(start, end - start)
        else:
            texts = self._texts.take(pa.array(rows))
        try:
            array = texts.cast(pa.string())
        except pa.ArrowInvalid:
            array = pa.array(
                [_repair_utf8(value, findings) for value in texts.to_pylist()], pa.string()
            )
        absent = self._columns.no_data
        if absent:
            here = np.fromiter((int(r) in absent for r in rows), bool, len(rows))
            if here.any():
                array = pa.compute.if_else(pa.array(here), pa.scalar(None, pa.string()), array)
        return array

    @staticmethod
    def _sparse(
        values: Mapping[int, str | bytes], rows: np.ndarray[Any, Any], findings: Counter[str]
    ) -> pa.Array:
        if not values:
            return pa.nulls(len(rows), pa.string())
        found = [values.get(row) for row in rows.tolist()]
        try:
            return pa.array(found, pa.string())
        except (pa.ArrowInvalid, UnicodeEncodeError):
            return pa.array(
                [
                    _repair_utf8(
                        v.encode("utf-8", "surrogatepass") if isinstance(v, str) else v, findings
                    )
                    if v is not None
                    else None
                    for v in found
                ],
                pa.string(),
            )

    def findings(self) -> Counter[str]:
        """Count what is odd about the events: duplicates, disorder, undrawable windows."""
        counts: Counter[str] = Counter()
        timestamp = self._timestamp[self._order]
        window = self._window[self._order]
        type_ = self._type[self._order]
        size = self._sizes[self._order]
        if not self._sorted:
            counts["out_of_order"] = int(np.sum(self._timestamp[1:] < self._timestamp[:-1]))
        same = (
            (timestamp[1:] == timestamp[:-1])
            & (window[1:] == window[:-1])
            & (type_[1:] == type_[:-1])
            & (size[1:] == size[:-1])
        )
        data = memoryview(self._columns.data)
        for at in np.flatnonzero(same):
            a, b = self._order[at], self._order[at + 1]
            if (
                data[self._offsets[a] : self._offsets[a + 1]]
                == data[self._offsets[b] : self._offsets[b + 1]]
            ):
                counts["duplicate_event"] += 1
        full = type_ == EventType.FULL_SNAPSHOT
        for code in np.unique(window):
            mine = window == code
            snapshots = np.flatnonzero(mine & full)
            if not len(snapshots):
                counts["no_full_snapshot"] += 1
            else:
                early = mine & (type_ == EventType.INCREMENTAL_SNAPSHOT)
                before = int(np.sum(early[: snapshots[0]]))
                if before:
                    counts["before_full_snapshot"] += before
        return counts

    def summary(self, findings: Counter[str]) -> Summary:
        columns = self._columns
        order = self._order
        window = self._window[order]
        timestamp = self._timestamp[order]
        full = self._type[order] == EventType.FULL_SNAPSHOT
        rank = np.empty(self._n, np.int64)
        rank[order] = np.arange(self._n)
        urls_in_order = sorted(columns.url.items(), key=lambda item: int(rank[item[0]]))
        first_url: dict[int, str] = {}
        urls: dict[str, None] = {}
        for row, found in urls_in_order:
            url = storable(found)[:MAX_URL_CHARS]
            first_url.setdefault(columns.window[row], url)
            if len(urls) < MAX_URLS:
                urls.setdefault(url)
        windows = []
        codes, first_rows = np.unique(window, return_index=True)
        for code in codes[np.argsort(first_rows)]:
            mine = np.flatnonzero(window == code)
            windows.append(
                Window(
                    window_id=storable(columns.windows.values[int(code)]),
                    events=len(mine),
                    start_ms=int(timestamp[mine[0]]),
                    end_ms=int(timestamp[mine[-1]]),
                    first_url=first_url.get(int(code)),
                    full_snapshots=int(np.sum(full[mine])),
                )
            )
        names, counts = np.unique(self._kind, return_counts=True)
        kinds = {
            storable(columns.kinds.values[int(k)]): int(n)
            for k, n in sorted(zip(names, counts, strict=True), key=lambda kn: -int(kn[1]))
        }
        return Summary(
            start_ms=int(timestamp[0]),
            end_ms=int(timestamp[-1]),
            events=self._n,
            raw_bytes=len(columns.data),
            windows=windows,
            kinds=kinds,
            urls=list(urls),
            viewport=self._viewport(),
            snapshot_source="mobile" if self._has_wireframes() else "web",
            console_errors=self._console_errors(),
            findings=findings,
        )

    def _rows_of_kind(self, kind: str) -> list[int]:
        if kind not in self._columns.kinds.values:
            return []
        return np.flatnonzero(self._kind == self._columns.kinds[kind]).tolist()

    def _viewport(self) -> Viewport | None:
        for row in self._rows_of_kind("meta"):
            data = self._columns.data_of(row)
            try:
                size = _meta.decode(data or b"{}")
            except (msgspec.DecodeError, UnicodeDecodeError):
                continue
            if 0 < size.width < 2**31 and 0 < size.height < 2**31:
                return Viewport(width=int(size.width), height=int(size.height))
        return None

    def _has_wireframes(self) -> bool:
        for row in self._rows_of_kind("full_snapshot"):
            start = int(self._offsets[row])
            end = int(self._offsets[row + 1])
            if self._columns.data.find(b'"wireframes"', start, min(end, start + 4096)) >= 0:
                return True
        return False

    def _console_errors(self) -> int:
        errors = 0
        for row in self._rows_of_kind("console"):
            try:
                level = _console.decode(self._columns.data_of(row) or b"{}").payload.level
            except (msgspec.DecodeError, UnicodeDecodeError):
                continue
            errors += level in ("error", "assert")
        return errors


def _repair_utf8(value: bytes | None, findings: Counter[str]) -> str | None:
    """
    Make stored JSON text valid UTF-8 without changing what it says.

    Lone surrogates written as bytes become the JSON escape that means the same; other
    invalid bytes become U+FFFD, as a browser reads them, and are counted.
    """
    if value is None:
        return None
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        pass
    try:
        text = value.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        findings["utf8_replaced"] += 1
        return value.decode("utf-8", "replace")
    return "".join(f"\\u{ord(c):04x}" if "\ud800" <= c <= "\udfff" else c for c in text)


def _float32(values: NDArray[np.float64]) -> NDArray[np.float32]:
    """Give them as 32 bits hold them; what these do not hold is no place on a page."""
    fits = np.abs(values) <= np.finfo(np.float32).max
    return np.where(fits, values, np.nan).astype(np.float32)
