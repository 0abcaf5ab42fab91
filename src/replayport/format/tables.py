"""
The tables recordings are read as, one place for their columns and what they mean.

The same columns in the same order of one recording (``recording.console()``), of an
archive (``archive.console()``), in a dataset, in BigQuery. Only plain types: text, numbers,
truth values, UTC times; JSON stays text.

```
recordings   one row a recording           <- its manifest
events       one row an rrweb event        <- events.parquet
analytics    one row an analytics event    <- analytics.parquet
actions      one row a thing the user did  <- events, analysis/reading.py
console      one row a console line        <- events, analysis/console.py
network      one row a request             <- events, analysis/network.py
signals      one row a moment of trouble   <- events, analysis/signals.py
features     one row a recording           <- events, analysis/features.py
```
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from replayport.analysis.actions import ActionLog
from replayport.analysis.columns import COLUMNS as ANALYSIS_COLUMNS
from replayport.analysis.columns import Columns
from replayport.analysis.console import CONSOLE_KINDS, console_row
from replayport.analysis.elements import know_elements
from replayport.analysis.features import FEATURES, measure
from replayport.analysis.moments import ElementLookup, nothing_known
from replayport.analysis.network import NETWORK_KINDS, NetworkEvent, requests_of
from replayport.analysis.profiles import DEFAULT_PROFILE, PROFILES
from replayport.analysis.reading import ActionReader
from replayport.analysis.signals import detect, judged_kinds
from replayport.analysis.tables import ACTIONS_SCHEMA, actions_table
from replayport.format.scan import select_schema
from replayport.format.schema import ANALYTICS_FILE, EVENTS_FILE, EVENTS_SCHEMA
from replayport.recording import Manifest, storable

if TYPE_CHECKING:
    from replayport.format.reader import Recording

TIME_TYPE: Final = pa.timestamp("us", tz="UTC")
"""Microseconds: the unit that databases, Spark and DuckDB have for times with a zone."""

LATEST_MS: Final = 253_402_300_799_999
"""The last millisecond calendars of databases have; later times are null in ``time``."""

BATCH_ROWS: Final = 16_384

HELD_BYTES: Final = 32 * 2**20
"""A recording whose decoded texts are no more than this is read once for an analysis, not twice."""

_MS_TYPE: Final = pa.timestamp("ms", tz="UTC")


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table."""

    name: str
    type: pa.DataType
    meaning: str
    nullable: bool = True


_Read: TypeAlias = Callable[
    ["Recording", Sequence[str], Collection[str] | None], Iterator[pa.RecordBatch]
]


@dataclass(frozen=True)
class Table:
    """One of the tables."""

    name: str
    meaning: str
    columns: Sequence[Column]
    cluster_by: Sequence[str]
    """Columns a warehouse sorts by inside a day."""
    read: _Read
    """Yields batches with the columns asked for; the last argument is kinds of events."""

    @cached_property
    def schema(self) -> pa.Schema:
        """Its columns for Arrow."""
        return pa.schema([pa.field(c.name, c.type, nullable=c.nullable) for c in self.columns])


def _need(name: str, type_: pa.DataType, meaning: str) -> Column:
    return Column(name, type_, meaning, nullable=False)


_KEY: Final = (
    _need("project", pa.string(), "Project of the recording."),
    _need("recording_id", pa.string(), "Id of the recording, unique in its project."),
)
_TIME: Final = (
    Column("time", TIME_TYPE, "When, in UTC; null where no calendar has that time."),
    _need("timestamp_ms", pa.int64(), "When, in epoch milliseconds."),
)
_WINDOW: Final = (
    _need("seq", pa.int32(), "Position of arrival of the event within the recording, from 0."),
    _need("window_id", pa.string(), "Browser tab; empty when the source named none."),
)


def table_batches(
    recording: Recording,
    name: str,
    columns: Sequence[str] | None = None,
    *,
    kinds: Collection[str] | None = None,
) -> Iterator[pa.RecordBatch]:
    """
    Yield one table's rows of one recording.

    Args:
        recording: Where from.
        name: Key of `TABLES`.
        columns: Names from its schema, in the order wanted; all when None.
        kinds: Only events of these kinds, for ``events``.
    """
    table = TABLES[name]
    wanted = list(columns) if columns is not None else table.schema.names
    select_schema(table.schema, wanted)
    return table.read(recording, wanted, kinds)


def tables_batches(
    recording: Recording, names: Sequence[str]
) -> Iterator[tuple[str, pa.RecordBatch]]:
    """
    Yield the rows of several tables of one recording, with all columns.

    What some of them are worked out of is read and walked through once.

    Args:
        recording: Where from.
        names: Keys of `TABLES`; the rows come table after table.
    """
    work = _Work(recording, names)
    for name in names:
        wanted = TABLES[name].schema.names
        if (worked_out := WORKED_OUT.get(name)) is not None:
            batches = worked_out(work, wanted)
        else:
            batches = TABLES[name].read(recording, wanted, None)
        for batch in batches:
            yield name, batch


def time_column(timestamp_ms: pa.Array) -> pa.Array:
    """Give times in UTC of epoch milliseconds; null where no calendar has them."""
    valid = pc.and_(
        pc.greater_equal(timestamp_ms, pa.scalar(0, pa.int64())),
        pc.less_equal(timestamp_ms, pa.scalar(LATEST_MS, pa.int64())),
    )
    return (
        pc.if_else(valid, timestamp_ms, pa.scalar(None, pa.int64())).cast(_MS_TYPE).cast(TIME_TYPE)
    )


def with_key(manifest: Manifest, batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """
    Give a batch the columns that say whose it is, and ``time``.

    Args:
        manifest: Of the recording.
        batch: With ``timestamp_ms`` when ``time`` is wanted; dictionaries become plain.
        schema: The columns wanted, in order.
    """
    rows = batch.num_rows
    arrays = []
    for field in schema:
        if field.name == "project":
            arrays.append(pa.repeat(pa.scalar(manifest.project, pa.string()), rows))
        elif field.name == "recording_id":
            arrays.append(pa.repeat(pa.scalar(manifest.id, pa.string()), rows))
        elif field.name == "time":
            arrays.append(time_column(batch.column("timestamp_ms")))
        else:
            array = batch.column(field.name)
            arrays.append(array if array.type == field.type else array.cast(field.type))
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _made(name: str, columns: Sequence[str]) -> tuple[pa.Schema, list[str]]:
    """Give the schema of the columns, and which stored ones they need."""
    schema = select_schema(TABLES[name].schema, columns)
    stored = [c for c in columns if c not in ("project", "recording_id", "time")]
    if ("time" in columns or not stored) and "timestamp_ms" not in stored:
        stored.append("timestamp_ms")
    return schema, stored


def _read_recordings(
    recording: Recording, columns: Sequence[str], _: Collection[str] | None
) -> Iterator[pa.RecordBatch]:
    schema = select_schema(TABLES["recordings"].schema, columns)
    yield rows_batch([recording_values(recording.manifest)], schema)


def _read_events(
    recording: Recording, columns: Sequence[str], kinds: Collection[str] | None
) -> Iterator[pa.RecordBatch]:
    schema, stored = _made("events", columns)
    for batch in recording.batches(stored, kinds=kinds):
        yield with_key(recording.manifest, batch, schema)


def _read_analytics(
    recording: Recording, columns: Sequence[str], _: Collection[str] | None
) -> Iterator[pa.RecordBatch]:
    schema, stored = _made("analytics", columns)
    for batch in recording.analytics_table().select(stored).to_batches(max_chunksize=BATCH_ROWS):
        yield with_key(recording.manifest, batch, schema)


def _read_console(
    recording: Recording, columns: Sequence[str], _: Collection[str] | None
) -> Iterator[pa.RecordBatch]:
    schema = select_schema(TABLES["console"].schema, columns)
    wanted = ["timestamp_ms", "seq", "window_id", "kind", "data"]
    for batch in recording.batches(wanted, kinds=CONSOLE_KINDS):
        rows = []
        for event in batch.to_pylist():
            row = console_row(event["kind"], event["data"])
            if row is not None:
                rows.append({**event, **row})
        yield from _rows_batches(recording.manifest, rows, schema)


def _read_network(
    recording: Recording, columns: Sequence[str], _: Collection[str] | None
) -> Iterator[pa.RecordBatch]:
    schema = select_schema(TABLES["network"].schema, columns)
    wanted = ["timestamp_ms", "seq", "window_id", "kind", "data"]
    events = (
        NetworkEvent(*row.values())
        for batch in recording.batches(wanted, kinds=NETWORK_KINDS)
        for row in batch.to_pylist()
    )
    yield from _rows_batches(recording.manifest, requests_of(events), schema)


class _Work:
    """
    What actions, signals and features of a recording are made of: one reading, one walk.

    Args:
        recording: Whose.
        names: The tables wanted; for one alone no more is done than it needs.

    Memory:
        The events an analysis needs, when they are no more than `HELD_BYTES`; else one row
        group of them, and they are read twice.
    """

    def __init__(self, recording: Recording, names: Collection[str]) -> None:
        self.manifest = recording.manifest
        self._recording = recording
        self._mobile = recording.manifest.snapshot_source == "mobile"
        self._walked = "signals" in names and not self._mobile
        self._reader = ActionReader() if self._walked and "actions" in names else None
        self._held: list[pa.RecordBatch] | None = None

    def _batches(self) -> Iterable[pa.RecordBatch]:
        if self._held is None and self.manifest.raw_bytes <= HELD_BYTES:
            self._held = list(self._recording.batches(ANALYSIS_COLUMNS))
        return self._recording.batches(ANALYSIS_COLUMNS) if self._held is None else self._held

    @cached_property
    def columns(self) -> Columns:
        """The events as arrays."""
        return Columns.from_batches(self._batches(), mobile=self._mobile)

    @cached_property
    def elements(self) -> ElementLookup:
        """What elements were called."""
        if not self._walked:
            return nothing_known
        return know_elements(self._batches(), self.columns, actions=self._reader)

    @cached_property
    def actions(self) -> ActionLog:
        """What the user did."""
        if self._reader is None:
            return self._recording.action_log()
        _ = self.elements  # the walk that feeds the reader
        return self._reader.finish()


def _actions_of(work: _Work, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    schema, stored = _made("actions", columns)
    table = actions_table(work.actions.actions).select(stored)
    for batch in table.to_batches(max_chunksize=BATCH_ROWS):
        yield with_key(work.manifest, batch, schema)


def _signals_of(work: _Work, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    schema = select_schema(TABLES["signals"].schema, columns)
    found = detect(work.columns, PROFILES[DEFAULT_PROFILE], work.elements)
    rows = [
        {
            **signal.to_json(),
            "timestamp_ms": signal.start_ms,
            "evidence": _json(signal.evidence),
            "findings": _json(signal.findings),
        }
        for signal in found.signals
    ]
    yield from _rows_batches(work.manifest, rows, schema)


def _features_of(work: _Work, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    schema = select_schema(TABLES["features"].schema, columns)
    row = {
        name: _json(value) if isinstance(value, list | tuple | set | frozenset) else value
        for name, value in measure(work.columns).items()
    }
    profile = PROFILES[DEFAULT_PROFILE]
    judged = judged_kinds(work.columns, profile)
    row["findings"] = _json(sorted(work.columns.findings))
    row["signals_not_judged"] = _json([kind for kind in profile.rules if kind not in judged])
    row["timestamp_ms"] = work.manifest.start_ms
    yield from _rows_batches(work.manifest, [row], schema)


WORKED_OUT: Final[Mapping[str, Callable[[_Work, Sequence[str]], Iterator[pa.RecordBatch]]]] = {
    "actions": _actions_of,
    "signals": _signals_of,
    "features": _features_of,
}
"""Tables that are not read but worked out, all from the same."""


def _work_out(name: str) -> _Read:
    def read(
        recording: Recording, columns: Sequence[str], _: Collection[str] | None
    ) -> Iterator[pa.RecordBatch]:
        return WORKED_OUT[name](_Work(recording, (name,)), columns)

    return read


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _rows_batches(
    manifest: Manifest, rows: Sequence[dict[str, Any]], schema: pa.Schema
) -> Iterator[pa.RecordBatch]:
    for start in range(0, len(rows), BATCH_ROWS):
        part = rows[start : start + BATCH_ROWS]
        yield rows_batch(
            (
                {
                    **row,
                    "project": manifest.project,
                    "recording_id": manifest.id,
                    "time": _calendar_ms(row["timestamp_ms"]),
                }
                for row in part
            ),
            schema,
        )


def rows_batch(rows: Iterable[dict[str, Any]], schema: pa.Schema) -> pa.RecordBatch:
    """Make a batch of dicts, ``time`` in epoch milliseconds; text that UTF-8 cannot hold gets U+FFFD."""
    rows = list(rows)
    arrays = []
    for field in schema:
        values = [row.get(field.name) for row in rows]
        if pa.types.is_string(field.type):
            values = [storable(v) if isinstance(v, str) else v for v in values]
        if field.type == TIME_TYPE:
            arrays.append(pa.array(values, _MS_TYPE).cast(TIME_TYPE))
        else:
            arrays.append(pa.array(values, field.type))
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _calendar_ms(timestamp_ms: int) -> int | None:
    return timestamp_ms if 0 <= timestamp_ms <= LATEST_MS else None


def recording_values(manifest: Manifest) -> dict[str, Any]:
    """Give the row of ``recordings`` of a manifest."""
    viewport = manifest.viewport
    return {
        "project": manifest.project,
        "recording_id": manifest.id,
        "time": _calendar_ms(manifest.start_ms),
        "start_ms": manifest.start_ms,
        "end_ms": manifest.end_ms,
        "duration_ms": manifest.duration_ms,
        "session_id": manifest.session_id,
        "distinct_id": manifest.person.distinct_id if manifest.person else None,
        "first_url": manifest.first_url,
        "urls": msgspec.json.encode([storable(u) for u in manifest.urls]).decode(),
        "events": manifest.events,
        "windows": len(manifest.windows),
        "clicks": manifest.clicks,
        "inputs": manifest.kinds.get("input", 0),
        "console_errors": manifest.console_errors,
        "analytics_events": manifest.analytics_events,
        "viewport_width": viewport.width if viewport else None,
        "viewport_height": viewport.height if viewport else None,
        "snapshot_source": manifest.snapshot_source,
        "source": str(manifest.source.get("kind", "")),
        "complete": manifest.complete,
        "raw_bytes": manifest.raw_bytes,
        "archived_bytes": sum(
            f.bytes for n, f in manifest.files.items() if n in (EVENTS_FILE, ANALYTICS_FILE)
        ),
        "archived_ms": manifest.created_ms,
    }


_EVENT_MEANINGS: Final = {
    "type": "rrweb EventType number.",
    "source": "rrweb IncrementalSource number; null unless type is 3.",
    "kind": "Readable name: click, input, scroll, mutation, console, network, custom:<tag>, …",
    "node_id": "Node the event is about; node ids are unique within a window.",
    "x": "Pointer or scroll position, CSS px.",
    "y": "Pointer or scroll position, CSS px.",
    "url": "Address, of meta and navigation events.",
    "data": "The event's data as JSON text.",
    "extra": "Other top-level keys of the event as JSON text.",
}
_ACTION_MEANINGS: Final = {
    "end_ms": "When it ended, epoch milliseconds.",
    "offset_ms": "From the recording's first event.",
    "window_id": "Browser tab.",
    "kind": "click, type, choose, scroll, navigate, submit, idle, …",
    "node_id": "The element's node; null when it has none, or it is not in the recording.",
    "role": "ARIA role of the element.",
    "name": "Accessible name of the element, else the beginning of its text.",
    "locator": "How to find the element again: test id, role and name, label, …",
    "path": "CSS-like path of the element.",
    "x": "In the viewport, CSS px.",
    "y": "In the viewport, CSS px.",
    "page_x": "On the page, scrolling included.",
    "page_y": "On the page, scrolling included.",
    "value": "What was typed, chosen or selected; null when masked, or when there is none.",
    "masked": "Whether the recorder had masked a value.",
    "url": "Page it happened on; of a navigation the one it led to.",
    "text": "The action as a sentence without a subject.",
}
_FEATURE_TYPES: Final = {"int": pa.int64(), "float": pa.float64()}
"""The others are lists, which become JSON text."""


def _sentence(text: str) -> str:
    return text if text.endswith((".", "…")) else f"{text}."


_PLAIN: Final = {pa.dictionary(pa.int32(), pa.string()): pa.string()}

TABLES: Final[dict[str, Table]] = {
    t.name: t
    for t in (
        Table(
            "recordings",
            "One row a recording: who, when, how much.",
            (
                *_KEY,
                Column("time", TIME_TYPE, "First event, in UTC; null where no calendar has it."),
                _need("start_ms", pa.int64(), "First event, epoch milliseconds."),
                _need("end_ms", pa.int64(), "Last event, epoch milliseconds."),
                _need("duration_ms", pa.int64(), "From the first to the last event."),
                _need("session_id", pa.string(), "Id in the source system, verbatim."),
                Column("distinct_id", pa.string(), "The person; null when the source named none."),
                Column("first_url", pa.string(), "Where it began; null when no event says."),
                _need("urls", pa.string(), "Addresses visited, a JSON list."),
                _need("events", pa.int64(), "Number of rrweb events."),
                _need("windows", pa.int64(), "Number of browser tabs."),
                _need("clicks", pa.int64(), "Number of clicks."),
                _need("inputs", pa.int64(), "Number of input events."),
                _need("console_errors", pa.int64(), "Number of console errors."),
                _need("analytics_events", pa.int64(), "Number of analytics events."),
                Column("viewport_width", pa.int64(), "Of the first page, CSS px."),
                Column("viewport_height", pa.int64(), "Of the first page, CSS px."),
                _need("snapshot_source", pa.string(), "web or mobile."),
                _need("source", pa.string(), "Kind of source it came from."),
                _need("complete", pa.bool_(), "False when parts are known to be missing."),
                _need("raw_bytes", pa.int64(), "Size of its events as decoded JSON."),
                _need(
                    "archived_bytes", pa.int64(), "Size of its events and analytics in the archive."
                ),
                _need("archived_ms", pa.int64(), "When it was archived, epoch milliseconds."),
            ),
            ("project", "recording_id"),
            _read_recordings,
        ),
        Table(
            "events",
            "One row an rrweb event, in playing order within a recording.",
            (
                *_KEY,
                *_TIME,
                *_WINDOW,
                *(
                    Column(f.name, _PLAIN.get(f.type, f.type), _EVENT_MEANINGS[f.name], f.nullable)
                    for f in EVENTS_SCHEMA
                    if f.name in _EVENT_MEANINGS
                ),
            ),
            ("project", "kind", "recording_id"),
            _read_events,
        ),
        Table(
            "analytics",
            "One row a product-analytics or LLM event of the same session.",
            (
                *_KEY,
                *_TIME,
                Column("uuid", pa.string(), "Id of the event in the source."),
                _need("event", pa.string(), "Name, such as $pageview or $ai_generation."),
                Column("distinct_id", pa.string(), "The person."),
                Column("window_id", pa.string(), "Browser tab."),
                Column("url", pa.string(), "Page it happened on."),
                Column("properties", pa.string(), "All properties as JSON text."),
            ),
            ("project", "event", "recording_id"),
            _read_analytics,
        ),
        Table(
            "actions",
            "One row a thing the user did: clicked the button, typed into the field, went away.",
            (
                *_KEY,
                *_TIME,
                *(
                    Column(f.name, f.type, _ACTION_MEANINGS[f.name], f.nullable)
                    for f in ACTIONS_SCHEMA
                    if f.name != "timestamp_ms"
                ),
            ),
            ("project", "kind", "recording_id"),
            _work_out("actions"),
        ),
        Table(
            "console",
            "One row a console line.",
            (
                *_KEY,
                *_TIME,
                *_WINDOW,
                _need("source", pa.string(), "rrweb/console@1, rrweb/log or sentry."),
                _need("level", pa.string(), "Console method, as recorded."),
                _need("severity", pa.string(), "error, warn or info, as PostHog counts."),
                _need("message", pa.string(), "The arguments as the console showed them."),
                _need("arguments", pa.string(), "The arguments as recorded, a JSON list."),
                Column("trace", pa.string(), "Stack, one frame a line; null without one."),
            ),
            ("project", "severity", "recording_id"),
            _read_console,
        ),
        Table(
            "network",
            "One row a network request, each once.",
            (
                *_KEY,
                *_TIME,
                *_WINDOW,
                _need("source", pa.string(), "rrweb/network@1, posthog/network@1 or sentry."),
                Column("entry_type", pa.string(), "navigation or resource."),
                Column("initiator_type", pa.string(), "fetch, xmlhttprequest, img, script, …"),
                Column("method", pa.string(), "HTTP method, where recorded."),
                _need("url", pa.string(), "Address asked for."),
                Column("status", pa.int64(), "HTTP status, where recorded."),
                Column("duration_ms", pa.float64(), "From start to last byte."),
                _need("is_initial", pa.bool_(), "Seen before the recorder wrapped fetch."),
                Column("protocol", pa.string(), "Such as h2."),
                Column("transfer_bytes", pa.int64(), "Over the network, with headers."),
                Column("encoded_bytes", pa.int64(), "Body as sent."),
                Column("decoded_bytes", pa.int64(), "Body decompressed."),
                Column("from_cache", pa.bool_(), "Nothing was transferred and there is a body."),
                Column("dns_ms", pa.float64(), "Name lookup."),
                Column("connect_ms", pa.float64(), "Connecting, TLS included."),
                Column("wait_ms", pa.float64(), "From asking to the first byte."),
                Column("receive_ms", pa.float64(), "From the first byte to the last."),
                Column("request_headers", pa.string(), "JSON text, where recorded."),
                Column("request_body", pa.string(), "Where recorded."),
                Column("response_headers", pa.string(), "JSON text, where recorded."),
                Column("response_body", pa.string(), "Where recorded."),
            ),
            ("project", "status", "recording_id"),
            _read_network,
        ),
        Table(
            "signals",
            f"One row a moment of trouble, by the rules of the profile {DEFAULT_PROFILE}.",
            (
                *_KEY,
                *_TIME,
                _need("end_ms", pa.int64(), "Its last event, epoch milliseconds."),
                _need("offset_ms", pa.int64(), "From the recording's first event: where to seek."),
                _need("window_id", pa.string(), "Browser tab."),
                _need("kind", pa.string(), "rage_click, dead_click, error_click, slow_response, …"),
                _need("profile", pa.string(), "The rules it was found by."),
                Column("node_id", pa.int64(), "The element; null when it is about none."),
                _need("element", pa.string(), "The element in words; empty when about none."),
                _need("evidence", pa.string(), "The numbers it was decided by, as JSON text."),
                _need("confidence", pa.float64(), "0..1; lower where something was not recorded."),
                _need("findings", pa.string(), "What was not known, a JSON list of codes."),
            ),
            ("project", "kind", "recording_id"),
            _work_out("signals"),
        ),
        Table(
            "features",
            "One row a recording: numbers about the visit, PostHog's own and ours.",
            (
                *_KEY,
                Column("time", TIME_TYPE, "First event, in UTC; null where no calendar has it."),
                *(
                    Column(f.name, _FEATURE_TYPES.get(f.type, pa.string()), _sentence(f.meaning))
                    for f in FEATURES
                ),
                Column("findings", pa.string(), "What could not be known, a JSON list of codes."),
                Column(
                    "signals_not_judged",
                    pa.string(),
                    "Kinds of signal it has no rows of because they cannot be known, a JSON list.",
                ),
            ),
            ("project", "recording_id"),
            _work_out("features"),
        ),
    )
}
"""By name."""
