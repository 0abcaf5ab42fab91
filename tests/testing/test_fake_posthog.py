import httpx
import pytest

from replayport.posthog.blocks import decode_snappy, split_stream
from replayport.sources.rate_limits import Limit
from replayport.testing import FakeClock, FakeEvent, FakePostHog, FakeRecording, Fault, serve

T = 1_700_000_000_000
BASE = "/api/projects/1/session_recordings/"


@pytest.fixture
def ask():
    opened = []

    def start(fake, key="phx_fake"):
        server = serve(fake)
        client = httpx.Client(
            base_url=server.__enter__(), headers={"authorization": f"Bearer {key}"} if key else {}
        )
        opened.append((server, client))
        return client

    yield start
    for server, client in opened:
        client.close()
        server.__exit__(None, None, None)


def many(n=5):
    return [FakeRecording.simple(f"s{i}", start_ms=T + i * 1000) for i in range(n)]


def clock_after():
    return FakeClock(T / 1000 + 60)


@pytest.mark.parametrize("order", ["ASC", "DESC"])
@pytest.mark.parametrize("cursors", [True, False])
def test_pages_cover_the_list_in_both_cursor_forms(ask, order, cursors):
    client = ask(FakePostHog(many(), cursors=cursors, clock=clock_after()))
    params = {"limit": 2, "order_direction": order}
    got = []
    while True:
        page = client.get(BASE, params=params).json()
        got += [r["id"] for r in page["results"]]
        if not page["has_next"]:
            break
        if cursors:
            params["after"] = page["next_cursor"]
        else:
            assert "next_cursor" not in page
            params["offset"] = len(got)
    assert got == sorted([f"s{i}" for i in range(5)], reverse=order == "DESC")


def test_three_days_when_not_told_otherwise(ask):
    clock = FakeClock(T / 1000 + 4 * 86_400)
    client = ask(FakePostHog(many(), clock=clock))
    assert client.get(BASE).json()["results"] == []
    assert len(client.get(BASE, params={"date_from": "-5d"}).json()["results"]) == 5
    assert (
        client.get(BASE, params={"date_from": "-5d", "session_ids": "nonsense"}).status_code == 400
    )


def test_blocks_by_range_both_ends_included(ask):
    recording = FakeRecording.simple("s", blocks=30)
    client = ask(FakePostHog([recording]))
    path = f"{BASE}s/snapshots"

    def blocks(first, last, **more):
        params = {"source": "blob_v2", "start_blob_key": first, "end_blob_key": last, **more}
        return client.get(path, params=params)

    assert len(client.get(path).json()["sources"]) == 30
    text = blocks(2, 4)
    assert text.headers["content-type"].startswith("application/jsonl")
    assert text.content + b"\n" == b"".join(recording.blocks[2:5])
    raw = split_stream(blocks(2, 4, decompress="false").content)
    assert [decode_snappy(b) for b in raw] == list(recording.blocks[2:5])
    assert blocks(0, 20).status_code == 200  # the code is one more generous than the docs
    assert blocks(0, 21).status_code == 400
    assert blocks(29, 29).status_code == 200
    assert blocks(29, 30).status_code == 404
    assert blocks(3, 2).status_code == 400
    assert client.get(path, params={"source": "blob_v2"}).status_code == 400
    assert client.get(path, params={"source": "blob"}).status_code == 400
    assert client.get(f"{BASE}other/snapshots").status_code == 404


def test_deleted_ones_are_gone_and_not_listed(ask):
    client = ask(FakePostHog([FakeRecording.simple("s", deleted=True)], clock=clock_after()))
    assert client.get(f"{BASE}s/snapshots").status_code == 410
    assert client.get(f"{BASE}s/").json()["error"] == "recording_deleted"
    assert client.get(BASE).json()["results"] == []


def test_long_term_copies_need_their_own_key(ask):
    recording = FakeRecording.simple("s", blocks=3, long_term=True)
    client = ask(FakePostHog([recording]))
    (source,) = client.get(f"{BASE}s/snapshots").json()["sources"]
    assert source.keys() == {"source", "blob_key"}
    params = {**source, "decompress": "false"}
    whole = client.get(f"{BASE}s/snapshots", params=params).content
    assert decode_snappy(whole) == b"".join(recording.blocks)
    params["blob_key"] = "another"
    assert client.get(f"{BASE}s/snapshots", params=params).status_code == 404


def test_keys_scopes_and_projects(ask):
    fake = FakePostHog(many(1), scopes={"query:read"})
    assert ask(fake, "phx_other").get(BASE).status_code == 401
    refused = ask(fake).get(BASE)
    assert refused.status_code == 403
    assert "session_recording:read" in refused.json()["detail"]
    assert ask(FakePostHog()).get("/api/projects/2/session_recordings/").status_code == 404
    anonymous = ask(FakePostHog(), "")
    assert anonymous.get(BASE).status_code == 401
    assert anonymous.get(BASE, params={"personal_api_key": "phx_fake"}).status_code == 200
    assert ask(FakePostHog()).get("/api/environments/1/session_recordings/").status_code == 200


def test_rate_limits_slide(ask):
    clock = clock_after()
    fake = FakePostHog(limits=[Limit(2, 60), Limit(3, 3600)], clock=clock)
    client = ask(fake)

    def status():
        return client.get(BASE).status_code

    assert [status(), status()] == [200, 200]
    refused = client.get(BASE)
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "60")
    clock.now_s += 61
    assert status() == 200
    refused = client.get(BASE)
    assert refused.status_code == 429
    clock.now_s += int(refused.headers["retry-after"])
    assert status() == 200
    assert fake.count(status=429) == 2


def test_hogql(ask):
    events = [FakeEvent(T + i, "e", {"n": i}) for i in range(5)]
    client = ask(FakePostHog([FakeRecording("s", blocks=many(1)[0].blocks, events=events)]))
    values = {
        "session_id": "s",
        "date_from": "2023-11-14T22:13:20.001Z",
        "date_to": "2023-11-15T00:00:00Z",
    }

    def query(text, kind="HogQLQuery"):
        body = {"query": {"kind": kind, "query": text, "values": values}}
        return client.post("/api/projects/1/query/", json=body)

    answer = query("SELECT x FROM events LIMIT 2 OFFSET 1").json()
    rows = [dict(zip(answer["columns"], r, strict=True)) for r in answer["results"]]
    assert [r["timestamp"][-8:] for r in rows] == [".002000Z"[-8:], ".003000Z"[-8:]]
    assert answer["hasMore"] is True
    assert query("SELECT count() FROM raw_session_replay_events").json()["results"] == [[0]]
    assert query("SELECT 1 FROM secrets").status_code == 400
    assert query("SELECT x FROM events", kind="Other").status_code == 400


def test_faults_strike_whom_they_name_as_often_as_they_say(ask):
    fake = FakePostHog(many(1), clock=clock_after())
    client = ask(fake)
    fake.inject(Fault("status", match="/s0/", status=503, after=1, times=2))
    assert client.get(BASE).status_code == 200
    assert [client.get(f"{BASE}s0/").status_code for _ in range(4)] == [200, 503, 503, 200]
    assert [r.status for r in fake.requests] == [200, 200, 503, 503, 200]


@pytest.mark.parametrize("keep_bytes", [0, 10])
def test_a_cut_is_a_real_one(ask, keep_bytes):
    fake = FakePostHog(many(1), clock=clock_after())
    client = ask(fake)
    fake.inject(Fault("cut", keep_bytes=keep_bytes))
    with pytest.raises(httpx.RemoteProtocolError), client.stream("GET", BASE) as response:
        assert response.status_code == 200
        response.read()
    assert client.get(BASE).status_code == 200


def test_missing_blocks_are_left_out_without_a_word(ask):
    recording = FakeRecording.simple("s", blocks=3)
    fake = FakePostHog([recording])
    client = ask(fake)
    fake.inject(Fault("skip_blocks", match="source=", blocks=frozenset({1}), times=None))
    params = {"source": "blob_v2", "decompress": "false", "start_blob_key": 0, "end_blob_key": 2}
    answer = client.get(f"{BASE}s/snapshots", params=params)
    assert answer.status_code == 200
    assert len(split_stream(answer.content)) == 2
    params.update(start_blob_key=1, end_blob_key=1)
    answer = client.get(f"{BASE}s/snapshots", params=params)
    assert (answer.status_code, answer.json()["code"]) == (502, "recording_blocks_unavailable")


def test_the_shipped_recordings_are_served(ask):
    fake = FakePostHog.demo()
    assert fake.recordings
    client = ask(fake)
    page = client.get(BASE, params={"date_from": "2020-01-01T00:00:00Z"}).json()
    assert {r["id"] for r in page["results"]} == set(fake.recordings)
    for row in page["results"]:
        assert row["start_time"] <= row["end_time"]
        assert client.get(f"{BASE}{row['id']}/snapshots").json()["sources"]
