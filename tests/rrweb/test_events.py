"""rrweb's numbers have names, and an event is written as it came."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replayport.posthog.lines import EventDecoder
from replayport.rrweb.events import (
    MAX_KIND_CHARS,
    Event,
    EventType,
    IncrementalSource,
    MouseInteraction,
    kind_of,
)


@pytest.mark.parametrize(
    ("args", "kind"),
    [
        ((0,), "dom_content_loaded"),
        ((1,), "load"),
        ((2,), "full_snapshot"),
        ((4,), "meta"),
        ((7,), "asset"),
        ((3,), "incremental"),
        ((3, 0), "mutation"),
        ((3, 1), "mouse_move"),
        ((3, 2, 2), "click"),
        ((3, 2, 7), "touch_start"),
        ((3, 2, 11), "interaction:11"),
        ((3, 2), "interaction:None"),
        ((3, 5), "input"),
        ((3, 99), "incremental:99"),
        ((5, None, None, "$pageview"), "custom:$pageview"),
        ((5, None, None, {"an": "object"}), "custom"),
        ((5,), "custom"),
        ((6, None, None, "rrweb/console@1"), "console"),
        ((6, None, None, "rrweb/network@1"), "network"),
        ((6, None, None, "posthog/network@1"), "network"),
        ((6, None, None, "mine"), "plugin:mine"),
        ((6, None, None, 5), "plugin"),
        ((42,), "type:42"),
        ((-1,), "type:-1"),
    ],
)
def test_kinds(args, kind):
    assert kind_of(*args) == kind


def test_every_number_has_its_own_name():
    kinds = [kind_of(t) for t in EventType if t is not EventType.INCREMENTAL_SNAPSHOT]
    kinds += [
        kind_of(3, s) for s in IncrementalSource if s is not IncrementalSource.MOUSE_INTERACTION
    ]
    kinds += [kind_of(3, 2, i) for i in MouseInteraction]
    assert len(kinds) == len(set(kinds))
    assert not any(":" in k for k in kinds)


def test_long_names_are_cut():
    assert len(kind_of(5, name="x" * 10_000)) == MAX_KIND_CHARS + len("custom:")


def event(extra=None, data="{}", timestamp_ms=5):
    return Event(timestamp_ms, 0, "w", 4, None, "meta", data, extra)


@pytest.mark.parametrize(
    ("stored", "value"),
    [
        (event(), {"type": 4, "data": {}, "timestamp": 5}),
        (event(data=None), {"type": 4, "timestamp": 5}),
        (event(data="null"), {"type": 4, "data": None, "timestamp": 5}),
        (event("{}"), {"type": 4, "data": {}, "timestamp": 5}),
        (event(" { } "), {"type": 4, "data": {}, "timestamp": 5}),
        (event('{"delay":3}'), {"type": 4, "data": {}, "timestamp": 5, "delay": 3}),
        (event('{"timestamp":5.25}'), {"type": 4, "data": {}, "timestamp": 5.25}),
        (
            event('{"a":{"timestamp":1}}'),
            {"type": 4, "data": {}, "timestamp": 5, "a": {"timestamp": 1}},
        ),
        (
            event('{"timestamp":5.5,"a":"\\"timestamp\\""}'),
            {"type": 4, "data": {}, "timestamp": 5.5, "a": '"timestamp"'},
        ),
        (event('{"a":"\\ud83d"}'), {"type": 4, "data": {}, "timestamp": 5, "a": "\ud83d"}),
    ],
)
def test_to_rrweb(stored, value):
    assert stored.to_rrweb() == value
    assert "\n" not in stored.to_json()


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.text(max_size=5)
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(max_size=9), v, max_size=3),
    max_leaves=6,
)
KEYS = st.sampled_from(
    ["delay", "cv", "windowId", "seen", "_sid", "timestampX", "extra"]
) | st.text(max_size=6).filter(lambda k: k not in ("type", "timestamp", "data"))


@given(
    type_=st.integers(-128, 127),
    timestamp=st.integers(-(10**15), 10**15) | st.floats(-1e12, 1e12, allow_nan=False),
    data=values,
    more=st.dictionaries(KEYS, values, max_size=3),
)
def test_any_event_comes_back_from_its_columns(type_, timestamp, data, more):
    source = {"type": type_, "timestamp": timestamp, "data": data, **more}
    decoder = EventDecoder()
    decoder.feed("w", json.dumps(source).encode())
    (stored,) = decoder.columns.events()
    assert stored.to_rrweb() == source
