"""
A dlt source: the tables as resources, into any destination dlt knows.

```
recordings   what was archived since the last run (cursor: archived_ms), merged by its key
   └─ events, analytics, console, network    of those recordings; the rows of a
                                             recording that is there are replaced
```

Give the source to ``dlt.pipeline(...).run(...)``. Everything is Arrow from the Parquet file
to the destination. dlt adds and replaces rows, it is never told to remove any: of a recording
deleted from the archive, or one that lost its last console line, rows stay. ``full=True`` once
makes the tables anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from replayport.archive import Archive
from replayport.dataset.build import chosen_tables
from replayport.errors import MissingExtraError
from replayport.format.scan import gathered
from replayport.format.tables import TABLES, table_batches

KEY: Final = ("project", "recording_id")


def replayport_source(
    archive_url: str,
    *,
    tables: Sequence[str] | None = None,
    catalog_url: str = "",
    full: bool = False,
) -> Any:
    """
    Make the source.

    Args:
        archive_url: Of the archive.
        tables: Keys of `TABLES`; all when None. ``recordings`` is always among them.
        catalog_url: As in `Archive.open`.
        full: Load everything and replace what is there, instead of what is new.

    Returns:
        A ``DltSource`` named ``replayport``.

    Raises:
        MissingExtraError: dlt is not installed.
        ValueError: A table is not known.
    """
    try:
        import dlt
    except ImportError as e:
        raise MissingExtraError(extra="dlt", needed_for="the dlt source") from e
    names = [n for n in chosen_tables(tables) if n != "recordings"]

    def recordings(
        archived_ms: Any = dlt.sources.incremental(  # noqa: B008 - dlt's way
            "archived_ms", initial_value=-1, primary_key=KEY
        ),
    ) -> Iterator[pa.Table]:
        since = -1 if full else archived_ms.last_value
        with Archive.open(archive_url, catalog_url=catalog_url) as archive:
            for batch in archive.scan("recordings").batches():
                table = pa.Table.from_batches([batch])
                new = table.filter(pc.greater_equal(table["archived_ms"], since))
                if new.num_rows:
                    yield new

    def of_recordings(name: str) -> Any:
        def rows(found: pa.Table) -> Iterator[pa.Table]:
            with Archive.open(archive_url, catalog_url=catalog_url) as archive:
                batches = (
                    batch
                    for row in found.select(list(KEY)).to_pylist()
                    for batch in table_batches(
                        archive.recording(f"{row['project']}/{row['recording_id']}"), name
                    )
                )
                for batch in gathered(batches, TABLES[name].schema):
                    yield pa.Table.from_batches([batch])

        return rows

    def settings(name: str) -> dict[str, Any]:
        own: dict[str, Any] = {
            "name": name,
            "write_disposition": "replace" if full else "merge",
            "columns": {
                c.name: {"name": c.name, "description": c.meaning} for c in TABLES[name].columns
            },
        }
        return own if full else {**own, "merge_key": KEY}

    @dlt.source(name="replayport", max_table_nesting=0)
    def source() -> Iterator[Any]:
        first = dlt.resource(recordings, **settings("recordings"), primary_key=KEY)
        yield first
        for name in names:
            yield dlt.transformer(of_recordings(name), data_from=first, **settings(name))

    return source()
