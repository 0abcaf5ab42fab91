"""
Reads a stored recording: whole, by window, by time, by kind, or only what it is about.

`Recording` holds a manifest and a way to get bytes. Nothing is fetched until asked
for; a question about a part reads the row groups of that part, and of those only the
columns it needs.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any, Final, Literal, Protocol

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from replayport.analysis.actions import ActionLog
from replayport.analysis.following import COLUMNS as ROW_COLUMNS
from replayport.analysis.reading import read_actions, read_batches
from replayport.errors import DamagedRecordingError
from replayport.format.assets import ASSETS_FILE, AssetMap, asset_key
from replayport.format.scan import Scan, select_schema
from replayport.format.schema import (
    ANALYTICS_FILE,
    ANALYTICS_SCHEMA,
    EVENTS_FILE,
    EVENTS_SCHEMA,
    LIGHT_COLUMNS,
    METADATA_KEY,
)
from replayport.format.tables import TABLES, table_batches, with_key
from replayport.posthog.lines import EventDecoder
from replayport.posthog.playback import from_events, transform_mobile
from replayport.recording import Manifest
from replayport.rrweb.events import Event

WHOLE_FILE_BYTES: Final = 2**20
"""Files up to this are fetched in one request: ranges would cost more."""


class RangeSource(Protocol):
    """The two verbs a reader needs of a store."""

    def get(self, key: str) -> bytes:
        """Fetch a whole object; FileNotFoundError when missing."""
        ...

    def get_range(self, key: str, start: int, end: int) -> bytes:
        """Fetch ``[start, end)`` of an object."""
        ...


class _FilesInMemory:
    """The files of one recording that is not stored, by name."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._files = files

    def get(self, key: str) -> bytes:
        """Give a whole file; FileNotFoundError when there is none."""
        try:
            return self._files[key.rpartition("/")[2]]
        except KeyError:
            raise FileNotFoundError(key) from None

    def get_range(self, key: str, start: int, end: int) -> bytes:
        """Give ``[start, end)`` of a file."""
        return self.get(key)[start:end]


class Recording:
    """
    One stored recording.

    Attributes:
        manifest: What is known without reading events.
        prefix: Its folder in the store.
    """

    def __init__(self, store: RangeSource, prefix: str, manifest: Manifest) -> None:
        self._store = store
        self.prefix = prefix
        self.manifest = manifest
        self._file: pq.ParquetFile | None = None

    @classmethod
    def in_memory(cls, manifest: Manifest, files: Mapping[str, bytes]) -> Recording:
        """Give a recording that is not stored, of its manifest and its files by name."""
        return cls(_FilesInMemory(files), manifest.key_prefix, manifest)

    @property
    def id(self) -> str:
        """Its id, unique within its project."""
        return self.manifest.id

    def __repr__(self) -> str:
        m = self.manifest
        return f"<Recording {m.project}/{m.id} {m.duration_ms / 1000:.1f} s, {m.events} events>"

    # --- events ---------------------------------------------------------------------

    def events(
        self,
        *,
        window_id: str | None = None,
        start_ms: int | None = None,
        end_ms: int | None = None,
        kinds: Collection[str] | None = None,
        order: Literal["time", "arrival"] = "time",
    ) -> RecordingEvents:
        """
        Give events, to go through or as a table, reading only the row groups they need.

        Iterating yields an `Event` each; ``.arrow()``, ``.pandas()``, ``.polars()`` and
        ``.duckdb()`` give the columns of the table ``events``.

        Args:
            window_id: Only this window; all windows interleaved when None.
            start_ms: From here on, epoch milliseconds; None means open on that side.
            end_ms: Up to here, exclusive; None means open on that side.
            kinds: Only these kinds, as in the ``kind`` column.
            order: ``time`` is playing order, ``(timestamp_ms, seq)``; ``arrival`` is the
                order the source sent them in, and reads the whole selection first.

        Raises:
            DamagedRecordingError: A row group does not read; the events before it
                have been yielded.

        Memory:
            One row group at a time in time order.
        """

        def stored() -> Iterator[pa.RecordBatch]:
            batches = self.batches(
                window_id=window_id, start_ms=start_ms, end_ms=end_ms, kinds=kinds
            )
            if order == "arrival":
                table = pa.Table.from_batches(batches, schema=EVENTS_SCHEMA)
                yield from table.sort_by("seq").to_batches()
            else:
                yield from batches

        return RecordingEvents(self, stored)

    def table(
        self,
        columns: Sequence[str] | None = None,
        *,
        window_id: str | None = None,
        start_ms: int | None = None,
        end_ms: int | None = None,
        kinds: Collection[str] | None = None,
    ) -> pa.Table:
        """
        Give events as one Arrow table.

        Args:
            columns: Names from the schema; all when None.
            window_id: As in `events`.
            start_ms: As in `events`.
            end_ms: As in `events`.
            kinds: As in `events`.
        """
        wanted = list(columns) if columns is not None else EVENTS_SCHEMA.names
        schema = pa.schema([EVENTS_SCHEMA.field(name) for name in wanted])
        batches = self.batches(
            wanted, window_id=window_id, start_ms=start_ms, end_ms=end_ms, kinds=kinds
        )
        return pa.Table.from_batches(batches, schema=schema).unify_dictionaries()

    def light_table(self) -> pa.Table:
        """Every event without its JSON texts: what a timeline is drawn from."""
        return self.table(LIGHT_COLUMNS)

    def batches(
        self,
        columns: Sequence[str] | None = None,
        *,
        window_id: str | None = None,
        start_ms: int | None = None,
        end_ms: int | None = None,
        kinds: Collection[str] | None = None,
    ) -> Iterator[pa.RecordBatch]:
        """
        Yield record batches of `EVENTS_SCHEMA`, one row group each, in time order.

        Arguments as in `table`.
        """
        wanted = list(columns) if columns is not None else EVENTS_SCHEMA.names
        filters = {
            "window_id": window_id is not None,
            "timestamp_ms": start_ms is not None or end_ms is not None,
            "kind": kinds is not None,
        }
        read = [n for n in EVENTS_SCHEMA.names if n in wanted or filters.get(n)]
        schema = pa.schema([EVENTS_SCHEMA.field(name) for name in read])
        file = self._open()
        heavy = kinds is not None and not {"data", "extra"}.isdisjoint(read)
        for group in range(file.num_row_groups):
            if not self._overlaps(group, start_ms, end_ms):
                continue
            if heavy and not self._has_kinds(group, kinds or ()):
                continue
            try:
                table = file.read_row_group(group, columns=read)
            except (pa.ArrowException, OSError) as e:
                raise self._damaged(
                    f"row group {group} of {file.num_row_groups} does not read "
                    f"({type(e).__name__}). The file was changed after it was written, or "
                    "the upload was cut. Import or pull the recording again"
                ) from e
            table = table.select(read).cast(schema)
            mask: Any = None
            for condition in (
                None if window_id is None else pc.equal(table["window_id"], window_id),
                None if start_ms is None else pc.greater_equal(table["timestamp_ms"], start_ms),
                None if end_ms is None else pc.less(table["timestamp_ms"], end_ms),
                None
                if kinds is None
                else pc.is_in(
                    table["kind"].cast(pa.string()),
                    value_set=pa.array(list(kinds), pa.string()),
                ),
            ):
                if condition is not None:
                    mask = condition if mask is None else pc.and_(mask, condition)
            if mask is not None:
                table = table.filter(mask)
            table = table.select(wanted).combine_chunks()
            yield from table.to_batches()

    def row_groups(self) -> list[tuple[int, int, int]]:
        """Give ``(rows, start_ms, end_ms)`` of each row group; ``end_ms`` inclusive."""
        file = self._open()
        out = []
        for group in range(file.num_row_groups):
            meta = file.metadata.row_group(group)
            stats = meta.column(0).statistics
            out.append((meta.num_rows, stats.min, stats.max))
        return out

    def row_group(self, group: int, columns: Sequence[str] | None = None) -> pa.RecordBatch:
        """
        Give one row group, in time order.

        Args:
            group: Its number, from 0.
            columns: Names from the schema; all when None.

        Raises:
            DamagedRecordingError: It does not read.
        """
        wanted = list(columns) if columns is not None else EVENTS_SCHEMA.names
        try:
            table = self._open().read_row_group(group, columns=wanted)
        except (pa.ArrowException, OSError) as e:
            raise self._damaged(f"row group {group} does not read ({type(e).__name__})") from e
        schema = pa.schema([EVENTS_SCHEMA.field(name) for name in wanted])
        return table.select(wanted).cast(schema).combine_chunks().to_batches()[0]

    @property
    def footer(self) -> bytes:
        """Value of the footer's ``replayport`` key; empty when it has none."""
        metadata: dict[bytes, bytes] = self._open().metadata.metadata or {}
        return metadata.get(METADATA_KEY, b"")

    # --- what happened --------------------------------------------------------------

    def action_log(self) -> ActionLog:
        """
        Give what the user did as objects, with what was odd on the way, counted.

        Raises:
            DamagedRecordingError: A row group does not read.

        Memory:
            The page of each window, one row group; a mobile recording as a whole.
        """
        if self.manifest.snapshot_source == "mobile":
            return read_actions(self._drawn_events())
        return read_batches(self.batches(ROW_COLUMNS))

    def _drawn_events(self) -> Iterator[Event]:
        """Yield a mobile recording's events in playing order, its wireframes as pages."""
        decoder = EventDecoder()
        for item in transform_mobile(from_events(self.events())):
            decoder.feed(item.window_id, json.dumps(item.event).encode())
        yield from sorted(decoder.columns.events(), key=lambda e: (e.timestamp_ms, e.seq))

    # --- analytics, what was derived, and files -------------------------------------

    def analytics(self) -> Scan:
        """Give the session's analytics and LLM events; no rows when there are none."""
        return self.scan("analytics")

    def actions(self) -> Scan:
        """Give what the user did, with the element of each action: table ``actions``."""
        return self.scan("actions")

    def console(self) -> Scan:
        """Give the console lines, whoever recorded them: table ``console``."""
        return self.scan("console")

    def network(self) -> Scan:
        """Give the network requests, each once: table ``network``."""
        return self.scan("network")

    def signals(self) -> Scan:
        """Give the moments of trouble, by our own rules: table ``signals``."""
        return self.scan("signals")

    def scan(self, table: str, columns: Sequence[str] | None = None) -> Scan:
        """
        Give one of the tables of this recording, unread.

        Args:
            table: Key of `replayport.format.tables.TABLES`.
            columns: Names from its schema; all when None.
        """
        schema = TABLES[table].schema
        return Scan(
            schema if columns is None else select_schema(schema, columns),
            lambda: table_batches(self, table, columns),
            title=f"{table} of {self.manifest.project}/{self.id}",
        )

    def analytics_table(self) -> pa.Table:
        """Give ``analytics.parquet`` as it is stored; an empty table when there is none."""
        if ANALYTICS_FILE not in self.manifest.files:
            return ANALYTICS_SCHEMA.empty_table()
        data = self.file(ANALYTICS_FILE)
        try:
            return pq.read_table(io.BytesIO(data)).cast(ANALYTICS_SCHEMA)
        except (pa.ArrowException, OSError) as e:
            raise DamagedRecordingError(
                f"{ANALYTICS_FILE} does not read ({type(e).__name__}). "
                "Import or pull the recording again",
                key=f"{self.prefix}/{ANALYTICS_FILE}",
            ) from e

    def file(self, name: str, *, check: bool = True) -> bytes:
        """
        Fetch one of the files the manifest lists.

        Args:
            name: As in ``manifest.files``.
            check: Compare with the manifest's digest.

        Raises:
            DamagedRecordingError: Missing, or not what the digest says.
        """
        key = f"{self.prefix}/{name}"
        try:
            data = self._store.get(key)
        except FileNotFoundError as e:
            raise DamagedRecordingError(
                f"{name} is missing although the manifest lists it. "
                "Import or pull the recording again",
                key=key,
            ) from e
        expected = self.manifest.files.get(name)
        if check and expected and hashlib.sha256(data).hexdigest() != expected.sha256:
            raise DamagedRecordingError(
                f"{name} does not match its digest ({len(data)} bytes, expected "
                f"{expected.bytes}). It was changed after it was written, or cut. "
                "Import or pull the recording again",
                key=key,
            )
        return data

    def assets(self) -> AssetMap:
        """
        Give what was frozen for this recording; an empty map when nothing was.

        Raises:
            DamagedRecordingError: ``assets.json`` is missing or does not read.
        """
        if ASSETS_FILE not in self.manifest.files:
            return AssetMap()
        return AssetMap.from_bytes(self.file(ASSETS_FILE), key=f"{self.prefix}/{ASSETS_FILE}")

    def asset(self, sha256: str) -> bytes:
        """
        Fetch a frozen asset, which all recordings of the store share.

        Raises:
            DamagedRecordingError: Missing, or not what its name says.
        """
        key = asset_key(sha256)
        try:
            data = self._store.get(key)
        except FileNotFoundError:
            data = None
        if data is None or hashlib.sha256(data).hexdigest() != sha256:
            raise DamagedRecordingError(
                f"a frozen asset is {'missing' if data is None else 'damaged'}. It was deleted or "
                "changed by hand. Run: replayport freeze --refresh",
                key=key,
            )
        return data

    def read_range(self, name: str, start: int, end: int) -> bytes:
        """Fetch ``[start, end)`` of one of the recording's files, unchecked."""
        return self._store.get_range(f"{self.prefix}/{name}", start, end)

    # --- in a notebook --------------------------------------------------------------

    def play(self, *, height_px: int = 640, max_bytes: int | None = None) -> Any:
        """
        Show the recording in a notebook: a player in a frame of nobody's origin.

        Args:
            height_px: Of the frame.
            max_bytes: Largest page to put into the notebook; a larger one is a message
                instead. `replayport.notebook.MAX_PLAY_BYTES` when None.
        """
        # By name: the player is built on this module, and only a notebook needs it.
        return import_module("replayport.notebook").play(
            self, height_px=height_px, max_bytes=max_bytes
        )

    def _repr_html_(self) -> str:
        return str(import_module("replayport.notebook").shown(self))

    # --- inside ---------------------------------------------------------------------

    def _open(self) -> pq.ParquetFile:
        if self._file is None:
            key = f"{self.prefix}/{EVENTS_FILE}"
            info = self.manifest.files.get(EVENTS_FILE)
            try:
                ranges = info is not None and info.bytes > WHOLE_FILE_BYTES
                if info is None or not ranges:
                    source: Any = pa.BufferReader(self.file(EVENTS_FILE))
                else:
                    source = pa.PythonFile(
                        _RangeFile(
                            lambda start, end: self._store.get_range(key, start, end), info.bytes
                        ),
                        mode="r",
                    )
                # Reading ahead saves requests; of bytes at hand it would only leave work in
                # Arrow's threads, which a process that ends meanwhile does not survive.
                self._file = pq.ParquetFile(
                    source, read_dictionary=["window_id", "kind"], pre_buffer=ranges
                )
            except FileNotFoundError as e:
                raise self._damaged(f"{EVENTS_FILE} is missing") from e
            except (pa.ArrowException, OSError) as e:
                raise self._damaged(
                    f"{EVENTS_FILE} is not a readable Parquet file ({type(e).__name__}). "
                    "It was changed or cut. Import or pull the recording again"
                ) from e
            missing = set(EVENTS_SCHEMA.names) - set(self._file.schema_arrow.names)
            if missing:
                self._file = None
                raise self._damaged(f"{EVENTS_FILE} lacks the columns {sorted(missing)}")
        return self._file

    def _overlaps(self, group: int, start_ms: int | None, end_ms: int | None) -> bool:
        if start_ms is None and end_ms is None:
            return True
        stats = self._open().metadata.row_group(group).column(0).statistics
        if stats is None or not stats.has_min_max:
            return True
        return (start_ms is None or stats.max >= start_ms) and (
            end_ms is None or stats.min < end_ms
        )

    def _has_kinds(self, group: int, kinds: Collection[str]) -> bool:
        """Look for events of some kinds without reading the JSON texts, the bulk of a group."""
        try:
            table = self._open().read_row_group(group, columns=["kind"])
        except (pa.ArrowException, OSError):
            return True  # reading the whole group says what is wrong
        there = set(table["kind"].cast(pa.string()).unique().to_pylist())
        return not there.isdisjoint(kinds)

    def _damaged(self, message: str) -> DamagedRecordingError:
        return DamagedRecordingError(message, key=f"{self.prefix}/{EVENTS_FILE}")


class RecordingEvents(Scan):
    """
    Events of one recording: an iterator of `Event`, and a table of them.

    As an iterator it goes through once; as a table it is read anew each time.
    """

    def __init__(
        self, recording: Recording, stored: Callable[[], Iterator[pa.RecordBatch]]
    ) -> None:
        schema = TABLES["events"].schema
        self._stored = stored
        self._iterator: Iterator[Event] | None = None
        super().__init__(
            schema,
            lambda: (with_key(recording.manifest, batch, schema) for batch in stored()),
            title=f"events of {recording.manifest.project}/{recording.id}",
        )

    def __iter__(self) -> Iterator[Event]:
        return self

    def __next__(self) -> Event:
        if self._iterator is None:
            self._iterator = _events_of(self._stored())
        return next(self._iterator)


def _events_of(batches: Iterator[pa.RecordBatch] | list[pa.RecordBatch]) -> Iterator[Event]:
    for batch in batches:
        columns = batch.to_pydict()
        for row in zip(
            columns["timestamp_ms"],
            columns["seq"],
            columns["window_id"],
            columns["type"],
            columns["source"],
            columns["kind"],
            columns["data"],
            columns["extra"],
            strict=True,
        ):
            yield Event(*row)


class _RangeFile(io.RawIOBase):
    """A seekable file over ``get_range``, as Arrow wants one."""

    def __init__(self, read_range: Callable[[int, int], bytes], size_bytes: int) -> None:
        self._read_range = read_range
        self._size = size_bytes
        self._at = 0

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = base + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        end = self._size if size is None or size < 0 else min(self._size, self._at + size)
        if end <= self._at:
            return b""
        data = self._read_range(self._at, end)
        self._at += len(data)
        return data
