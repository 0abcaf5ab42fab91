"""Events as columns: rows come back as they were put in."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st
from tests.support.builders import click, meta, visit
from tests.support.files import compact

from replayport.posthog.lines import EventDecoder
from replayport.rrweb.columns import NO_INT, NO_SOURCE, Codes, EventColumns


@given(st.lists(st.text(max_size=3)))
def test_codes_are_numbers_in_order_of_appearance(values):
    codes = Codes()
    found = [codes[v] for v in values]
    assert [codes.values[c] for c in found] == values
    assert codes.values == list(dict.fromkeys(values))


def columns(events):
    decoder = EventDecoder()
    for event in events:
        decoder.feed("w", compact(event))
    return decoder.columns


def test_rows_come_back():
    found = columns(visit())
    assert len(found) == len(visit())
    assert [e.to_rrweb() for e in found.events()] == visit()
    assert [e.seq for e in found.events()] == list(range(len(visit())))


def test_nothing_is_told_from_empty():
    found = columns([{"type": 4, "timestamp": 1}, {"type": 4, "timestamp": 2, "data": ""}, meta()])
    assert found.data_of(0) is None
    assert found.data_of(1) == b'""'
    assert found.data_of(2) == compact(meta()["data"])


def test_what_has_no_value_is_marked():
    found = columns([meta(), click(1)])
    assert (found.source[0], found.node_id[0]) == (NO_SOURCE, NO_INT)
    assert math.isnan(found.x[0])
    assert (found.source[1], found.node_id[1], found.x[1], found.y[1]) == (2, 6, 10, 20)


def test_no_events_are_no_rows():
    assert len(EventColumns()) == 0
    assert list(EventColumns().events()) == []
