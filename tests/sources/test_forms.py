"""The form of a text is told by its structure."""

from __future__ import annotations

import pytest
from tests.support.builders import lines, visit
from tests.support.files import WORDS_OF_OTHER_FORMS, chunk_rows, compact, jsonl, wire_body

from replayport.sources.forms import Form, Shape, shape_of

REQUEST = {"method": "POST", "path": "/s/", "body_file": "1.bin"}


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        (compact(visit()), Shape(Form.EVENTS, False)),
        (compact(visit()[0]), Shape(Form.EVENTS, False)),
        (compact([None, *visit()]), Shape(Form.EVENTS, False)),
        (compact([{}, *visit()]), Shape(Form.EVENTS, False)),
        (jsonl(visit()).strip(), Shape(Form.LINES, True)),
        (lines(visit()).strip(), Shape(Form.LINES, True)),
        (lines(visit()[:1]).strip(), Shape(Form.LINES, False)),
        (b"garbage\n" + jsonl(visit()), Shape(Form.LINES, True)),
        (b'["w",{"cut\n' + lines(visit()), Shape(Form.LINES, True)),
        (jsonl([{"window_id": "w", "data": visit()}] * 2), Shape(Form.LINES, True)),
        (jsonl(chunk_rows(visit())), Shape(Form.CHUNKS, True)),
        (compact(chunk_rows(visit())), Shape(Form.CHUNKS, False)),
        (jsonl([REQUEST, REQUEST]), Shape(Form.REQUESTS, True)),
        (compact(REQUEST), Shape(Form.REQUESTS, False)),
        (wire_body(visit()), Shape(Form.CAPTURE, False)),
        (wire_body(visit()) + b"\n" + wire_body(visit()), Shape(Form.CAPTURE, True)),
        (compact({"data": [{"event": "$snapshot", "properties": {}}]}), Shape(Form.CAPTURE, False)),
        (b'{"segment_id":0}\n[]', Shape(Form.DOCUMENT, False)),
        (compact({"result": visit()}), Shape(Form.DOCUMENT, False)),
        (compact(["packed"]), Shape(Form.DOCUMENT, False)),
        (compact({"unknown": 1}), Shape(Form.DOCUMENT, False)),
        (
            compact([{"event": "$snapshot", "type": "capture", "timestamp": "", "properties": {}}]),
            Shape(Form.CAPTURE, False),
        ),
        (b"[]", Shape(Form.DOCUMENT, False)),
        (b"garbage", None),
        (b'{"cut":', None),
    ],
)
def test_the_form_of_a_text(text, shape):
    assert shape_of(text) == shape


@pytest.mark.parametrize("key", WORDS_OF_OTHER_FORMS)
def test_an_event_is_an_event_whatever_else_it_has(key):
    event = {"type": 4, key: WORDS_OF_OTHER_FORMS[key], "timestamp": 1}
    assert shape_of(compact([event])) == Shape(Form.EVENTS, False)
    assert shape_of(compact(event)) == Shape(Form.EVENTS, False)
