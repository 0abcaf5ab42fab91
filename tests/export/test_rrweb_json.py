"""rrweb JSON: the events of the source, for rrweb's own player."""

from __future__ import annotations

import json

import pytest
from tests.support.builders import START_MS, click, draft, meta, visit
from tests.support.files import TWO_WINDOWS, compact

from replayport.archive import Archive
from replayport.export import ExportOptions
from replayport.export.rrweb_json import export
from replayport.posthog.lines import EventDecoder


@pytest.fixture
def archive(tmp_path):
    with Archive.open(tmp_path / "a", create=True) as archive:
        yield archive


def stored(archive, pairs, **fields):
    decoder = EventDecoder()
    for window_id, event in pairs:
        decoder.feed(window_id, compact(event))
    made = draft([meta()], **fields)
    made.columns = decoder.columns
    return archive.recording(archive.write(made).id)


def written(recording, **options):
    return json.loads(b"".join(export(recording, ExportOptions(**options))))


def test_equal_to_the_source(archive):
    recording = stored(archive, [("w1", e) for e in visit()])
    assert written(recording) == visit()


def test_an_event_a_line(archive):
    text = b"".join(export(stored(archive, [("w1", e) for e in visit()]), ExportOptions()))
    assert [json.loads(line.strip(b",")) for line in text.splitlines()[1:-1]] == visit()


def test_several_windows_are_named_in_each_event(archive):
    recording = stored(archive, TWO_WINDOWS)
    assert [e["windowId"] for e in written(recording)] == ["w1"] * 8 + ["w2"] * 8
    assert written(recording, window_id="w2") == [e for w, e in TWO_WINDOWS if w == "w2"]
    assert written(recording, window_id="w3") == []


def test_a_window_the_source_named_stays_as_it_named_it(archive):
    nested = {**click(1), "more": {"windowId": "not this"}}
    own = {**click(2), "windowId": 7}
    recording = stored(archive, [("w1", meta()), ("w2", nested), ("7", own)])
    assert [e["windowId"] for e in written(recording)] == ["w1", "w2", 7]
    assert written(recording)[1]["more"] == {"windowId": "not this"}


def test_time_order_and_arrival_order(archive):
    events = [click(30), click(10), click(20)]
    recording = stored(archive, [("w", e) for e in events])
    assert [e["timestamp"] - START_MS for e in written(recording)] == [10, 20, 30]
    assert written(recording, arrival_order=True) == events


def test_lone_surrogates_and_control_characters_survive(archive):
    event = {
        "type": 5,
        "timestamp": START_MS,
        "data": {"tag": "x", "payload": "\ud83d\0\x1b\u2028"},
    }
    decoder = EventDecoder()
    decoder.feed("w", json.dumps(event).encode())
    made = draft([meta()])
    made.columns = decoder.columns
    recording = archive.recording(archive.write(made).id)
    assert written(recording) == [event]
