"""Events for the analysis tests, and recordings made of them."""

from __future__ import annotations

import json
from functools import cache

import pyarrow as pa
import pyarrow.parquet as pq
from tests.support.builders import START_MS, draft, full_snapshot, meta

from replayport.analysis.columns import Columns
from replayport.archive import encode_draft
from replayport.demo import RECORDINGS_FOLDER
from replayport.draft import RecordingDraft
from replayport.posthog.lines import EventDecoder
from replayport.testing import FakeRecording, load_requests


def event(ms, source, type_=3, **data):
    return {"type": type_, "timestamp": START_MS + ms, "data": {"source": source, **data}}


def move(ms, *positions):
    """Positions are ``(x, y, time offset)``."""
    return event(
        ms, 1, positions=[{"x": x, "y": y, "id": 6, "timeOffset": o} for x, y, o in positions]
    )


def touch(ms, kind, x=100.0, y=100.0, node=6):
    return event(ms, 2, type=kind, id=node, x=x, y=y, pointerType=2)


def swipe(ms, *positions):
    return event(
        ms, 6, positions=[{"x": x, "y": y, "id": 6, "timeOffset": o} for x, y, o in positions]
    )


def tap(ms, kind=2, node=6, x=10.0, y=20.0, **more):
    return event(ms, 2, type=kind, id=node, x=x, y=y, **more)


def scroll(ms, y, node=1):
    return event(ms, 3, id=node, x=0, y=y)


def typed(ms, text, node=6, **more):
    return event(ms, 5, id=node, text=text, isChecked=False, **more)


def changed(ms, **data):
    return event(ms, 0, texts=[], attributes=[], removes=[], adds=[], **data)


def selected(ms):
    return event(ms, 14, ranges=[])


def custom(ms, tag, payload=None):
    return {"type": 5, "timestamp": START_MS + ms, "data": {"tag": tag, "payload": payload or {}}}


def console(ms, level="error"):
    payload = {"level": level, "trace": [], "payload": ['"x"']}
    data = {"plugin": "rrweb/console@1", "payload": payload}
    return {"type": 6, "timestamp": START_MS + ms, "data": data}


def network(ms, *requests, initial=False):
    """Requests are ``(begin ms, duration, status, method, initiator)``."""
    rows = [
        {
            "name": f"https://shop.example/api/{n}",
            "timestamp": START_MS + begin,
            "duration": duration,
            "status": status,
            "method": method,
            "initiatorType": initiator,
            **({"isInitial": True} if initial else {}),
        }
        for n, (begin, duration, status, method, initiator) in enumerate(requests)
    ]
    data = {"plugin": "rrweb/network@1", "payload": {"requests": rows}}
    return {"type": 6, "timestamp": START_MS + ms, "data": data}


def idle(ms):
    """Something that is no activity, to make a window last."""
    return custom(ms, "custom tag")


def page(*events, href="https://shop.example/", until_ms=60_000):
    """A page, what happens on it, and its end."""
    return [meta(0, href), full_snapshot(1), *events, idle(until_ms)]


def shop_page(*events, until_ms=60_000):
    """A page with a button, a link, a form and a heading, so that elements have names."""

    def element(node_id, tag, *children, **attributes):
        return {
            "type": 2,
            "id": node_id,
            "tagName": tag,
            "attributes": attributes,
            "childNodes": list(children),
        }

    def text(node_id, content):
        return {"type": 3, "id": node_id, "textContent": content}

    body = element(
        5,
        "body",
        element(10, "h1", text(11, "Jumper")),
        element(12, "button", element(13, "span", text(14, "Add to bag"))),
        element(15, "a", text(16, "Help"), href="/help"),
        element(
            20,
            "form",
            element(21, "label", text(22, "Street"), element(23, "input", name="street")),
            element(24, "label", text(25, "Town"), element(26, "input", name="town")),
            element(27, "button", text(28, "Pay"), type="submit"),
        ),
        element(30, "div", text(31, "A paragraph of words that is nobody's button.")),
    )
    document = {"type": 0, "id": 1, "childNodes": [element(3, "html", body)]}
    snapshot = {
        "type": 2,
        "timestamp": START_MS + 1,
        "data": {"node": document, "initialOffset": {"top": 0, "left": 0}},
    }
    return [meta(0), snapshot, *events, idle(until_ms)]


def table_of(recording_draft):
    _, files = encode_draft(recording_draft)
    return pq.ParquetFile(
        pa.BufferReader(files["events.parquet"]), read_dictionary=["window_id", "kind"]
    ).read()


def columns_of(events, *, mobile=False, window_id="w1"):
    return Columns.from_table(table_of(draft(events, window_id=window_id)), mobile=mobile)


def windows_of(**windows):
    """Columns of several windows, in order of time as a recorder would send them."""
    decoder = EventDecoder()
    lines = [(e["timestamp"], w, e) for w, events in windows.items() for e in events]
    for _, w, e in sorted(lines, key=lambda line: line[0]):
        decoder.feed(w, json.dumps(e).encode())
    made = RecordingDraft(
        project="p", session_id="s", columns=decoder.columns, source={"kind": "test"}
    )
    return Columns.from_table(table_of(made))


@cache
def demo_recordings():
    """Name and blocks of JSON lines of every shipped recording."""
    found = []
    for path in sorted(RECORDINGS_FOLDER.glob("*.jsonl.zst")):
        for recording in FakeRecording.from_wire(load_requests(path)):
            found.append((path.name.removesuffix(".jsonl.zst"), recording))
    return found


def demo_draft(recording, **fields):
    decoder = EventDecoder()
    for block in recording.blocks:
        decoder.feed_lines(block)
        decoder.end_block()
    return RecordingDraft(
        project="demo",
        session_id=recording.session_id,
        columns=decoder.columns,
        source={"kind": "test"},
        **fields,
    )
