"""Reading back: everything, parts, and by range without the whole file."""

from __future__ import annotations

import json
import random

import pytest
from tests.support.builders import START_MS, click, draft, full_snapshot, meta, visit

from replayport.analysis.tables import ACTIONS_SCHEMA
from replayport.archive import Archive
from replayport.errors import DamagedRecordingError
from replayport.format.reader import WHOLE_FILE_BYTES, Recording
from replayport.format.schema import EVENTS_FILE


@pytest.fixture
def archive(tmp_path):
    with Archive.open(tmp_path / "a", create=True) as archive:
        yield archive


def large_visit(pages=8):
    events = []
    for page in range(pages):
        text = random.Random(page).randbytes(700_000).hex()
        events += [meta(page * 1000), full_snapshot(page * 1000 + 1, text=text)]
        events += [click(page * 1000 + 10 + i) for i in range(20)]
    return events


def test_arrival_order_gives_what_was_sent(archive):
    events = [visit()[i] for i in (3, 1, 0, 2, 7, 5, 4, 6)]
    recording = archive.recording(archive.write(draft(events)).id)
    assert [e.to_rrweb() for e in recording.events(order="arrival")] == events
    in_time = list(recording.events())
    assert [(e.timestamp_ms, e.seq) for e in in_time] == sorted(
        (e.timestamp_ms, e.seq) for e in in_time
    )


def test_filters_agree_with_filtering_afterwards(archive):
    recording = archive.recording(archive.write(draft(large_visit())).id)
    everything = list(recording.events())
    a, b = START_MS + 2005, START_MS + 5015
    assert list(recording.events(start_ms=a, end_ms=b)) == [
        e for e in everything if a <= e.timestamp_ms < b
    ]
    assert list(recording.events(kinds=["click", "meta"])) == [
        e for e in everything if e.kind in ("click", "meta")
    ]
    assert list(recording.events(window_id="w1")) == everything
    assert list(recording.events(window_id="nobody")) == []
    assert recording.table(["seq"], kinds=["click"]).num_rows == 160
    assert recording.light_table().num_rows == len(everything)


class CountingStore:
    """Serves ranges and refuses a whole file: a reader must not need it."""

    def __init__(self, files):
        self.files = files
        self.ranges = []

    def get(self, key):
        raise AssertionError(f"the whole of {key} was fetched")

    def get_range(self, key, start, end):
        self.ranges.append((start, end))
        return self.files[key][start:end]


def test_a_seek_reads_only_its_part(archive):
    stored = archive.recording(archive.write(draft(large_visit())).id)
    data = stored.file(EVENTS_FILE)
    assert len(data) > WHOLE_FILE_BYTES
    store = CountingStore({f"x/{EVENTS_FILE}": data})
    recording = Recording(store, "x", stored.manifest)
    assert len(recording.row_groups()) > 1
    events = list(recording.events(start_ms=START_MS + 7000))
    assert len(events) == 22
    assert sum(b - a for a, b in store.ranges) < 0.75 * len(data)
    light = CountingStore({f"x/{EVENTS_FILE}": data})
    Recording(light, "x", stored.manifest).light_table()
    assert sum(b - a for a, b in light.ranges) < 0.3 * len(data)


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "other"])
def test_damage_is_named(archive, damage):
    recording_id = archive.write(draft()).id
    recording = archive.recording(recording_id)
    key = f"{recording.prefix}/{EVENTS_FILE}"
    data = bytearray(archive.store.get(key))
    if damage == "flip":
        data[len(data) // 3] ^= 0xFF
    archive.store.put(
        key,
        {
            "cut": bytes(data[:-10]),
            "flip": bytes(data),
            "empty": b"",
            "other": b"PAR1 not parquet PAR1",
        }[damage],
    )
    with pytest.raises(DamagedRecordingError, match="digest") as e:
        list(archive.recording(recording_id).events())
    assert key in str(e.value)


def test_a_missing_file_is_named(archive):
    recording_id = archive.write(draft()).id
    recording = archive.recording(recording_id)
    archive.store.delete(f"{recording.prefix}/{EVENTS_FILE}")
    with pytest.raises(DamagedRecordingError, match="missing"):
        list(archive.recording(recording_id).events())


def test_analytics_come_back(archive):
    rows = [
        {
            "timestamp_ms": START_MS + i,
            "uuid": f"u{i}",
            "event": "$ai_generation",
            "distinct_id": "d",
            "window_id": None,
            "url": None,
            "properties": json.dumps({"$ai_model": "m", "i": i}),
        }
        for i in range(3)
    ]
    recording = archive.recording(archive.write(draft(analytics=rows)).id)
    assert recording.manifest.analytics_events == 3
    assert recording.analytics_table().to_pylist() == rows
    assert archive.recording(archive.write(draft(session_id="s-2")).id).analytics().num_rows == 0


# --- what happened ----------------------------------------------------------------


def test_actions_are_rows(archive):
    recording = archive.recording(archive.write(draft(visit())).id)
    table = recording.actions()
    assert set(ACTIONS_SCHEMA.names) <= set(table.schema.names)
    assert table["text"].to_pylist()[:2] == [
        "opened https://shop.example/",
        'clicked the page "hello"',
    ]
    assert table["timestamp_ms"].to_pylist() == sorted(table["timestamp_ms"].to_pylist())


def test_mobile_actions_are_on_what_was_drawn(archive):
    button = {"id": 12, "type": "input", "inputType": "button", "value": "Pay"}
    wireframes = [{**button, "x": 0, "y": 0, "width": 100, "height": 20}]
    touch = {"source": 2, "id": 12, "x": 5, "y": 5}
    events = [
        {"type": 4, "timestamp": START_MS, "data": {"href": "Cart", "width": 300, "height": 600}},
        {"type": 2, "timestamp": START_MS + 1, "data": {"wireframes": wireframes}},
        {"type": 3, "timestamp": START_MS + 500, "data": {**touch, "type": 7}},
        {"type": 3, "timestamp": START_MS + 560, "data": {**touch, "type": 9}},
    ]
    recording = archive.recording(archive.write(draft(events)).id)
    assert recording.manifest.snapshot_source == "mobile"
    assert recording.actions()["text"].to_pylist() == ["opened Cart", 'tapped the button "Pay"']
    assert not recording.action_log().findings
