"""What stands beside the player."""

from __future__ import annotations

import json

import pytest
from tests.support.builders import START_MS, click, console, draft, full_snapshot, meta, mutation

from replayport.archive import Archive
from replayport.feeds import FEEDS, MAX_DATA_CHARS, Feeds


def added(parent_id, node_id, tag=None, text=None):
    """Give an addition, as recorders write it: each node by itself."""
    node = {"type": 3, "textContent": text, "id": node_id}
    if tag is not None:
        node = {"type": 2, "tagName": tag, "attributes": {}, "childNodes": [], "id": node_id}
    return {"parentId": parent_id, "nextId": None, "node": node}


BUTTON = [added(5, 20, "button"), added(20, 21, "span"), added(21, 22, text="Add to bag")]


def typed(ms, node_id=6, **more):
    data = {"source": 5, "id": node_id, "text": "x", "isChecked": False, **more}
    return {"type": 3, "timestamp": START_MS + ms, "data": data}


@pytest.fixture
def feeds(tmp_path):
    with Archive.open(tmp_path / "a", create=True) as archive:

        def make(events, **more):
            archive.write(draft(events, **more), replace=True)
            return Feeds(archive.recording("s-1"))

        yield make


def rows(feeds, name):
    return feeds.page(name, offset=0, limit=1000).items


def test_actions_name_what_was_acted_on(feeds):
    found = rows(
        feeds(
            [
                meta(),
                full_snapshot(1, text="Hello"),
                mutation(5, adds=BUTTON),
                click(10, node_id=21),
                mutation(15, texts=[{"id": 22, "value": "Added"}]),
                click(2000, node_id=20),
                click(4000, node_id=999),
                meta(5000, href="https://shop.example/cart"),
                {"type": 5, "timestamp": START_MS + 5050, "data": {"tag": "paid", "payload": {}}},
                {
                    "type": 5,
                    "timestamp": START_MS + 5060,
                    "data": {"tag": "$pageview", "payload": {}},
                },
            ]
        ),
        "actions",
    )
    assert [(a.kind, a.name, a.offset_ms) for a in found] == [
        ("navigate", None, 0),
        ("click", "Add to bag", 10),
        ("click", "Added", 2000),
        ("click", None, 4000),
        ("navigate", None, 5000),
    ]
    assert "Add to bag" in found[1].text
    assert (found[1].x, found[1].role) == (10, "button")


def test_signals_stand_beside_actions(feeds):
    hits = [click(1000 + n * 150, node_id=21) for n in range(6)]
    made = feeds(
        [meta(), full_snapshot(1, text="Hello"), mutation(5, adds=BUTTON), *hits, click(9000)]
    )
    found = rows(made, "signals")
    assert ("rage_click", 1000, 21) in [(s.kind, s.offset_ms, s.node_id) for s in found]
    assert all("Add to bag" in s.text for s in found)
    assert not any(s.text.endswith("at 1.0 s") for s in found)
    assert all(0 < s.confidence <= 1 for s in found)
    assert "click" in [a.kind for a in rows(made, "actions")]
    assert rows(feeds([meta(), full_snapshot(1)]), "signals") == []


def test_console_as_the_browser_shows_it(feeds):
    payload = {"level": "assert", "trace": ["a.js:1"], "payload": ['"x"', "5", '{"a":1}', "raw {"]}
    event = {
        "type": 6,
        "timestamp": START_MS + 5,
        "data": {"plugin": "rrweb/console@1", "payload": payload},
    }
    broken = {
        "type": 6,
        "timestamp": START_MS + 6,
        "data": {"plugin": "rrweb/console@1", "payload": 5},
    }
    found = rows(feeds([meta(), event, console(7, "warn"), broken]), "console")
    assert [(c.level, c.text) for c in found] == [
        ("error", 'x 5 {"a":1} raw {'),
        ("log", ""),
        ("warn", "boom"),
    ]
    assert found[0].trace == ["a.js:1"]


def test_network(feeds):
    requests = [
        {
            "name": "https://a/",
            "entryType": "resource",
            "timestamp": START_MS + 9,
            "duration": 5.5,
            "responseStatus": 503,
            "transferSize": 12,
            "initiatorType": "fetch",
            "method": "POST",
        },
        {
            "name": "https://b/",
            "timestamp": START_MS + 8,
            "duration": float(10**400) if False else -1,
        },
        {"name": "first-paint", "entryType": "paint"},
        {"name": 5},
    ]
    event = {
        "type": 6,
        "timestamp": START_MS + 5,
        "data": {"plugin": "rrweb/network@1", "payload": {"requests": requests}},
    }
    found = rows(feeds([meta(), event]), "network")
    assert [(n.url, n.status, n.is_error, n.duration_ms) for n in found] == [
        ("https://b/", 0, False, 0.0),
        ("https://a/", 503, True, 5.5),
    ]
    assert (found[1].method, found[1].transfer_bytes, found[0].transfer_bytes) == ("POST", 12, None)


def test_analytics_and_llm(feeds):
    def event(ms, name, properties):
        return {
            "timestamp_ms": START_MS + ms,
            "uuid": f"u{ms}",
            "event": name,
            "distinct_id": "d",
            "properties": properties if isinstance(properties, str) else json.dumps(properties),
        }

    made = feeds(
        [meta()],
        analytics=[
            event(
                5,
                "$ai_generation",
                {
                    "$ai_trace_id": "t",
                    "$ai_model": "m",
                    "$ai_input": [{"role": "user", "content": "hi"}],
                    "$ai_output_choices": [{"content": "yo"}],
                    "$ai_input_tokens": 3,
                    "$ai_latency": 0.5,
                    "$ai_is_error": "true",
                    "$ai_error": {"message": "no"},
                },
            ),
            event(4, "$pageview", {"$current_url": "https://a/"}),
            event(6, "odd", "no json"),
            event(7, "list", "[1]"),
        ],
    )
    assert [a.event for a in rows(made, "analytics")] == [
        "$pageview",
        "$ai_generation",
        "odd",
        "list",
    ]
    assert [a.properties for a in rows(made, "analytics")][2:] == [{}, {}]
    (turn,) = rows(made, "llm")
    assert (turn.trace_id, turn.model, turn.input_tokens, turn.latency_s) == ("t", "m", 3, 0.5)
    assert turn.input == [{"role": "user", "content": "hi"}]
    assert turn.is_error and turn.error == '{"message": "no"}'


def test_raw_events_page_by_page_over_row_groups(feeds, monkeypatch):
    monkeypatch.setattr("replayport.format.writer.ROW_GROUP_TARGET_BYTES", 500)
    monkeypatch.setattr("replayport.format.writer.ROW_GROUP_MAX_BYTES", 900)
    events = [meta()]
    for n in range(20):
        events += [full_snapshot(n * 10 + 1, pad=200), click(n * 10 + 5)]
    made = feeds(events)
    assert len(made._recording.row_groups()) > 3
    whole = rows(made, "events")
    assert [json.loads(e.data) for e in whole] == [e["data"] for e in events]
    for limit in (1, 3, 7, 40, 100):
        seen, offset = [], 0
        while offset is not None:
            page = made.page("events", offset=offset, limit=limit)
            assert page.total == 41
            seen += page.items
            offset = page.next_offset
        assert seen == whole, limit


def test_a_large_event_is_named_not_sent(feeds):
    made = feeds([meta(), full_snapshot(1, pad=MAX_DATA_CHARS)])
    large = rows(made, "events")[1]
    assert (large.data, large.kind) == (None, "full_snapshot")
    assert large.data_chars > MAX_DATA_CHARS


def test_every_feed_of_nothing_is_empty(feeds):
    made = feeds([meta()])
    assert {name: len(rows(made, name)) for name in FEEDS} == {
        "actions": 1,
        "signals": 0,
        "console": 0,
        "network": 0,
        "analytics": 0,
        "llm": 0,
        "events": 1,
    }
