"""Mobile recordings become DOM when played; what is stored stays."""

from __future__ import annotations

import io
import json

import pyarrow.parquet as pq
import pytest
from tests.support.builders import START_MS, draft, visit

from replayport.archive import Archive
from replayport.export import EXPORTS, ExportOptions
from replayport.playable import needs_conversion, playable_columns, playable_parquet

WIREFRAME = {"id": 1, "type": "text", "text": "hello", "x": 0, "y": 0, "width": 100, "height": 20}
MOBILE = [
    {"type": 4, "timestamp": START_MS, "data": {"href": "Main", "width": 300, "height": 600}},
    {
        "type": 2,
        "timestamp": START_MS + 1,
        "data": {"wireframes": [WIREFRAME], "initialOffset": {"top": 0, "left": 0}},
    },
]


@pytest.fixture
def archive(tmp_path):
    with Archive.open(tmp_path / "a", create=True) as archive:
        yield archive


def test_wireframes_become_nodes(archive):
    recording = archive.recording(archive.write(draft(MOBILE)).id)
    assert needs_conversion(recording.manifest)
    events = [e.to_rrweb() for e in playable_columns(recording).events()]
    snapshot = next(e for e in events if e["type"] == 2)
    assert snapshot["data"]["node"]["type"] == 0
    assert "hello" in json.dumps(snapshot)
    assert "wireframes" not in snapshot["data"]
    assert [e.to_rrweb() for e in recording.events()] == MOBILE
    options = ExportOptions(playable=True)
    exported = json.loads(b"".join(EXPORTS["rrweb-json"].load()(recording, options)))
    assert exported == events


def test_the_converted_file_is_a_parquet_of_events(archive):
    recording = archive.recording(archive.write(draft(MOBILE)).id)
    table = pq.read_table(io.BytesIO(playable_parquet(recording)))
    assert "full_snapshot" in table["kind"].to_pylist()


def test_web_recordings_need_none(archive):
    recording = archive.recording(archive.write(draft()).id)
    assert not needs_conversion(recording.manifest)
    assert [e.to_rrweb() for e in playable_columns(recording).events()] == visit()


@pytest.mark.parametrize(
    "properties", ["not json", "[]", '{"$viewport_width":1e999,"$viewport_height":1}', "{}"]
)
def test_odd_analytics_do_not_stop_it(archive, properties):
    rows = [{"timestamp_ms": START_MS, "event": "$pageview", "properties": properties}]
    recording = archive.recording(archive.write(draft(MOBILE, analytics=rows)).id)
    assert len(playable_columns(recording)) >= 2


@pytest.mark.parametrize(
    "wireframes",
    [
        None,
        5,
        [None],
        [{"type": {}}],
        [{**WIREFRAME, "style": 7, "childWireframes": "x"}],
        [[]],
        [{**WIREFRAME, "x": "wide", "width": {}}],
    ],
)
def test_odd_wireframes_do_not_stop_it(archive, wireframes):
    events = [*MOBILE, {"type": 2, "timestamp": START_MS + 2, "data": {"wireframes": wireframes}}]
    recording = archive.recording(archive.write(draft(events)).id)
    assert len(playable_columns(recording)) >= 2


def test_deep_wireframes_do_not_stop_it(archive):
    nested = WIREFRAME
    for depth in range(150):
        nested = {**WIREFRAME, "id": depth + 2, "type": "div", "childWireframes": [nested]}
    events = [*MOBILE, {"type": 2, "timestamp": START_MS + 2, "data": {"wireframes": [nested]}}]
    recording = archive.recording(archive.write(draft(events)).id)
    assert len(playable_columns(recording)) >= 2


def test_deeply_nested_events_do_not_stop_it(archive):
    deep = "[" * 4000 + "]" * 4000
    made = draft(MOBILE)
    from replayport.posthog.lines import EventDecoder

    decoder = EventDecoder()
    for event in MOBILE:
        decoder.feed("w", json.dumps(event).encode())
    decoder.feed("w", f'{{"type":5,"timestamp":{START_MS},"data":{deep}}}'.encode())
    made.columns = decoder.columns
    recording = archive.recording(archive.write(made).id)
    assert len(playable_columns(recording)) >= 2
