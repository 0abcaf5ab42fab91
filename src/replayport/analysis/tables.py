"""Actions as an Arrow table: columns for notebooks, SQL and warehouses."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import pyarrow as pa

from replayport.analysis.actions import Action
from replayport.recording import storable

ACTIONS_SCHEMA: Final = pa.schema(
    [
        pa.field("timestamp_ms", pa.int64(), nullable=False),
        pa.field("end_ms", pa.int64(), nullable=False),
        pa.field("offset_ms", pa.int64(), nullable=False),
        pa.field("window_id", pa.string(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("node_id", pa.int64()),
        pa.field("role", pa.string()),
        pa.field("name", pa.string()),
        pa.field("locator", pa.string()),
        pa.field("path", pa.string()),
        pa.field("x", pa.float64()),
        pa.field("y", pa.float64()),
        pa.field("page_x", pa.float64()),
        pa.field("page_y", pa.float64()),
        pa.field("value", pa.string()),
        pa.field("masked", pa.bool_(), nullable=False),
        pa.field("url", pa.string(), nullable=False),
        pa.field("text", pa.string(), nullable=False),
    ]
)
"""One row an action, ordered by time; the fields of `Action`."""


def actions_table(actions: Iterable[Action]) -> pa.Table:
    """
    Put actions into a table of `ACTIONS_SCHEMA`.

    Lone surrogates, which Arrow's strings cannot hold, become U+FFFD.
    """
    rows = list(actions)
    columns = []
    for column in ACTIONS_SCHEMA:
        values = [getattr(row, column.name) for row in rows]
        if pa.types.is_string(column.type):
            values = [None if v is None else storable(str(v)) for v in values]
        columns.append(pa.array(values, column.type))
    return pa.Table.from_arrays(columns, schema=ACTIONS_SCHEMA)
