"""
A table that has not been read yet.

A `Scan` knows its columns and how to make its batches. Every way of reading it makes them
anew, in order, holding a few at a time: it can be handed to whatever speaks Arrow's
PyCapsule interface (Polars, DuckDB, pandas, PyArrow) more than once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final, TypeVar

import pyarrow as pa

from replayport.errors import MissingExtraError
from replayport.plurals import counted

T = TypeVar("T")
R = TypeVar("R")

SHOWN_ROWS: Final = 10
"""Rows a notebook shows of a scan."""

FIRST_BATCH_ROWS: Final = 1024
MAX_BATCH_ROWS: Final = 65_536
MAX_BATCH_BYTES: Final = 32 * 2**20


class Scan:
    """
    A lazy table.

    Reads nothing until asked, and then a bounded part at a time; reading it twice reads
    the store twice. Give it to `polars.DataFrame`, `duckdb.sql`, `pyarrow.table` or
    `pandas.DataFrame.from_arrow` as it is, or call the method named after them.

    Attributes:
        schema: Its columns.
    """

    def __init__(
        self,
        schema: pa.Schema,
        batches: Callable[[], Iterator[pa.RecordBatch]],
        *,
        title: str = "table",
    ) -> None:
        self.schema = schema
        self._batches = batches
        self._title = title

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._title}: {', '.join(self.schema.names)}>"

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield record batches of `schema`, in order."""
        return self._batches()

    def __iter__(self) -> Iterator[Any]:
        return self.batches()

    def reader(self) -> pa.RecordBatchReader:
        """Give the batches as a stream that can be read once."""
        return pa.RecordBatchReader.from_batches(self.schema, self.batches())

    def __arrow_c_schema__(self) -> object:
        return self.schema.__arrow_c_schema__()

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.reader().__arrow_c_stream__(requested_schema)

    def select(self, columns: Sequence[str]) -> Scan:
        """
        Give some of the columns, in that order.

        Raises:
            KeyError: One is not there; the message names those that are.
        """
        schema = select_schema(self.schema, columns)
        return Scan(
            schema,
            lambda: (batch.select(list(columns)) for batch in self.batches()),
            title=self._title,
        )

    def head(self, rows: int = SHOWN_ROWS) -> pa.Table:
        """Give the first rows, reading no more than they need."""
        taken: list[pa.RecordBatch] = []
        left = rows
        for batch in self.batches():
            taken.append(batch.slice(0, left))
            left -= batch.num_rows
            if left <= 0:
                break
        return pa.Table.from_batches(taken, schema=self.schema)

    def arrow(self) -> pa.Table:
        """Give all of it as one Arrow table, in memory."""
        return pa.Table.from_batches(self.batches(), schema=self.schema)

    def pandas(self) -> Any:
        """
        Give all of it as a pandas data frame, in memory.

        Raises:
            MissingExtraError: pandas is not installed.
        """
        try:
            import pandas  # noqa: F401, ICN001
        except ImportError as e:
            raise MissingExtraError(extra="pandas", needed_for="Scan.pandas()") from e
        return self.arrow().to_pandas()

    def polars(self) -> Any:
        """
        Give all of it as a Polars data frame, in memory.

        Raises:
            MissingExtraError: Polars is not installed.
        """
        try:
            import polars as pl
        except ImportError as e:
            raise MissingExtraError(extra="polars", needed_for="Scan.polars()") from e
        return pl.DataFrame(self)

    def duckdb(self, connection: Any = None) -> Any:
        """
        Give a DuckDB relation, which reads when it is asked and holds little of it.

        Args:
            connection: A DuckDB connection; a new one in memory when None.

        Raises:
            MissingExtraError: DuckDB is not installed.
        """
        try:
            import duckdb
        except ImportError as e:
            raise MissingExtraError(extra="duckdb", needed_for="Scan.duckdb()") from e
        return (duckdb.connect() if connection is None else connection).from_arrow(self)

    @property
    def num_rows(self) -> int:
        """Number of rows; reads all of it to count them."""
        return sum(batch.num_rows for batch in self.batches())

    def column(self, name: str) -> pa.ChunkedArray:
        """Read one column."""
        return self.select([name]).arrow().column(0)

    def __getitem__(self, name: str) -> pa.ChunkedArray:
        return self.column(name)

    def to_pylist(self) -> list[dict[str, Any]]:
        """Give the rows as dicts, all in memory."""
        rows: list[dict[str, Any]] = []
        for batch in self.batches():
            rows += batch.to_pylist()
        return rows

    def _repr_html_(self) -> str:
        from html import escape

        table = self.head()
        head = "".join(f"<th>{escape(name)}</th>" for name in table.column_names)
        body = "".join(
            "<tr>" + "".join(f"<td>{escape(_cell(v))}</td>" for v in row.values()) + "</tr>"
            for row in table.to_pylist()
        )
        return (
            f"<p>{escape(self._title)}: first {counted(table.num_rows, 'row')}</p>"
            f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        )


def _cell(value: object) -> str:
    text = "" if value is None else str(value)
    return text if len(text) <= 80 else f"{text[:79]}…"


def select_schema(schema: pa.Schema, columns: Sequence[str]) -> pa.Schema:
    """
    Give the columns of a schema that were asked for, in that order.

    Raises:
        KeyError: One is not there.
    """
    names = schema.names  # a list made anew each time
    if list(columns) == names:
        return schema
    unknown = [name for name in columns if name not in names]
    if unknown:
        raise KeyError(f"no column {unknown[0]!r}. There are: {', '.join(names)}")
    return pa.schema([schema.field(name) for name in columns])


def gathered(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """
    Put small batches together: whoever reads them pays for each.

    The first are small, so that a look at the head costs little.

    Args:
        batches: Of ``schema``; empty ones are left out.
        schema: Theirs.
    """
    waiting: list[pa.RecordBatch] = []
    rows = size = 0
    wanted = FIRST_BATCH_ROWS
    for batch in batches:
        if not batch.num_rows:
            continue
        waiting.append(batch)
        rows += batch.num_rows
        size += batch.nbytes
        if rows >= wanted or size >= MAX_BATCH_BYTES:
            yield from _together(waiting, schema)
            waiting, rows, size = [], 0, 0
            wanted = min(wanted * 2, MAX_BATCH_ROWS)
    yield from _together(waiting, schema)


def _together(batches: list[pa.RecordBatch], schema: pa.Schema) -> list[pa.RecordBatch]:
    if len(batches) < 2:
        return batches
    table = pa.Table.from_batches(batches, schema=schema)
    return list(table.combine_chunks().to_batches())


def read_ahead(
    items: Iterable[T], read: Callable[[T], R], *, threads: int, ahead: int | None = None
) -> Iterator[R]:
    """
    Yield ``read(item)`` for each item, in their order, working ahead in threads.

    Args:
        items: Taken one by one, as there is room.
        read: Called in a thread; what it raises is raised here, in its place.
        threads: How many at once.
        ahead: How many results may wait; twice ``threads`` when None.
    """
    ahead = ahead or 2 * threads
    waiting: deque[Future[R]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="replayport-read") as pool:
        try:
            for item in items:
                waiting.append(pool.submit(read, item))
                if len(waiting) >= ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:  # the reader stopped early, or a read failed
            for future in waiting:
                future.cancel()
