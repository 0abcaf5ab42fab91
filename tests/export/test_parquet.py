"""events.parquet opens without replayport, and a part of it is a recording too."""

from __future__ import annotations

import io
import json

import pyarrow.parquet as pq
import pytest
from tests.support.builders import click, draft, full_snapshot, meta, visit

from replayport.archive import Archive
from replayport.export import ExportOptions, ExportOptionsError
from replayport.export.parquet import export
from replayport.format.schema import EVENTS_SCHEMA, METADATA_KEY
from replayport.sources.files import read_files


@pytest.fixture
def recording(tmp_path):
    with Archive.open(tmp_path / "a", create=True) as archive:
        yield archive.recording(archive.write(draft(session_id="s-9", project="shop")).id)


def data_of(recording, **options):
    return b"".join(export(recording, ExportOptions(**options)))


def test_the_whole_file_is_the_stored_one(recording):
    assert data_of(recording) == recording.file("events.parquet")
    table = pq.read_table(io.BytesIO(data_of(recording)))
    assert table.column_names == EVENTS_SCHEMA.names
    assert [json.loads(d) for d in table["data"].to_pylist()] == [e["data"] for e in visit()]


def test_duckdb_reads_it(recording, tmp_path):
    duckdb = pytest.importorskip("duckdb")
    (tmp_path / "x.parquet").write_bytes(data_of(recording))
    query = f"select count(*) from '{tmp_path}/x.parquet' where kind = 'click'"
    assert duckdb.sql(query).fetchall()[0] == (2,)


def test_one_window_keeps_the_order_of_arrival(tmp_path):
    events = [meta(), full_snapshot(), click(30), click(20)]
    with Archive.open(tmp_path / "b", create=True) as archive:
        recording = archive.recording(archive.write(draft(events)).id)
        (tmp_path / "x").write_bytes(data_of(recording, window_id="w1"))
    (found,) = read_files([tmp_path / "x"], project="p")
    assert [e.to_rrweb() for e in found.columns.events()] == events


def test_a_part_says_whose_it_is(recording):
    file = pq.ParquetFile(io.BytesIO(data_of(recording, window_id="w1")))
    footer = json.loads(file.metadata.metadata[METADATA_KEY])
    assert (footer["id"], footer["project"], footer["session_id"]) == ("s-9", "shop", "s-9")


def test_nothing_is_no_file(recording):
    with pytest.raises(ExportOptionsError):
        data_of(recording, window_id="other")
