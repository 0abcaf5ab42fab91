"""
Reads recordings from files of any form, told by their bytes, never by their names.

```
outer            gzip (1f 8b), zstd (28 b5 2f fd): taken off first
PK               bundle, or PostHog's staff export zip
PAR1             events.parquet, or its export
[ or {           rrweb array, JSON lines, PostHog lines and exports, capture bodies,
                 recorded requests, ClickHouse rows, Sentry segments, Highlight payloads
                 (told apart in `replayport.sources.forms`)
data=            capture body, as a form
H4sI             base64 of gzip: PostHog's 2022 long-term files, capture bodies
78               zlib: Sentry segments
else             raw snappy block, or a length-prefixed stream of them; JSON lines whose
                 first line is damaged
```

A file may hold several sessions; a folder of v1 blobs (``<first ms>-<last ms>``) is one.
What precedes damage is kept where the form allows it, and the damage is counted.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import json
import os
import re
import stat
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from replayport.draft import RecordingDraft
from replayport.errors import RecordingError, SourceDataError
from replayport.format.bundle import is_bundle, read_bundle
from replayport.format.reader import Recording
from replayport.format.schema import EVENTS_FILE, EVENTS_SCHEMA, METADATA_KEY
from replayport.format.verify import verify_recording
from replayport.limits import MAX_RECORDING_BYTES
from replayport.outcomes import RejectReason
from replayport.posthog import legacy, wire
from replayport.posthog.blocks import decode_gzip, decode_snappy, looks_like_json, split_stream
from replayport.posthog.exports import ZIP_ERRORS, StaffBlock, StaffExport
from replayport.posthog.lines import MAX_TIMESTAMP_MS, EventDecoder
from replayport.recording import Manifest, Person, safe_id, safe_project, storable
from replayport.rrweb.events import Event
from replayport.rrweb.packing import inflate
from replayport.rrweb.raw import (
    is_array,
    is_object,
    is_string,
    iter_array,
    split_object,
    string_of,
    strip,
    text_of,
)
from replayport.sources.forms import Form, Shape, shape_of

_ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"
_GZIP_MAGIC: Final = b"\x1f\x8b"
_BLOB_NAME: Final = re.compile(r"(\d{10,17})-(\d{10,17})")
_V1_SESSION: Final = re.compile(r"/session_id/([^/]+)/data$")
_SKIPPED_NAMES: Final = (".DS_Store", "Thumbs.db")
_BODIES: Final = "bodies"
_MAX_INT64: Final = 2**63 - 1
_ZSTD_STEP_BYTES: Final = 1024
_PIPE_STEP_BYTES: Final = 16 * 2**20
_CUT: Final = (RejectReason.INVALID_GZIP, RejectReason.INVALID_ZSTD, RejectReason.TRUNCATED)
_WEB_FORM: Final = b"data="
_EVENT_ARRAY: Final = re.compile(rb'"((?:[^"\\]|\\.){0,200})"\s*:\s*(?=\[\s*\{)')
_NUMBER_FIRST: Final = re.compile(rb"\[\s*-?\d+\s*,")


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


@dataclass(frozen=True, slots=True)
class _Request:
    """A recorded HTTP request."""

    method: str
    query: dict[str, str]
    headers: dict[str, str]
    body_file: str | None
    """Name of the file that holds the body; None when `body` does."""
    body: bytes
    """JSON text: the body itself, or a string of it, plain or base64."""
    received_ms: int
    """0 when unknown."""


def expand(paths: Iterable[Path]) -> Iterator[list[Path]]:
    """
    Find what to import: each item is the files of one import.

    Args:
        paths: Files and folders; folders are walked in name order, links to folders in
            them are not followed. Blobs of PostHog's v1 storage in one folder belong
            together. A folder that cannot be listed is given as it is: reading it
            names the reason.
    """
    named_blobs: dict[Path, list[Path]] = {}
    for path in paths:
        if path.is_dir():
            yield from _expand_folder(path)
        elif _BLOB_NAME.fullmatch(path.name):
            named_blobs.setdefault(path.parent, []).append(path)
        else:
            yield [path]
    yield from named_blobs.values()


def _expand_folder(root: Path) -> Iterator[list[Path]]:
    unlisted: list[Path] = []
    walk = os.walk(root, onerror=lambda e: unlisted.append(Path(os.fsdecode(e.filename))))
    for name, folders, names in walk:
        folders.sort()
        folder = Path(name)
        files = [folder / n for n in sorted(names) if n not in _SKIPPED_NAMES]
        files = [p for p in files if p.is_file()]  # no sockets, pipes, dangling links
        blobs = [p for p in files if _BLOB_NAME.fullmatch(p.name)]
        if blobs:
            yield blobs
        requests = [p for p in files if p.name.split(".")[0] == "requests"]
        if requests:  # a recorded capture: its bodies are named in it
            yield from ([p] for p in requests)
            if _BODIES in folders:
                folders.remove(_BODIES)
            continue
        yield from ([p] for p in files if p not in blobs)
    yield from ([path] for path in unlisted)


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
    """Read a file, or a pipe, up to a limit."""
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            if stat.S_ISREG(status.st_mode) and status.st_size <= max_bytes:
                data = file.read()
            else:  # a pipe, which may never end, or too large
                data = b""
                while len(data) <= max_bytes and (piece := file.read(_PIPE_STEP_BYTES)):
                    data += piece
    except (OSError, ValueError) as e:
        observation = getattr(e, "strerror", None) or type(e).__name__
        raise SourceDataError(
            f"the file cannot be opened: {observation}",
            reason=RejectReason.UNREADABLE,
            what=path.name,
        ) from e
    if len(data) > max_bytes:
        raise SourceDataError(
            f"the file has more than max_recording_bytes ({max_bytes})",
            reason=RejectReason.TOO_LARGE,
            what=path.name,
        )
    return data


def _read_blobs(paths: list[Path], project: str, max_bytes: int) -> RecordingDraft:
    folder = str(paths[0].resolve().parent)
    found = _V1_SESSION.search(folder)
    decoder = EventDecoder(max_recording_bytes=max_bytes)
    digest = hashlib.sha256()
    missing = []
    for path in sorted(paths, key=lambda p: int(p.name.split("-")[0])):
        rejected: Counter[str] = Counter()
        try:
            data = _read(path, max_bytes)
            digest.update(data)
            text, whole = data, True
            if data[:2] == _GZIP_MAGIC:
                text, whole = decode_gzip(data, max_bytes=max_bytes)
            if not whole:
                text = text[: text.rfind(b"\n") + 1]  # the last line was cut with the stream
                decoder.reject(RejectReason.INVALID_GZIP)
                missing.append(path.name)
            for event in legacy.blob_events(text, rejected=rejected, what=path.name):
                decoder.feed(event.window_id, event.raw)
        except SourceDataError as e:
            if e.reason == RejectReason.TOO_LARGE:
                raise
            decoder.reject(RejectReason(e.reason))
            missing.append(path.name)
        _count(decoder, rejected)
    if not len(decoder.columns):
        raise _nothing(decoder, folder)
    return RecordingDraft(
        project=project,
        session_id=storable(found[1]) if found else f"file-{digest.hexdigest()[:24]}",
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
        if not strip(data[:4096]) and not strip(data):
            raise SourceDataError(
                "the file is empty", reason=RejectReason.EMPTY, what=self._path.name
            )
        if data[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
            yield self._zip(data)
        elif data[:4] == b"PAR1":
            yield self._parquet(data)
        elif _is_utf16(data):
            raise SourceDataError(
                "the text is UTF-16, JSON is UTF-8. A program saved it in another encoding. "
                "Convert it: iconv -f UTF-16 -t UTF-8",
                reason=RejectReason.INVALID_UTF8,
                what=self._path.name,
            )
        elif _is_json_text(data):
            yield from self._json(strip(data))
        elif data.startswith(_WEB_FORM):
            yield from self._capture_bodies([data])
        elif legacy.is_lts_2022(data[:256]):
            yield from self._base64(data)
        else:
            yield self._binary(data)

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
        try:
            names = zipfile.ZipFile(io.BytesIO(data)).namelist()
            if is_bundle(names):
                return _checked(BundleFile(*read_bundle(data, max_bytes=self._max_bytes)))
        except SourceDataError:
            raise
        except RecordingError as e:
            raise SourceDataError(
                f"the bundle's manifest cannot be used: {e}",
                reason=RejectReason.INVALID_ZIP,
                what=self._path.name,
            ) from e
        except ZIP_ERRORS as e:
            raise SourceDataError(
                f"a zip of {len(data)} bytes does not read ({type(e).__name__}). It was cut or "
                "changed on the way",
                reason=RejectReason.INVALID_ZIP,
                what=self._path.name,
            ) from e
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
                decoder.end_block()
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
                    try:
                        text = event.to_json().encode("utf-8", "replace")
                    except (ValueError, RecursionError):
                        decoder.reject(RejectReason.INVALID_JSON)
                        continue
                    decoder.feed(event.window_id or "", text)
        except (pa.ArrowException, OSError, ValueError, TypeError, AttributeError) as e:
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
        shape = shape_of(text)
        if shape is None:
            if not is_object(text):
                raise _unknown(self._path.name, self._size)
            yield self._salvaged(text)
            return
        match shape.form:
            case Form.CHUNKS:
                yield from self._chunks(_objects(text, shape, self._rejected))
            case Form.REQUESTS:
                yield from self._requests(_objects(text, shape, self._rejected))
            case Form.CAPTURE:
                bodies = _objects(text, shape, self._rejected) if shape.lines else [text]
                yield from self._capture_bodies(bodies)
            case Form.EVENTS:
                decoder = self._decoder()
                decoder.feed_many("", text)
                yield self._draft(decoder, form="rrweb_array")
            case Form.LINES:
                decoder = self._decoder()
                decoder.feed_lines(text)
                yield self._draft(decoder, form="posthog_lines")
            case Form.DOCUMENT:
                yield self._document(legacy.read_document(text, what=self._path.name))

    def _salvaged(self, text: bytes) -> RecordingDraft:
        """Read what a document that was cut holds: the events of its first array of objects."""
        decoder = self._decoder()
        found = _EVENT_ARRAY.search(text, 0, 2**20)
        if found is not None:
            by_window = b'"snapshotsByWindowId"' in text[: found.start()]
            window_id = text_of(b'"' + found[1] + b'"') if by_window else None
            decoder.feed_many(window_id or "", text[found.end() :])
        if not len(decoder.columns):
            raise SourceDataError(
                f"{len(text)} bytes of JSON do not end. The file was cut or damaged, and no event "
                "comes before that",
                reason=RejectReason.INVALID_JSON,
                what=self._path.name,
            )
        decoder.reject(RejectReason.TRUNCATED)
        return self._draft(decoder, form="cut_document")

    def _base64(self, data: bytes) -> Iterator[RecordingDraft]:
        """Read a long-term file of 2022, or a capture body in base64."""
        try:
            document = legacy.read_lts_2022(data, what=self._path.name)
        except SourceDataError as e:
            if e.reason == RejectReason.TOO_LARGE:
                raise
            try:
                drafts = list(self._capture_bodies([data]))
            except SourceDataError:
                raise e from None
            yield from drafts
        else:
            yield self._document(document)

    def _binary(self, data: bytes) -> RecordingDraft:
        if data[:1] == b"\x78" and int.from_bytes(data[:2], "big") % 31 == 0:
            # zlib by its header's checksum, which one snappy block in thirty has as well.
            try:
                text = inflate(
                    data, container="zlib", max_bytes=self._max_bytes, what=self._path.name
                )
                return self._document(legacy.read_sentry_segment(text, what=self._path.name))
            except SourceDataError as e:
                if e.reason == RejectReason.TOO_LARGE:
                    raise
                try:
                    return self._blocks(data)
                except SourceDataError:
                    raise e from None
        shape = shape_of(data.strip()) if b"\0" not in data[:4096] else None
        if shape is not None and shape.lines and shape.form is Form.LINES:
            decoder = self._decoder()
            decoder.feed_lines(data)
            return self._draft(decoder, form="posthog_lines")
        return self._blocks(data)

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
        blocks = split_stream(data)
        missing = []
        for number, block in enumerate([data] if blocks is None else blocks):
            try:
                lines = decode_snappy(block, max_bytes=self._max_bytes)
                if lines and not _is_json_text(lines):
                    raise _unknown(self._path.name, self._size)
                decoder.feed_lines(lines)
                decoder.end_block()
            except SourceDataError as e:
                if e.reason == RejectReason.TOO_LARGE:
                    raise
                if not number:  # whatever it is, its beginning is no block
                    raise _unknown(self._path.name, self._size) from e
                decoder.reject(RejectReason(e.reason))
                missing.append(f"block {number}")
        return self._draft(decoder, form="posthog_v2_blocks", missing=missing)

    def _chunks(self, lines: Iterable[bytes]) -> Iterator[RecordingDraft]:
        """Rows of the ClickHouse era."""
        rows: dict[str, list[legacy.ChunkRow]] = {}
        people: dict[str, str] = {}
        for line in lines:
            try:
                members = split_object(line)
                row = legacy.chunk_row(line, what=self._path.name)
            except SourceDataError as e:
                self._rejected[RejectReason(e.reason)] += 1
                continue
            session_id = text_of(members.get("session_id")) or ""
            rows.setdefault(session_id, []).append(row)
            distinct_id = text_of(members.get("distinct_id"))
            if distinct_id:
                people.setdefault(session_id, distinct_id)
        failed = None
        for session_id, mine in rows.items():
            decoder = self._decoder()
            counter: Counter[str] = Counter()
            try:
                for event in legacy.chunk_events(mine, rejected=counter, what=self._path.name):
                    decoder.feed(event.window_id, event.raw)
                _count(decoder, counter)
                draft = self._draft(
                    decoder,
                    form="posthog_chunks",
                    session_id=session_id or None,
                    distinct_id=people.get(session_id),
                    missing=["chunks"] * counter[RejectReason.MISSING_CHUNK],
                )
            except SourceDataError as e:
                failed = e  # the other sessions of the file are good
                continue
            yield draft
        if failed is not None:
            raise failed
        if not rows:
            raise _nothing(self._decoder(), self._path.name, self._rejected)

    def _capture_bodies(self, bodies: Iterable[bytes]) -> Iterator[RecordingDraft]:
        sessions: dict[str, _Session] = {}
        for body in bodies:
            self._add_body(sessions, body, {}, {}, 0)
        yield from self._sessions(sessions, "posthog_capture_body")

    def _requests(self, lines: Iterable[bytes]) -> Iterator[RecordingDraft]:
        """Recorded requests."""
        sessions: dict[str, _Session] = {}
        for line in lines:
            try:
                request = _request_of(line)
                body = self._body_of(request)
            except SourceDataError as e:
                if e.reason == RejectReason.TOO_LARGE:
                    raise
                self._rejected[RejectReason(e.reason)] += 1
                continue
            if request.method.upper() != "POST" or not body:
                continue
            self._add_body(
                sessions,
                body,
                request.query,
                # What a recorder stored is often decoded already; the bytes decide.
                {k: v for k, v in request.headers.items() if k.lower() != "content-encoding"},
                request.received_ms,
            )
        yield from self._sessions(sessions, "posthog_capture")

    def _body_of(self, request: _Request) -> bytes:
        if request.body_file is not None:
            folder = self._path.resolve().parent
            for candidate in (folder / request.body_file, folder / _BODIES / request.body_file):
                try:
                    resolved = candidate.resolve()
                    found = resolved.is_relative_to(folder) and resolved.is_file()
                except (OSError, ValueError):  # a name no file can have
                    continue
                if found:
                    return _read(resolved, self._max_bytes)
            raise SourceDataError(
                "the body of a request is not in the folder of its list",
                reason=RejectReason.UNREADABLE,
                what=self._path.name,
            )
        raw = request.body
        if not is_string(raw):
            return raw if raw != b"null" else b""
        value = string_of(raw)
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
        cut = any(decoder.rejected[reason] for reason in _CUT)
        return RecordingDraft(
            project=self._project,
            session_id=session_id or f"file-{self._sha256[:24]}",
            columns=decoder.columns,
            rejected=decoder.rejected,
            findings=decoder.findings,
            analytics=analytics or [],
            person=Person(distinct_id=distinct_id) if distinct_id else None,
            missing=[*(missing or []), *(["the end of the file"] if cut else [])],
            source={"kind": "file", "form": form, "file_name": storable(self._path.name)[:200]},
            provenance={"source_sha256": self._sha256, "source_bytes": self._size},
        )


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


def _checked(bundle: BundleFile) -> BundleFile:
    """
    Check that a bundle from anywhere is what its manifest says, before an archive has it.

    Raises:
        SourceDataError: It is not, or it names a place no recording has.
    """
    manifest = bundle.manifest
    numbers = (manifest.start_ms, manifest.end_ms, manifest.duration_ms, manifest.raw_bytes)
    problems = [] if EVENTS_FILE in bundle.files else ["it has no events"]
    if safe_id(manifest.id) != manifest.id or safe_project(manifest.project) != manifest.project:
        problems.append("its id or project is not one a recording can have")
    elif any(abs(n) > _MAX_INT64 for n in numbers):
        problems.append("its times are none")
    if not problems:
        store = {f"{manifest.key_prefix}/{name}": data for name, data in bundle.files.items()}
        found = verify_recording(Recording(_Held(store), manifest.key_prefix, manifest))
        problems = [f"{p.code}: {p.detail}" for p in found]
    if problems:
        raise SourceDataError(
            f"the bundle is not a sound recording ({problems[0]}). It was changed, or made by "
            "something else than replayport. Export it again",
            reason=RejectReason.INVALID_ZIP,
        )
    return bundle


class _Held:
    """Files in memory, as `Recording` reads them from a store."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self._files = files

    def get(self, key: str) -> bytes:
        return self._files[key]

    def get_range(self, key: str, start: int, end: int) -> bytes:
        return self._files[key][start:end]


def _request_of(line: bytes) -> _Request:
    """Read a recorded HTTP request, as proxies and test sinks write them."""
    members = split_object(line)
    query = _value(members.get("query"))
    if isinstance(query, str):
        query = dict(parse_qsl(query.lstrip("?"), keep_blank_values=True))
    times = (_value(members.get(key)) for key in ("ms", "t"))
    received_ms = next(
        (int(t) for t in times if isinstance(t, int | float) and 0 < t <= MAX_TIMESTAMP_MS), 0
    )
    return _Request(
        method=text_of(members.get("method")) or "POST",
        query=_strings(query),
        headers=_strings(_value(members.get("headers"))),
        body_file=text_of(members.get("body_file")),
        body=members.get("body", b"null"),
        received_ms=received_ms,
    )


def _value(raw: bytes | None) -> Any:
    try:
        return None if raw is None else json.loads(raw)
    except (ValueError, RecursionError):
        return None


def _strings(value: object) -> dict[str, str]:
    if not isinstance(value, dict):
        return {}
    return {k: v for k, v in value.items() if isinstance(v, str)}


def _is_json_text(data: bytes) -> bool:
    """Tell whether bytes start as JSON does, after any amount of whitespace."""
    head = data[: 2**16].removeprefix(b"\xef\xbb\xbf").lstrip()
    return looks_like_json(head) or _NUMBER_FIRST.match(head) is not None


def _is_utf16(data: bytes) -> bool:
    """Tell UTF-16 text by its zero bytes: every other one, where JSON is ASCII."""
    head = data[:18]
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        head = head[2:]
    pairs = head[: len(head) // 2 * 2]
    if len(pairs) < 4:
        return False
    return any(
        not any(zeros) and all(32 <= c < 127 or c in b"\t\r\n" for c in letters)
        for zeros, letters in ((pairs[::2], pairs[1::2]), (pairs[1::2], pairs[::2]))
    )


def _objects(text: bytes, shape: Shape, rejected: Counter[RejectReason]) -> Iterator[bytes]:
    """Give the objects of JSON lines, of an array, or the one document there is."""
    if shape.lines:
        for line in text.split(b"\n"):
            if line and not line.isspace():
                yield line.strip()
    elif is_array(text):
        try:
            yield from iter_array(text)
        except SourceDataError as e:
            rejected[RejectReason(e.reason)] += 1
    else:
        yield text


def _decode_zstd(data: bytes, max_bytes: int) -> tuple[bytes, bool]:
    """Decompress zstd, keeping what decoded before any damage, as `decode_gzip` does."""
    out = bytearray()
    rest = data
    whole = True
    try:
        while rest[:4] == _ZSTD_MAGIC:  # frames may follow each other
            frame = zstandard.ZstdDecompressor(max_window_size=2**27).decompressobj()
            at = 0
            while not frame.eof and at < len(rest):
                # Small steps: four bytes can hold 128 kB.
                out += frame.decompress(rest[at : at + _ZSTD_STEP_BYTES])
                at += _ZSTD_STEP_BYTES
                if len(out) > max_bytes:
                    raise SourceDataError(
                        f"zstd of {len(data)} bytes holds more than {max_bytes}",
                        reason=RejectReason.TOO_LARGE,
                    )
            whole = frame.eof
            rest = frame.unused_data + rest[at:] if whole else b""
    except zstandard.ZstdError as e:
        if not out:
            raise SourceDataError(
                f"zstd of {len(data)} bytes is damaged from its start",
                reason=RejectReason.INVALID_ZSTD,
            ) from e
        whole = False
    return bytes(out), whole


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
