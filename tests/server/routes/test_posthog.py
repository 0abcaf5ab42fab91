"""PostHog's read API, asked by `replayport pull posthog` and by hand."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.builders import START_MS, compressed, draft, visit

from replayport.archive import Archive
from replayport.posthog.blocks import decode_snappy
from replayport.pull import pull
from replayport.server.services import project_number
from replayport.sources.posthog_api import PostHogSource
from replayport.testing import serve

BASE = "/api/projects/shop/session_recordings"
ANALYTICS = [
    {
        "timestamp_ms": START_MS + n,
        "uuid": f"00000000-0000-0000-0000-00000000000{n}",
        "event": name,
        "distinct_id": "kim",
        "properties": json.dumps({"n": n}),
    }
    for n, name in enumerate(("$pageview", "$ai_generation"))
]


@pytest.fixture
def program(server):
    return server.program("session_recording:read", "query:read")


def test_pull_posthog_pulls_from_us(server, tmp_path):
    for n in range(7):
        server.archive.write(
            draft(
                visit(),
                session_id=f"0198-{n}",
                project="shop",
                analytics=ANALYTICS if n == 3 else (),
            )
        )
    server.user("robot")
    key, _ = server.access.make_token(
        "pull", owner="robot", scopes=["session_recording:read", "query:read"]
    )
    with (
        Archive.open(tmp_path / "copy", create=True) as copy,
        serve(server.app) as url,
        PostHogSource(url, "shop", key, plan="enterprise") as source,
    ):
        report = pull(source, copy, include_recent=True)
        assert report.rejected == []
        assert sorted(report.written) == sorted([*(f"0198-{n}" for n in range(7)), "s-1"])
        for row in server.archive.catalog.list(project="shop"):
            ours, theirs = server.archive.row(f"shop/{row.id}"), copy.row(row.id)
            assert ours.events == theirs.events
            here = [e.to_rrweb() for e in server.archive.recording(f"shop/{row.id}").events()]
            assert [e.to_rrweb() for e in copy.recording(row.id).events()] == here
        pulled = copy.recording("0198-3").analytics_table().to_pylist()
        assert [(r["event"], r["uuid"]) for r in pulled] == [
            (r["event"], r["uuid"]) for r in ANALYTICS
        ]
        again = pull(source, copy, include_recent=True)
        assert again.written == []


def test_a_client_made_for_posthog_fetches_from_us(server, tmp_path):
    """spoiler, from PyPI, knows PostHog only: numbers of projects, snappy, blob keys."""
    spoiler = Path(sys.executable).with_name("spoiler")
    if not spoiler.is_file():
        pytest.skip("spoiler is not installed")
    packed = [compressed(event) for event in visit()]
    server.archive.write(draft(packed, session_id="0198-x", project="shop"))
    server.user("robot")
    key, _ = server.access.make_token("x", owner="robot", scopes=["session_recording:read"])
    out = tmp_path / "recording.json"
    with serve(server.app) as url:
        call = [spoiler, "recordings", "fetch", "--host", url, "--session", "0198-x"]
        call += ["--project", str(project_number("shop")), "--out", out]
        environment = {**os.environ, "POSTHOG_API_KEY": key}
        done = subprocess.run(call, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    got = json.loads(out.read_text())
    assert [(e["type"], e["timestamp"]) for e in got["events"]] == [
        (e["type"], e["timestamp"]) for e in visit()
    ]
    assert got["events"][1]["data"] == visit()[1]["data"]


def test_projects_have_numbers(server, program):
    number = project_number("shop")
    assert 0 < number < 2**31
    by_number = program.get(f"/api/projects/{number}/session_recordings/s-1/")
    assert by_number.json() == program.get(f"{BASE}/s-1/").json()
    limited = server.program("session_recording:read", projects=["blog"])
    assert limited.get(f"/api/projects/{number}/session_recordings/s-1/").status_code == 404


def test_list_and_one(program):
    answer = program.get(f"{BASE}/", params={"date_from": "2020-01-01"}).json()
    assert (answer["has_next"], answer["version"]) == (False, 4)
    (row,) = answer["results"]
    assert (row["id"], row["click_count"], row["start_url"]) == ("s-1", 2, "https://shop.example/")
    assert row["start_time"].endswith("Z")
    assert row["mouse_activity_count"] is None  # never counted is not zero
    for path in (f"{BASE}/s-1", f"{BASE}/s-1/", "/api/environments/shop/session_recordings/s-1/"):
        assert program.get(path).json() == row
    assert program.get(BASE, params={"date_from": "-3d"}).status_code == 200


def test_paging_by_cursor_and_by_offset(program, server):
    for n in range(5):
        server.archive.write(draft(session_id=f"n-{n}", project="shop"))
    params = {"date_from": "2020-01-01", "limit": "2", "order_direction": "ASC"}
    whole = program.get(BASE, params={**params, "limit": "50"}).json()["results"]
    by_cursor, after = [], None
    while True:
        answer = program.get(BASE, params={**params, **({"after": after} if after else {})}).json()
        by_cursor += answer["results"]
        if not answer["has_next"]:
            break
        after = answer["next_cursor"]
    by_offset = []
    for offset in range(0, 8, 2):
        by_offset += program.get(BASE, params={**params, "offset": str(offset)}).json()["results"]
    assert len(whole) == 6
    assert by_cursor == by_offset == whole


@pytest.mark.parametrize(
    ("params", "found"),
    [
        ({"session_ids": '["s-1","x"]'}, 1),
        ({"session_ids": '["x"]'}, 0),
        ({"distinct_ids": '["nobody"]'}, 0),
        ({"date_from": "2090-01-01"}, 0),
        ({"date_to": "2020-01-01"}, 0),
        ({"having_predicates": '[{"key":"duration","operator":"gt","value":0.1}]'}, 1),
        ({"having_predicates": '[{"key":"duration","operator":"gte","value":5}]'}, 0),
        ({"events": "[]", "properties": ""}, 1),
    ],
)
def test_filters(program, params, found):
    answer = program.get(BASE, params={"date_from": "2020-01-01", **params})
    assert len(answer.json()["results"]) == found, answer.text


@pytest.mark.parametrize(
    "params",
    [
        {"events": '[{"id":"$pageview"}]'},
        {"properties": '[{"key":"email"}]'},
        {"person_uuid": "0198"},
        {"having_predicates": '[{"key":"activity_score","operator":"gt","value":1}]'},
        {"having_predicates": "["},
        {"session_ids": "s-1"},
        {"session_ids": json.dumps(["x"] * 1001)},
        {"order": "activity_score"},
        {"date_from": "soon"},
        {"date_from": "-999999y"},
        {"offset": "99999999999"},
        {"after": "x"},
    ],
)
def test_what_cannot_be_answered_is_refused_not_left_out(program, params):
    answer = program.get(BASE, params=params)
    assert answer.status_code == 400, params
    assert answer.json()["type"] == "invalid_request"
    assert answer.json()["detail"]


def test_snapshots(program):
    base = f"{BASE}/s-1/snapshots"
    (source,) = program.get(base).json()["sources"]
    assert (source["source"], source["blob_key"]) == ("blob_v2", "0")
    params = {"source": "blob_v2", "start_blob_key": "0", "end_blob_key": "0"}
    lines = program.get(base, params=params)
    assert lines.headers["content-type"] == "application/jsonl"
    events = [json.loads(line) for line in lines.text.splitlines()]
    assert [e for _, e in events] == visit()
    assert {w for w, _ in events} == {"w1"}
    packed = program.get(base, params={**params, "decompress": "false"}).content
    size = int.from_bytes(packed[:4], "big")
    assert size == len(packed) - 4
    assert decode_snappy(packed[4:]) == lines.content
    single = program.get(base, params={"source": "blob_v2", "blob_key": "0"})
    assert single.content == lines.content


@pytest.mark.parametrize(
    ("params", "status"),
    [
        ({"source": "blob"}, 400),
        ({"source": "blob_v2"}, 400),
        ({"source": "blob_v2", "start_blob_key": "0", "end_blob_key": "21"}, 400),
        ({"source": "blob_v2", "start_blob_key": "-1", "end_blob_key": "0"}, 400),
        ({"source": "blob_v2", "start_blob_key": "1", "end_blob_key": "0"}, 400),
        ({"source": "blob_v2", "start_blob_key": "0", "end_blob_key": "9" * 400}, 400),
        ({"source": "blob_v2", "start_blob_key": "0", "end_blob_key": "\u0661"}, 400),
        ({"source": "blob_v2", "start_blob_key": "0", "end_blob_key": "1"}, 404),
    ],
)
def test_keys_of_snapshots(program, params, status):
    assert program.get(f"{BASE}/s-1/snapshots/", params=params).status_code == status


def test_keys_may_come_as_posthogs_clients_send_them(server):
    server.user("robot")
    key, _ = server.access.make_token("x", owner="robot", scopes=["session_recording:read"])
    stranger = server.client()
    assert stranger.get(f"{BASE}/s-1", params={"personal_api_key": key}).status_code == 200
    assert stranger.get("/api/recordings", params={"personal_api_key": key}).status_code == 401
    refused = stranger.get(f"{BASE}/s-1")
    assert refused.status_code == 401
    assert refused.json()["code"] == "authentication_failed"


def test_not_there(program):
    for path in (
        f"{BASE}/none",
        "/api/projects/none/session_recordings/",
        f"{BASE}/none/snapshots",
    ):
        answer = program.get(path)
        assert answer.status_code == 404
        assert answer.json()["code"] == "not_found"


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"kind": "TrendsQuery"},
        {"kind": "HogQLQuery", "query": "SELECT 1", "values": {}},
        {
            "kind": "HogQLQuery",
            "query": "SELECT * FROM persons",
            "values": {"date_from": "2020-01-01", "date_to": "2090-01-01"},
        },
        {"kind": "HogQLQuery", "query": "SELECT 1 FROM events", "values": []},
    ],
)
def test_there_is_no_hogql(program, query):
    answer = program.post("/api/projects/shop/query/", json={"query": query})
    assert answer.status_code == 400
