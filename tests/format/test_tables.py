"""The tables: their columns, their types, and what hostile recordings do to them."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest
from tests.support.builders import START_MS, click, console, draft, meta, visit

from replayport.archive import Archive
from replayport.format.tables import TABLES, TIME_TYPE, table_batches, time_column

ANALYTICS = {
    "timestamp_ms": START_MS,
    "uuid": "u",
    "event": "$pageview",
    "distinct_id": "d",
    "window_id": "w1",
    "url": "https://shop.example/",
    "properties": "{}",
}


@pytest.fixture
def archive():
    with Archive.open("memory://", create=True) as opened:
        yield opened


def request_event(ms: int, url: str, **fields):
    request = {"name": url, "entryType": "resource", "timestamp": START_MS + ms, **fields}
    data = {"plugin": "rrweb/network@1", "payload": {"requests": [request]}}
    return {"type": 6, "data": data, "timestamp": START_MS + ms}


def test_types_are_plain_and_columns_explained():
    plain = {pa.string(), pa.bool_(), pa.int8(), pa.int32(), pa.int64(), pa.float32(), pa.float64()}
    for table in TABLES.values():
        assert {f.type for f in table.schema} <= plain | {TIME_TYPE}
        assert all(c.meaning.endswith((".", "…")) for c in table.columns)
        assert set(table.cluster_by) <= set(table.schema.names)
        assert table.schema.names[:2] == ["project", "recording_id"]
        assert len(table.cluster_by) <= 4  # BigQuery takes no more


def test_every_table_gives_its_schema_whatever_is_in_it(archive):
    archive.write(draft(session_id="full", analytics=[ANALYTICS]))
    archive.write(draft([meta()], session_id="bare"))
    for name, table in TABLES.items():
        for recording in archive.recordings():
            for batch in table_batches(recording, name):
                assert batch.schema == table.schema
                batch.validate(full=True)


def test_columns_asked_for_are_those_given(archive):
    archive.write(draft([*visit(), request_event(50, "https://x.example/")], analytics=[ANALYTICS]))
    recording = archive.recording("s-1")
    for name, table in TABLES.items():
        for column in table.schema.names:
            whole = recording.scan(name).arrow()
            assert recording.scan(name, [column]).arrow() == whole.select([column])
        both = ["time", "recording_id"]
        assert recording.scan(name, both).arrow().column_names == both
        assert whole.num_rows > 0
    with pytest.raises(KeyError, match="no column"):
        recording.scan("events", ["nope"])


def test_a_recording_as_tables(archive):
    archive.write(
        draft(
            [*visit(), request_event(50, "https://x.example/a", status=404)], analytics=[ANALYTICS]
        )
    )
    recording = archive.recording("s-1")
    [line] = recording.console().to_pylist()
    assert (line["severity"], line["message"], line["timestamp_ms"]) == (
        "error",
        "boom",
        START_MS + 130,
    )
    [asked] = recording.network().to_pylist()
    assert (asked["url"], asked["status"]) == ("https://x.example/a", 404)
    [event] = recording.analytics().to_pylist()
    assert (event["event"], event["recording_id"]) == ("$pageview", "s-1")
    first, second = recording.actions().to_pylist()[1:3]
    assert (first["kind"], first["node_id"], first["timestamp_ms"]) == ("click", 5, START_MS + 100)
    assert first["recording_id"] == "s-1"
    assert first["offset_ms"] == 100
    assert second["text"]
    [row] = archive.recordings().to_pylist()
    assert (row["clicks"], row["console_errors"], row["analytics_events"]) == (2, 1, 1)
    assert json.loads(row["urls"])[0] == "https://shop.example/"


def test_events_are_an_iterator_and_a_table(archive):
    archive.write(draft())
    events = archive.recording("s-1").events()
    assert next(events).kind == "meta"
    assert [e.seq for e in events] == list(range(1, 8))
    assert list(events) == []
    assert events.arrow()["seq"].to_pylist() == list(range(8))
    arrival = archive.recording("s-1").events(order="arrival", kinds=["click"])
    assert arrival.polars()["kind"].to_list() == ["click", "click"]


def test_times_no_calendar_has_are_null_and_kept_beside(archive):
    late = {**click(0), "timestamp": 8_640_000_000_000_000}
    archive.write(draft([meta(), late, {**console(0), "timestamp": 8_639_000_000_000_000}]))
    recording = archive.recording("s-1")
    times = recording.events(kinds=["click"]).to_pylist()[0]
    assert (times["time"], times["timestamp_ms"]) == (None, late["timestamp"])
    assert recording.console().to_pylist()[0]["time"] is None
    assert recording.events().pandas()["time"].notna().sum() == 1
    str(recording.events().polars())  # Polars panics when it writes such a time
    edges = pa.array([-1, 0, 253_402_300_799_999, 253_402_300_800_000, None], pa.int64())
    assert time_column(edges).is_valid().to_pylist() == [False, True, True, False, False]


def test_half_characters_and_nuls_are_text(archive):
    said = {
        "plugin": "rrweb/console@1",
        "payload": {"level": "log", "payload": ['"\\ud800 \\u0000"']},
    }
    event = {"type": 6, "data": said, "timestamp": START_MS}
    archive.write(draft([meta(), event, request_event(1, "https://x.example/\ud800")]))
    recording = archive.recording("s-1")
    assert recording.console().to_pylist()[0]["message"] == "\ufffd \x00"
    assert recording.network().to_pylist()[0]["url"] == "https://x.example/\ufffd"


def test_actions_of_a_mobile_recording_have_elements():
    """Stored as wireframes; the actions are read from what a player would draw."""
    from replayport.demo import RECORDINGS_FOLDER
    from replayport.importing import import_paths

    with Archive.open("memory://", create=True) as opened:
        import_paths([RECORDINGS_FOLDER / "mobile.jsonl.zst"], opened)
        [recording] = opened.recordings()
        found = opened.actions().to_pylist()
        assert found == recording.actions().to_pylist()
        assert any(action["name"] for action in found if action["kind"] in ("tap", "click"))


def test_signals_and_features_are_those_of_the_analysis(archive):
    from replayport.analysing import Task, analyse_recording
    from replayport.analysis.profiles import DEFAULT_PROFILE, PROFILES

    clicks = [click(ms) for ms in (500, 650, 800, 950)]  # nothing answers
    archive.write(draft([*visit(), *clicks, {**meta(), "timestamp": START_MS + 9000}]))
    recording = archive.recording("s-1")
    profile = PROFILES[DEFAULT_PROFILE]
    wanted = analyse_recording(recording, Task(profiles=(profile,), features=True))
    found = recording.signals().to_pylist()
    assert [(r["kind"], r["timestamp_ms"], r["element"]) for r in found] == [
        (s.kind, s.start_ms, s.element) for s in wanted.detected[0].signals
    ]
    assert "rage_click" in {r["kind"] for r in found}
    [row] = recording.scan("features").to_pylist()
    assert row["rage_click_count"] == wanted.features["rage_click_count"] > 0
    assert json.loads(row["click_target_ids"]) == list(wanted.features["click_target_ids"])
    assert set(wanted.features) <= set(row)
