"""Feature tables: typed whatever is in them, and continued where they were stopped."""

from __future__ import annotations

import csv
import io
import json

import pyarrow.parquet as pq
import pytest
from tests.support.builders import draft, full_snapshot, meta

from replayport.analysing import Task, analyse, where
from replayport.analysis.profiles import profile
from replayport.archive import Archive
from replayport.feature_files import SCHEMA, FeatureFile, rows_of, write_csv, write_table

TASK = Task(profiles=(profile("replayport-1"),), features=True, score=True)


@pytest.fixture(scope="module")
def analyses(tmp_path_factory):
    with Archive.open(tmp_path_factory.mktemp("files") / "a", create=True) as opened:
        for n in range(5):
            opened.write(draft(session_id=f"s-{n}", project="p"))
        opened.write(draft([meta(), full_snapshot()], session_id="s-5", project="p"))
        return list(analyse(opened, where(opened, None), TASK))


def names(analyses):
    return [f"{a.project}/{a.id}" for a in analyses]


def test_a_row_has_every_column_and_unknown_is_null(analyses):
    [row] = rows_of(analyses[5])
    assert set(row) == set(SCHEMA.names)
    assert row["scope"] == "recording"
    assert row["mouse_distance_traveled"] is None
    assert row["signal_thrashed_cursor"] is None
    assert row["score"] is None
    assert "no_pointer_data" in row["findings"]


def test_stopped_and_continued_is_written_at_once(analyses, tmp_path):
    at_once = FeatureFile(tmp_path / "once.parquet", {"t": 1})
    for a in analyses:
        at_once.add(rows_of(a))
    assert at_once.finish(names(analyses)) == 6

    path = tmp_path / "twice.parquet"
    first = FeatureFile(path, {"t": 1}, part_rows=2)
    for a in analyses[3:]:
        first.add(rows_of(a))
    first.flush()
    second = FeatureFile(path, {"t": 1}, part_rows=2)
    assert second.done() == set(names(analyses[3:]))
    for a in analyses[:3]:
        second.add(rows_of(a))
    assert not path.exists()
    second.finish(names(analyses))
    assert pq.read_table(path).equals(pq.read_table(tmp_path / "once.parquet"))
    assert list(tmp_path.glob("*.partial")) == []


def test_parts_of_another_task_are_not_continued(analyses, tmp_path):
    path = tmp_path / "f.parquet"
    first = FeatureFile(path, {"profile": "a"})
    first.add(rows_of(analyses[0]))
    first.flush()
    assert FeatureFile(path, {"profile": "b"}).done() == set()


def test_a_part_that_was_cut_is_not_seen(analyses, tmp_path):
    path = tmp_path / "f.parquet"
    file = FeatureFile(path, {})
    file.add(rows_of(analyses[0]))
    file.flush()
    (tmp_path / "f.parquet.partial" / "part-000001-x.parquet.half").write_bytes(b"cut")
    assert FeatureFile(path, {}).done() == {"p/s-0"}


def test_types_do_not_depend_on_the_data(analyses, tmp_path):
    for number in (0, 5):
        file = FeatureFile(tmp_path / f"{number}.parquet", {})
        file.add(rows_of(analyses[number]))
        file.finish(names(analyses))
    one, other = (pq.read_schema(tmp_path / f"{n}.parquet") for n in (0, 5))
    assert one.equals(other)
    assert one.field("click_count").metadata[b"comment"]
    empty = FeatureFile(tmp_path / "none.parquet", {})
    assert empty.finish([]) == 0
    assert pq.read_schema(tmp_path / "none.parquet").equals(one)


def test_csv_and_json_lines(analyses, tmp_path):
    out = io.StringIO()
    write_csv([r for a in analyses for r in rows_of(a)], out)
    rows = list(csv.DictReader(io.StringIO(out.getvalue())))
    assert [r["id"] for r in rows] == [f"s-{n}" for n in range(6)]
    assert rows[0]["click_count"] == "2"
    assert rows[5]["mouse_distance_traveled"] == ""
    file = FeatureFile(tmp_path / "f.jsonl", {})
    file.add(rows_of(analyses[0]))
    file.finish(names(analyses))
    assert json.loads((tmp_path / "f.jsonl").read_text())["click_count"] == 2


def test_a_spreadsheet_gets_no_formula(tmp_path):
    out = io.StringIO()
    write_csv([{"id": "=1+1", "person": "@x"}], out)
    assert "'=1+1" in out.getvalue()
    assert "'@x" in out.getvalue()
    write_table(SCHEMA.empty_table(), tmp_path / "f.csv")
    assert (tmp_path / "f.csv").read_text().startswith("project,id,")
