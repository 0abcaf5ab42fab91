"""The list with its filters, one recording, its feeds, notes and tags."""

from __future__ import annotations

import pytest
from tests.support.builders import START_MS, draft, full_snapshot, meta

from replayport.export import EXPORTS
from replayport.recording import Person
from replayport.server.routes.recordings import Count, Detail, FeedPage, Rec, RecPage


@pytest.fixture
def ann(server):
    return server.browser()


def ids(client, **params):
    return [r["id"] for r in client.get("/api/recordings", params=params).json()["recordings"]]


def test_answers_are_what_openapi_says(ann):
    page = RecPage.model_validate(ann.get("/api/recordings").json(), strict=True)
    assert len(page.recordings) == 2
    assert set(ann.get("/api/recordings").json()["recordings"][0]) == set(Rec.model_fields)
    Count.model_validate(ann.get("/api/recordings/count").json(), strict=True)
    detail = ann.get("/api/recordings/shop/s-1").json()
    assert set(detail) == set(Detail.model_fields)
    Detail.model_validate(detail, strict=True)
    for feed in ("actions", "console", "network", "analytics", "llm", "events"):
        answer = ann.get(f"/api/recordings/shop/s-1/feeds/{feed}")
        FeedPage.model_validate(answer.json(), strict=True)


def test_one_recording(ann):
    found = ann.get("/api/recordings/shop/s-1").json()
    assert found["recording"]["duration_ms"] == 200
    assert found["manifest"]["windows"][0]["window_id"] == "w1"
    assert found["summary"]["clicks"] == 2
    assert found["summary"]["playable"]
    assert len(found["recording"]["sparkline"]) == len(found["activity"]) == 40
    assert sum(found["activity"]) == 3  # a move, two clicks
    assert ann.get(found["events_url"]).content[:4] == b"PAR1"
    assert found["assets_url"] is None
    assert not found["live"]


def test_filters(ann, server):
    archive = server.archive
    archive.write(
        draft(
            [meta(href="https://x.example/pay"), full_snapshot(1), full_snapshot(90_000)],
            session_id="long",
            project="shop",
            person=Person(distinct_id="kim", properties={"email": "kim@x.example"}),
            analytics=[{"timestamp_ms": START_MS, "event": "$ai_generation", "properties": "{}"}],
        )
    )
    archive.catalog.set_signals("shop", "long", kinds=["rage_click"], frustration=0.7)
    server.services.annotations.set_tags("shop", "long", ["bug", "todo"])
    assert set(ids(ann)) == {"s-1", "s-2", "long"}
    for params in (
        {"url": "x.example/p"},
        {"q": "x.example/pay"},
        {"q": "PAY", "in": "urls"},
        {"person": "kim"},
        {"min_duration_ms": 1000},
        {"max_duration_ms": 90_000, "min_duration_ms": 201},
        {"signal": "rage_click"},
        {"signal": ["nothing", "rage_click"]},
        {"min_frustration": 0.7},
        {"has_llm": True},
        {"tag": ["bug", "todo"]},
        {"q": "pay", "project": "shop", "tag": "bug"},
    ):
        assert ids(ann, **params) == ["long"], params
        count = ann.get("/api/recordings/count", params=params).json()
        assert count == {"count": 1, "at_least": False}
    for params in (
        {"q": "pay", "in": "console"},
        {"q": "pay", "project": "blog"},
        {"tag": ["bug", "other"]},
        {"signal": "dead_click"},
        {"min_frustration": 0.71},
        {"since": str(START_MS + 1)},
        {"until": str(START_MS)},
        {"q": "!!!"},
        {"person": "KIM"},
    ):
        assert ids(ann, **params) == [], params
    assert set(ids(ann, has_llm=False)) == {"s-1", "s-2"}
    assert set(ids(ann, min_errors=1)) == {"s-1", "s-2"}
    row = ann.get("/api/recordings", params={"person": "kim"}).json()["recordings"][0]
    assert row["person_label"] == "kim@x.example"
    assert (row["tags"], row["signals"], row["frustration"]) == (
        ["bug", "todo"],
        ["rage_click"],
        0.7,
    )
    assert row["llm_events"] == 1
    assert ann.get("/api/tags").json() == {"bug": 1, "todo": 1}


@pytest.mark.parametrize(
    "params",
    [
        {"since": "yesterday-ish"},
        {"in": "everything", "q": "x"},
        {"order": "secret"},
        {"limit": 0},
        {"limit": 10_000},
        {"min_frustration": 2},
        {"min_duration_ms": -1},
        {"min_duration_ms": 2**63},
        {"after": "[1]"},
        {"q": "x" * 501},
    ],
)
def test_what_cannot_be_meant_is_a_bad_request(walked, params):
    answer = walked.program("session_recording:read").get("/api/recordings", params=params)
    assert answer.status_code == 400
    assert answer.json()["reason"] in ("invalid", "invalid_cursor")


@pytest.mark.parametrize(
    "text",
    [
        "'",
        '"',
        '"""',
        "a OR b",
        "NEAR(a b)",
        "a*",
        "-a",
        "{urls}: a",
        "(",
        "a AND",
        "a:*",
        "\\",
        "%",
    ],
)
def test_a_search_is_words_and_no_language(walked, text):
    assert (
        walked.program("session_recording:read")
        .get("/api/recordings", params={"q": text})
        .status_code
        == 200
    )


@pytest.mark.parametrize("order", ["start_ms", "-duration_ms", "-errors", "-frustration", "clicks"])
def test_every_order_pages_to_the_whole(ann, server, order):
    for n in range(7):
        server.archive.write(draft([meta(n), full_snapshot(n + n * 10)], session_id=f"n-{n}"))
        server.archive.catalog.set_signals("p", f"n-{n}", kinds=(), frustration=n / 10)
    whole = ids(ann, order=order)
    seen, after = [], None
    while True:
        params = {"order": order, "limit": 2} | ({"after": after} if after else {})
        page = ann.get("/api/recordings", params=params).json()
        seen += [r["id"] for r in page["recordings"]]
        after = page["next_after"]
        if after is None:
            break
    assert seen == whole
    assert len(set(seen)) == 9


def test_feeds_turn_pages(ann):
    path = "/api/recordings/shop/s-1/feeds/events"
    seen, offset = [], 0
    while offset is not None:
        page = ann.get(path, params={"offset": offset, "limit": 3}).json()
        seen += [item["seq"] for item in page["items"]]
        offset = page["next_offset"]
    assert seen == list(range(8))
    assert page["total"] == 8
    assert ann.get(path, params={"offset": 10**15}).json()["items"] == []
    assert ann.get("/api/recordings/shop/s-1/feeds/nothing").status_code == 404


def test_a_list_of_raw_events_can_leave_out_their_json(ann):
    path = "/api/recordings/shop/s-1/feeds/events"
    whole = ann.get(path).json()["items"]
    bare = ann.get(path, params={"data": "false"}).json()["items"]
    assert any(item["data"] for item in whole)
    assert bare == [item | {"data": None} for item in whole]


def test_watching_is_audited_once_a_viewing(ann, server):
    for _ in range(3):
        ann.get("/files/shop/s-1/events.parquet", headers={"range": "bytes=0-3"})
        ann.get("/api/recordings/shop/s-1/feeds/actions")
    assert server.audited().count("recording.view") == 1
    server.services.clock_s = lambda: 10**9
    ann.get("/files/shop/s-1/events.parquet")
    assert server.audited().count("recording.view") == 2


@pytest.mark.parametrize("name", sorted(EXPORTS))
def test_exports(ann, server, name):
    answer = ann.get("/api/recordings/shop/s-1/export", params={"as": name})
    assert answer.status_code == 200
    assert answer.headers["content-disposition"] == (
        f'attachment; filename="s-1{EXPORTS[name].suffix}"'
    )
    assert answer.headers["content-type"] == "application/octet-stream"
    assert len(answer.content) > 50
    assert "recording.export" in server.audited()
    assert ann.get("/api/recordings/shop/s-1/export", params={"as": "exe"}).status_code == 400


def test_notes_and_tags(ann, server):
    base = "/api/recordings/shop/s-1"
    assert ann.put(f"{base}/tags", json={"tags": [" b  c ", "a", "a"]}).json() == ["a", "b c"]
    made = ann.post(f"{base}/notes", json={"text": "<b>see</b>", "at_ms": START_MS + 5}).json()
    assert (made["author"], made["text"], made["edited_ms"]) == ("ann", "<b>see</b>", None)
    detail = ann.get(base).json()
    assert detail["notes"] == [made]
    assert detail["tags"] == detail["recording"]["tags"] == ["a", "b c"]
    vic = server.browser("vic", "viewer")
    note = f"{base}/notes/{made['id']}"
    assert vic.patch(note, json={"text": "mine now"}).status_code == 404
    assert vic.delete(note).status_code == 404
    theirs = vic.post(f"{base}/notes", json={"text": "hm"}).json()
    assert ann.patch(f"{base}/notes/{theirs['id']}", json={"text": "edited"}).json()["edited_ms"]
    assert ann.delete(note).status_code == 204
    assert [n["text"] for n in ann.get(base).json()["notes"]] == ["edited"]
    for body in ({"text": ""}, {"text": " "}, {"text": "x" * 10_001}, {}):
        assert ann.post(f"{base}/notes", json=body).status_code == 400
    for tags in ([""], ["x" * 61], [f"t{n}" for n in range(51)], ["a\u202eb"]):
        assert ann.put(f"{base}/tags", json={"tags": tags}).status_code == 400
    assert ann.put("/api/recordings/shop/none/tags", json={"tags": ["a"]}).status_code == 404


def test_tags_survive_a_rewrite_and_a_reindex(ann, server, tmp_path):
    ann.put("/api/recordings/shop/s-1/tags", json={"tags": ["keep"]})
    server.archive.write(draft(session_id="s-1", project="shop"), replace=True)
    assert ids(ann, tag="keep") == ["s-1"]
    server.archive.catalog.clear()
    server.archive.reindex()
    assert ids(ann, tag="keep") == ["s-1"]


def test_deleting_leaves_nothing(ann, server):
    ann.put("/api/recordings/shop/s-1/tags", json={"tags": ["x"]})
    link = ann.post("/api/shares", json={"project": "shop", "recording_id": "s-1"}).json()
    assert ann.delete("/api/recordings/shop/s-1").status_code == 204
    assert ann.get("/api/recordings/shop/s-1").status_code == 404
    assert ids(ann) == ["s-2"]
    assert ids(ann, q="boom") == ["s-2"]
    assert ann.get("/api/tags").json() == {}
    assert server.client().get(link["url"]).status_code == 410
    assert not [i.key for i in server.archive.store.list("annotations/")]
    assert "recording.delete" in server.audited()


def test_metadata_is_text_whatever_it_holds(tmp_path, ann, server):
    hostile = "</script><script>alert(1)</script>\"'><img src=x onerror=alert(1)>"
    server.archive.write(
        draft(
            [meta(href=f"https://x.example/{hostile}"), full_snapshot(1)],
            session_id=hostile,
            project="shop",
            person=Person(distinct_id=hostile, properties={"email": hostile, hostile: hostile}),
        )
    )
    rows = ann.get("/api/recordings").json()["recordings"]
    row = next(r for r in rows if r["session_id"] == hostile)
    detail = ann.get(f"/api/recordings/shop/{row['id']}")
    for answer in (ann.get("/api/recordings"), detail):
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert detail.json()["person_properties"][hostile] == hostile
    export = ann.get(f"/api/recordings/shop/{row['id']}/export", params={"as": "har"})
    assert "script" not in export.headers["content-disposition"]
    for page in ("/", f"/recordings/shop/{row['id']}"):
        assert "<script>alert" not in ann.get(page).text
        assert "<img src=x" not in ann.get(page).text


def test_a_server_without_sign_in_takes_no_page_of_another_site(stored):
    from tests.demo.client import TestClient

    from replayport.server.app import make_app

    client = TestClient(make_app(stored), base_url="http://127.0.0.1:8470")
    evil = {"origin": "https://evil.example"}
    assert client.delete("/api/recordings/shop/s-1", headers=evil).status_code == 403
    evil = {"sec-fetch-site": "cross-site"}
    assert client.delete("/api/recordings/shop/s-1", headers=evil).status_code == 403
    assert stored.has("shop", "s-1")
    assert client.delete("/api/recordings/shop/s-1").status_code == 204
