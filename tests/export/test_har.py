"""HAR 1.2: valid whatever was recorded."""

from __future__ import annotations

import json
import math
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.builders import START_MS, draft, meta

from replayport.analysis.network import NUMBERED_KEYS
from replayport.archive import Archive
from replayport.export import ExportOptions
from replayport.export.har import export
from replayport.posthog.lines import EventDecoder


def network(requests, ms=5):
    data = {"plugin": "rrweb/network@1", "payload": {"requests": requests}}
    return {"type": 6, "timestamp": START_MS + ms, "data": data}


def numbered(**named):
    by_name = {v: k for k, v in NUMBERED_KEYS.items()}
    payload = {by_name[k]: v for k, v in named.items()}
    data = {"plugin": "posthog/network@1", "payload": payload}
    return {"type": 6, "timestamp": START_MS + 6, "data": data}


def har_of(tmp_path_factory, raw_events, **options):
    decoder = EventDecoder()
    for window_id, raw in raw_events:
        decoder.feed(window_id, raw if isinstance(raw, bytes) else json.dumps(raw).encode())
    made = draft([meta()])
    made.columns = decoder.columns
    with Archive.open(tmp_path_factory.mktemp("har") / "a", create=True) as archive:
        recording = archive.recording(archive.write(made).id)
        text = b"".join(export(recording, ExportOptions(**options)))
    return json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


def check(har):
    """Hold a document against HAR 1.2's required fields and their types."""
    log = har["log"]
    assert log["version"] == "1.2"
    assert {"name", "version"} <= log["creator"].keys()
    pages = {p["id"] for p in log["pages"]}
    for page in log["pages"]:
        moment(page["startedDateTime"])
        assert isinstance(page["title"], str)
        assert isinstance(page["pageTimings"], dict)
    for entry in log["entries"]:
        moment(entry["startedDateTime"])
        assert entry["time"] >= 0
        assert entry["pageref"] in pages
        request, response = entry["request"], entry["response"]
        for side in (request, response):
            assert isinstance(side["httpVersion"], str)
            assert isinstance(side["cookies"], list)
            assert side["headersSize"] >= -1
            assert side["bodySize"] >= -1
            for header in side["headers"]:
                assert isinstance(header["name"], str) and isinstance(header["value"], str)
        assert isinstance(request["method"], str)
        assert isinstance(request["url"], str)
        for pair in request["queryString"]:
            assert isinstance(pair["name"], str) and isinstance(pair["value"], str)
        if "postData" in request:
            assert isinstance(request["postData"]["mimeType"], str)
            assert isinstance(request["postData"]["text"], str)
        assert isinstance(response["status"], int)
        assert isinstance(response["statusText"], str)
        assert isinstance(response["redirectURL"], str)
        assert response["content"]["size"] >= -1
        assert isinstance(response["content"]["mimeType"], str)
        assert entry["cache"] == {}
        timings = entry["timings"]
        assert min(timings["send"], timings["wait"], timings["receive"]) >= 0
        assert all(
            isinstance(t, int | float) and t >= -1 and math.isfinite(t) for t in timings.values()
        )
    return log["entries"]


def moment(text):
    datetime.fromisoformat(text)


REQUEST = {
    "name": "https://api.example/x?a=1&b=",
    "method": "POST",
    "status": 404,
    "startTime": 10,
    "duration": 25.5,
    "timestamp": START_MS + 10,
    "fetchStart": 10,
    "domainLookupStart": 10,
    "domainLookupEnd": 12,
    "requestStart": 14,
    "responseStart": 20,
    "responseEnd": 35.5,
    "decodedBodySize": 300,
    "encodedBodySize": 100,
    "transferSize": 400,
    "initiatorType": "fetch",
    "nextHopProtocol": "h2",
    "requestHeaders": {"Content-Type": "application/json"},
    "requestBody": '{"q":1}',
    "responseHeaders": {"content-type": "text/plain"},
    "responseBody": "no",
}


def test_a_request_in_full(tmp_path_factory):
    (entry,) = check(har_of(tmp_path_factory, [("w1", meta()), ("w1", network([REQUEST]))]))
    assert entry["request"]["queryString"] == [
        {"name": "a", "value": "1"},
        {"name": "b", "value": ""},
    ]
    assert entry["request"]["postData"] == {"mimeType": "application/json", "text": '{"q":1}'}
    assert (entry["response"]["status"], entry["response"]["statusText"]) == (404, "Not Found")
    assert entry["response"]["content"] == {"size": 300, "mimeType": "text/plain", "text": "no"}
    assert (
        entry["timings"]
        == {
            "blocked": 0,
            "dns": 2,
            "connect": -1,
            "ssl": -1,
            "send": 0,
            "wait": 6,
            "receive": 15.5,
        }
        or entry["timings"]["wait"] == 6
    )
    assert entry["time"] == 25.5


def test_numbered_keys_are_named(tmp_path_factory):
    event = numbered(
        name="https://cdn.example/a.js",
        entryType="resource",
        duration=3,
        responseStatus=200,
        transferSize=9,
        timestamp=START_MS + 7,
    )
    (entry,) = check(har_of(tmp_path_factory, [("", meta()), ("", event)]))
    assert entry["request"]["url"] == "https://cdn.example/a.js"
    assert entry["response"]["status"] == 200
    assert entry["pageref"] == "window"


def test_one_window(tmp_path_factory):
    events = [("w1", network([REQUEST])), ("w2", network([REQUEST, REQUEST]))]
    assert len(check(har_of(tmp_path_factory, events))) == 3
    har = har_of(tmp_path_factory, events, window_id="w2")
    assert len(check(har)) == 2
    assert [p["id"] for p in har["log"]["pages"]] == ["w2"]


HOSTILE = [
    b'{"name":"http://[","status":1e999,"duration":-1e999,"timestamp":1e999}',
    b'{"name":"x","status":-7,"duration":-5,"timestamp":-1,"decodedBodySize":-9}',
    b'{"name":"x","status":true,"method":{},"entryType":{},"requestHeaders":[1],"requestBody":{}}',
    b'{"name":"x","responseHeaders":{"content-type":{}},"nextHopProtocol":[],"timestamp":1e18}',
    b'{"name":"\\ud83d?\\ud83d=\\u0000","initiatorType":null,"duration":"long"}',
    b'{"name":7}',
    b'{"name":null,"url":"u"}',
    b"null",
    b"[]",
    b"{}",
    b'{"name":"x","fetchStart":1e308,"domainLookupStart":-1e308,"requestStart":1e999}',
    b'{"name":"x","status":99999999999999999999999}',
]


@pytest.mark.parametrize("request_json", HOSTILE)
@pytest.mark.parametrize("timestamp", [START_MS, -8_640_000_000_000_000, 8_640_000_000_000_000])
def test_hostile_values_make_no_invalid_document(tmp_path_factory, request_json, timestamp):
    raw = (
        b'{"type":6,"timestamp":%d,"data":{"plugin":"rrweb/network@1","payload":{"requests":[%s]}}}'
        % (timestamp, request_json)
    )
    check(har_of(tmp_path_factory, [("w", raw)]))


@pytest.mark.parametrize(
    "data",
    [
        b'{"plugin":"rrweb/network@1"}',
        b'{"plugin":"rrweb/network@1","payload":[]}',
        b'{"plugin":"posthog/network@1","payload":{"2":[],"39":"x"}}',
        b'{"plugin":"rrweb/network@1","payload":{"requests":{}}}',
        b'{"plugin":"rrweb/network@1","payload":' + b"[" * 3000 + b"]" * 3000 + b"}",
    ],
)
def test_malformed_events_give_no_request(tmp_path_factory, data):
    raw = b'{"type":6,"timestamp":1790000000000,"data":' + data + b"}"
    assert check(har_of(tmp_path_factory, [("w", raw)])) == []


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda v: st.lists(v, max_size=2) | st.dictionaries(st.text(max_size=4), v, max_size=2),
    max_leaves=4,
)


@given(st.lists(st.dictionaries(st.sampled_from(sorted(REQUEST)), values), max_size=4))
def test_any_value_anywhere(tmp_path_factory, requests):
    check(har_of(tmp_path_factory, [("w", network([{"name": "u", **r} for r in requests]))]))
