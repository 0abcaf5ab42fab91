"""Lines and compression: what goes in comes out, and what is bad is counted."""

from __future__ import annotations

import copy
import gzip
import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.builders import START_MS, click, compressed, lines, mutation, pack_field, visit

from replayport.errors import SourceDataError
from replayport.outcomes import RejectReason
from replayport.posthog.lines import EventDecoder, inflate_field

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
events = st.fixed_dictionaries(
    {
        "type": st.integers(-128, 127),
        "timestamp": st.integers(0, 2**42) | st.floats(1, 2**41).map(lambda f: round(f, 3)),
        "data": json_values
        | st.fixed_dictionaries(
            {"source": st.integers(0, 20)},
            optional={
                "id": st.integers(-(2**40), 2**40),
                "x": st.floats(-1e9, 1e9),
                "y": st.floats(-1e9, 1e9),
                "type": st.integers(0, 12),
                "texts": json_values,
                "adds": json_values,
                "positions": json_values,
            },
        )
        | st.fixed_dictionaries({"tag": json_values, "payload": json_values}),
    },
    optional={"delay": json_values, "seen": json_values, "windowId": json_values},
)


def decoded(text: bytes) -> EventDecoder:
    decoder = EventDecoder()
    decoder.feed_lines(text)
    return decoder


def values(decoder: EventDecoder) -> list[list[object]]:
    return [[e.window_id, e.to_rrweb()] for e in decoder.columns.events()]


@given(st.lists(st.tuples(st.text(min_size=1, max_size=5), events), max_size=6))
@settings(max_examples=150, deadline=None)
def test_lines_come_back_as_equal_json_values(pairs):
    text = b"".join(json.dumps([w, e]).encode() + b"\n" for w, e in pairs)
    decoder = decoded(text)
    assert not decoder.rejected
    assert values(decoder) == [[w, e] for w, e in pairs]


@given(st.lists(events, max_size=5))
@settings(max_examples=100, deadline=None)
def test_an_array_a_line_an_event_and_window_objects_agree(items):
    array, single, windows = EventDecoder(), EventDecoder(), EventDecoder()
    array.feed_many("w", json.dumps(items).encode())
    for item in items:
        single.feed("w", json.dumps(item).encode())
    windows.feed_lines(json.dumps({"window_id": "w", "data": items}).encode())
    assert values(array) == values(single) == values(windows) == [["w", e] for e in items]


def test_compressed_events_decode_to_what_was_compressed():
    original = visit()
    decoder = decoded(lines([compressed(e) for e in original]))
    expected = [{**e, "cv": "2024-10"} if e != compressed(e) else e for e in original]
    assert [v for _, v in values(decoder)] == expected
    assert not decoder.findings


def test_cv_on_decoded_fields_changes_nothing():
    event = {**visit()[1], "cv": "2024-10"}
    assert values(decoded(lines([event]))) == [["w1", event]]


def test_fields_decide_not_cv():
    packed = compressed(visit()[1])
    del packed["cv"]
    assert values(decoded(lines([packed]))) == [["w1", visit()[1]]]


def test_style_sheet_rules_and_unknown_keys_survive_decompression():
    event = {
        "type": 3,
        "timestamp": START_MS,
        "cv": "2024-10",
        "data": {
            "source": 8,
            "id": 9,
            "adds": pack_field([{"rule": "a{}"}]),
            "replaceSync": "x{}",
            "styleId": 4,
        },
    }
    odd = copy.deepcopy(event)
    odd["data"]["future"] = {"a": 1}
    for sent in (event, odd):
        want = copy.deepcopy(sent)
        want["data"]["adds"] = [{"rule": "a{}"}]
        if "replaceSync" in want["data"]:
            assert values(decoded(lines([sent])))[0][1]["data"]["adds"] == [{"rule": "a{}"}]
        assert values(decoded(lines([sent]))) == [["w1", want]]


@pytest.mark.parametrize(
    "field",
    [
        "not gzip",
        "\u0100",
        pack_field([1])[:-9],
        pack_field([1])[:-8] + "\x00" + pack_field([1])[-7:],
        gzip.compress(b"[1,", mtime=0).decode("latin-1"),
        gzip.compress(b'1],"x":[2', mtime=0).decode("latin-1"),
    ],
)
def test_an_undecodable_field_keeps_the_event_as_it_came(field):
    event = compressed(visit()[4])
    event["data"]["texts"] = field
    decoder = decoded(lines([event, click(5)]))
    assert values(decoder) == [["w1", event], ["w1", click(5)]]
    assert decoder.findings == {"compressed_field_undecodable": 1}


def test_a_bomb_in_a_field_is_refused():
    bomb = gzip.compress(b'"' + b"a" * 5_000_000 + b'"').decode("latin-1")
    with pytest.raises(SourceDataError) as e:
        inflate_field(bomb, max_bytes=1_000_000)
    assert e.value.reason == RejectReason.TOO_LARGE


def test_a_recording_past_the_limit_is_refused():
    decoder = EventDecoder(max_recording_bytes=200)
    with pytest.raises(SourceDataError) as e:
        decoder.feed_lines(lines(visit()))
    assert e.value.reason == RejectReason.TOO_LARGE


def test_unknown_cv_is_kept_and_named():
    event = {**click(1), "cv": "2031-01"}
    decoder = decoded(lines([event]))
    assert values(decoder) == [["w1", event]]
    assert decoder.findings["unknown_compression"] == 1


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'["w",{"type":3,"timest', RejectReason.INVALID_JSON),
        (b"\xff\xfe\x00", RejectReason.INVALID_JSON),
        (b'["w",17]', RejectReason.NOT_AN_EVENT),
        (b'["w"]', RejectReason.NOT_AN_EVENT),
        (b"17", RejectReason.NOT_AN_EVENT),
        (b'["w",{"timestamp":1}]', RejectReason.INVALID_TYPE),
        (b'["w",{"type":"x","timestamp":1}]', RejectReason.INVALID_TYPE),
        (b'["w",{"type":999,"timestamp":1}]', RejectReason.INVALID_TYPE),
        (b'["w",{"type":3}]', RejectReason.INVALID_TIMESTAMP),
        (b'["w",{"type":3,"timestamp":null}]', RejectReason.INVALID_TIMESTAMP),
        (b'["w",{"type":3,"timestamp":NaN,"data":{}}]', RejectReason.INVALID_TIMESTAMP),
        (b'["w",{"type":3,"timestamp":1e300,"data":{}}]', RejectReason.INVALID_TIMESTAMP),
        (b'["w",{"type":3,"timestamp":"1790000000000"}]', RejectReason.INVALID_TIMESTAMP),
    ],
)
def test_a_bad_line_costs_only_itself(line, reason):
    good = lines([click(1)])
    decoder = decoded(good + line + b"\n" + good)
    assert values(decoder) == [["w1", click(1)]] * 2
    assert decoder.rejected == {reason: 1}


def test_timestamp_zero_is_kept_and_named():
    decoder = decoded(b'["w",{"type":3,"timestamp":0,"data":{"source":2}}]\n')
    assert len(decoder.columns) == 1
    assert decoder.findings == {"timestamp_not_positive": 1}


def test_fractional_timestamps_come_back_exactly():
    event = {**click(0), "timestamp": START_MS + 0.625}
    decoder = decoded(lines([event]))
    assert decoder.columns.timestamp_ms[0] == START_MS
    assert values(decoder) == [["w1", event]]


def test_lone_surrogates_survive():
    line = b'["w",{"type":5,"timestamp":5,"data":{"tag":"\\ud83d","payload":"\\udc00x"}}]\n'
    decoder = decoded(line)
    assert values(decoder) == [
        ["w", {"type": 5, "timestamp": 5, "data": {"tag": "\ud83d", "payload": "\udc00x"}}]
    ]


def test_documents_nested_deeper_than_python_recurses_survive():
    deep = '{"childNodes":[' * 3000 + "1" + "]}" * 3000
    line = f'["w",{{"type":2,"timestamp":5,"data":{{"node":{deep}}}}}]\n'.encode()
    packed = gzip.compress(f'{{"node":{deep}}}'.encode()).decode("latin-1")
    event = {"type": 2, "timestamp": 6, "data": packed, "cv": "2024-10"}
    decoder = decoded(line + lines([event, click(1)]))
    assert not decoder.rejected
    assert not decoder.findings
    assert decoder.columns.data_of(0) == decoder.columns.data_of(1) == f'{{"node":{deep}}}'.encode()
    assert len(decoder.columns) == 3


def test_compressed_fields_with_lone_surrogates_decode():
    event = mutation(3, texts=[{"id": 1, "value": "cut \ud83d"}])
    sent = compressed(event)
    sent["data"]["texts"] = gzip.compress(json.dumps(event["data"]["texts"]).encode()).decode(
        "latin-1"
    )
    decoder = decoded(lines([sent]))
    assert values(decoder) == [["w1", {**event, "cv": "2024-10"}]]


def test_nan_inside_data_becomes_null():
    decoder = decoded(b'["w",{"type":3,"timestamp":5,"data":{"source":2,"x":NaN,"y":1}}]\n')
    assert values(decoder)[0][1]["data"] == {"source": 2, "x": None, "y": 1}


def test_historic_lines_with_json_in_a_string():
    line = json.dumps({"window_id": 7, "data": json.dumps([click(1), click(2)])}).encode()
    assert values(decoded(line)) == [["7", click(1)], ["7", click(2)]]


def test_a_cut_array_keeps_what_came_before():
    whole = json.dumps(visit()).encode()
    decoder = EventDecoder()
    decoder.feed_many("w", whole[:-60])
    assert [v for _, v in values(decoder)] == visit()[: len(decoder.columns)]
    assert len(decoder.columns) >= len(visit()) - 2
    assert decoder.rejected.total() == 1


def test_columns_name_what_happened():
    decoder = decoded(lines(visit()))
    c = decoder.columns
    kinds = [c.kinds.values[k] for k in c.kind]
    assert kinds == [
        "meta",
        "full_snapshot",
        "mouse_move",
        "click",
        "mutation",
        "console",
        "custom:$url_changed",
        "click",
    ]
    assert c.url == {0: "https://shop.example/", 6: "https://shop.example/cart"}
    assert (c.x[2], c.y[2], c.node_id[2]) == (3.5, 4, 5)
    assert (c.x[3], c.y[3], c.node_id[3], c.source[3]) == (10, 20, 6, 2)
    assert math.isnan(c.x[0])


def test_object_valued_tags_are_only_custom():
    event = {"type": 5, "timestamp": 9, "data": {"tag": {"a": 1}, "payload": 2}}
    decoder = decoded(lines([event]))
    assert decoder.columns.kinds.values == ["custom"]
    assert values(decoder) == [["w1", event]]


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_damage_never_escapes(data):
    good = lines([compressed(e) for e in visit()])
    cut = data.draw(st.integers(0, len(good)))
    at = data.draw(st.integers(0, max(0, cut - 1)))
    flip = data.draw(st.integers(1, 255))
    damaged = bytearray(good[:cut])
    if damaged:
        damaged[at] ^= flip
    decoder = decoded(bytes(damaged))
    for event in decoder.columns.events():
        event.to_rrweb()
    untouched = good[:cut].count(b"\n", 0, good.rfind(b"\n", 0, at) + 1) if damaged else 0
    assert len(decoder.columns) >= untouched - 1
