"""Tables over many recordings: complete, in order, as lazy as said, and honest about damage."""

from __future__ import annotations

import builtins
import datetime as dt

import pytest
from tests.support.builders import START_MS, draft, full_snapshot, meta, mutation, visit

from replayport import reading
from replayport.archive import Archive
from replayport.errors import DamagedRecordingError, MissingExtraError, RecordingError
from replayport.format.reader import Recording

DAY_MS = 86_400_000


def shifted(ms: int):
    return [{**e, "timestamp": e["timestamp"] + ms} for e in visit()]


@pytest.fixture(params=["folder", "memory"])
def archive(request, tmp_path):
    url = "memory://" if request.param == "memory" else tmp_path / "it's an archive"
    with Archive.open(url, create=True) as opened:
        for i in range(12):
            opened.write(draft(shifted(i * DAY_MS), session_id=f"s-{i:02}", project=f"p{i % 2}"))
        yield opened


def test_oldest_first_and_complete(archive):
    clicks = archive.events(kinds=["click"], columns=["recording_id", "timestamp_ms"]).arrow()
    assert clicks["recording_id"].to_pylist() == [f"s-{i // 2:02}" for i in range(24)]
    one_by_one = [
        (r.id, e.seq)
        for r in sorted(archive.recordings(), key=lambda r: r.manifest.start_ms)
        for e in r.events()
    ]
    assert [(r["recording_id"], r["seq"]) for r in archive.events().to_pylist()] == one_by_one


def test_since_and_until_as_people_write_them(archive):
    first = dt.datetime.fromtimestamp(START_MS / 1000, dt.UTC)
    after = first + dt.timedelta(days=9)
    for since in (after, after.replace(tzinfo=None), after.isoformat(), START_MS + 9 * DAY_MS):
        found = archive.events(since=since, columns=["recording_id"])
        assert set(found.column("recording_id").to_pylist()) == {"s-09", "s-10", "s-11"}
        assert {r.id for r in archive.recordings(since=since)} == {"s-09", "s-10", "s-11"}
    until = archive.console(until=first + dt.timedelta(days=2), project="p0")
    assert until.column("recording_id").to_pylist() == ["s-00"]
    with pytest.raises(ValueError, match="not a time"):
        archive.events(since="yesterday")


def test_recordings_are_an_iterator_and_a_table(archive):
    recordings = archive.recordings(limit=3)
    assert next(recordings).id == "s-11"
    assert [r.id for r in recordings] == ["s-10", "s-09"]
    assert recordings.column("recording_id").to_pylist() == ["s-11", "s-10", "s-09"]


def test_columns_not_asked_for_are_not_read(archive, monkeypatch):
    asked = []
    real = Recording.batches
    monkeypatch.setattr(
        Recording, "batches", lambda self, c=None, **k: asked.append(list(c)) or real(self, c, **k)
    )
    archive.events().select(["x", "recording_id"]).arrow()
    assert {tuple(c) for c in asked} == {("x",)}


def test_small_recordings_cost_one_request(archive, monkeypatch):
    gets = []
    real = type(archive.store).get
    monkeypatch.setattr(
        type(archive.store), "get", lambda self, key: gets.append(key) or real(self, key)
    )
    assert archive.events(columns=["x"]).num_rows == 12 * 8
    assert len(gets) == 12
    assert all(key.endswith("/events.parquet") for key in gets)


def test_large_recordings_are_read_group_by_group(archive, monkeypatch):
    monkeypatch.setattr(reading, "WHOLE_FILE_BYTES", 0)
    grown = [meta(), *(full_snapshot(i, pad=3 * 2**20) for i in range(1, 9)), mutation(10)]
    archive.write(draft(grown, session_id="large"))
    scan = archive.events(columns=["recording_id", "data"])
    sizes = [len(b) for b in scan.batches()]
    assert sum(sizes) == 12 * 8 + 10
    large = [b for b in archive.recording("large").batches(["data"])]
    assert len(large) > 2


@pytest.mark.parametrize("large", [False, True])
def test_a_damaged_recording_is_an_error_or_is_named(archive, monkeypatch, large):
    if large:
        monkeypatch.setattr(reading, "WHOLE_FILE_BYTES", 0)
    key = f"{archive.recording('s-03').prefix}/events.parquet"
    archive.store.put(key, archive.store.get(key)[:-50])
    scan = archive.events(kinds=["click"])
    with pytest.raises(DamagedRecordingError):
        scan.arrow()
    lenient = archive.events(kinds=["click"], skip_damaged=True)
    ids = set(lenient.column("recording_id").to_pylist())
    assert ids == {f"s-{i:02}" for i in range(12)} - {"s-03"}
    whole = archive.events(kinds=["click"], skip_damaged=True)
    whole.arrow()
    assert list(whole.skipped) == ["p1/s-03"]


def test_what_the_catalog_has_and_the_store_has_not(archive):
    archive.store.delete_prefix(archive.recording("s-05").prefix)
    with pytest.raises(RecordingError, match="reindex"):
        archive.events().arrow()


def test_sql_and_scans_agree(archive):
    columns = [c for c in archive.events().schema.names if c != "time"]
    query = f"SELECT {', '.join(columns)} FROM events ORDER BY recording_id, timestamp_ms, seq"
    rows = archive.sql(query).fetchall()
    assert rows == [tuple(r[c] for c in columns) for r in archive.events().to_pylist()]


def test_sql_joins_every_table_and_takes_parameters(archive):
    [(n, first)] = archive.sql(
        """
        SELECT count(*), min(e.time)
        FROM events e JOIN console c USING (project, recording_id)
            JOIN recordings r USING (project, recording_id)
            LEFT JOIN network n USING (project, recording_id)
            LEFT JOIN analytics a USING (project, recording_id)
        WHERE e.kind = ? AND r.project = ?
        """,
        ["click", "p1"],
    ).fetchall()
    assert n == 12
    assert first == dt.datetime.fromtimestamp((START_MS + DAY_MS + 100) / 1000, dt.UTC).replace(
        tzinfo=None
    )


def test_sql_over_an_empty_archive():
    with Archive.open("memory://", create=True) as empty:
        assert empty.sql("SELECT count(*) FROM events, recordings").fetchall() == [(0,)]


def test_sql_without_duckdb(archive, monkeypatch):
    real = builtins.__import__

    def absent(name, *args, **kwargs):
        if name == "duckdb":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(MissingExtraError, match=r"replayport\[duckdb\]"):
        archive.sql("SELECT 1")
