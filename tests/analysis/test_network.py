"""Requests, whoever recorded them, each once."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from replayport.analysis.network import NETWORK_KINDS, NetworkEvent, requests_of

T = 1_790_000_000_000


def event(data, *, ms=T, seq=0, window="w", kind="network"):
    return NetworkEvent(ms, seq, window, kind, json.dumps(data))


def plugin(*requests, **payload):
    return {"plugin": "rrweb/network@1", "payload": {"requests": list(requests), **payload}}


def request(**fields):
    return {
        "name": "https://x.example/api",
        "entryType": "resource",
        "initiatorType": "fetch",
        "timestamp": T + 5,
        "duration": 12.5,
        **fields,
    }


def test_a_request():
    [found] = requests_of(
        [
            event(
                plugin(
                    request(
                        method="POST",
                        status=201,
                        transferSize=0,
                        decodedBodySize=10,
                        requestStart=3,
                        responseStart=10.5,
                        responseEnd=11,
                        requestHeaders={"a": "b"},
                        responseBody={"ok": True},
                    )
                )
            )
        ]
    )
    assert found["timestamp_ms"] == T + 5
    assert (found["method"], found["status"], found["duration_ms"]) == ("POST", 201, 12.5)
    assert (found["transfer_bytes"], found["decoded_bytes"], found["from_cache"]) == (0, 10, True)
    assert (found["wait_ms"], found["receive_ms"], found["dns_ms"]) == (7.5, 0.5, None)
    assert found["request_headers"] == '{"a": "b"}'
    assert found["response_body"] == '{"ok": true}'
    assert found["request_body"] is None


def test_what_came_twice_is_kept_once_with_more_in_it():
    initial, real = request(), request(method="GET", status=200)
    events = [event(plugin(initial, isInitial=True), seq=1), event(plugin(real), seq=2)]
    assert [(r["seq"], r["status"]) for r in requests_of(events)] == [(2, 200)]
    # An initial one that does not come again stays, and so do two that are not initial.
    assert [r["is_initial"] for r in requests_of(events[:1])] == [True]
    assert len(requests_of([event(plugin(real, real))])) == 2
    # Another window's is another request.
    other = event(plugin(real), window="w2")
    assert len(requests_of([events[0], other])) == 2


def test_only_the_older_plugin_where_both_spoke():
    old = {
        "plugin": "posthog/network@1",
        "payload": {"2": "https://old.example/", "40": T, "0": "resource"},
    }
    assert [r["url"] for r in requests_of([event(plugin(request())), event(old)])] == [
        "https://old.example/"
    ]


def test_no_requests_are_left_out():
    entries = [
        request(entryType="paint", name="first-paint"),
        request(entryType="serverTiming"),
        request(entryType="navigation", name="about:blank"),
        {"entryType": "resource"},
    ]
    assert requests_of([event(plugin(*entries))]) == []


def test_mobile_sends_url():
    assert requests_of([event(plugin({"url": "https://m.example", "timestamp": T}))])[0]["url"]


def test_sentry():
    span = {
        "op": "resource.fetch",
        "description": "https://x.example/a",
        "startTimestamp": T / 1000,
        "endTimestamp": T / 1000 + 0.25,
        "data": {"method": "GET", "statusCode": 503, "response": {"body": "no", "size": 2}},
    }
    [found] = requests_of(
        [event({"tag": "performanceSpan", "payload": span}, kind="custom:performanceSpan")]
    )
    assert (found["source"], found["status"], found["duration_ms"]) == ("sentry", 503, 250.0)
    assert (found["initiator_type"], found["response_body"], found["decoded_bytes"]) == (
        "fetch",
        "no",
        2,
    )
    memory = {"op": "memory", "description": "memory", "startTimestamp": 1, "endTimestamp": 2}
    assert requests_of([event({"payload": memory}, kind="custom:performanceSpan")]) == []


def test_ordered_by_time_whatever_order_they_came_in():
    events = [event(plugin(request(timestamp=T + 9)), seq=0), event(plugin(request()), seq=1)]
    assert [r["seq"] for r in requests_of(events)] == [1, 0]


def test_absurd_numbers_are_none_or_the_events_own_time():
    wild = request(timestamp=9e18, duration=-1, status=float("inf"), transferSize=2**60)
    [found] = requests_of([event(plugin(wild))])
    assert found["timestamp_ms"] == T
    assert (found["duration_ms"], found["status"], found["transfer_bytes"]) == (None, None, None)


values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(
            st.sampled_from(
                ["plugin", "payload", "requests", "name", "timestamp", "op", "description", "data"]
            ),
            inner,
        )
    ),
)


@given(st.sampled_from(NETWORK_KINDS), values, st.booleans())
def test_any_value_is_read(kind, value, wrapped):
    data = plugin(value) if wrapped else value
    for found in requests_of([event(data, kind=kind)]):
        assert isinstance(found["url"], str)
        assert isinstance(found["timestamp_ms"], int)
