"""What of a recording is found, at once and in the whole."""

from __future__ import annotations

import json

import pytest
from tests.support.builders import START_MS, click, console, draft, full_snapshot, meta, mutation

from replayport.archive import Archive
from replayport.format.searchable import console_text, searchable_columns, searchable_of


def titled(ms, title):
    """Give a page with a title, its keys in the order recorders write them."""
    text = {"type": 3, "textContent": title, "id": 7}
    element = {"type": 2, "tagName": "title", "attributes": {}, "childNodes": [text], "id": 4}
    head = {"type": 2, "tagName": "head", "attributes": {}, "childNodes": [element], "id": 2}
    snapshot = full_snapshot(ms, text="Pay now")
    snapshot["data"]["node"]["childNodes"][0]["childNodes"].insert(0, head)
    return snapshot


EVENTS = [meta(), titled(1, 'Your "bag"'), click(5, node_id=6), console(9)]
ANALYTICS = [
    {
        "timestamp_ms": START_MS,
        "event": "$pageview",
        "url": "https://shop.example/x",
        "properties": '{"title": "Knit", "$el_text": "Go"}',
    },
    {"timestamp_ms": START_MS, "event": "odd", "properties": '{"title": 5'},
]


@pytest.fixture
def archive(tmp_path):
    with Archive.open(tmp_path / "a", create=True) as archive:
        yield archive


def test_what_is_found_at_once_and_later(archive):
    from replayport.posthog.lines import EventDecoder

    decoder = EventDecoder()
    for event in EVENTS:  # as recorders write them, without spaces
        decoder.feed("w1", json.dumps(event, separators=(",", ":")).encode())
    made = draft(analytics=ANALYTICS)
    made.columns = decoder.columns
    at_once = searchable_columns(decoder.columns, ANALYTICS)
    assert "shop example" in at_once.urls
    assert at_once.titles == "your bag knit"
    assert at_once.console == "boom"
    assert at_once.clicked == "go"
    archive.write(made)
    whole = searchable_of(archive.recording("s-1"))
    assert whole.clicked == "pay now go"
    assert (whole.urls, whole.titles, whole.console) == (at_once.urls, at_once.titles, "boom")
    ids = [r.id for r in archive.catalog.list(words='"pay now"')]
    assert ids == []
    assert archive.index_text("s-1")
    assert [r.id for r in archive.catalog.list(words='"pay now"', words_in=["clicked"])] == ["s-1"]


def test_redacting_or_erasing_leaves_nothing_to_find(archive):
    archive.write(draft([meta(href="https://x.example/secretword"), full_snapshot(1)]))
    archive.index_text("s-1")
    assert archive.catalog.count(words="secretword") == 1
    archive.write(draft([meta(href="https://x.example/gone"), full_snapshot(1)]), replace=True)
    assert archive.catalog.count(words="secretword") == 0
    assert archive.catalog.count(words="gone") == 1
    archive.delete("s-1")
    assert archive.catalog.count(words="gone") == 0


def test_reindexing_makes_it_again(archive):
    archive.write(draft())
    archive.catalog.clear()
    assert archive.reindex() == 1
    assert archive.catalog.count(words="boom", words_in=["console"]) == 1
    assert list(archive.catalog.without_text()) == []


def test_a_bundle_is_found_too(archive, tmp_path):
    archive.write(draft())
    recording = archive.recording("s-1")
    files = {name: recording.file(name) for name in recording.manifest.files}
    with Archive.open(tmp_path / "b", create=True) as other:
        assert other.write_files(recording.manifest, files)
        assert other.catalog.count(words="boom") == 1


def test_what_does_not_read_is_not_found_and_stops_nothing(archive, tmp_path):
    archive.write(draft(session_id="s-1"))
    archive.write(draft(session_id="s-2"))
    (path,) = (tmp_path / "a").glob("recordings/**/s-1/events.parquet")
    path.write_bytes(b"PAR1 no")
    archive.catalog.clear()
    assert archive.reindex() == 2
    assert [r.id for r in archive.catalog.list(words="boom")] == ["s-2"]


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b'{"payload":{"payload":["\\"a\\"","1"]}}', "a 1"),
        (b'{"payload":{"payload":[5,null]}}', "5 null"),
        (b'{"payload":{}}', ""),
        (b'{"payload":5}', ""),
        (b"{", ""),
        (b"[" * 5000, ""),
        (b"\xff", ""),
    ],
)
def test_console_text(data, text):
    assert console_text(data) == text


def test_clicks_follow_the_page(archive):
    events = [
        meta(),
        full_snapshot(1, text="first"),
        click(5, node_id=5),
        mutation(10, texts=[{"id": 6, "value": "second"}]),
        click(15, node_id=5),
    ]
    archive.write(draft(events))
    assert searchable_of(archive.recording("s-1")).clicked == "first second"
