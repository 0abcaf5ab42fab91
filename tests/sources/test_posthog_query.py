import json

import pytest
from tests.support.fetched import events_of, expected, ref_of

from replayport.sources import posthog_query
from replayport.testing import FakeEvent, FakePostHog, FakeRecording, Fault

T = 1_700_000_000_000
HOUR = 3_600_000


def many(n):
    return [FakeRecording.simple(f"s{i:03d}", start_ms=T + i * HOUR) for i in range(n)]


def with_events(*events, **fields):
    return FakeRecording("s1", blocks=FakeRecording.simple("s1").blocks, events=events, **fields)


def test_analytics_events_of_the_session(connect):
    recording = with_events(
        FakeEvent(T + 50, "$ai_generation", {"$ai_trace_id": "t", "$session_id": "s1"}),
        FakeEvent(T + 10, "$pageview", {"$current_url": "https://x/", "$window_id": "w"}),
        FakeEvent(T - 25 * HOUR, "long before", {}),
    )
    source = connect(FakePostHog([recording]))
    rows = source.fetch(ref_of(source)).analytics
    assert [(r["event"], r["timestamp_ms"], r["window_id"], r["url"]) for r in rows] == [
        ("$pageview", T + 10, "w", "https://x/"),
        ("$ai_generation", T + 50, None, None),
    ]
    assert json.loads(rows[1]["properties"])["$ai_trace_id"] == "t"
    assert rows[0]["distinct_id"] == "person-1"
    assert rows[0]["uuid"] == recording.events[1].id


def test_events_come_in_pages(connect, monkeypatch):
    monkeypatch.setattr(posthog_query, "PAGE_ROWS", 7)
    events = [FakeEvent(T + i // 3, "e", {"n": i}) for i in range(30)]
    fake = FakePostHog([with_events(*events)])
    source = connect(fake)
    rows = source.fetch(ref_of(source)).analytics
    assert sorted(json.loads(r["properties"])["n"] for r in rows) == list(range(30))
    assert fake.count("/query/") == 5


def test_console_lines_only_where_the_recording_has_none(connect):
    console = [(T + 5, "error", "it broke")]
    source = connect(FakePostHog([with_events(console=console)]))
    (row,) = source.fetch(ref_of(source)).analytics
    assert row["event"] == "$console_log"
    assert json.loads(row["properties"]) == {"level": "error", "message": "it broke"}

    line = {
        "type": 6,
        "timestamp": T + 5,
        "data": {
            "plugin": "rrweb/console@1",
            "payload": {"level": "error", "payload": ["it broke"], "trace": []},
        },
    }
    has_its_own = FakeRecording(
        "s1",
        blocks=[*FakeRecording.simple("s1").blocks, json.dumps(["w", line]).encode()],
        console=console,
    )
    fake = FakePostHog([has_its_own])
    source = connect(fake)
    assert source.fetch(ref_of(source)).analytics == []
    assert fake.count("/query/") == 1


@pytest.mark.parametrize(
    "problem",
    [
        Fault("status", match="/query", status=403, times=None),
        Fault("status", match="/query", status=500, times=None),
        Fault("status", match="/query", status=429, retry_after="99999", times=None),
        Fault("html", match="/query", times=None),
    ],
    ids=["403", "500", "429", "html"],
)
def test_a_recording_is_not_lost_with_its_analytics(connect, problem):
    recording = with_events(FakeEvent(T, "e"))
    fake = FakePostHog([recording])
    fake.inject(problem)
    source = connect(fake)
    draft = source.fetch(ref_of(source))
    assert events_of(draft) == expected(recording)
    assert draft.findings["analytics_unavailable"] == 1


def test_a_key_without_the_scope_is_asked_once(connect):
    fake = FakePostHog(many(3), scopes={"session_recording:read"})
    source = connect(fake)
    for ref in list(source.list_recordings()):
        assert source.fetch(ref).findings["analytics_unavailable"] == 1
    assert fake.count("/query/") == 1


def test_analytics_can_be_left_alone(connect):
    fake = FakePostHog([with_events(FakeEvent(T, "e"))])
    source = connect(fake, with_analytics=False)
    draft = source.fetch(ref_of(source))
    assert draft.analytics == ()
    assert "analytics_unavailable" not in draft.findings
    assert fake.count("/query/") == 0
