"""
Windows followed through a recording: the rows that matter, and each window's page when asked.

```
record batch ──rows_of──> the events an analysis looks at, and where each window begins
snapshots, mutations ───> wait as text in a `LateMirror`
a question ─────────────> what waits is parsed and applied, from the last full snapshot on
```

Most of a recording's bytes are snapshots and mutations, and most of those are void before
anybody asks: a page nobody touched, or what happens after the last click on one. They are
never parsed, and what is wrong with them is not counted.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterator
from typing import Any, Final, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa

from replayport.rrweb.events import EventType, IncrementalSource
from replayport.rrweb.mirror import Mirror

COLUMNS: Final = ("timestamp_ms", "seq", "window_id", "type", "source", "kind", "data")
"""What `rows_of` needs of ``events.parquet``."""

MAX_WAITING_BYTES: Final = 16 * 2**20
"""Texts that wait for a question; with more of them they are applied at once."""

TREE_SOURCES: Final = frozenset((IncrementalSource.MUTATION,))
"""Incremental snapshots that change the tree of a page."""


class Row(NamedTuple):
    """One event, as `replayport.Event` has it, without what is rarely asked for."""

    timestamp_ms: int
    seq: int
    window_id: str
    type: int
    source: int | None
    kind: str
    data_json: bytes | None
    """As UTF-8, as it is stored: a text would be made of it only to be made bytes again."""


class EventRow(Protocol):
    """What is read of an event; `replayport.Event` and `Row` are ones."""

    @property
    def timestamp_ms(self) -> int:
        """Epoch milliseconds."""
        ...

    @property
    def seq(self) -> int:
        """Order of arrival."""
        ...

    @property
    def window_id(self) -> str:
        """The browser tab."""
        ...

    @property
    def type(self) -> int:
        """`EventType` number."""
        ...

    @property
    def source(self) -> int | None:
        """`IncrementalSource` number."""
        ...

    @property
    def kind(self) -> str:
        """As in the ``kind`` column."""
        ...

    @property
    def data_json(self) -> str | bytes | None:
        """JSON text of ``data``, or its UTF-8."""
        ...


def rows_of(
    batch: pa.RecordBatch,
    *,
    types: Collection[int],
    sources: Collection[int],
    read: Collection[int],
) -> Iterator[Row]:
    """
    Yield the events of a batch that are looked at, in its order.

    The first event of each window and the last of the batch come too, whatever they are:
    when a window began and how long the recording lasted are seen by them.

    Args:
        batch: Of `COLUMNS`.
        types: Events of these types, and
        sources: incremental snapshots of these sources, and
        read: of these the data too.
    """
    if not batch.num_rows:
        return
    type_ = batch["type"].to_numpy(zero_copy_only=False)
    source = batch["source"].fill_null(-1).to_numpy(zero_copy_only=False)
    incremental = type_ == EventType.INCREMENTAL_SNAPSHOT
    wanted = _among(type_, types) | (incremental & _among(source, sources))
    windows = batch["window_id"]
    if not pa.types.is_dictionary(windows.type):
        windows = windows.dictionary_encode()
    codes = windows.indices.to_numpy(zero_copy_only=False)
    wanted[np.unique(codes, return_index=True)[1]] = True
    wanted[-1] = True
    with_data = wanted & (~incremental | _among(source, read))
    index = np.flatnonzero(wanted)
    data = batch["data"].cast(pa.binary())
    texts = iter(data.take(pa.array(np.flatnonzero(with_data))).to_pylist())
    names = windows.dictionary.to_pylist()
    kind_column = batch["kind"]
    if not pa.types.is_dictionary(kind_column.type):
        kind_column = kind_column.dictionary_encode()
    kind_names = kind_column.dictionary.to_pylist()
    rows = zip(
        batch["timestamp_ms"].to_numpy(zero_copy_only=False)[index].tolist(),
        batch["seq"].to_numpy(zero_copy_only=False)[index].tolist(),
        codes[index].tolist(),
        type_[index].tolist(),
        source[index].tolist(),
        kind_column.indices.to_numpy(zero_copy_only=False)[index].tolist(),
        with_data[index].tolist(),
        strict=True,
    )
    for t, seq, window, kind_of_event, source_, kind, has_data in rows:
        yield Row(
            t,
            seq,
            names[window],
            kind_of_event,
            None if source_ < 0 else source_,
            kind_names[kind],
            next(texts) if has_data else None,
        )


def _among(values: npt.NDArray[np.int8], wanted: Collection[int]) -> npt.NDArray[np.bool_]:
    """Tell which of some small numbers are wanted ones; an order faster than `np.isin`."""
    table = np.zeros(256, bool)
    table[[number & 0xFF for number in wanted]] = True
    found: npt.NDArray[np.bool_] = table[values.view(np.uint8)]
    return found


def parsed(text: str | bytes) -> Any:
    """
    Parse an event's data as a browser would.

    Args:
        text: JSON, or its UTF-8.

    Raises:
        ValueError: It is no JSON, or nested too deep.
    """
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        if isinstance(text, bytes):
            text = text.decode("utf-8", "surrogatepass")
        try:
            return json.loads(text)  # lone surrogates, NaN
        except RecursionError as e:
            raise ValueError("nested too deep") from e


class LateMirror:
    """
    A window's page, brought forward when it is asked for.

    Attributes:
        undecodable: Texts that waited and were no JSON.
        broken: What was wrong with the tree, as far as it was looked at.
    """

    def __init__(self) -> None:
        self.undecodable = 0
        self.broken = 0
        self._mirror = Mirror()
        self._waiting: list[tuple[int, int | None, str | bytes]] = []
        self._waiting_bytes = 0

    def put(self, type_: int, source: int | None, text: str | bytes) -> None:
        """Take a full snapshot or a change of the tree."""
        self._waiting.append((type_, source, text))
        self._waiting_bytes += len(text)
        if self._waiting_bytes > MAX_WAITING_BYTES:
            self.now()

    def apply(self, type_: int, source: int | None, data: Any) -> None:
        """Apply an event that has nothing to do with the tree: address, size of the viewport."""
        self._mirror.apply(type_, source, data)

    def now(self) -> Mirror:
        """Give the mirror as of the last event put."""
        if self._waiting:
            waiting, self._waiting, self._waiting_bytes = self._waiting, [], 0
            start, first = self._last_page(waiting)
            before = self._mirror.findings.total()
            for n in range(start, len(waiting)):
                type_, source, text = waiting[n]
                data = first if n == start and first is not None else self._parsed(text)
                if data is not None:
                    self._mirror.apply(type_, source, data)
            self.broken += self._mirror.findings.total() - before
        return self._mirror

    @property
    def size(self) -> tuple[float | None, float | None]:
        """Width and height of the viewport, CSS px; None when unknown."""
        return self._mirror.width, self._mirror.height

    @property
    def findings(self) -> Counter[str]:
        """The mirror's, as far as it was brought forward."""
        return self._mirror.findings

    def _last_page(self, waiting: list[tuple[int, int | None, str | bytes]]) -> tuple[int, Any]:
        """Find the last full snapshot that holds a page; what is before it is void."""
        for n in range(len(waiting) - 1, -1, -1):
            type_, _, text = waiting[n]
            if type_ == EventType.FULL_SNAPSHOT:
                try:
                    data = parsed(text)
                except ValueError:
                    continue
                if isinstance(data, dict) and Mirror.holds_page(data):
                    return n, data
        return 0, None

    def _parsed(self, text: str | bytes) -> Any:
        try:
            data = parsed(text)
        except ValueError:
            self.undecodable += 1
            return None
        return data if isinstance(data, dict) else None


class Pages:
    """The pages of all windows, for who looks at nothing else."""

    def __init__(self) -> None:
        self._pages: dict[str, LateMirror] = {}

    def feed(self, event: EventRow) -> None:
        """Take the next event."""
        if event.data_json is not None and (
            event.type == EventType.FULL_SNAPSHOT or event.source in TREE_SOURCES
        ):
            self._page(event.window_id).put(event.type, event.source, event.data_json)

    def rows(self, batch: pa.RecordBatch, asking: Collection[int]) -> Iterator[Row]:
        """
        Yield what must be fed of a batch, and what is asked about.

        Args:
            batch: Of `COLUMNS`.
            asking: Incremental sources that somebody asks about.
        """
        return rows_of(
            batch,
            types=(EventType.FULL_SNAPSHOT,),
            sources=TREE_SOURCES | set(asking),
            read=TREE_SOURCES,
        )

    def mirror(self, window_id: str) -> Mirror:
        """Give a window's mirror as of the last event fed."""
        return self._page(window_id).now()

    def broken(self) -> int:
        """Count what was wrong with the trees, as far as they were looked at."""
        return sum(page.broken for page in self._pages.values())

    def _page(self, window_id: str) -> LateMirror:
        page = self._pages.get(window_id)
        if page is None:
            page = self._pages[window_id] = LateMirror()
        return page
