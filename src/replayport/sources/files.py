"""
Reads recordings from files of any form, told by their bytes, never by their names.

```
outer            gzip (1f 8b), zstd (28 b5 2f fd): taken off first
PK               bundle, or PostHog's staff export zip
PAR1             events.parquet, or its export
[ or {           rrweb array, JSON lines, PostHog lines and exports, capture bodies,
                 recorded requests, ClickHouse rows, Sentry segments, Highlight payloads
H4sI             base64 of gzip: PostHog's 2022 long-term files
78               zlib: Sentry segments
else             raw snappy block, or a length-prefixed stream of them
```

A file may hold several sessions; a folder of v1 blobs (``<first ms>-<last ms>``) is one.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import zstandard
from msgspec import Raw, Struct

from replayport.archive import RecordingDraft
from replayport.errors import SourceDataError
from replayport.format.bundle import is_bundle, read_bundle
from replayport.format.schema import EVENTS_SCHEMA, METADATA_KEY
from replayport.limits import MAX_RECORDING_BYTES
from replayport.outcomes import RejectReason
from replayport.posthog import legacy, wire
from replayport.posthog.blocks import decode_gzip, decode_snappy, iter_lines, looks_like_json
from replayport.posthog.exports import StaffBlock, StaffExport
from replayport.posthog.lines import EventDecoder
from replayport.recording import Manifest, Person
from replayport.rrweb.events import Event

_ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"
_GZIP_MAGIC: Final = b"\x1f\x8b"
_BLOB_NAME: Final = re.compile(r"(\d{10,17})-(\d{10,17})")
_V1_SESSION: Final = re.compile(r"/session_id/([^/]+)/data$")
_SKIPPED_NAMES: Final = (".DS_Store", "Thumbs.db")


@dataclass(frozen=True, slots=True)
class BundleFile:
    """A bundle found in a file: a recording that is made already."""

    manifest: Manifest
    files: dict[str, bytes]


@dataclass(slots=True)
class _Session:
    """Events of one session while a file is read."""

    decoder: EventDecoder
    distinct_id: str | None = None
    analytics: list[dict[str, Any]] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)


class _RequestLine(Struct):
    """A recorded HTTP request, as proxies and test sinks write them."""

    path: str
    method: str = "POST"
    query: Any = None
    headers: dict[str, Any] = {}
    body_file: str | None = None
    body: Raw = Raw()
    t: float | None = None
    ms: float | None = None


class _ChunkLine(Struct):
    snapshot_data: Raw
    session_id: str = ""
    distinct_id: str | None = None


_request_line = msgspec.json.Decoder(_RequestLine)
_chunk_line = msgspec.json.Decoder(_ChunkLine)


def expand(paths: Iterable[Path]) -> Iterator[list[Path]]:
    """
    Find what to import: each item is the files of one import.

    Args:
        paths: Files and folders; folders are walked in name order. Blobs of PostHog's
            v1 storage in one folder belong together.
    """
    for path in paths:
        if not path.is_dir():
            yield [path]
            continue
        for folder in sorted([path, *(p for p in path.rglob("*") if p.is_dir())]):
            files = sorted(
                p for p in folder.iterdir() if p.is_file() and p.name not in _SKIPPED_NAMES
            )
            blobs = [p for p in files if _BLOB_NAME.fullmatch(p.name)]
            if blobs:
                yield blobs
            requests = [p for p in files if p.name.split(".")[0] == "requests"]
            if requests:  # a recorded capture: its bodies are named in it
                yield from ([p] for p in requests)
                continue
            if folder.name == "bodies" and any(folder.parent.glob("requests.jsonl*")):
                continue
            yield from ([p] for p in files if p not in blobs)


def read_files(
    paths: list[Path], *, project: str, max_recording_bytes: int = MAX_RECORDING_BYTES
) -> Iterator[RecordingDraft | BundleFile]:
    """
    Read the recordings of one import.

    Args:
        paths: One file, or the v1 blobs of one recording.
        project: Project the recordings go to, unless a bundle names its own.
        max_recording_bytes: Largest decoded recording.

    Yields:
        A draft (or a finished bundle) for each session found.

    Raises:
        SourceDataError: Nothing in the file is a recording; ``reason`` says why.
    """
    if len(paths) > 1 or _BLOB_NAME.fullmatch(paths[0].name):
        yield _read_blobs(paths, project, max_recording_bytes)
        return
    path = paths[0]
    data = _read(path, max_recording_bytes)
    yield from _Reader(path, data, project, max_recording_bytes).recordings()


def _read(path: Path, max_bytes: int) -> bytes:
    try:
        size = path.stat().st_size
        if size > max_bytes:
            raise SourceDataError(
                f"the file has {size} bytes, more than max_recording_bytes ({max_bytes})",
                reason=RejectReason.TOO_LARGE,
                what=path.name,
            )
        return path.read_bytes()
    except OSError as e:
        raise SourceDataError(
            f"the file cannot be opened: {e.strerror or type(e).__name__}",
            reason=RejectReason.UNREADABLE,
            what=path.name,
        ) from e


def _read_blobs(paths: list[Path], project: str, max_bytes: int) -> RecordingDraft:
    folder = str(paths[0].resolve().parent)
    found = _V1_SESSION.search(folder)
    decoder = EventDecoder(max_recording_bytes=max_bytes)
    digest = hashlib.sha256()
    missing = []
    for path in sorted(paths, key=lambda p: int(p.name.split("-")[0])):
        data = _read(path, max_bytes)
        digest.update(data)
        rejected: Counter[str] = Counter()
        try:
            for event in legacy.blob_events(data, rejected=rejected, what=path.name):
                decoder.feed(event.window_id, event.raw)
        except SourceDataError as e:
            decoder.reject(RejectReason(e.reason))
            missing.append(path.name)
        _count(decoder, rejected)
    if not len(decoder.columns):
        raise _nothing(decoder, folder)
    return RecordingDraft(
        project=project,
        session_id=found[1] if found else f"file-{digest.hexdigest()[:24]}",
        columns=decoder.columns,
        rejected=decoder.rejected,
        findings=decoder.findings,
        missing=missing,
        source={"kind": "file", "form": "posthog_v1_blobs", "files": len(paths)},
        provenance={"source_sha256": digest.hexdigest()},
    )


class _Reader:
    """One file being read."""

    def __init__(self, path: Path, data: bytes, project: str, max_bytes: int) -> None:
        self._path = path
        self._project = project
        self._max_bytes = max_bytes
        self._sha256 = hashlib.sha256(data).hexdigest()
        self._size = len(data)
        self._rejected: Counter[RejectReason] = Counter()
        self._data = data

    def recordings(self) -> Iterator[RecordingDraft | BundleFile]:
        data = self._unwrapped(self._data)
        self._data = b""
        if not data or data.isspace():
            raise SourceDataError(
                "the file is empty", reason=RejectReason.EMPTY, what=self._path.name
            )
        if data[:4] == b"PK\x03\x04":
            yield self._zip(data)
        elif data[:4] == b"PAR1":
            yield self._parquet(data)
        elif looks_like_json(data):
            yield from self._json(data)
        elif legacy.is_lts_2022(data[:256]):
            yield self._document(legacy.read_lts_2022(data, what=self._path.name))
        elif data[:1] == b"\x78" and self._is_zlib(data):
            yield self._document(legacy.read_sentry_segment(data, what=self._path.name))
        else:
            yield self._blocks(data)

    def _unwrapped(self, data: bytes) -> bytes:
        """Take gzip and zstd off; a cut stream gives what it held, and is counted."""
        for _ in range(4):
            if data[:2] == _GZIP_MAGIC:
                data, whole = decode_gzip(data, max_bytes=self._max_bytes)
                if not whole:
                    self._rejected[RejectReason.INVALID_GZIP] += 1
            elif data[:4] == _ZSTD_MAGIC:
                data, whole = _decode_zstd(data, self._max_bytes)
                if not whole:
                    self._rejected[RejectReason.INVALID_ZSTD] += 1
            else:
                break
        return data

    # --- forms ----------------------------------------------------------------------

    def _zip(self, data: bytes) -> RecordingDraft | BundleFile:
        import zipfile

        try:
            names = zipfile.ZipFile(io.BytesIO(data)).namelist()
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as e:
            raise SourceDataError(
                f"a zip of {len(data)} bytes does not open ({type(e).__name__}). It was cut",
                reason=RejectReason.INVALID_ZIP,
                what=self._path.name,
            ) from e
        if is_bundle(names):
            manifest, files = read_bundle(data, max_bytes=self._max_bytes)
            return BundleFile(manifest, files)
        export = StaffExport(io.BytesIO(data), what=self._path.name)
        decoder = self._decoder()
        missing = []
        for block in export.blocks():
            address = f"{block.name}?{block.start_byte}-{block.end_byte}"
            if not isinstance(block, StaffBlock):
                missing.append(address)
                continue
            try:
                decoder.feed_lines(decode_snappy(block.data, max_bytes=self._max_bytes))
            except SourceDataError as e:
                if e.reason == RejectReason.TOO_LARGE:
                    raise
                decoder.reject(RejectReason(e.reason))
                missing.append(address)
        analytics: list[dict[str, Any]] = []
        rejected: Counter[str] = Counter()
        try:
            analytics = [dict(row) for row in export.analytics(rejected=rejected)]
        except SourceDataError as e:
            decoder.reject(RejectReason(e.reason))
        _count(decoder, rejected)
        return self._draft(
            decoder,
            form="posthog_staff_zip",
            session_id=export.session_id,
            distinct_id=export.distinct_id,
            missing=missing,
            analytics=analytics,
        )

    def _parquet(self, data: bytes) -> RecordingDraft:
        decoder = self._decoder()
        session_id = project = None
        try:
            file = pq.ParquetFile(pa.BufferReader(data))
            lacking = set(EVENTS_SCHEMA.names) - set(file.schema_arrow.names)
            if lacking:
                raise SourceDataError(
                    f"the Parquet file lacks the columns {sorted(lacking)}: it is not a recording",
                    reason=RejectReason.INVALID_PARQUET,
                    what=self._path.name,
                )
            footer = json.loads((file.metadata.metadata or {}).get(METADATA_KEY, b"{}"))
            session_id, project = footer.get("session_id"), footer.get("project")
            # Rows are in time order; arrival order is the order of `seq`.
            table = file.read(columns=EVENTS_SCHEMA.names).sort_by("seq")
            for batch in table.to_batches():
                columns = batch.to_pydict()
                for values in zip(*(columns[n] for n in _EVENT_COLUMNS), strict=True):
                    event = Event(*values)
                    decoder.feed(event.window_id, event.to_json().encode("utf-8", "replace"))
        except (pa.ArrowException, OSError, ValueError, TypeError) as e:
            raise SourceDataError(
                f"a Parquet file of {len(data)} bytes does not read ({type(e).__name__})",
                reason=RejectReason.INVALID_PARQUET,
                what=self._path.name,
            ) from e
        draft = self._draft(
            decoder,
            form="parquet",
            session_id=session_id if isinstance(session_id, str) else None,
        )
        if isinstance(project, str) and project:
            draft.project = project
        return draft

    def _json(self, text: bytes) -> Iterator[RecordingDraft]:
        head = text[:65_536]
        if b'"snapshot_data"' in head:
            yield from self._chunks(text)
        elif head.lstrip()[:1] == b"{" and all(
            key in head for key in (b'"method"', b'"path"', b'"body')
        ):
            yield from self._requests(text)
        elif (b'"$snapshot"' in head or b'"$snapshot_data"' in head) and not legacy.is_sentry_segment(head):
            yield from self._capture_body(text)
        elif _starts_as_event_array(head):
            decoder = self._decoder()
            decoder.feed_many("", text)
            yield self._draft(decoder, form="rrweb_array")
        elif _starts_as_window_line(head):
            decoder = self._decoder()
            decoder.feed_lines(text)
            yield self._draft(decoder, form="posthog_lines")
        else:
            yield self._document(legacy.read_document(text, what=self._path.name))

    def _document(self, document: legacy.Document) -> RecordingDraft:
        decoder = self._decoder()
        for event in document.events:
            decoder.feed(event.window_id, event.raw)
        _count(decoder, document.rejected)
        decoder.findings.update(document.findings)
        return self._draft(
            decoder,
            form=document.kind,
            session_id=document.session_id,
            distinct_id=document.distinct_id,
        )

    def _blocks(self, data: bytes) -> RecordingDraft:
        decoder = self._decoder()
        try:
            for lines in iter_lines(data, max_bytes=self._max_bytes):
                if not looks_like_json(lines) and lines:
                    raise _unknown(self._path.name, self._size)
                decoder.feed_lines(lines)
        except SourceDataError as e:
            if not len(decoder.columns):
                if e.reason == RejectReason.INVALID_SNAPPY:
                    raise _unknown(self._path.name, self._size) from e
                raise
            decoder.reject(RejectReason(e.reason))
        return self._draft(decoder, form="posthog_v2_blocks")

    def _chunks(self, text: bytes) -> Iterator[RecordingDraft]:
        """Rows of the ClickHouse era, one JSON object a line (or an array of them)."""
        rows: dict[str, list[legacy.ChunkRow]] = {}
        people: dict[str, str] = {}
        rejected: Counter[str] = Counter()
        for line in _objects(text):
            try:
                head = _chunk_line.decode(line)
                row = legacy.chunk_row(line, what=self._path.name)
            except (msgspec.DecodeError, UnicodeDecodeError):
                rejected[RejectReason.INVALID_JSON] += 1
                continue
            except SourceDataError as e:
                rejected[e.reason] += 1
                continue
            rows.setdefault(head.session_id, []).append(row)
            if head.distinct_id:
                people.setdefault(head.session_id, head.distinct_id)
        for session_id, mine in rows.items():
            decoder = self._decoder()
            counter: Counter[str] = Counter()
            for event in legacy.chunk_events(mine, rejected=counter, what=self._path.name):
                decoder.feed(event.window_id, event.raw)
            _count(decoder, counter + rejected)
            missing = ["chunks"] * counter[RejectReason.MISSING_CHUNK]
            yield self._draft(
                decoder,
                form="posthog_chunks",
                session_id=session_id or None,
                distinct_id=people.get(session_id),
                missing=missing,
            )
        if not rows:
            raise _nothing(self._decoder(), self._path.name, rejected)

    def _capture_body(self, text: bytes) -> Iterator[RecordingDraft]:
        sessions: dict[str, _Session] = {}
        self._add_body(sessions, text, {}, {}, 0)
        yield from self._sessions(sessions, "posthog_capture_body")

    def _requests(self, text: bytes) -> Iterator[RecordingDraft]:
        """Recorded requests, one JSON object a line (or one document)."""
        sessions: dict[str, _Session] = {}
        for line in _objects(text):
            try:
                request = _request_line.decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError):
                self._rejected[RejectReason.INVALID_JSON] += 1
                continue
            body = self._body_of(request)
            if request.method.upper() != "POST" or not body:
                continue
            query = request.query
            if isinstance(query, str):
                query = dict(parse_qsl(query.lstrip("?"), keep_blank_values=True))
            headers = {k: v for k, v in request.headers.items() if isinstance(v, str)}
            received_ms = int(request.ms or request.t or 0)
            self._add_body(
                sessions,
                body,
                {k: v for k, v in (query or {}).items() if isinstance(v, str)},
                # What a recorder stored is often decoded already; the bytes decide.
                {k: v for k, v in headers.items() if k.lower() != "content-encoding"},
                received_ms,
            )
        yield from self._sessions(sessions, "posthog_capture")

    def _body_of(self, request: _RequestLine) -> bytes:
        if request.body_file is not None:
            folder = self._path.resolve().parent
            for candidate in (folder / request.body_file, folder / "bodies" / request.body_file):
                resolved = candidate.resolve()
                if resolved.is_relative_to(folder) and resolved.is_file():
                    return _read(resolved, self._max_bytes)
            self._rejected[RejectReason.UNREADABLE] += 1
            return b""
        if not request.body:
            return b""
        raw = bytes(request.body)
        if raw[:1] != b'"':
            return raw if raw != b"null" else b""
        value = msgspec.json.decode(raw, type=str)
        try:
            return base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            return value.encode("utf-8", "surrogatepass")

    def _add_body(
        self,
        sessions: dict[str, _Session],
        body: bytes,
        query: dict[str, str],
        headers: dict[str, str],
        received_ms: int,
    ) -> None:
        try:
            decoded = wire.decode_body(
                body, query=query, headers=headers, max_bytes=self._max_bytes
            )
            part = decoded.snapshot_part
            if part is not None:
                batch = _lenient_snapshots(part)
                for item in batch.items:
                    session = sessions.setdefault(item.session_id, _Session(self._decoder()))
                    session.distinct_id = session.distinct_id or batch.distinct_id
                    if item.uuid:
                        if item.uuid in session.seen:
                            continue  # a retry repeats the item, uuid and all
                        session.seen.add(item.uuid)
                    for event in item.source_events():
                        session.decoder.feed(event.window_id, event.raw)
            for row in wire.analytics(decoded, received_ms=received_ms):
                if row.session_id is None:
                    continue
                session = sessions.setdefault(row.session_id, _Session(self._decoder()))
                if row.uuid:
                    if row.uuid in session.seen:
                        continue
                    session.seen.add(row.uuid)
                session.analytics.append(
                    {
                        "timestamp_ms": row.timestamp_ms,
                        "uuid": row.uuid,
                        "event": row.event,
                        "distinct_id": row.distinct_id,
                        "window_id": row.window_id,
                        "url": row.url,
                        "properties": row.properties,
                    }
                )
        except SourceDataError as e:
            if e.reason == RejectReason.TOO_LARGE:
                raise
            self._rejected[RejectReason.INVALID_WIRE] += 1

    def _sessions(self, sessions: dict[str, _Session], form: str) -> Iterator[RecordingDraft]:
        drawn = {sid: s for sid, s in sessions.items() if len(s.decoder.columns)}
        if not drawn:
            raise _nothing(self._decoder(), self._path.name, self._rejected)
        for session_id, session in drawn.items():
            yield self._draft(
                session.decoder,
                form=form,
                session_id=session_id,
                distinct_id=session.distinct_id,
                analytics=session.analytics,
            )

    # --- drafts ---------------------------------------------------------------------

    def _decoder(self) -> EventDecoder:
        return EventDecoder(max_recording_bytes=self._max_bytes)

    def _draft(
        self,
        decoder: EventDecoder,
        *,
        form: str,
        session_id: str | None = None,
        distinct_id: str | None = None,
        missing: list[str] | None = None,
        analytics: list[dict[str, Any]] | None = None,
    ) -> RecordingDraft:
        decoder.rejected.update(self._rejected)
        if not len(decoder.columns):
            raise _nothing(decoder, self._path.name)
        cut = decoder.rejected[RejectReason.INVALID_GZIP] + decoder.rejected[RejectReason.TRUNCATED]
        return RecordingDraft(
            project=self._project,
            session_id=session_id or f"file-{self._sha256[:24]}",
            columns=decoder.columns,
            rejected=decoder.rejected,
            findings=decoder.findings,
            analytics=analytics or [],
            person=Person(distinct_id=distinct_id) if distinct_id else None,
            missing=[*(missing or []), *(["the end of the file"] if cut else [])],
            source={"kind": "file", "form": form, "file_name": self._path.name[:200]},
            provenance={"source_sha256": self._sha256, "source_bytes": self._size},
        )

    @staticmethod
    def _is_zlib(data: bytes) -> bool:
        return len(data) > 2 and int.from_bytes(data[:2], "big") % 31 == 0


_EVENT_COLUMNS: Final = (
    "timestamp_ms",
    "seq",
    "window_id",
    "type",
    "source",
    "kind",
    "data",
    "extra",
)


def _lenient_snapshots(body: wire.WireBody) -> wire.SnapshotBatch:
    """
    Read a capture body as `wire.snapshots`, but without need of a token or valid uuids.

    A file is its owner's own; what a server must refuse from strangers is good here.
    """
    body = replace(body, token=body.token or "imported")
    try:
        return wire.snapshots(body)
    except SourceDataError as e:
        if e.reason != wire.WireReject.INVALID_UUID:
            raise
    return wire.snapshots(
        replace(
            body,
            events=tuple(
                replace(event, members={k: v for k, v in event.members.items() if k != "uuid"})
                for event in body.events
            ),
        )
    )


def _starts_as_event_array(head: bytes) -> bool:
    """An array whose first item is an object with a type: plain rrweb."""
    body = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    inner = body[1:].lstrip()
    return (
        body[:1] == b"["
        and inner[:1] == b"{"
        and b'"timestamp"' in inner
        and b'"type"' in inner
        and b"\n{" not in body[:2]
    )


def _starts_as_window_line(head: bytes) -> bool:
    """``["window", {`` : PostHog's v2 lines."""
    return re.match(rb'\s*\[\s*(?:"(?:[^"\\]|\\.){0,4096}"|\d+|null)\s*,\s*\{', head) is not None


def _objects(text: bytes) -> Iterator[bytes]:
    """Give the objects of JSON lines, of an array, or the one document there is."""
    body = text.strip()
    if body[:1] == b"[":
        try:
            yield from (bytes(r) for r in msgspec.json.decode(body, type=list[Raw]))
            return
        except msgspec.DecodeError:
            pass
    lines = body.split(b"\n")
    try:
        msgspec.json.decode(lines[0], type=Raw)
    except msgspec.DecodeError:
        yield body
        return
    yield from (line for line in lines if line and not line.isspace())


def _decode_zstd(data: bytes, max_bytes: int) -> tuple[bytes, bool]:
    out = bytearray()
    try:
        with zstandard.ZstdDecompressor(max_window_size=2**27).stream_reader(
            data, read_across_frames=True
        ) as reader:
            while piece := reader.read(2**20):
                out += piece
                if len(out) > max_bytes:
                    raise SourceDataError(
                        f"zstd of {len(data)} bytes holds more than {max_bytes}",
                        reason=RejectReason.TOO_LARGE,
                    )
    except zstandard.ZstdError as e:
        if not out:
            raise SourceDataError(
                f"zstd of {len(data)} bytes is damaged from its start",
                reason=RejectReason.INVALID_ZSTD,
            ) from e
        return bytes(out), False
    return bytes(out), True


def _count(decoder: EventDecoder, rejected: Counter[str]) -> None:
    for reason, n in rejected.items():
        decoder.reject(RejectReason(reason), n)


def _nothing(
    decoder: EventDecoder, what: str, rejected: Iterable[str] | None = None
) -> SourceDataError:
    """Say why a file that was read gave no event: the commonest reject reason."""
    reasons = Counter(decoder.rejected)
    if rejected is not None:
        reasons.update(RejectReason(r) for r in Counter(rejected).elements())
    if reasons:
        reason, n = reasons.most_common(1)[0]
        return SourceDataError(
            f"no event could be read; {n} of {reasons.total()} were rejected as {reason.value}",
            reason=reason,
            what=what,
        )
    return SourceDataError("the file holds no event", reason=RejectReason.EMPTY, what=what)


def _unknown(what: str, size_bytes: int) -> SourceDataError:
    return SourceDataError(
        f"the {size_bytes} bytes are none of the forms replayport reads. "
        "See docs/reference/formats.md for those it does",
        reason=RejectReason.UNKNOWN_FORMAT,
        what=what,
    )
