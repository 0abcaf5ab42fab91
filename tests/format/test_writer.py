"""The recording file: order, row groups, counts; equal events make equal files."""

from __future__ import annotations

import io
import json
import random

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.builders import START_MS, click, console, full_snapshot, meta, visit

from replayport.format.schema import (
    EVENTS_SCHEMA,
    METADATA_KEY,
    ROW_GROUP_TARGET_BYTES,
    SMALL_BYTES,
)
from replayport.format.writer import encode_analytics, encode_events, row_group_bounds
from replayport.posthog.lines import EventDecoder


def columns_of(events, window="w"):
    decoder = EventDecoder()
    for item in events:
        w, event = item if isinstance(item, tuple) else (window, item)
        decoder.feed(w, json.dumps(event).encode())
    return decoder.columns


def read(data):
    return pq.read_table(io.BytesIO(data))


def test_the_file_has_the_schema_and_says_what_it_is():
    data, summary = encode_events(columns_of(visit()), metadata={"id": "x"})
    file = pq.ParquetFile(io.BytesIO(data))
    plain = [f.name for f in file.schema_arrow]
    assert plain == EVENTS_SCHEMA.names
    for field in EVENTS_SCHEMA:
        stored = file.schema_arrow.field(field.name)
        want = field.type.value_type if hasattr(field.type, "value_type") else field.type
        assert stored.type == want, field.name
        assert stored.nullable == field.nullable, field.name
    footer = json.loads(file.metadata.metadata[METADATA_KEY])
    assert footer["format"] == "replayport-recording"
    assert (footer["id"], footer["events"]) == ("x", len(visit()))
    assert summary.events == len(visit())


@pytest.mark.parametrize(("pad", "compressed"), [(0, 1), (SMALL_BYTES, len(EVENTS_SCHEMA))])
def test_small_recordings_compress_one_column(pad, compressed):
    events = [*visit(), console(900, "x" * pad)]
    group = pq.ParquetFile(io.BytesIO(encode_events(columns_of(events))[0])).metadata.row_group(0)
    columns = [group.column(i) for i in range(group.num_columns)]
    assert [c.path_in_schema for c in columns if c.compression == "ZSTD"].count("data") == 1
    assert sum(c.compression == "ZSTD" for c in columns) == compressed


@given(st.lists(st.integers(0, 50), min_size=1, max_size=40))
@settings(max_examples=60, deadline=None)
def test_rows_are_ordered_by_time_then_arrival(offsets):
    data, summary = encode_events(columns_of([click(ms) for ms in offsets]))
    rows = list(zip(*(read(data)[n].to_pylist() for n in ("timestamp_ms", "seq")), strict=True))
    assert rows == sorted(rows)
    assert sorted(s for _, s in rows) == list(range(len(offsets)))
    assert [r[0] - START_MS for r in sorted(rows, key=lambda r: r[1])] == offsets
    assert (summary.start_ms, summary.end_ms) == (START_MS + min(offsets), START_MS + max(offsets))


def test_a_position_beyond_32_bits_is_none():
    table = read(encode_events(columns_of([click(1, x=1e308, y=-1e308), click(2, x=3.5)]))[0])
    assert table["x"].to_pylist() == [None, 3.5]
    assert table["y"].to_pylist() == [None, 20]


def test_equal_events_make_equal_files():
    assert encode_events(columns_of(visit()))[0] == encode_events(columns_of(visit()))[0]


@given(
    st.lists(st.integers(0, 3 * ROW_GROUP_TARGET_BYTES), min_size=1, max_size=60),
    st.sets(st.integers(0, 59)),
)
@settings(max_examples=200, deadline=None)
def test_row_groups_cover_everything_and_start_at_full_snapshots(sizes, full):
    snapshots = sorted(r for r in full if r < len(sizes))
    starts = {r: r - 1 for r in snapshots if r and r - 1 not in snapshots}
    bounds = row_group_bounds(sizes, snapshots, starts)
    assert [r for a, b in bounds for r in range(a, b)] == list(range(len(sizes)))
    assert all(a < b for a, b in bounds)
    for start, end in bounds[1:]:
        before = sum(sizes[bounds[bounds.index((start, end)) - 1][0] : start])
        at_snapshot = start in snapshots or start + 1 in snapshots
        assert before >= ROW_GROUP_TARGET_BYTES or not at_snapshot
    for start, end in bounds:
        assert end - start == 1 or sum(sizes[start : end - 1]) <= 2 * ROW_GROUP_TARGET_BYTES


def test_a_large_recording_breaks_at_full_snapshots_with_their_meta():
    events = []
    for page in range(6):
        # Random text: what does not repeat keeps the sizes honest.
        text = random.Random(page).randbytes(800_000).hex()
        events += [meta(page * 1000), full_snapshot(page * 1000 + 1, text=text)]
        events += [click(page * 1000 + 2 + i) for i in range(5)]
    data, _ = encode_events(columns_of(events))
    file = pq.ParquetFile(io.BytesIO(data))
    assert file.num_row_groups == 2
    for group in range(file.num_row_groups):
        assert file.read_row_group(group)["kind"].to_pylist()[:2] == ["meta", "full_snapshot"]


def test_the_summary_counts():
    events = [("a", e) for e in visit()] + [("b", meta(500, "https://shop.example/two"))]
    events += [("b", click(510)), ("b", console(520, "warn"))]
    _, summary = encode_events(columns_of(events))
    assert [(w.window_id, w.events, w.full_snapshots) for w in summary.windows] == [
        ("a", 8, 1),
        ("b", 3, 0),
    ]
    assert summary.windows[1].first_url == "https://shop.example/two"
    assert summary.kinds["click"] == 3
    assert summary.console_errors == 1
    assert summary.urls == [
        "https://shop.example/",
        "https://shop.example/cart",
        "https://shop.example/two",
    ]
    assert (summary.viewport.width, summary.viewport.height) == (1280, 720)
    assert summary.findings["no_full_snapshot"] == 1


def test_findings_name_what_is_odd():
    events = [click(5), meta(10), full_snapshot(11), click(20), click(20), click(15)]
    _, summary = encode_events(columns_of(events))
    assert summary.findings == {
        "before_full_snapshot": 1,
        "duplicate_event": 1,
        "out_of_order": 1,
    }


def test_texts_that_are_not_utf8_are_repaired_and_counted():
    decoder = EventDecoder()
    decoder.feed("w", json.dumps(click(1)).encode())
    decoder.feed("w", b'{"type":5,"timestamp":1790000000002,"data":{"tag":"t","payload":"a\xffb"}}')
    data, summary = encode_events(decoder.columns)
    texts = read(data)["data"].to_pylist()
    assert json.loads(texts[1])["payload"] == "a\ufffdb"
    assert summary.findings["utf8_replaced"] + decoder.findings["utf8_replaced"] >= 1


def test_an_event_without_data_is_null():
    data, _ = encode_events(columns_of([{"type": 0, "timestamp": START_MS}, click(1)]))
    assert read(data)["data"].null_count == 1


def test_no_events_is_a_wrong_call():
    with pytest.raises(ValueError, match="at least one event"):
        encode_events(columns_of([]))


def test_analytics_are_ordered_by_time():
    rows = [
        {"timestamp_ms": t, "uuid": str(t), "event": "e", "properties": "{}"} for t in (3, 1, 2)
    ]
    assert read(encode_analytics(rows))["timestamp_ms"].to_pylist() == [1, 2, 3]
