"""The files of a part: complete or not there, the same bytes for the same rows."""

from __future__ import annotations

import gzip
import json
from contextlib import closing

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from replayport.dataset import parts
from replayport.dataset.days import current_members, days_of
from replayport.dataset.ledger import part_key
from replayport.dataset.parts import JsonLines, ParquetFile, PartTask, open_member, write_part
from replayport.format.tables import TABLES
from replayport.store import Store


@pytest.fixture
def members(archive):
    [(_, wanted), *_] = days_of(archive, [], since_ms=None, until_ms=None)
    return sorted(
        current_members(archive, [], wanted, rejected={}).values(), key=lambda m: m.start_ms
    )


def task(archive, members, tmp_path, table="events", file_format="parquet"):
    keys = {t: part_key(t, "2026-01-01", "x", file_format) for t in table.split()}
    return PartTask(archive.store, Store.open(tmp_path / "out"), keys, file_format, members)


@pytest.mark.parametrize("table", TABLES)
def test_rows_are_those_of_the_recordings(archive, members, tmp_path, table):
    made = task(archive, members, tmp_path, table)
    result = write_part(made)
    rows = [r for m in members for r in archive.recording(m.id).scan(table).to_pylist()]
    assert result.files[table].rows == len(rows)
    path = tmp_path / "out" / made.keys[table]
    assert path.exists() == bool(rows)
    if rows:
        written = pq.ParquetFile(path)
        assert written.read().to_pylist() == rows
        assert written.schema_arrow == TABLES[table].schema
        assert result.files[table].bytes == path.stat().st_size


def test_several_tables_of_one_reading_are_those_of_one_each(archive, members, tmp_path):
    several = task(archive, members, tmp_path / "several", " ".join(TABLES))
    result = write_part(several)
    assert list(result.files) == list(TABLES)
    for table in TABLES:
        one = task(archive, members, tmp_path / table, table)
        assert write_part(one).files == {table: result.files[table]}
        paths = [tmp_path / place / "out" / several.keys[table] for place in ("several", table)]
        assert len({path.read_bytes() if path.exists() else b"" for path in paths}) == 1


def test_json_lines_are_rows_any_tool_reads(archive, members, tmp_path):
    made = task(archive, members, tmp_path, file_format="jsonl")
    write_part(made)
    lines = gzip.decompress((tmp_path / "out" / made.keys["events"]).read_bytes()).splitlines()
    rows = [r for m in members for r in archive.recording(m.id).scan("events").to_pylist()]
    assert [json.loads(line)["seq"] for line in lines] == [r["seq"] for r in rows]
    first = json.loads(lines[0])
    assert list(first) == TABLES["events"].schema.names
    assert first["time"] == "2026-09-21T14:13:20Z"
    assert json.loads(first["data"])["width"] == 1280


@pytest.mark.parametrize("file_format", ["parquet", "jsonl"])
def test_the_same_rows_are_the_same_bytes(archive, members, tmp_path, file_format):
    made = [task(archive, members, tmp_path / n, file_format=file_format) for n in "ab"]
    for one in made:
        write_part(one)
    a, b = (((tmp_path / n / "out" / made[0].keys["events"]).read_bytes()) for n in "ab")
    assert a == b


def test_row_groups_are_bounded_and_text_has_no_dictionary(tmp_path, monkeypatch):
    monkeypatch.setattr(parts, "ROW_GROUP_BYTES", 4000)
    schema = pa.schema([pa.field("recording_id", pa.string()), pa.field("data", pa.string())])
    with closing(ParquetFile(tmp_path / "f", schema)) as file:
        for n in range(20):
            file.write(
                pa.record_batch([["r"] * 10, [f"{n}-{i}" * 20 for i in range(10)]], schema=schema)
            )
    found = pq.ParquetFile(tmp_path / "f")
    assert found.metadata.num_rows == 200
    assert 3 < found.num_row_groups < 20
    ids, data = (found.metadata.row_group(0).column(n) for n in (0, 1))
    assert ids.is_stats_set
    assert "RLE_DICTIONARY" in ids.encodings
    assert not data.is_stats_set
    assert "RLE_DICTIONARY" not in data.encodings


def test_an_empty_file_is_a_file(tmp_path):
    schema = TABLES["console"].schema
    for kind, name in ((ParquetFile, "p"), (JsonLines, "j")):
        kind(tmp_path / name, schema).close()
    assert pq.read_table(tmp_path / "p").num_rows == 0
    assert gzip.decompress((tmp_path / "j").read_bytes()) == b""


def test_nothing_is_put_when_a_recording_fails(archive, members, tmp_path):
    key = f"{archive.recording(members[1].id).prefix}/events.parquet"
    archive.store.put(key, archive.store.get(key)[:-9])
    made = task(archive, members, tmp_path)
    result = write_part(made)
    assert list(result.damaged) == [members[1].key]
    assert not result.files
    assert not (tmp_path / "out").exists()


def test_a_recording_that_changed_since_is_not_taken_for_what_it_was(archive, members, tmp_path):
    archive.delete(f"{members[0].project}/{members[0].id}")
    assert open_member(archive.store, members[0]) is None
    result = write_part(task(archive, members, tmp_path))
    assert result.changed == {members[0].key}
    assert not result.files
