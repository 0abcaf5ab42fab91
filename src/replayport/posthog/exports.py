"""
Files PostHog lets people take away: the UI's JSON export and the staff zip.

UI export, "Export to JSON" (``*.ph-recording.json``), two versions::

    {"version": "2022-12-02", "data": {"person": {...}|null,
                                       "snapshotsByWindowId": {"<windowId>": [event...]}}}
    {"version": "2023-04-28", "data": {"id": "<session>", "person": ...,
                                       "snapshots": [event with windowId...]}}

Events of the second carry ``windowId``, a string in older files and a number of the
UI's own registry in newer ones; it stays in the raw event.

Staff zip, ``export-<session_id>.zip``::

    clickhouse/session-replay-events.json   {"meta", "data": [row], "rows"}: the recording
    clickhouse/events.json                  the same: analytics events of the session
    s3_prefix.txt
    data/<ms>-<hex>                         start_byte zero bytes, one source block
                                            (raw snappy), 1024 zero bytes

A file under ``data/`` stands for one storage object. When two blocks of the session lay
in the same object, the later one overwrote the earlier in the export: its range is then
all zeros, and the block is reported missing. Names inside the zip are compared, never
used as paths: nothing is written anywhere.

Source:
    posthog ``frontend/src/scenes/session-recordings/file-playback/types.ts``,
    ``posthog/temporal/session_replay/export_recording/activities.py``.
"""

from __future__ import annotations

import json
import re
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, BinaryIO, Final, TypedDict

from replayport.errors import SourceDataError
from replayport.limits import MAX_BLOCK_BYTES, MAX_RECORDING_BYTES
from replayport.outcomes import RejectReason
from replayport.rrweb.packing import unpack_item
from replayport.rrweb.raw import (
    SourceEvent,
    invalid_json,
    is_array,
    is_object,
    split_array,
    split_object,
    text_of,
    too_large,
    window_id_of,
)

UI_EXPORT_VERSIONS: Final = ("2022-12-02", "2023-04-28")

TRAILING_ZERO_BYTES: Final = 1024
"""What the staff export writes after a block."""


MAX_OBJECT_BYTES: Final = 2**30
"""One file under ``data/``: its leading zeros reach up to the size of a batch object."""

MAX_MEMBERS: Final = 100_000
"""Files in one zip; a day of recording makes 8,640 blocks."""

_READ_STEP_BYTES: Final = 2**20
_DEFLATE_METHODS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
ZIP_ERRORS: Final = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    zlib.error,
    struct.error,
    EOFError,
    IndexError,
    KeyError,
    NotImplementedError,
    OSError,
    OverflowError,
    RuntimeError,
    ValueError,
)
"""What `zipfile` raises on damaged files; it makes no promise, fuzzing found these."""

_BLOCK_URL: Final = re.compile(
    r"(?P<object>[^?]*/)?(?P<name>[^/?]+)\?range=bytes=(?P<first>[0-9]{1,15})-(?P<last>[0-9]{1,15})"
)


@dataclass(frozen=True, slots=True)
class UiExport:
    """A decoded "Export to JSON" file."""

    version: str
    session_id: str | None
    """None in the first version and in early files of the second."""
    distinct_id: str | None
    """First distinct id of the person; None when the file holds no person."""
    events: tuple[SourceEvent, ...]
    """In the file's order: by window in the first version, by time in the second."""
    rejected: Counter[str] = field(default_factory=Counter)
    """Items that are no events, by `RejectReason`."""


@dataclass(frozen=True, slots=True)
class StaffBlock:
    """One source block out of a staff zip."""

    name: str
    """Last part of the storage object's key, ``<ms>-<hex>``."""
    start_byte: int
    """Where it began in the storage object."""
    end_byte: int
    """Half-open; PostHog's own block URLs are inclusive."""
    data: bytes
    """Raw snappy (or what PostHog stored), still compressed."""


@dataclass(frozen=True, slots=True)
class MissingBlock:
    """A source block the export names and does not contain."""

    name: str
    start_byte: int
    end_byte: int
    """Half-open."""
    reason: str
    """`RejectReason`: ``missing_block``, or what is wrong with the file it was in."""
    detail: str


class AnalyticsRow(TypedDict):
    """One row for ``analytics.parquet``."""

    timestamp_ms: int
    uuid: str | None
    event: str
    distinct_id: str | None
    window_id: str | None
    url: str | None
    properties: str


@dataclass(frozen=True, slots=True)
class _Range:
    name: str
    start_byte: int
    end_byte: int


def is_ui_export(text: bytes) -> bool:
    """
    Tell whether a JSON document is a UI export, of a known version or not.

    Args:
        text: The document.
    """
    try:
        members = split_object(text)
    except SourceDataError:
        return False
    data = members.get("data")
    return text_of(members.get("version")) is not None and data is not None and is_object(data)


def read_ui_export(text: bytes, *, what: str | None = None) -> UiExport:
    """
    Decode a UI export.

    Args:
        text: The file's bytes.
        what: Name of the file, for errors.

    Returns:
        Raw events with their windows; `UiExport.rejected` counts items that are none.

    Raises:
        SourceDataError: Not JSON (``invalid_json``), or not a version this package
            knows (``unknown_format``).
    """
    members = split_object(text, what=what)
    version = text_of(members.get("version"))
    data = split_object(members.get("data", b""), what=what)
    rejected: Counter[str] = Counter()
    if version == UI_EXPORT_VERSIONS[0]:
        windows = split_object(data.get("snapshotsByWindowId", b""), what=what)
        events = tuple(
            event
            for window_id, items in windows.items()
            for event in _export_events(items, window_id, rejected, what)
        )
    elif version == UI_EXPORT_VERSIONS[1]:
        events = tuple(_export_events(data.get("snapshots", b""), None, rejected, what))
    else:
        raise SourceDataError(
            "this PostHog export names a version other than "
            f"{' and '.join(UI_EXPORT_VERSIONS)}. A newer PostHog wrote it, or it is no export. "
            "Upgrade replayport, or pull the recording from the API",
            reason=RejectReason.UNKNOWN_FORMAT,
            what=what,
        )
    return UiExport(
        version=version,
        session_id=text_of(data.get("id")) or None,
        distinct_id=person_distinct_id(data.get("person")),
        events=events,
        rejected=rejected,
    )


def person_distinct_id(person: bytes | None) -> str | None:
    """
    Give the distinct id in a person as PostHog's API and exports write one.

    Args:
        person: JSON text of the person, or None.

    Returns:
        ``distinct_id``, else the first of ``distinct_ids``; None when there is neither.
    """
    if person is None or not is_object(person):
        return None
    try:
        members = split_object(person)
        found = text_of(members.get("distinct_id"))
        many = members.get("distinct_ids", b"")
        if found is None and is_array(many):
            found = next((t for t in map(text_of, split_array(many)) if t), None)
    except SourceDataError:
        return None
    return found or None


class StaffExport:
    """
    A staff zip, opened for reading.

    ```
    export-<session>.zip
    ├── clickhouse/session-replay-events.json   <- session_id, distinct_id, block ranges
    ├── clickhouse/events.json                  <- analytics()
    └── data/<ms>-<hex>                         <- blocks()
    ```

    Memory: one block or one JSON member at a time.
    """

    def __init__(self, file: BinaryIO, *, what: str | None = None) -> None:
        """
        Read the directory of the zip and the recording's metadata.

        Args:
            file: Seekable; stays the caller's to close.
            what: Name of the file, for errors.

        Raises:
            SourceDataError: Not a zip (``invalid_zip``), not this kind of one
                (``unknown_format``), its metadata is not JSON (``invalid_json``).
        """
        self._what = what
        try:
            self._zip = zipfile.ZipFile(file)
            infos = self._zip.infolist()
        except ZIP_ERRORS as e:
            raise self._damaged("the directory of the zip cannot be read") from e
        if len(infos) > MAX_MEMBERS:
            raise too_large(f"the zip holds {len(infos)} files", what)
        self._blocks: dict[str, zipfile.ZipInfo] = {}
        self._json: dict[str, zipfile.ZipInfo] = {}
        for info in infos:
            parts = [p for p in info.filename.split("/") if p not in ("", ".", "..")]
            if not parts or info.is_dir():
                continue
            if parts[-2:-1] == ["data"]:
                self._blocks[parts[-1]] = info
            elif parts[-1].endswith(".json"):
                self._json[parts[-1]] = info
        row = self._recording_row()
        self.session_id: str | None = _string(row.get("session_id"))
        """None when the export has no metadata row, as one of the wrong team has."""
        self.distinct_id: str | None = _string(row.get("distinct_id"))
        self.snapshot_source: str | None = _string(row.get("snapshot_source"))
        """``web`` or ``mobile``; None when the metadata does not say."""
        self._ranges = _ranges(row)

    def blocks(self) -> Iterator[StaffBlock | MissingBlock]:
        """
        Yield the recording's source blocks, in the order PostHog listed them by time.

        Yields:
            A block, or what is known of one that is not there. Without block ranges in
            the metadata each file is taken to hold exactly one block.
        """
        if self._ranges:
            for block_range in self._ranges:
                yield self._block(block_range)
            return
        for name in sorted(self._blocks):
            yield self._whole(name)

    def analytics(self, *, rejected: Counter[str] | None = None) -> Iterator[AnalyticsRow]:
        """
        Yield the analytics events of the session.

        Args:
            rejected: Counts rows that are no events, by `RejectReason`.

        Raises:
            SourceDataError: The member is damaged (``invalid_zip``, ``invalid_json``).
        """
        for raw in self._rows("events.json"):
            try:
                row = _analytics_row(raw)
            except SourceDataError as e:
                if rejected is not None:
                    rejected[e.reason] += 1
                continue
            yield row

    def _recording_row(self) -> dict[str, Any]:
        if "session-replay-events.json" not in self._json and not self._blocks:
            raise SourceDataError(
                "the zip has neither recording metadata nor blocks. It is not a PostHog "
                "recording export. Import the files in it one by one, or name their format",
                reason=RejectReason.UNKNOWN_FORMAT,
                what=self._what,
            )
        for raw in self._rows("session-replay-events.json"):
            row = _parse(raw, self._what)
            if isinstance(row, dict):
                return row
        return {}

    def _rows(self, name: str) -> list[bytes]:
        info = self._json.get(name)
        if info is None:
            return []
        text = self._read(info, 0, MAX_RECORDING_BYTES)
        if len(text) >= MAX_RECORDING_BYTES:
            raise too_large(f"{name} inflates to {len(text)} bytes or more", self._what)
        data = split_object(text, what=self._what).get("data", b"[]")
        return split_array(data, what=self._what)

    def _block(self, wanted: _Range) -> StaffBlock | MissingBlock:
        size_bytes = wanted.end_byte - wanted.start_byte
        info = self._blocks.get(wanted.name)
        if info is None:
            return _missing(wanted, "the export has no file for its storage object")
        if wanted.end_byte > MAX_OBJECT_BYTES or not 0 < size_bytes <= MAX_BLOCK_BYTES:
            return _missing(wanted, "its byte range cannot be right", RejectReason.TOO_LARGE)
        try:
            data = self._read(info, wanted.start_byte, size_bytes)
        except SourceDataError as e:
            return _missing(wanted, "its file in the zip is damaged", e.reason)
        if len(data) < size_bytes or data[:1] == b"\0":
            return _missing(wanted, "a later block of the same storage object overwrote it")
        return StaffBlock(wanted.name, wanted.start_byte, wanted.end_byte, data)

    def _whole(self, name: str) -> StaffBlock | MissingBlock:
        """Read the one block of a file whose range nobody kept."""
        info = self._blocks[name]
        whole = _Range(name, 0, 0)
        if info.file_size > MAX_OBJECT_BYTES:
            return _missing(whole, "its file is too large", RejectReason.TOO_LARGE)
        try:
            start_byte, data = self._after_zeros(info)
        except SourceDataError as e:
            return _missing(whole, "its file in the zip is damaged", e.reason)
        # Exactly the padding: a snappy block may itself end in zeros, but cannot begin
        # with one unless it is empty.
        data = data.removesuffix(bytes(TRAILING_ZERO_BYTES))
        if not data:
            return _missing(whole, "its file holds nothing but zeros")
        return StaffBlock(name, start_byte, start_byte + len(data), data)

    def _read(self, info: zipfile.ZipInfo, start_byte: int, size_bytes: int) -> bytes:
        """Read part of a member, then its rest for the sake of the checksum."""
        pieces: list[bytes] = []
        position = 0
        for piece in self._stream(info):
            first = max(start_byte - position, 0)
            last = start_byte + size_bytes - position
            position += len(piece)
            if first < len(piece) and last > 0:
                pieces.append(piece[first:last])
        return b"".join(pieces)

    def _after_zeros(self, info: zipfile.ZipInfo) -> tuple[int, bytes]:
        """Read a member from its first byte that is not zero."""
        start_byte = 0
        pieces: list[bytes] = []
        held_bytes = 0
        for piece in self._stream(info):
            kept = piece if pieces else piece.lstrip(b"\0")
            start_byte += 0 if pieces else len(piece) - len(kept)
            if kept:
                pieces.append(kept)
                held_bytes += len(kept)
            if held_bytes > MAX_BLOCK_BYTES + TRAILING_ZERO_BYTES:
                raise too_large(f"a block of more than {MAX_BLOCK_BYTES} bytes", self._what)
        return start_byte, b"".join(pieces)

    def _stream(self, info: zipfile.ZipInfo) -> Iterator[bytes]:
        """Inflate a member step by step; declared sizes are not believed."""
        if info.compress_type not in _DEFLATE_METHODS:
            # The other methods inflate a whole read at once, without a bound.
            raise self._damaged("a file in the zip has an unusual compression method")
        total = 0
        try:
            with self._zip.open(info) as member:
                while piece := member.read(_READ_STEP_BYTES):
                    total += len(piece)
                    if total > MAX_OBJECT_BYTES:
                        raise too_large(
                            f"a file in the zip inflates past {MAX_OBJECT_BYTES} bytes", self._what
                        )
                    yield piece
        except ZIP_ERRORS as e:
            raise self._damaged("a file in the zip does not inflate") from e

    def _damaged(self, observation: str) -> SourceDataError:
        return SourceDataError(
            f"{observation}. The zip was cut or changed on the way. Download the export again",
            reason=RejectReason.INVALID_ZIP,
            what=self._what,
        )


def _export_events(
    items: bytes, window_id: str | None, rejected: Counter[str], what: str | None
) -> Iterator[SourceEvent]:
    """Yield the events of a list; a window id of None is read from each event."""
    for item in split_array(items, what=what):
        try:
            raw = unpack_item(item, what=what)
            own = (
                window_id_of(split_object(raw).get("windowId")) if window_id is None else window_id
            )
        except SourceDataError as e:
            rejected[e.reason] += 1
            continue
        yield SourceEvent(own, raw)


def _parse(raw: bytes, what: str | None) -> Any:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError) as e:
        raise invalid_json("a row of the export is not JSON", what) from e


def _string(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _ranges(row: dict[str, Any]) -> list[_Range]:
    """Read the block URLs of a metadata row, by first timestamp when that is known."""
    urls = row.get("block_urls")
    if not isinstance(urls, list):
        return []
    firsts = row.get("block_first_timestamps")
    known = isinstance(firsts, list) and len(firsts) == len(urls)
    found: list[tuple[str, _Range]] = []
    for index, url in enumerate(urls):
        match = _BLOCK_URL.fullmatch(url) if isinstance(url, str) else None
        first = str(firsts[index]) if known and firsts is not None else ""
        # An address that cannot be read still stands for a block that is not there.
        block = _Range("", 0, 0)
        if match is not None:
            # The URL's last byte is inclusive.
            block = _Range(match["name"], int(match["first"]), int(match["last"]) + 1)
        found.append((first, block))
    return [block for _, block in sorted(found, key=lambda pair: pair[0])]


def _missing(wanted: _Range, detail: str, reason: str = RejectReason.MISSING_BLOCK) -> MissingBlock:
    return MissingBlock(wanted.name, wanted.start_byte, wanted.end_byte, reason, detail)


def _analytics_row(raw: bytes) -> AnalyticsRow:
    members = split_object(raw)
    event = text_of(members.get("event"))
    if not event:
        raise SourceDataError(
            "a row has no event name. It is no analytics event. The other rows can be used",
            reason=RejectReason.NOT_AN_EVENT,
        )
    held = members.get("properties", b"{}")
    # ClickHouse writes its String column as a JSON string of JSON.
    properties = held.decode("utf-8", "replace") if is_object(held) else text_of(held) or "{}"
    inner = split_object(properties.encode("utf-8"))
    return AnalyticsRow(
        timestamp_ms=_clickhouse_time_ms(text_of(members.get("timestamp"))),
        uuid=text_of(members.get("uuid")),
        event=event,
        distinct_id=text_of(members.get("distinct_id")),
        window_id=text_of(members.get("$window_id")) or text_of(inner.get("$window_id")),
        url=text_of(inner.get("$current_url")),
        properties=properties,
    )


def _clickhouse_time_ms(text: str | None) -> int:
    """Read ``2024-01-01 00:00:00.123456`` (UTC) or ISO 8601 as epoch milliseconds."""
    try:
        moment = datetime.fromisoformat((text or "").strip())
    except ValueError as e:
        raise SourceDataError(
            "a row has no time that can be read. It cannot be placed in the recording. "
            "The other rows can be used",
            reason=RejectReason.INVALID_TIMESTAMP,
        ) from e
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return since.days * 86_400_000 + since.seconds * 1000 + since.microseconds // 1000
