"""
Recordings in the forms of PostHog's past, and JSON documents of other rrweb users.

PostHog, newest first::

    v1 blob         gzip of JSONL; a line is {"window_id", "data": [event...]}. Also the
    (2023-2025)     long-term copies of storage version 2023-08-01. ``data`` may be a JSON
                    string, and an S3 client that honours content-encoding hands over
                    text that is no gzip any more.
    LTS 2022-12-22  base64 of gzip of UTF-16 JSON {"version", "distinct_id",
                    "snapshot_data_by_window_id": {window: [event...]}}
    chunks          rows of a ClickHouse or Postgres table; ``snapshot_data`` is one event,
    (until 2023)    or {"chunk_id", "chunk_index", "chunk_count", "data"}: pieces of
                    base64 of gzip of UTF-16 JSON [event...]
    API answers     {"result": [event...]}, {"result": {"snapshots": [...]}},
                    {"snapshots": [...]}

Others::

    array           [event...], packed strings allowed (`replayport.rrweb.packing`)
    Sentry segment  {"segment_id": n} newline [event...], the array often as zlib
    Highlight       {"events": {"events": [event...]}, "messages": "<JSON>", ...}
    bare snapshot   {"node", "initialOffset"}: the data of a full snapshot alone

All of them end as `SourceEvent`: the event's own text and its window.

Source:
    posthog ``posthog/session_recordings/**``, storage versions in
    ``models/session_recording.py``; getsentry/sentry-java
    ``ReplayRecording``; highlight ``PushPayload``.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from replayport.errors import SourceDataError
from replayport.limits import MAX_RECORDING_BYTES
from replayport.outcomes import RejectReason
from replayport.posthog.exports import is_ui_export, person_distinct_id, read_ui_export
from replayport.rrweb.packing import GZIP_MAGIC, inflate, inflate_prefix, unpack_item
from replayport.rrweb.raw import (
    SourceEvent,
    invalid_json,
    is_array,
    is_object,
    is_string,
    split_array,
    split_object,
    string_of,
    strip,
    text_of,
    to_json_bytes,
    too_large,
    window_id_of,
)

LTS_2022_VERSION: Final = "2022-12-22"

MAX_CHUNKS: Final = 10_000
"""Pieces of one chunk set; at 512 KiB each, five times the largest recording."""

MAX_NESTING: Final = 4
"""Lines in arrays in documents. Deeper is no form, and would be read again at each level."""

FINDING_BARE_SNAPSHOT: Final = "bare_full_snapshot"
"""The document was a full snapshot's data without an event around it; it is stored as a
full snapshot at timestamp 0."""
FINDING_HIGHLIGHT_MESSAGES: Final = "highlight_messages_not_imported"
"""Highlight keeps console messages beside the rrweb events; they are not rrweb events."""
FINDING_HIGHLIGHT_RESOURCES: Final = "highlight_resources_not_imported"
"""Highlight keeps network requests beside the rrweb events; they are not rrweb events."""

_GZIP_IN_BASE64: Final = b"H4sI"
_ZLIB_FIRST_BYTE: Final = 0x78
_UTF16_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")


class ChunkRow(NamedTuple):
    """One row of ``session_recording_events``."""

    window_id: str
    snapshot_data: bytes
    """The column: JSON text of an event or of a chunk."""


@dataclass(frozen=True, slots=True)
class Document:
    """A decoded JSON document."""

    kind: str
    """``ui_export``, ``lts_2022``, ``api``, ``array``, ``lines``, ``line``, ``event``,
    ``sentry``, ``highlight``, ``bare_snapshot``."""
    events: tuple[SourceEvent, ...]
    session_id: str | None = None
    """None when the document names none."""
    distinct_id: str | None = None
    """None when the document names none."""
    rejected: Counter[str] = field(default_factory=Counter)
    """Items that are no events, by `RejectReason`."""
    findings: Counter[str] = field(default_factory=Counter)
    """What is worth knowing, by the ``FINDING_`` constants of this module."""


def blob_events(
    blob: bytes, *, rejected: Counter[str] | None = None, what: str | None = None
) -> Iterator[SourceEvent]:
    """
    Decode a v1 blob or a 2023-08-01 long-term file.

    Args:
        blob: Gzip, or the text when the store has undone it already.
        rejected: Counts lines and items that are no events, by `RejectReason`.
        what: Name of the blob, for errors.

    Yields:
        Events in the blob's order.

    Raises:
        SourceDataError: The gzip stream is damaged (``invalid_gzip``); the events of
            every whole line before the damage have already been yielded. Or it
            inflates past `MAX_RECORDING_BYTES` (``too_large``).
    """
    error: SourceDataError | None = None
    text = blob
    if blob.startswith(GZIP_MAGIC):
        text, error = inflate_prefix(
            blob, container="gzip", max_bytes=MAX_RECORDING_BYTES, what=what
        )
    if error is not None:
        # The last line was cut with the stream.
        text = text[: text.rfind(b"\n") + 1]
    for line in _lines(text):
        yield from line_events(line, rejected=rejected, what=what)
    if error is not None:
        raise error


def line_events(
    line: bytes, *, rejected: Counter[str] | None = None, what: str | None = None
) -> list[SourceEvent]:
    """
    Decode one JSONL line of any era.

    Args:
        line: ``{"window_id" | "windowId", "data"}``, ``["window", event]``, an array of
            events, or an event (its ``windowId`` counts).
        rejected: Counts what is no event, by `RejectReason`; a bad line gives no event
            and no error.
        what: Name of the file, for errors.
    """
    counter: Counter[str] = Counter() if rejected is None else rejected
    try:
        return _value_events(strip(line), "", counter, what)
    except SourceDataError as e:
        counter[e.reason] += 1
        return []


def is_lts_2022(blob: bytes) -> bool:
    """Tell whether a long-term file is of the original kind, base64 of gzip."""
    return blob.lstrip(b' \r\n"').startswith(_GZIP_IN_BASE64)


def read_lts_2022(blob: bytes, *, what: str | None = None) -> Document:
    """
    Decode a long-term file of storage version 2022-12-22.

    Args:
        blob: ASCII of base64.
        what: Name of the file, for errors.

    Raises:
        SourceDataError: ``invalid_base64``, ``invalid_gzip``, ``invalid_utf8``,
            ``invalid_json``, ``too_large``.
    """
    return _windows_document(_gzip_base64(blob, what), what)


def chunk_row(raw: bytes, *, what: str | None = None) -> ChunkRow:
    """
    Read a table row given as a JSON object (ClickHouse ``JSONEachRow``).

    Args:
        raw: Object with ``window_id`` and ``snapshot_data``.
        what: Name of the file, for errors.

    Raises:
        SourceDataError: No such row (``invalid_json``, ``not_an_event``).
    """
    members = split_object(raw, what=what)
    held = members.get("snapshot_data", b"")
    if is_string(held):
        held = to_json_bytes(string_of(held, what=what))
    if not is_object(strip(held)):
        raise _not_an_event("the row has no snapshot_data", what)
    return ChunkRow(window_id_of(members.get("window_id")), held)


def chunk_events(
    rows: Iterable[ChunkRow], *, rejected: Counter[str] | None = None, what: str | None = None
) -> Iterator[SourceEvent]:
    """
    Put chunk sets together and decode them.

    Args:
        rows: In any order; of a chunk that comes twice (Kafka redelivers) the first counts.
        rejected: Counts sets and rows left out, by `RejectReason`: a set without all its
            chunks is ``missing_chunk``, whatever the rest would decode to.
        what: Name of the source, for errors.

    Yields:
        Events of unchunked rows as they come, then those of the sets in order of
        their first appearance.

    Raises:
        SourceDataError: All chunks together pass `MAX_RECORDING_BYTES` (``too_large``).
    """
    counter: Counter[str] = Counter() if rejected is None else rejected
    sets: dict[str, _ChunkSet] = {}
    total_bytes = 0
    for row in rows:
        total_bytes += len(row.snapshot_data)
        if total_bytes > MAX_RECORDING_BYTES:
            raise too_large(f"more than {MAX_RECORDING_BYTES} bytes of chunks", what)
        try:
            members = split_object(row.snapshot_data, what=what)
            chunk_id = text_of(members.get("chunk_id"))
            if chunk_id is None:
                yield _event(strip(row.snapshot_data), members, row.window_id, what)
                continue
            found = sets.setdefault(chunk_id, _ChunkSet(row.window_id, {}, _count(members)))
            found.pieces.setdefault(
                _number(members.get("chunk_index")), text_of(members.get("data")) or ""
            )
        except SourceDataError as e:
            counter[e.reason] += 1
    for found in sets.values():
        if found.pieces.keys() != set(range(found.count)):
            counter[RejectReason.MISSING_CHUNK] += 1
            continue
        joined = "".join(found.pieces[index] for index in range(found.count))
        try:
            items = split_array(_gzip_base64(joined.encode("ascii", "replace"), what), what=what)
        except SourceDataError as e:
            counter[e.reason] += 1
            continue
        yield from _items(items, found.window_id, counter, what)


def is_sentry_segment(data: bytes) -> bool:
    """Tell whether bytes are a Sentry replay segment: its header line comes first."""
    header, newline, _ = data.partition(b"\n")
    if not newline or not is_object(header):
        return False
    try:
        return "segment_id" in split_object(header)
    except SourceDataError:
        return False


def read_sentry_segment(data: bytes, *, what: str | None = None) -> Document:
    """
    Decode a Sentry replay segment.

    Args:
        data: Header line and payload, or the zlib stream of both.
        what: Name of the file, for errors.

    Raises:
        SourceDataError: ``invalid_zlib``, ``invalid_json``, ``too_large``;
            ``unknown_format`` when there is no header line.
    """
    if data[:1] == bytes([_ZLIB_FIRST_BYTE]):
        data = inflate(data, container="zlib", max_bytes=MAX_RECORDING_BYTES, what=what)
    if not is_sentry_segment(data):
        raise _unknown_format("there is no Sentry segment header", what)
    payload = data.partition(b"\n")[2]
    if payload[:1] == bytes([_ZLIB_FIRST_BYTE]):
        payload = inflate(payload, container="zlib", max_bytes=MAX_RECORDING_BYTES, what=what)
    rejected: Counter[str] = Counter()
    events = tuple(_items(split_array(payload, what=what), "", rejected, what))
    return Document("sentry", events, rejected=rejected)


def read_document(text: bytes, *, what: str | None = None) -> Document:
    """
    Decode JSON or JSONL of any form in this module, or a UI export.

    Args:
        text: UTF-8; a Sentry segment may be compressed.
        what: Name of the file, for errors.

    Returns:
        The events and what the document says about itself; items that are no events
        are counted, not raised.

    Raises:
        SourceDataError: Empty (``empty``), no JSON (``invalid_json``), or JSON of no
            form that holds rrweb events (``unknown_format``).
    """
    if is_sentry_segment(text):
        return read_sentry_segment(text, what=what)
    body = strip(text)
    if not body:
        raise SourceDataError(
            "the document is empty. There is nothing to import. Check where it came from",
            reason=RejectReason.EMPTY,
            what=what,
        )
    if _is_lines(body):
        rejected: Counter[str] = Counter()
        events = tuple(
            event
            for line in _lines(body)
            for event in line_events(line, rejected=rejected, what=what)
        )
        return Document("lines", events, rejected=rejected)
    if is_array(body):
        rejected = Counter()
        events = tuple(_value_events(body, "", rejected, what))
        return Document("array", events, rejected=rejected)
    if not is_object(body):
        raise invalid_json("the document is neither a JSON object nor an array", what)
    members = split_object(body, what=what)
    for recognise in _OBJECTS:
        found = recognise(body, members, what)
        if found is not None:
            return found
    raise _unknown_format("the JSON object holds no rrweb events in a known place", what)


@dataclass(frozen=True, slots=True)
class _ChunkSet:
    window_id: str
    pieces: dict[int, str]
    count: int


def _ui_export(body: bytes, members: dict[str, bytes], what: str | None) -> Document | None:
    if "snapshot_data_by_window_id" in members or not is_ui_export(body):
        return None
    found = read_ui_export(body, what=what)
    return Document("ui_export", found.events, found.session_id, found.distinct_id, found.rejected)


def _lts(_body: bytes, members: dict[str, bytes], what: str | None) -> Document | None:
    if "snapshot_data_by_window_id" not in members:
        return None
    return _windows(members, "lts_2022", what)


def _api(_body: bytes, members: dict[str, bytes], what: str | None) -> Document | None:
    result = members.get("result")
    if result is not None and is_object(result):
        members = split_object(result, what=what)
        if "snapshot_data_by_window_id" in members:
            return _windows(members, "api", what)
        result = None
    items = result if result is not None else members.get("snapshots")
    if items is None or not is_array(items):
        return None
    rejected: Counter[str] = Counter()
    events = tuple(_items(split_array(items, what=what), "", rejected, what))
    return Document("api", events, None, person_distinct_id(members.get("person")), rejected)


def _highlight(_body: bytes, members: dict[str, bytes], what: str | None) -> Document | None:
    held = members.get("events")
    if held is None or "type" in members:
        return None
    if is_string(held):
        held = strip(to_json_bytes(string_of(held, what=what)))
    if is_object(held):
        held = split_object(held, what=what).get("events", b"")
    if not is_array(held):
        return None
    rejected: Counter[str] = Counter()
    events = tuple(_items(split_array(held, what=what), "", rejected, what))
    findings: Counter[str] = Counter()
    for key, code in (
        ("messages", FINDING_HIGHLIGHT_MESSAGES),
        ("resources", FINDING_HIGHLIGHT_RESOURCES),
    ):
        beside = _beside(members.get(key), key)
        if beside:
            findings[code] += beside
    return Document(
        "highlight",
        events,
        text_of(members.get("session_secure_id")),
        rejected=rejected,
        findings=findings,
    )


def _beside(raw: bytes | None, key: str) -> int:
    """Count what a Highlight payload carries beside the rrweb events."""
    inner = text_of(raw)
    if inner is None:
        return 0
    try:
        return len(split_array(split_object(inner.encode("utf-8")).get(key, b"[]")))
    except SourceDataError:
        # It is there and cannot be counted: one thing not imported.
        return 1


def _bare_snapshot(body: bytes, members: dict[str, bytes], _what: str | None) -> Document | None:
    if not is_object(members.get("node", b"")) or "type" in members:
        return None
    event = SourceEvent("", b'{"type":2,"data":' + body + b',"timestamp":0}')
    return Document("bare_snapshot", (event,), findings=Counter({FINDING_BARE_SNAPSHOT: 1}))


def _single(body: bytes, members: dict[str, bytes], what: str | None) -> Document | None:
    if not _is_event(members) and not _is_line(members):
        return None
    rejected: Counter[str] = Counter()
    events = tuple(_value_events(body, "", rejected, what))
    return Document("event" if _is_event(members) else "line", events, rejected=rejected)


_OBJECTS: Final[tuple[Callable[[bytes, dict[str, bytes], str | None], Document | None], ...]] = (
    _single,
    _lts,
    _ui_export,
    _api,
    _highlight,
    _bare_snapshot,
)


def _windows_document(text: bytes, what: str | None) -> Document:
    return _windows(split_object(text, what=what), "lts_2022", what)


def _windows(members: dict[str, bytes], kind: str, what: str | None) -> Document:
    """Decode ``snapshot_data_by_window_id`` and the fields beside it."""
    rejected: Counter[str] = Counter()
    windows = split_object(members.get("snapshot_data_by_window_id", b""), what=what)
    events = tuple(
        event
        for window_id, held in windows.items()
        for event in _value_events(held, window_id, rejected, what)
    )
    distinct_id = text_of(members.get("distinct_id")) or person_distinct_id(members.get("person"))
    return Document(kind, events, None, distinct_id, rejected)


def _value_events(
    value: bytes, window_id: str, rejected: Counter[str], what: str | None, depth: int = 0
) -> list[SourceEvent]:
    """Decode a JSON value that is, or holds, events."""
    if depth > MAX_NESTING:
        raise _not_an_event("an item is nested deeper than any form nests events", what)
    if is_string(value):
        value = strip(to_json_bytes(string_of(value, what=what)))
    if is_array(value):
        items = split_array(value, what=what)
        if len(items) == 2 and is_string(items[0]) and is_object(items[1]):
            members = split_object(items[1], what=what)
            return [_event(items[1], members, window_id_of(items[0]), what)]
        return list(_items(items, window_id, rejected, what, depth))
    members = split_object(value, what=what)
    if _is_line(members) and not _is_event(members):
        own = _own_window(members, window_id)
        return _value_events(members["data"], own, rejected, what, depth + 1)
    return [_event(value, members, window_id, what)]


def _items(
    items: list[bytes], window_id: str, rejected: Counter[str], what: str | None, depth: int = 0
) -> Iterator[SourceEvent]:
    """Yield the events of an array; what is none is counted."""
    for item in items:
        try:
            if is_array(item):
                yield from _value_events(item, window_id, rejected, what, depth + 1)
                continue
            raw = unpack_item(item, what=what)
            members = split_object(raw, what=what)
            if _is_line(members) and not _is_event(members):
                yield from _value_events(raw, window_id, rejected, what, depth + 1)
            else:
                yield _event(raw, members, window_id, what)
        except SourceDataError as e:
            rejected[e.reason] += 1


def _event(raw: bytes, members: dict[str, bytes], window_id: str, what: str | None) -> SourceEvent:
    if not _is_event(members):
        raise _not_an_event("an object has no type or no timestamp", what)
    return SourceEvent(_own_window(members, window_id), raw)


def _own_window(members: dict[str, bytes], default: str) -> str:
    for key in ("windowId", "window_id"):
        found = window_id_of(members.get(key))
        if found:
            return found
    return default


def _is_event(members: dict[str, bytes]) -> bool:
    return "type" in members and "timestamp" in members


def _is_line(members: dict[str, bytes]) -> bool:
    return "data" in members and ("window_id" in members or "windowId" in members)


def _is_lines(body: bytes) -> bool:
    """Tell whether a text is one JSON value a line, and more than one line."""
    first, newline, rest = body.partition(b"\n")
    if not newline or not rest.strip():
        return False
    try:
        (split_array if is_array(first) else split_object)(first)
    except SourceDataError:
        return False
    return True


def _lines(text: bytes) -> Iterator[bytes]:
    """Yield the lines that are not blank, without a second copy of the text."""
    start = 0
    while start < len(text):
        end = text.find(b"\n", start)
        end = len(text) if end < 0 else end
        line = text[start:end].strip()
        if line:
            yield line
        start = end + 1


def _count(members: dict[str, bytes]) -> int:
    count = _number(members.get("chunk_count"))
    if not 0 < count <= MAX_CHUNKS:
        raise _not_an_event("a chunk names an impossible chunk_count", None)
    return count


def _number(raw: bytes | None) -> int:
    try:
        value = json.loads(raw or b"null")
    except ValueError:
        value = None
    return value if isinstance(value, int) and not isinstance(value, bool) else -1


def _gzip_base64(text: bytes, what: str | None) -> bytes:
    """Decode base64 of gzip of UTF-16 JSON to UTF-8 JSON."""
    if len(text) > MAX_RECORDING_BYTES:
        raise too_large(f"{len(text)} bytes of base64", what)
    try:
        data = base64.b64decode(text.strip(b' \r\n"'), validate=True)
    except binascii.Error as e:
        raise SourceDataError(
            f"{len(text)} characters are not base64. They were cut or changed on the way. "
            "Fetch them from the source again",
            reason=RejectReason.INVALID_BASE64,
            what=what,
        ) from e
    content = inflate(data, container="gzip", max_bytes=MAX_RECORDING_BYTES, what=what)
    if content[:2] not in _UTF16_MARKS and b"\0" not in content[:4]:
        return content
    encoding = "utf-16" if content[:2] in _UTF16_MARKS else "utf-16-le"
    try:
        return to_json_bytes(content.decode(encoding, "surrogatepass"))
    except UnicodeDecodeError as e:
        raise SourceDataError(
            f"byte {e.start} of {len(content)} is not UTF-16. The text was cut. "
            "Fetch it from the source again",
            reason=RejectReason.INVALID_UTF8,
            what=what,
        ) from e


def _not_an_event(observation: str, what: str | None) -> SourceDataError:
    return SourceDataError(
        f"{observation}. It is no rrweb event. The rest of the recording can be used without it",
        reason=RejectReason.NOT_AN_EVENT,
        what=what,
    )


def _unknown_format(observation: str, what: str | None) -> SourceDataError:
    return SourceDataError(
        f"{observation}. It is none of the forms replayport reads. "
        "Convert it to an array of rrweb events first",
        reason=RejectReason.UNKNOWN_FORMAT,
        what=what,
    )
