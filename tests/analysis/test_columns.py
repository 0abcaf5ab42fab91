"""Arrays of a recording: everything that was sent, parsed in bulk, in order of arrival."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.analysis.building import (
    changed,
    columns_of,
    console,
    custom,
    demo_draft,
    demo_recordings,
    event,
    move,
    network,
    page,
    table_of,
    tap,
    typed,
    windows_of,
)
from tests.support.builders import START_MS, draft, full_snapshot, meta

from replayport.analysis.columns import NO_NODE, Columns


def test_a_position_is_when_its_own_offset_says():
    columns = columns_of([move(100, (1, 2, -50), (3, 4.5, 0)), move(150, (5, 6, -20.5))])
    assert (columns.moves.at - START_MS).tolist() == [50, 100, 129.5]
    assert columns.moves.x.tolist() == [1, 3, 5]
    assert columns.moves.y.tolist() == [2, 4.5, 6]
    assert columns.moves.t.tolist() == [START_MS + 100] * 2 + [START_MS + 150]


def test_rows_keep_the_order_they_arrived_in():
    columns = columns_of([tap(500), tap(100, node=7), typed(300, "x")])
    assert columns.interactions.t.tolist() == [START_MS + 500, START_MS + 100]
    assert columns.interactions.by_time().node.tolist() == [7, 6]
    assert columns.seq.tolist() == [0, 1, 2]


@pytest.mark.parametrize("name", [n for n, _ in demo_recordings()])
def test_batches_of_any_size_give_the_same(name):
    recording = next(r for n, r in demo_recordings() if n == name)
    table = table_of(demo_draft(recording))
    whole = Columns.from_table(table)
    parts = Columns.from_batches(b for b in table.to_batches(max_chunksize=7))
    for kind in ("interactions", "moves", "inputs", "requests", "navigations", "snapshots"):
        one, other = getattr(whole, kind), getattr(parts, kind)
        assert one.seq.tolist() == other.seq.tolist(), kind
        assert repr(one.t.tolist()) == repr(other.t.tolist()), kind
    assert np.array_equal(whole.moves.x, parts.moves.x)
    assert whole.requests.url.tolist() == parts.requests.url.tolist()
    assert whole.findings == parts.findings
    assert whole.windows == parts.windows


def test_real_counts_are_what_a_plain_count_gives():
    for _, recording in demo_recordings():
        made = demo_draft(recording)
        columns = Columns.from_table(table_of(made))
        events = list(made.columns.events())
        moves = [e.data for e in events if e.source == 1]
        assert len(columns.moves) == sum(len(m["positions"]) for m in moves)
        requests = [e.data for e in events if e.kind == "network"]
        assert len(columns.requests) == sum(len(r["payload"]["requests"]) for r in requests)
        assert len(columns.console) == sum(e.kind == "console" for e in events)
        assert len(columns.navigations) == len(made.columns.url)


def test_windows_are_told_apart():
    columns = windows_of(a=[meta(0), full_snapshot(1), tap(10)], b=[tap(5)])
    assert set(columns.windows) == {"a", "b"}
    b = list(columns.windows).index("b")
    assert columns.interactions.of_window(b).t.tolist() == [START_MS + 5]
    assert columns.findings["no_full_snapshot"] == 1


def test_one_bad_payload_costs_only_itself():
    odd = [
        event(1, 1, positions="none"),
        event(2, 1, positions=[None, {"x": "a"}]),
        event(3, 2, type="click", id={}, x=[]),
        event(4, 5, id=7, text=5, isChecked="maybe"),
        event(5, 3, id=1, x="1", y=None),
        {"type": 6, "timestamp": START_MS, "data": {"plugin": "rrweb/console@1", "payload": 3}},
        {"type": 6, "timestamp": START_MS, "data": {"plugin": "rrweb/network@1", "payload": []}},
    ]
    columns = columns_of(
        [*odd, move(6, (1, 1, 0)), tap(7), console(8), network(9, (9, 1, 200, "", ""))]
    )
    assert len(columns.moves) == 1
    assert columns.interactions.type.tolist()[-1] == 2
    assert len(columns.requests) == 1
    assert columns.console.level.tolist().count("error") == 1
    assert columns.findings["unreadable_payloads"] >= 4


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False)
    | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["x", "y", "id", "positions", "payload", "requests", "plugin", "text", "type"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from([2, 3, 4, 5, 6]), st.integers(0, 16), json_values), max_size=8
    )
)
def test_any_payload_makes_columns(rows):
    events = []
    for type_, source, value in rows:
        data = value if isinstance(value, dict) else {"payload": value}
        if type_ == 3:
            data = {**data, "source": source}
        if type_ == 6:
            data = {"plugin": "rrweb/network@1" if source % 2 else "rrweb/console@1", **data}
        events.append({"type": type_, "timestamp": START_MS, "data": data})
    made = draft([meta(), *events])
    assert len(Columns.from_table(table_of(made))) == len(made.columns)


def test_posthogs_older_network_plugin():
    payload = {
        "2": "https://x.example/a",
        "21": 503,
        "39": 120.5,
        "40": START_MS + 5,
        "18": "fetch",
    }
    data = {"plugin": "posthog/network@1", "payload": payload}
    columns = columns_of([{"type": 6, "timestamp": START_MS + 200, "data": data}])
    r = columns.requests
    assert (r.url[0], r.status[0], r.duration[0], r.start[0], r.kind[0]) == (
        "https://x.example/a",
        503,
        120.5,
        START_MS + 5,
        "fetch",
    )


def test_lengths_are_javascripts():
    columns = columns_of([typed(0, "a🙂"), typed(1, ""), typed(2, "***")])
    assert columns.inputs.chars.tolist() == [3, 0, 3]
    assert columns.inputs.masked.tolist() == [False, False, True]


def test_switches_are_no_texts():
    radio = {"isChecked": True}
    events = [
        event(0, 5, id=9, text="post", **radio),
        event(1, 5, id=9, text="post", isChecked=False),
    ]
    assert columns_of(events).inputs.toggle.all()
    assert not columns_of([typed(0, "post")]).inputs.toggle.any()


def test_a_blank_page_is_seen_and_a_page_with_a_picture_is_not():
    blank = full_snapshot(1, text="")
    picture = json.loads(json.dumps(blank))
    body = picture["data"]["node"]["childNodes"][0]["childNodes"][0]
    body["childNodes"].append(
        {"type": 2, "id": 9, "tagName": "IMG", "attributes": {}, "childNodes": []}
    )
    assert columns_of([meta(), blank]).snapshots.blank.tolist() == [True]
    assert columns_of([meta(), picture]).snapshots.blank.tolist() == [False]
    assert columns_of([meta(), full_snapshot(1, "words")]).snapshots.blank.tolist() == [False]
    assert columns_of([meta(), full_snapshot(1, "", pad=50_000)]).snapshots.blank.tolist() == [
        False
    ]


@pytest.mark.parametrize(
    ("events", "code"),
    [
        ([meta(), changed(5)], "no_full_snapshot"),
        (page(tap(5)), "no_pointer_data"),
        (page(tap(5)), "no_network_data"),
        (page(tap(5)), "no_console_data"),
        (page(event(5, 2, type=2, id=6)), "no_click_positions"),
        (page(typed(5, "***")), "all_inputs_masked"),
        (page(typed(5, "")), "masked_to_nothing"),
        ([*page(), changed(10), changed(-200_000)], "clock_jump"),
        ([*page(), changed(90_000_000)], "clock_jump"),
    ],
)
def test_what_is_not_told_is_said(events, code):
    assert columns_of(events).findings[code]


def test_a_recording_that_tells_everything_has_no_findings():
    plugins = custom(
        2, "$session_options", {"activePlugins": ["rrweb/console@1", "rrweb/network@1"]}
    )
    assert not columns_of(page(plugins, move(5, (1, 1, 0)), tap(6), typed(7, "a"))).findings


def test_nothing_at_all():
    columns = Columns.from_table(table_of(draft([meta()])).slice(0, 0))
    assert columns.findings == {"no_events": 1}
    assert (columns.start_ms, columns.end_ms, len(columns)) == (0, 0, 0)


def test_mobile_is_said():
    assert columns_of([meta(), full_snapshot()], mobile=True).findings["mobile"] == 1


def test_an_event_without_a_node():
    assert columns_of([event(0, 2, type=2, x=1, y=1)]).interactions.node.tolist() == [NO_NODE]
