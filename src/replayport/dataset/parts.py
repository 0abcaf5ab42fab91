"""
Writes some tables of one part: rows of many recordings into a file each, then into the store.

```
recordings in order ──tables_batches──> gathered to row groups ──> temporary files ──> store
```

Runs in a process of its own, so everything it takes and gives can be pickled.
"""

from __future__ import annotations

import gzip
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final, Protocol

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from replayport.dataset.ledger import Member, PartFile, revision_of
from replayport.errors import RecordingError
from replayport.format.reader import Recording
from replayport.format.schema import MANIFEST_FILE
from replayport.format.tables import TABLES, tables_batches
from replayport.recording import Manifest, recording_prefix
from replayport.store import Store

ROW_GROUP_BYTES: Final = 48 * 2**20
"""Of a row group in memory. Queries skip whole groups; each costs a footer entry a column."""

ROW_GROUP_ROWS: Final = 250_000
ZSTD_LEVEL: Final = 3
TEXT_COLUMNS: Final = frozenset(
    [
        "data",
        "extra",
        "properties",
        "arguments",
        "message",
        "trace",
        "request_headers",
        "request_body",
        "response_headers",
        "response_body",
        "urls",
    ]
)
"""Long and seldom equal: no dictionary, no statistics."""


@dataclass(frozen=True, slots=True)
class PartTask:
    """What to write."""

    archive: Store
    dataset: Store
    """Where to."""
    keys: Mapping[str, str]
    """Of each table's file in the dataset."""
    file_format: str
    members: Sequence[Member]


@dataclass(slots=True)
class PartWritten:
    """What became of a `PartTask`."""

    files: dict[str, PartFile] = field(default_factory=dict)
    """By table; empty until all are there."""
    damaged: dict[tuple[str, str], str] = field(default_factory=dict)
    """Recordings that do not read, with the reason; then no file is to be used."""
    changed: set[tuple[str, str]] = field(default_factory=set)
    """Recordings that are not what was planned with: somebody rewrote or erased them."""


class Writer(Protocol):
    """Takes batches of one table."""

    def write(self, batch: pa.RecordBatch) -> None:
        """Take one."""

    def close(self) -> None:
        """Finish the file."""


class ParquetFile:
    """A Parquet file with large row groups, readable by everything."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._schema = schema
        self._waiting: list[pa.RecordBatch] = []
        self._rows = self._bytes = 0
        plain = [n for n in schema.names if n in TEXT_COLUMNS]
        self._writer = pq.ParquetWriter(
            path,
            schema,
            compression="zstd",
            compression_level=ZSTD_LEVEL,
            use_dictionary=[n for n in schema.names if n not in plain],
            write_statistics=[n for n in schema.names if n not in plain],
            store_schema=False,
        )

    def write(self, batch: pa.RecordBatch) -> None:
        """Take one batch; a row group is written when enough are together."""
        self._waiting.append(batch)
        self._rows += batch.num_rows
        self._bytes += batch.nbytes
        if self._rows >= ROW_GROUP_ROWS or self._bytes >= ROW_GROUP_BYTES:
            self._flush()

    def _flush(self) -> None:
        if self._waiting:
            table = pa.Table.from_batches(self._waiting, schema=self._schema)
            self._writer.write_table(table, row_group_size=max(table.num_rows, 1))
        self._waiting, self._rows, self._bytes = [], 0, 0

    def close(self) -> None:
        """Finish the file."""
        self._flush()
        self._writer.close()


class JsonLines:
    """JSON lines, gzip: what any tool reads. Times are ISO 8601, whole numbers numbers."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:  # noqa: ARG002 - as the others
        self._raw: IO[bytes] = path.open("wb")
        # No name and no time in the header: the same rows are the same bytes.
        self._file = gzip.GzipFile(filename="", fileobj=self._raw, mode="wb", mtime=0)

    def write(self, batch: pa.RecordBatch) -> None:
        """Take one batch."""
        for row in batch.to_pylist():
            self._file.write(json_line(row))

    def close(self) -> None:
        """Finish the file."""
        self._file.close()
        self._raw.close()


def json_line(row: dict[str, Any]) -> bytes:
    """Give a row as one line of JSON."""
    return orjson.dumps(
        row, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z | orjson.OPT_NAIVE_UTC
    )


WRITERS: Final[dict[str, Callable[[Path, pa.Schema], Writer]]] = {
    "parquet": ParquetFile,
    "jsonl": JsonLines,
}


def write_part(task: PartTask) -> PartWritten:
    """Write the files and put them into the dataset; nothing is put when a recording fails."""
    result = PartWritten()
    with tempfile.TemporaryDirectory(prefix="replayport-") as scratch:
        paths = {table: Path(scratch) / table for table in task.keys}
        with ExitStack() as stack:
            writers = {
                table: stack.enter_context(
                    closing(WRITERS[task.file_format](path, TABLES[table].schema))
                )
                for table, path in paths.items()
            }
            rows = write_rows(task.archive, task.members, writers, result)
        if result.damaged or result.changed:
            return result
        for table, key in task.keys.items():
            size = paths[table].stat().st_size if rows[table] else 0
            result.files[table] = PartFile(rows[table], size)
            if rows[table]:
                task.dataset.put(key, paths[table])
    return result


def write_rows(
    archive: Store,
    members: Sequence[Member],
    writers: Mapping[str, Writer],
    result: PartWritten,
) -> Counter[str]:
    """
    Write the rows of all recordings that read; the others are named in ``result``.

    Args:
        archive: Where the recordings are.
        members: Which, in order.
        writers: One for each table wanted.
        result: Takes what is damaged or changed.

    Returns:
        The number of rows by table.
    """
    rows: Counter[str] = Counter()
    for member in members:
        try:
            recording = open_member(archive, member)
            if recording is None:
                result.changed.add(member.key)
                continue
            for table, batch in tables_batches(recording, list(writers)):
                if not result.damaged and not result.changed:  # else only looking on
                    writers[table].write(batch)
                rows[table] += batch.num_rows
        except RecordingError as e:
            result.damaged[member.key] = str(e)
    return rows


def open_member(archive: Store, member: Member) -> Recording | None:
    """
    Open a recording that was planned with.

    Returns:
        None when it is gone, or not what it was.

    Raises:
        DamagedRecordingError: Its manifest does not read.
    """
    prefix = recording_prefix(member.project, member.id, member.start_ms)
    key = f"{prefix}/{MANIFEST_FILE}"
    try:
        manifest = Manifest.from_bytes(archive.get(key), key=key)
    except FileNotFoundError:
        return None
    if revision_of(manifest) != member.revision:
        return None
    return Recording(archive, prefix, manifest)
