import gzip
import json

import pytest

from replayport.testing import FakeEvent, FakeRecording, WireRequest, load_requests, save_requests
from replayport.testing.recordings import first_url

T = 1_700_000_000_000


def snapshot(ms, session_id, window_id, *times, **more):
    body = [
        {
            "event": "$snapshot",
            "properties": {
                "$session_id": session_id,
                "$window_id": window_id,
                "$snapshot_data": [{"type": 3, "timestamp": t, "data": {}} for t in times],
                "token": "phc_x",
                "distinct_id": "jo",
                **more,
            },
        }
    ]
    data = gzip.compress(json.dumps(body).encode())
    return WireRequest(ms, "POST", "/s/", {}, {"content-type": "text/plain"}, data)


def analytics(ms, session_id, name):
    event = {
        "event": name,
        "timestamp": "2023-11-14T22:13:21Z",
        "properties": {"$session_id": session_id, "token": "phc_x", "distinct_id": "jo"},
    }
    body = json.dumps({"api_key": "phc_x", "batch": [event]}).encode()
    return WireRequest(ms, "POST", "/i/v0/e/", {}, {"content-type": "application/json"}, body)


def test_requests_become_blocks_and_events():
    made = FakeRecording.from_wire(
        [
            snapshot(T, "s1", "w1", T, T + 5),
            snapshot(T + 2000, "s1", "w2", T + 1500),
            snapshot(T + 15_000, "s1", "w1", T + 14_000),
            snapshot(T + 16_000, "s2", "w9", T + 16_000, **{"$snapshot_source": "mobile"}),
            analytics(T + 3000, "s1", "$pageview"),
            analytics(T + 3000, "unknown", "$pageview"),
        ]
    )
    assert [(r.session_id, r.snapshot_source, r.distinct_id) for r in made] == [
        ("s1", "web", "jo"),
        ("s2", "mobile", "jo"),
    ]
    assert [[json.loads(x)[0] for x in b.splitlines()] for b in made[0].blocks] == [
        ["w1", "w1", "w2"],
        ["w1"],
    ]
    assert made[0].spans_ms == [(T, T + 1500), (T + 14_000, T + 14_000)]
    assert (made[0].start_ms, made[0].end_ms) == (T, T + 14_000)
    assert [(e.event, e.timestamp_ms) for e in made[0].events] == [("$pageview", T + 1000)]


def test_a_retry_is_stored_again_as_posthog_does():
    (made,) = FakeRecording.from_wire([snapshot(T, "s1", "w1", T)] * 2)
    assert made.blocks[0].count(b"\n") == 2


def test_what_posthog_refuses_is_left_out():
    bad = WireRequest(T, "POST", "/s/", {}, {}, b"\x1f\x8bnot gzip")
    no_session = snapshot(T, "", "w1", T)
    no_time = snapshot(T, "s1", "w1", 0, -5)
    assert FakeRecording.from_wire([bad, no_session, no_time]) == []


@pytest.mark.parametrize("name", ["x.jsonl", "x.jsonl.zst"])
def test_requests_survive_being_saved(tmp_path, name):
    requests = [snapshot(T, "s1", "w1", T), analytics(T, "s1", "e")]
    save_requests(tmp_path / name, requests)
    assert load_requests(tmp_path / name) == requests


def test_a_simple_one_is_what_it_says():
    made = FakeRecording.simple("s", start_ms=T, blocks=3, events=4)
    assert [b.count(b"\n") for b in made.blocks] == [4, 4, 4]
    assert made.start_ms == T
    assert first_url(made) == "https://shop.example/s"
    assert FakeRecording("empty").start_ms == 0
    assert first_url(FakeRecording("empty")) is None


def test_events_have_ids_of_their_own():
    one, other = FakeEvent(T, "e", {"n": 1}), FakeEvent(T, "e", {"n": 2})
    assert one.id == FakeEvent(T, "e", {"n": 1}).id != other.id
    assert FakeEvent(T, "e", uuid="given").id == "given"
