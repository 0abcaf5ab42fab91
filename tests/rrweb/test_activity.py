"""How busy a recording is, part by part."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from tests.support.builders import click, draft, meta, visit

from replayport.rrweb.activity import PARTS, activity_of, sparkline


def test_parts_are_equally_long():
    columns = draft([meta(), click(0), *(click(990 + n) for n in range(3)), click(1000)]).columns
    assert activity_of(columns) == [1, *[0] * (PARTS - 2), 4]


def test_only_what_the_visitor_does_counts():
    assert sum(activity_of(draft(visit()).columns)) == 3
    assert activity_of(draft([meta()]).columns) == [0] * PARTS


@given(st.lists(st.integers(-(2**62), 2**62), min_size=1, max_size=30))
def test_any_clock_gives_parts(times):
    columns = draft([meta()]).columns
    for ms in times:
        columns.timestamp_ms[0] = ms
    assert len(activity_of(columns)) == PARTS


def test_sparklines():
    assert sparkline([]) == ""
    assert sparkline([0, 0]) == "00"
    assert sparkline([0, 1, 50, 100]) == "0149"
    assert sparkline([5]) == "9"
