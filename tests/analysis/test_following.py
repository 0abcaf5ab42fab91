"""Only what is asked for is parsed, and the answers are those of a mirror that parsed all."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest
from tests.analysis.building import shop_page, table_of, tap, typed
from tests.support.builders import draft, full_snapshot, meta
from tests.support.pages import page

from replayport.analysis import following
from replayport.analysis.columns import Columns
from replayport.analysis.elements import know_elements
from replayport.analysis.following import LateMirror, Pages, rows_of
from replayport.analysis.reading import ActionReader, read_actions, read_batches
from replayport.demo import RECORDINGS_FOLDER
from replayport.draft import RecordingDraft
from replayport.format.schema import EVENTS_SCHEMA
from replayport.posthog.lines import EventDecoder
from replayport.testing import FakeRecording, load_requests


def snapshot(body):
    return json.dumps({"node": page(body), "initialOffset": {"left": 0, "top": 0}})


def changed(**lists):
    return json.dumps(
        {"source": 0, "texts": [], "attributes": [], "removes": [], "adds": []} | lists
    )


def parsing(monkeypatch):
    seen = []
    parsed = following.parsed
    monkeypatch.setattr(following, "parsed", lambda text: (seen.append(text), parsed(text))[1])
    return seen


def test_a_page_nobody_asked_about_is_never_parsed(monkeypatch):
    seen = parsing(monkeypatch)
    late = LateMirror()
    late.put(2, None, snapshot("<p>one</p>"))
    late.put(3, 0, changed())
    late.put(2, None, snapshot("<p>two</p>"))
    late.put(3, 0, changed(adds=[{"parentId": 999, "nextId": None, "node": {"id": 1000}}]))
    assert seen == []
    assert late.now().text() == "two"
    assert len(seen) == 2
    assert late.broken == 1
    late.now()
    assert len(seen) == 2


def test_a_damaged_snapshot_leaves_the_page_before_it_as_rrweb_does():
    late = LateMirror()
    late.put(2, None, snapshot("<p>one</p>"))
    late.put(2, None, '{"node": 7}')
    late.put(2, None, "{broken")
    assert late.now().text() == "one"
    assert (late.findings["snapshot_without_tree"], late.undecodable) == (1, 1)


def test_what_waits_is_bounded(monkeypatch):
    monkeypatch.setattr(following, "MAX_WAITING_BYTES", 1000)
    seen = parsing(monkeypatch)
    late = LateMirror()
    late.put(2, None, snapshot("<p>" + "x" * 1001 + "</p>"))
    assert len(seen) == 1
    late.put(3, 0, changed())
    assert len(seen) == 1


def test_lone_surrogates_and_nan_are_read_as_a_browser_would():
    late = LateMirror()
    late.put(2, None, snapshot("<p>one</p>").replace("one", "\\ud83d"))
    assert late.now().text() == "\ud83d"


def test_rows_are_what_is_looked_at_and_where_windows_begin():
    events = [
        (10, 0, "a", 3, 1, "mouse_move", "moves"),
        (20, 1, "a", 3, 1, "mouse_move", "moves"),
        (30, 2, "b", 3, 1, "mouse_move", "moves"),
        (40, 3, "a", 3, 2, "click", "press"),
        (50, 4, "a", 4, None, "meta", "page"),
        (60, 5, "a", 3, 14, "selection", "chosen"),
        (70, 6, "a", 3, 1, "mouse_move", "moves"),
        (80, 7, "a", 3, 1, "mouse_move", "moves"),
    ]
    names = list(following.COLUMNS)
    schema = pa.schema([EVENTS_SCHEMA.field(n) for n in names])
    batch = pa.RecordBatch.from_pylist(
        [dict(zip(names, e, strict=True)) for e in events], schema=schema
    )
    rows = list(rows_of(batch, types=[4], sources=[2, 14], read=[2]))
    assert [(r.seq, r.data_json) for r in rows] == [
        (0, None),  # where window a begins
        (2, None),  # where window b begins
        (3, b"press"),
        (4, b"page"),
        (5, None),
        (7, None),  # how long it lasted
    ]
    assert [r.source for r in rows] == [1, 1, 2, None, 14, 1]
    assert [r.window_id for r in rows] == ["a", "b", "a", "a", "a", "a"]
    assert list(rows_of(batch.slice(0, 0), types=[4], sources=[], read=[])) == []


def test_pages_are_those_of_their_windows():
    pages = Pages()
    table = table_of(draft(shop_page(tap(100, node=12))))
    for batch in table.to_batches():
        for row in pages.rows(batch, ()):
            pages.feed(row)
    assert pages.mirror("w1").select("button")
    assert pages.mirror("another").root is None
    assert pages.broken() == 0


def demo(name):
    (recording,) = FakeRecording.from_wire(load_requests(RECORDINGS_FOLDER / f"{name}.jsonl.zst"))
    decoder = EventDecoder()
    for block in recording.blocks:
        decoder.feed_lines(block)
    made = RecordingDraft(
        project="p", session_id="s", columns=decoder.columns, source={"kind": "test"}
    )
    return decoder.columns.events(), table_of(made)


@pytest.mark.parametrize("name", ["checkout", "two-tabs", "frustrated", "idle"])
def test_columns_give_the_actions_that_events_give(name):
    events, table = demo(name)
    by_events = read_actions(sorted(events, key=lambda e: (e.timestamp_ms, e.seq)))
    assert by_events.actions
    assert read_batches(table.to_batches(max_chunksize=100)).actions == by_events.actions


@pytest.mark.parametrize("name", ["checkout", "frustrated"])
def test_one_walk_gives_elements_and_actions_as_two_do(name):
    _, table = demo(name)
    arrays = Columns.from_table(table)
    alone = know_elements(table.to_batches(), arrays)
    reader = ActionReader()
    together = know_elements(table.to_batches(), arrays, actions=reader)
    clicks = arrays.interactions
    asked = list(
        zip((arrays.windows[w] for w in clicks.window), clicks.node, clicks.t, strict=True)
    )
    answers = [alone(w, int(n), int(t)) for w, n, t in asked]
    assert any(answers)
    assert [together(w, int(n), int(t)) for w, n, t in asked] == answers
    assert reader.finish().actions == read_batches(table.to_batches()).actions


def test_a_change_after_the_last_question_is_not_parsed(monkeypatch):
    seen = parsing(monkeypatch)
    events = [meta(0), full_snapshot(1), typed(10, "a", 6), full_snapshot(20), full_snapshot(30)]
    table = table_of(draft(events))
    know_elements(table.to_batches(), Columns.from_table(table))
    assert len(seen) == 1
