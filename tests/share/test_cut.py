"""What a link lets out: nothing outside its time, nothing it does not show."""

from __future__ import annotations

import io
import json

import pyarrow.parquet as pq
import pytest
from tests.support.builders import START_MS, click, console, draft, full_snapshot, meta, mutation

from replayport.archive import Archive
from replayport.catalog.accounts import ShareLink
from replayport.errors import RecordingNotFoundError
from replayport.rrweb.mirror import mirror_of
from replayport.share.cut import FEEDS_OF, cut
from replayport.share.links import SHOWS

NETWORK = {
    "type": 6,
    "timestamp": START_MS + 160,
    "data": {"plugin": "rrweb/network@1", "payload": {"requests": [{"name": "https://x/SECRET"}]}},
}
CUSTOM = {
    "type": 5,
    "timestamp": START_MS + 170,
    "data": {"tag": "cart", "payload": {"token": "SECRET"}},
}


def text_node(node_id, text):
    return {"parentId": 5, "nextId": None, "node": {"type": 3, "textContent": text, "id": node_id}}


def typed(ms, text):
    data = {"source": 5, "id": 7, "text": text, "isChecked": False}
    return {"type": 3, "timestamp": START_MS + ms, "data": data}


FIELD = {
    "parentId": 5,
    "nextId": None,
    "node": {"type": 2, "tagName": "input", "attributes": {}, "childNodes": [], "id": 7},
}

VISIT = [
    meta(),
    full_snapshot(1, text="BEFORE"),
    mutation(50, adds=[text_node(8, "SECRET"), FIELD]),
    typed(55, "half"),
    typed(60, "typed"),
    {
        "type": 3,
        "timestamp": START_MS + 70,
        "data": {
            "source": 0,
            "texts": [{"id": 6, "value": "now"}],
            "attributes": [],
            "removes": [{"id": 8, "parentId": 5}],
            "adds": [],
        },
    },
    click(120),
    mutation(140, texts=[{"id": 6, "value": "inside"}]),
    console(150),
    NETWORK,
    CUSTOM,
    click(300),
    mutation(310, texts=[{"id": 6, "value": "AFTER"}]),
]


@pytest.fixture
def recording(tmp_path):
    with Archive.open(tmp_path / "a", create=True) as archive:
        archive.write(draft(VISIT))
        yield archive.recording("s-1")


def link(**more):
    values = {"id": "l", "project": "p", "recording_id": "s-1", "created_by": "a", "created_ms": 0}
    return ShareLink(**{**values, **more})


def rows(made):
    table = pq.read_table(io.BytesIO(made.parquet))
    return table.to_pylist()


def mirrored(rows, until_ms=None):
    return mirror_of(
        (r["type"], r["source"], json.loads(r["data"]))
        for r in rows
        if until_ms is None or r["timestamp_ms"] < until_ms
    )


def test_nothing_from_outside_the_time_is_let_out(recording):
    made = cut(recording, link(start_ms=START_MS + 100, end_ms=START_MS + 200, show="all"))
    for word in (b"BEFORE", b"AFTER", b"half"):
        assert word not in made.parquet
        assert word.decode() not in json.dumps(rows(made))
    times = [r["timestamp_ms"] for r in rows(made)]
    assert min(times) == START_MS + 100
    assert max(times) < START_MS + 200
    assert (made.start_ms, made.events) == (START_MS + 100, len(times))


def test_it_begins_with_the_page_as_it_was_then(recording):
    whole = [e for e in recording.events() if e.timestamp_ms < START_MS + 100]
    there = mirror_of((e.type, e.source, e.data) for e in whole)
    made = cut(recording, link(start_ms=START_MS + 100, end_ms=START_MS + 200))
    here = mirrored(rows(made), START_MS + 110)
    assert here.to_html() == there.to_html()
    assert here.text() == there.text() == "now"
    assert here.value(7) == "typed"
    assert here.url == "https://shop.example/"
    assert "inside" in mirrored(rows(made)).text()


def test_a_whole_recording_is_the_whole(recording):
    made = cut(recording, link(show="all"))
    assert [r["data"] for r in rows(made)] == [e.data_json for e in recording.events()]


@pytest.mark.parametrize("show", SHOWS)
def test_only_what_is_shown(recording, show):
    made = cut(recording, link(show=show))
    kinds = {r["kind"] for r in rows(made)}
    has_data = show == "all"
    assert ("console" in kinds) == ("network" in kinds) == ("custom:cart" in kinds) == has_data
    text = json.dumps(rows(made))
    assert ("https://x/SECRET" in text) == has_data
    assert {"meta", "full_snapshot", "click", "mutation"} <= kinds


def test_every_show_says_its_feeds():
    assert set(FEEDS_OF) == set(SHOWS)
    assert FEEDS_OF["replay"] == ()


def test_a_time_without_events_shows_the_page_standing_still(recording):
    made = cut(recording, link(start_ms=START_MS + 200, end_ms=START_MS + 250))
    assert mirrored(rows(made)).text() == "inside"


def test_a_time_before_the_first_page_shows_nothing(recording):
    with pytest.raises(RecordingNotFoundError):
        cut(recording, link(end_ms=START_MS))


def test_a_tab_that_was_closed_is_not_opened_again(tmp_path):
    both = draft([meta(), full_snapshot(1, text="CLOSED")], window_id="w1")
    from replayport.posthog.lines import EventDecoder

    decoder = EventDecoder()
    for window, event in (
        ("w1", meta()),
        ("w1", full_snapshot(1, text="CLOSED")),
        ("w2", meta(40)),
        ("w2", full_snapshot(41, text="open")),
        ("w2", click(150)),
    ):
        decoder.feed(window, json.dumps(event).encode())
    both.columns = decoder.columns
    with Archive.open(tmp_path / "a", create=True) as archive:
        archive.write(both)
        made = cut(archive.recording("s-1"), link(start_ms=START_MS + 100))
    assert {r["window_id"] for r in rows(made)} == {"w2"}
    assert b"CLOSED" not in made.parquet


def test_edited_style_sheets_come_along(tmp_path):
    style = {
        "parentId": 5,
        "nextId": None,
        "node": {
            "type": 2,
            "tagName": "style",
            "attributes": {"_cssText": ".old { color: red }"},
            "childNodes": [],
            "id": 9,
        },
    }
    rule = {"source": 8, "id": 9, "adds": [{"rule": ".new { color: blue }", "index": 0}]}
    events = [
        meta(),
        full_snapshot(1),
        mutation(10, adds=[style]),
        {"type": 3, "timestamp": START_MS + 20, "data": rule},
        click(150),
    ]
    with Archive.open(tmp_path / "a", create=True) as archive:
        archive.write(draft(events))
        made = cut(archive.recording("s-1"), link(start_ms=START_MS + 100))
    assert ".new" in mirrored(rows(made)).sheet_text(9)


def test_events_can_be_changed_on_their_way_out(recording):
    seen = []

    def leaving(columns):
        seen.append(len(columns))
        return columns

    made = cut(recording, link(), leaving=leaving)
    assert seen == [made.events]
