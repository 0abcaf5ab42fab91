"""
Reads a table over many recordings: in order, ahead in threads, a bounded part in memory.

```
catalog rows ──> read_ahead, a few recordings at a time ──> batches, in the rows' order
                   up to 1 MiB: one request, no manifest
                   larger: row group by row group, where the reader is
```
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any, Final

import pyarrow as pa

from replayport.catalog.base import RecordingRow
from replayport.errors import MissingExtraError, RecordingError
from replayport.format.reader import WHOLE_FILE_BYTES, Recording
from replayport.format.scan import Scan, gathered, read_ahead, select_schema
from replayport.format.schema import EVENTS_FILE
from replayport.format.tables import LATEST_MS, TABLES, TIME_TYPE, table_batches
from replayport.recording import Manifest
from replayport.store import Store

REMOTE_THREADS: Final = 24
"""A request to an object store is mostly waiting."""

_WITHOUT_MANIFEST: Final = frozenset(
    {"events", "console", "network", "actions", "signals", "features"}
)
"""Tables that need nothing but ``events.parquet``."""

Opener = Callable[[str], Recording]
"""`Archive.recording_at`."""


class ArchiveScan(Scan):
    """
    A lazy table over the recordings of an archive.

    Attributes:
        skipped: Recordings left out because they are damaged, ``project/id`` to why; filled
            while reading, and only when that was allowed.
    """

    def __init__(
        self,
        store: Store,
        rows: Callable[[], Iterable[RecordingRow]],
        open_at: Opener,
        table: str,
        *,
        columns: Sequence[str] | None = None,
        kinds: Collection[str] | None = None,
        skip_damaged: bool = False,
    ) -> None:
        schema = TABLES[table].schema
        self.skipped: dict[str, str] = {}
        self._store = store
        self._rows = rows
        self._open_at = open_at
        self._table = table
        self._columns = columns
        self._kinds = kinds
        self._skip_damaged = skip_damaged
        super().__init__(
            schema if columns is None else select_schema(schema, columns),
            self._read,
            title=table,
        )

    def select(self, columns: Sequence[str]) -> ArchiveScan:
        """Give some of the columns, in that order; the others are not read."""
        select_schema(self.schema, columns)
        return ArchiveScan(
            self._store,
            self._rows,
            self._open_at,
            self._table,
            columns=columns,
            kinds=self._kinds,
            skip_damaged=self._skip_damaged,
        )

    def _read(self) -> Iterator[pa.RecordBatch]:
        return gathered(self._each(), self.schema)

    def _each(self) -> Iterator[pa.RecordBatch]:
        self.skipped.clear()
        for row, found in read_ahead(
            self._rows(), self._one, threads=read_threads(self._store), ahead=None
        ):
            try:
                yield from self._large(row) if found is None else _raised(found)
            except RecordingError as e:
                if not self._skip_damaged:
                    raise
                self.skipped[f"{row.project}/{row.id}"] = str(e)

    def _one(
        self, row: RecordingRow
    ) -> tuple[RecordingRow, list[pa.RecordBatch] | RecordingError | None]:
        """Read a small recording whole; None stands for one that is not small."""
        if row.archived_bytes > WHOLE_FILE_BYTES:
            return row, None
        try:
            return row, self._small(row)
        except RecordingError as e:
            return row, e

    def _small(self, row: RecordingRow) -> list[pa.RecordBatch]:
        if self._table in _WITHOUT_MANIFEST:
            try:
                return list(self._table_of(_unread(self._store, row)))
            except RecordingError:
                pass  # the manifest tells whether it is damaged, rewritten, or gone
        return list(self._table_of(self._open_at(row.key_prefix)))

    def _large(self, row: RecordingRow) -> Iterator[pa.RecordBatch]:
        return self._table_of(self._open_at(row.key_prefix))

    def _table_of(self, recording: Recording) -> Iterator[pa.RecordBatch]:
        for batch in table_batches(recording, self._table, self._columns, kinds=self._kinds):
            if batch.num_rows:
                yield batch


def _raised(found: list[pa.RecordBatch] | RecordingError) -> list[pa.RecordBatch]:
    if isinstance(found, RecordingError):
        raise found
    return found


class Recordings(Scan):
    """
    Recordings of an archive: an iterator of `Recording`, and a table of them.

    As an iterator it goes through once; as a table it is read anew each time.
    """

    def __init__(
        self, store: Store, rows: Callable[[], Iterable[RecordingRow]], open_at: Opener
    ) -> None:
        self._rows = rows
        self._open_at = open_at
        self._iterator: Iterator[Recording] | None = None
        table = ArchiveScan(store, rows, open_at, "recordings")
        super().__init__(table.schema, table.batches, title="recordings")

    def __iter__(self) -> Iterator[Recording]:
        return self

    def __next__(self) -> Recording:
        if self._iterator is None:
            self._iterator = (self._open_at(row.key_prefix) for row in self._rows())
        return next(self._iterator)


def read_threads(store: Store) -> int:
    """Say how many recordings are read at once."""
    cores = os.cpu_count() or 1
    return cores if store.local_path("x") is not None else max(REMOTE_THREADS, cores)


def _unread(store: Store, row: RecordingRow) -> Recording:
    """Give a recording whose manifest was not fetched; only for reading its events whole."""
    manifest = Manifest(
        id=row.id,
        project=row.project,
        session_id=row.session_id,
        start_ms=row.start_ms,
        end_ms=row.end_ms,
        duration_ms=row.duration_ms,
        events=row.events,
        raw_bytes=row.raw_bytes,
        windows=[],
        snapshot_source=row.snapshot_source,
        kinds={},
        files={},
        source={},
    )
    return Recording(store, row.key_prefix, manifest)


def sql(
    query: str,
    *,
    store: Store,
    rows: Callable[[], Iterable[RecordingRow]],
    scan: Callable[[str], Scan],
    parameters: Sequence[Any] | None = None,
) -> Any:
    """
    Ask DuckDB, with a view for each table.

    In a local archive DuckDB reads ``events.parquet`` files itself, and of them only the
    columns and row groups that a query needs; every other table is a scan.

    Args:
        query: SQL; the tables are those of `TABLES`, with times in UTC.
        store: The archive's.
        rows: Lists the recordings.
        scan: Gives a table by name.
        parameters: For ``?`` in the query.

    Returns:
        A DuckDB relation; it reads when it is asked.

    Raises:
        MissingExtraError: DuckDB is not installed.
    """
    try:
        import duckdb
    except ImportError as e:
        raise MissingExtraError(extra="duckdb", needed_for="archive.sql()") from e
    connection = duckdb.connect(config={"temp_directory": tempfile.gettempdir()})
    # A word too many costs a view nobody reads.
    for name in sorted(set(re.findall(r"\w+", query.lower())) & TABLES.keys()):
        if name == "events" and store.local_path("x") is not None:
            files = [store.local_path(f"{r.key_prefix}/{EVENTS_FILE}") for r in rows()]
            if files and None not in files:  # None: it is encrypted
                connection.read_parquet([str(f) for f in files], filename=True).create_view(
                    "stored_events"
                )
                connection.sql(_EVENTS_VIEW)
                continue
        connection.register(name, _without_zone(scan(name)))
    return connection.sql(query, params=parameters)


def _without_zone(scan: Scan) -> Scan:
    """
    Make UTC times plain ones.

    DuckDB does nothing with a time that has a zone until it has loaded an extension from
    the network.
    """
    plain = {TIME_TYPE: pa.timestamp(TIME_TYPE.unit)}
    schema = pa.schema([f.with_type(plain.get(f.type, f.type)) for f in scan.schema])
    return Scan(schema, lambda: (batch.cast(schema) for batch in scan.batches()))


_STORED: Final = [
    n for n in TABLES["events"].schema.names if n not in ("project", "recording_id", "time")
]
_EVENTS_VIEW: Final = f"""
    CREATE VIEW events AS SELECT
        string_split(filename, '/')[-6] AS project,
        string_split(filename, '/')[-2] AS recording_id,
        CASE WHEN timestamp_ms BETWEEN 0 AND {LATEST_MS}
            THEN epoch_ms(timestamp_ms) END AS time,
        {", ".join(_STORED)}
    FROM stored_events
"""  # noqa: S608 - our own names
