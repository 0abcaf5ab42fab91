r"""
PostHog's event lines and its partial compression, bytes to columns.

A block is UTF-8 JSON lines. Each line is one of:

```
["<windowId>", {event}]                     v2 blocks, snapshots API
{"window_id": "<windowId>", "data": [..]}   v1 blobs, older API (also "windowId")
{event}                                     plain rrweb, one event a line
```

An event may be partly compressed (``cv``, only version ``2024-10`` exists)::

    FullSnapshot                data                            a string
    Mutation (source 0)         texts attributes removes adds   a string each
    StyleSheetRule (source 8)   adds removes                    a string each, or absent

    field = latin1_string( gzip( utf8( json ) ) )

What decides is the field's own type: exports keep ``cv`` on events whose fields
are decoded already. Payloads are never built as objects: the envelope is parsed,
``data`` stays text, and only the few numbers that become columns are looked at.

Source:
    posthog-js ``lazy-loaded-session-recorder.ts``; posthog
    ``common/replay-shared/src/snapshot-processing/decompress.ts``.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

import msgspec
from isal import isal_zlib
from msgspec import UNSET, Raw, Struct, UnsetType

from replayport.errors import SourceDataError
from replayport.limits import MAX_EVENT_BYTES, MAX_RECORDING_BYTES
from replayport.outcomes import RejectReason
from replayport.rrweb.columns import NO_FLOAT, NO_INT, NO_SOURCE, EventColumns
from replayport.rrweb.events import EventType, IncrementalSource, kind_of
from replayport.rrweb.raw import (
    is_array,
    is_object,
    is_string,
    iter_array,
    split_array,
    split_object,
    string_of,
    strip,
    text_of,
    window_id_of,
)

COMPRESSION_VERSION: Final = "2024-10"

MAX_TIMESTAMP_MS: Final = 8_640_000_000_000_000
"""Largest time a JavaScript Date holds, either side of 1970."""

_GZIP_WBITS: Final = 31
_MAX_DEFLATE_RATIO: Final = 1032
"""DEFLATE cannot expand more than this, so short inputs need no bound of their own."""

_COMPRESSIBLE: Final = ("texts", "attributes", "removes", "adds")
_NO_RAW: Final = Raw()
_QUOTE: Final = ord('"')
_INT32: Final = range(-(2**31) + 1, 2**31)
_META: Final = int(EventType.META)
_FULL: Final = int(EventType.FULL_SNAPSHOT)
_INCREMENTAL: Final = int(EventType.INCREMENTAL_SNAPSHOT)
_CUSTOM: Final = int(EventType.CUSTOM)
_PLUGIN: Final = int(EventType.PLUGIN)
_MUTATION: Final = int(IncrementalSource.MUTATION)


class _Envelope(Struct, forbid_unknown_fields=True, gc=False):
    """An event with no top-level key but the usual ones: the fast path."""

    type: int
    timestamp: int | float
    data: Raw = _NO_RAW
    cv: Raw = _NO_RAW
    delay: Raw = _NO_RAW
    windowId: Raw = _NO_RAW  # noqa: N815 - the source's own key


class _Position(Struct, gc=False):
    x: float
    y: float
    id: int | None = None


class _Incremental(Struct, gc=False):
    """What of an incremental snapshot becomes columns."""

    source: int
    type: int | None = None
    id: int | None = None
    x: float | None = None
    y: float | None = None
    positions: list[_Position] | None = None
    texts: Raw = _NO_RAW
    attributes: Raw = _NO_RAW
    removes: Raw = _NO_RAW
    adds: Raw = _NO_RAW


class _Compressed(Struct, forbid_unknown_fields=True, gc=False):
    """A mutation or style sheet rule as posthog-js compresses it."""

    source: int
    texts: str | UnsetType = UNSET
    attributes: str | UnsetType = UNSET
    removes: str | UnsetType = UNSET
    adds: str | UnsetType = UNSET
    isAttachIframe: Raw = _NO_RAW  # noqa: N815 - rrweb's own key
    id: int | UnsetType = UNSET
    styleId: Raw = _NO_RAW  # noqa: N815
    replace: Raw = _NO_RAW
    replaceSync: Raw = _NO_RAW  # noqa: N815


class _Named(Struct, gc=False):
    """Meta, custom and plugin data."""

    href: Raw = _NO_RAW
    tag: Raw = _NO_RAW
    plugin: Raw = _NO_RAW
    payload: Raw = _NO_RAW


_lines = msgspec.json.Decoder(tuple[str, _Envelope])
_envelope = msgspec.json.Decoder(_Envelope)
_envelopes = msgspec.json.Decoder(list[_Envelope])
_fields = msgspec.json.Decoder(dict[str, Raw])
_incremental = msgspec.json.Decoder(_Incremental)
_compressed = msgspec.json.Decoder(_Compressed)
_named = msgspec.json.Decoder(_Named)
_any_json = msgspec.json.Decoder(Raw)


_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""
What msgspec says of JSON it does not read. Besides damage these are two things a
browser reads: lone surrogates, and documents nested a thousand deep.
"""


def is_json(text: bytes) -> bool:
    """
    Tell whether bytes are JSON as a browser reads it.

    Of text nested too deep for Python only the brackets and strings are checked.
    """
    try:
        _any_json.decode(text)
    except _UNREADABLE:
        try:
            json.loads(text.decode("utf-8", "replace"), parse_constant=_refuse_constant)
        except ValueError:
            return False
        except RecursionError:
            try:
                (split_object if is_object(strip(text)) else split_array)(text)
            except SourceDataError:
                return False
    return True


def _refuse_constant(name: str) -> object:
    raise ValueError(name)


def inflate_field(field: str, *, max_bytes: int = MAX_EVENT_BYTES) -> bytes:
    """
    Decompress one ``cv`` field.

    Args:
        field: The JSON string's value: each character is one gzip byte.
        max_bytes: Largest result.

    Returns:
        The field's JSON text, checked to be JSON.

    Raises:
        SourceDataError: Not latin-1, not gzip, too large, or not JSON inside.
    """
    try:
        packed = field.encode("latin-1")
        if len(packed) * _MAX_DEFLATE_RATIO <= max_bytes:
            text = isal_zlib.decompress(packed, _GZIP_WBITS)
        else:
            inflater = isal_zlib.decompressobj(_GZIP_WBITS)
            text = inflater.decompress(packed, max_bytes + 1)
            if len(text) > max_bytes:
                raise SourceDataError(
                    f"a compressed field is larger than {max_bytes} bytes decoded. "
                    "It is a decompression bomb, or the limit is too low",
                    reason=RejectReason.TOO_LARGE,
                )
            if not inflater.eof:
                raise SourceDataError(
                    "a compressed field ends early", reason=RejectReason.INVALID_GZIP
                )
    except UnicodeEncodeError as e:
        raise SourceDataError(
            "a compressed field has characters above U+00FF: it is not gzip bytes",
            reason=RejectReason.INVALID_GZIP,
        ) from e
    except (isal_zlib.IsalError, EOFError) as e:  # type: ignore[misc]  # its stub has an instance
        raise SourceDataError(
            f"a compressed field of {len(field)} characters is not gzip",
            reason=RejectReason.INVALID_GZIP,
        ) from e
    if not is_json(text):
        raise SourceDataError(
            f"a compressed field holds {len(text)} bytes that are not JSON",
            reason=RejectReason.INVALID_JSON,
        )
    return text


class EventDecoder:
    """
    Decodes every form of event text into one `EventColumns`, in arrival order.

    Feed it blocks in the order they were recorded; look at `rejected` and
    `findings` when done. Bad lines are counted and skipped; nothing that was good
    is lost with them.

    Attributes:
        columns: The events so far.
        rejected: Events and lines not stored, by `RejectReason`.
        findings: Things stored and worth knowing, by finding code.
    """

    def __init__(self, *, max_recording_bytes: int = MAX_RECORDING_BYTES) -> None:
        self.columns = EventColumns()
        self.rejected: Counter[RejectReason] = Counter()
        self.findings: Counter[str] = Counter()
        self._max_bytes = max_recording_bytes
        self._kind_codes: dict[int, int] = {}
        self._small_fields: dict[str, bytes] = {}

    def end_block(self) -> None:
        """Note that a block of the source ends here: PostHog computes its metrics within one."""
        self.columns.block_ends.append(len(self.columns))

    # --- what can be fed ------------------------------------------------------------

    def feed_lines(self, block: bytes) -> None:
        """
        Add a block of JSON lines, of any of the forms in the module docstring.

        Raises:
            SourceDataError: The recording is past ``max_recording_bytes``.
        """
        try:
            for window_id, envelope in _lines.decode_lines(block):
                self._add(window_id, envelope)
        except _UNREADABLE:
            pass
        else:
            return
        # The whole block decodes before its first event is added, so nothing has been
        # added yet: go line by line, and only the bad lines are lost.
        for line in block.split(b"\n"):
            if line and not line.isspace():
                self._feed_line(line)

    def feed(self, window_id: str, event: bytes) -> None:
        """
        Add one event.

        Args:
            window_id: Its browser tab; empty when unknown.
            event: Its JSON text.
        """
        try:
            envelope = _envelope.decode(event)
        except _UNREADABLE:
            self._add_unusual(window_id, event)
        else:
            self._add(window_id, envelope)

    def feed_many(self, window_id: str, events: bytes) -> None:
        """
        Add a JSON array of events.

        Args:
            window_id: Used where an event names none itself.
            events: JSON text of the array; a JSON string holding such text is
                opened first (historic v1 lines).
        """
        try:
            envelopes = _envelopes.decode(events)
        except _UNREADABLE:
            pass
        else:
            for envelope in envelopes:
                self._add(window_id, envelope)
            return
        body = strip(bytes(events))
        try:
            if is_string(body):  # JSON in a string: historic v1 lines
                self.feed_many(window_id, string_of(body).encode("utf-8", "surrogatepass"))
                return
            if is_object(body):
                self.feed(window_id, body)
                return
            for raw in iter_array(body):
                self.feed(window_id, raw)
        except SourceDataError as e:
            if e.reason == RejectReason.TOO_LARGE:
                raise
            self.rejected[RejectReason(e.reason)] += 1

    def reject(self, reason: RejectReason, count: int = 1) -> None:
        """Count something the caller could not turn into events."""
        self.rejected[reason] += count

    # --- lines ----------------------------------------------------------------------

    def _feed_line(self, line: bytes) -> None:
        body = strip(line)
        try:
            if is_object(body):
                self._feed_object_line(body)
                return
            if not is_array(body):
                self.rejected[
                    RejectReason.NOT_AN_EVENT if is_json(body) else RejectReason.INVALID_JSON
                ] += 1
                return
            parts = split_array(body)
        except SourceDataError as e:
            if e.reason == RejectReason.TOO_LARGE:
                raise
            self.rejected[RejectReason(e.reason)] += 1
            return
        if len(parts) == 2 and not is_object(parts[0]) and is_object(parts[1]):
            self.feed(window_id_of(parts[0]), parts[1])
        elif parts and all(is_object(part) for part in parts):
            for part in parts:
                self.feed("", part)
        else:
            self.rejected[RejectReason.NOT_AN_EVENT] += 1

    def _feed_object_line(self, line: bytes) -> None:
        """Read a line that is an event, or a window with its events."""
        fields = split_object(line)
        window_id = window_id_of(fields.get("window_id", fields.get("windowId")))
        data = fields.get("data")
        if data is None or "type" in fields or "timestamp" in fields:
            self.feed(window_id, line)
        else:
            self.feed_many(window_id, data)

    # --- events ---------------------------------------------------------------------

    def _add_unusual(self, window_id: str, event: bytes) -> None:
        """Add an event the fast envelope refused: unknown keys, odd types, odd text."""
        fields: dict[str, Raw] | None
        try:
            fields = _fields.decode(event)
        except msgspec.ValidationError:
            self.rejected[RejectReason.NOT_AN_EVENT] += 1
            return
        except _UNREADABLE:
            fields = self._lenient_fields(bytes(event))
            if fields is None:
                return
        try:
            type_ = msgspec.json.decode(fields.pop("type"), type=int)
        except (KeyError, msgspec.DecodeError):
            self.rejected[
                RejectReason.INVALID_TYPE if "timestamp" in fields else RejectReason.NOT_AN_EVENT
            ] += 1
            return
        try:
            timestamp = msgspec.json.decode(fields.pop("timestamp"), type=int | float)
        except (KeyError, msgspec.DecodeError):
            self.rejected[RejectReason.INVALID_TIMESTAMP] += 1
            return
        data = fields.pop("data", _NO_RAW)
        if not window_id:
            window_id = _window_of(fields)
        extra = [(k, bytes(v)) for k, v in fields.items()]
        self._append(window_id, type_, timestamp, data, extra)

    def _lenient_fields(self, event: bytes) -> dict[str, Raw] | None:
        """
        Split an event that msgspec does not read, as a browser would read it.

        Returns:
            Its keys with the texts of their values, each valid JSON; None when it is
            not an object or not JSON, which is counted.
        """
        try:
            parts = split_object(event)
        except SourceDataError as e:
            if e.reason == RejectReason.TOO_LARGE:
                raise
            self.rejected[
                RejectReason.INVALID_JSON
                if is_object(strip(event)) or not is_json(event)
                else RejectReason.NOT_AN_EVENT
            ] += 1
            return None
        fields = {}
        for key, value in parts.items():
            text = value
            if not is_json(text):
                # NaN and Infinity are not JSON, but some recorders write them. A browser
                # has null there (JSON.stringify); a timestamp that is NaN is no time.
                try:
                    loose = json.loads(text.decode("utf-8", "replace"))
                except (ValueError, RecursionError):
                    self.rejected[RejectReason.INVALID_JSON] += 1
                    return None
                text = _dumps(loose)
                self.findings["non_finite_number"] += 1
            fields[key] = Raw(text)
        return fields

    def _add(self, window_id: str, event: _Envelope) -> None:
        extra: list[tuple[str, bytes]] | None = None
        if event.cv or event.delay or event.windowId:
            extra = []
            if event.delay:
                extra.append(("delay", bytes(event.delay)))
            if event.cv:
                extra.append(("cv", bytes(event.cv)))
            if event.windowId:
                extra.append(("windowId", bytes(event.windowId)))
                if not window_id:
                    window_id = _window_of({"windowId": event.windowId})
        self._append(window_id, event.type, event.timestamp, event.data, extra)

    def _append(
        self,
        window_id: str,
        type_: int,
        timestamp: float,
        data: Raw,
        extra: list[tuple[str, bytes]] | None,
    ) -> None:
        if not -128 <= type_ <= 127:
            self.rejected[RejectReason.INVALID_TYPE] += 1
            return
        if not -MAX_TIMESTAMP_MS <= timestamp <= MAX_TIMESTAMP_MS:
            self.rejected[RejectReason.INVALID_TIMESTAMP] += 1
            return
        timestamp_ms = int(timestamp // 1)
        if timestamp_ms != timestamp:
            extra = [*(extra or ()), ("timestamp", json.dumps(timestamp).encode())]
        if timestamp_ms <= 0:
            self.findings["timestamp_not_positive"] += 1

        c = self.columns
        row = len(c.timestamp_ms)
        source = NO_SOURCE
        node_id = NO_INT
        x = y = NO_FLOAT
        text: bytes | Raw = data
        if type_ == _INCREMENTAL and data:
            text, head = self._incremental_data(data, has_cv=bool(extra))
            if head is not None:
                source = head.source if 0 <= head.source < 2**15 else NO_SOURCE
                code = (head.source << 16) | ((head.type or 0) & 0xFFFF)
                kind = self._kind_codes.get(code)
                if kind is None:
                    kind = self._kind_codes[code] = c.kinds[kind_of(type_, head.source, head.type)]
                id_ = head.id
                if head.x is not None and head.y is not None:
                    x, y = head.x, head.y
                elif head.positions:
                    last = head.positions[-1]
                    x, y, id_ = last.x, last.y, last.id
                if id_ is not None and id_ in _INT32:
                    node_id = id_
            else:
                kind = c.kinds[kind_of(type_)]
        elif type_ == _FULL:
            if data and memoryview(data)[0] == _QUOTE:
                text = self._full_snapshot_data(data)
            kind = c.kinds["full_snapshot"]
        elif data and type_ in (_CUSTOM, _META, _PLUGIN):
            name, href = _name_and_href(data)
            if href:
                c.url[row] = href
            kind = c.kinds[kind_of(type_, name=name)]
        else:
            kind = c.kinds[kind_of(type_)]

        if len(c.data) + len(text) > self._max_bytes:
            raise SourceDataError(
                f"decoded, the recording is larger than {self._max_bytes} bytes. "
                "Raise max_recording_bytes if it is yours",
                reason=RejectReason.TOO_LARGE,
            )
        c.timestamp_ms.append(timestamp_ms)
        c.type.append(type_)
        c.source.append(source)
        c.node_id.append(node_id)
        c.x.append(x)
        c.y.append(y)
        c.window.append(c.windows[window_id])
        c.kind.append(kind)
        if data:
            c.data += text
        else:
            c.no_data.add(row)
        c.data_end.append(len(c.data))
        if extra:
            c.extra[row] = _object(extra)
            if any(k == "cv" and v != b'"2024-10"' for k, v in extra):
                self.findings["unknown_compression"] += 1

    # --- compressed fields ----------------------------------------------------------

    def _incremental_data(
        self, data: Raw, *, has_cv: bool
    ) -> tuple[bytes | Raw, _Incremental | None]:
        """Give an incremental snapshot's decoded text and its columns."""
        if has_cv:
            try:
                packed = _compressed.decode(data)
            except _UNREADABLE:
                pass  # not compressed, or unusual: the general way below decides
            else:
                try:
                    text = self._decompressed(packed)
                except SourceDataError:
                    self.findings["compressed_field_undecodable"] += 1
                    text = data
                return text, _Incremental(
                    source=packed.source, id=None if packed.id is UNSET else packed.id
                )
        try:
            head = _incremental.decode(data)
        except _UNREADABLE:
            return data, self._odd_incremental(data)
        for field in (head.texts, head.attributes, head.removes, head.adds):
            if field and memoryview(field)[0] == _QUOTE:
                return self._general_decompressed(data), head
        return data, head

    def _decompressed(self, packed: _Compressed) -> bytes:
        parts = [b'{"source":%d' % packed.source]
        for name, value in (
            (b"texts", packed.texts),
            (b"attributes", packed.attributes),
            (b"removes", packed.removes),
            (b"adds", packed.adds),
        ):
            if value is not UNSET:
                parts.append(b',"%s":' % name)
                parts.append(self._inflate(value))
        if packed.id is not UNSET:
            parts.append(b',"id":%d' % packed.id)
        for key, raw in (
            (b"isAttachIframe", packed.isAttachIframe),
            (b"styleId", packed.styleId),
            (b"replace", packed.replace),
            (b"replaceSync", packed.replaceSync),
        ):
            if raw:
                parts.append(b',"%s":' % key)
                parts.append(bytes(raw))
        parts.append(b"}")
        return b"".join(parts)

    def _general_decompressed(self, data: Raw) -> bytes | Raw:
        """Decompress whichever fields are strings, keeping every other key."""
        try:
            return _object(
                [
                    (
                        key,
                        self._inflate(string_of(raw))
                        if key in _COMPRESSIBLE and is_string(raw)
                        else raw,
                    )
                    for key, raw in split_object(bytes(data)).items()
                ]
            )
        except SourceDataError:
            self.findings["compressed_field_undecodable"] += 1
            return data

    def _full_snapshot_data(self, data: Raw) -> bytes | Raw:
        try:
            return self._inflate(string_of(bytes(data)))
        except SourceDataError:
            self.findings["compressed_field_undecodable"] += 1
            return data

    def _inflate(self, field: str) -> bytes:
        """Inflate with a memory for the tiny ones: most fields are an empty array."""
        if not field:
            return b'""'
        if len(field) > 64:
            return inflate_field(field, max_bytes=min(MAX_EVENT_BYTES, self._max_bytes))
        known = self._small_fields.get(field)
        if known is None:
            known = inflate_field(field)
            if len(self._small_fields) < 1024:
                self._small_fields[field] = known
        return known

    def _odd_incremental(self, data: Raw) -> _Incremental | None:
        """Find the source of an incremental whose other fields are odd."""
        try:
            fields = split_object(bytes(data))
        except SourceDataError:
            return None
        source = _integer(fields.get("source"))
        if source is None:
            return None
        return _Incremental(
            source=source, type=_integer(fields.get("type")), id=_integer(fields.get("id"))
        )


def _integer(raw: bytes | None) -> int | None:
    try:
        return None if raw is None else msgspec.json.decode(raw, type=int)
    except msgspec.DecodeError:
        return None


def _window_of(fields: dict[str, Raw]) -> str:
    """Read an event's own ``windowId``: a string, or a number in newer UI exports."""
    raw = fields.get("windowId") or fields.get("window_id")
    return window_id_of(bytes(raw)) if raw else ""


def _name_and_href(data: Raw) -> tuple[str | None, str | None]:
    """
    Read a tag or plugin name and the page address of meta, custom and plugin data.

    Source:
        PostHog takes ``data.href``, else ``data.payload.href``, trimmed, non-empty.
    """
    try:
        head = _named.decode(data)
        name = text_of(bytes(head.tag)) or text_of(bytes(head.plugin))
        href = text_of(bytes(head.href))
        payload = bytes(head.payload)
    except _UNREADABLE:
        try:
            fields = split_object(bytes(data))
        except SourceDataError:
            return None, None
        name = text_of(fields.get("tag")) or text_of(fields.get("plugin"))
        href = text_of(fields.get("href"))
        payload = fields.get("payload", b"")
    if href is None and b'"href"' in payload and is_object(payload):
        try:
            href = text_of(split_object(payload).get("href"))
        except SourceDataError:
            href = None
    return name, href.strip() if href else None


def _object(fields: Iterable[tuple[str, bytes]]) -> bytes:
    """Write a JSON object from its keys and the texts of its values."""
    return b"{" + b",".join(json.dumps(key).encode() + b":" + value for key, value in fields) + b"}"


def _dumps(value: object) -> bytes:
    """Write JSON, with null for the numbers JSON has no word for."""

    def finite(v: Any) -> Any:
        if isinstance(v, float):
            return v if math.isfinite(v) else None
        if isinstance(v, dict):
            return {k: finite(x) for k, x in v.items()}
        if isinstance(v, list):
            return [finite(x) for x in v]
        return v

    return json.dumps(finite(value)).encode()
