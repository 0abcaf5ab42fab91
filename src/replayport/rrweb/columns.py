"""
Decoded events as columns, in arrival order: what decoders fill and writers read.

One row an event. Numbers live in typed arrays, the JSON texts of ``data`` in one
growing buffer with offsets, so a million events cost bytes, not objects.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import Final

from replayport.rrweb.events import Event

NO_INT: Final = -(2**31)
"""Stands for null in `EventColumns.node_id` (rrweb node ids are never that)."""

NO_SOURCE: Final = -1
"""Stands for null in `EventColumns.source`."""

NO_FLOAT: Final = float("nan")
"""Stands for null in ``x`` and ``y``; JSON has no NaN."""


class Codes:
    """
    Strings seen, each with a number in order of first appearance.

    The in-memory form of a dictionary column.
    """

    __slots__ = ("_code", "values")

    def __init__(self) -> None:
        self.values: list[str] = []
        self._code: dict[str, int] = {}

    def __getitem__(self, value: str) -> int:
        code = self._code.get(value)
        if code is None:
            code = self._code[value] = len(self.values)
            self.values.append(value)
        return code


class EventColumns:
    """
    Events in arrival order, one array a column.

    ``timestamp_ms``, ``type``, ``source``, ``node_id``, ``x``, ``y``, ``window`` and
    ``kind`` have one entry an event (the last two are codes into `windows` and
    `kinds`). ``data_end[i]`` is where event *i*'s text ends in ``data``; it starts
    where the previous one ended. ``url``, ``extra`` and ``no_data`` are sparse,
    keyed by row. ``block_ends`` says how many events there were at the end of each block
    of the source, where it has blocks.
    """

    __slots__ = (
        "block_ends",
        "data",
        "data_end",
        "extra",
        "kind",
        "kinds",
        "no_data",
        "node_id",
        "source",
        "timestamp_ms",
        "type",
        "url",
        "window",
        "windows",
        "x",
        "y",
    )

    def __init__(self) -> None:
        self.timestamp_ms = array("q")
        self.type = array("b")
        self.source = array("h")
        self.node_id = array("i")
        self.x = array("d")
        self.y = array("d")
        self.window = array("i")
        self.windows = Codes()
        self.kind = array("i")
        self.kinds = Codes()
        self.data = bytearray()
        self.data_end = array("q")
        self.url: dict[int, str] = {}
        self.extra: dict[int, bytes] = {}
        self.no_data: set[int] = set()
        self.block_ends = array("q")

    def __len__(self) -> int:
        return len(self.timestamp_ms)

    def data_of(self, row: int) -> bytes | None:
        """JSON text of one event's ``data``; None when the event had none."""
        if row in self.no_data:
            return None
        start = self.data_end[row - 1] if row else 0
        return bytes(self.data[start : self.data_end[row]])

    def events(self) -> Iterator[Event]:
        """Yield the events in arrival order (for tests and small recordings)."""
        for row in range(len(self)):
            data = self.data_of(row)
            extra = self.extra.get(row)
            yield Event(
                timestamp_ms=self.timestamp_ms[row],
                seq=row,
                window_id=self.windows.values[self.window[row]],
                type=self.type[row],
                source=None if self.source[row] == NO_SOURCE else self.source[row],
                kind=self.kinds.values[self.kind[row]],
                data_json=None if data is None else data.decode("utf-8", "replace"),
                extra_json=None if extra is None else extra.decode("utf-8", "replace"),
            )
