"""What rules ask a recording."""

from __future__ import annotations

import numpy as np
from tests.analysis.building import changed, columns_of, idle, network, page, tap
from tests.support.builders import START_MS, full_snapshot, meta

from replayport.analysis.moments import (
    Element,
    Scene,
    any_within,
    chains,
    first_after,
    nothing_known,
)


def test_searching_sorted_times():
    times = np.array([10.0, 20.0])
    assert first_after(times, 10) == 10
    assert first_after(times, 10.1) == 20
    assert first_after(times, 21) == float("inf")
    assert any_within(times, 5, 10.5)
    assert not any_within(times, 5, 10)


def test_chains_are_runs():
    assert list(chains([False, True, True, False, False, True])) == [(0, 3), (3, 4), (4, 6)]
    assert list(chains([])) == []


def test_visits_join_what_names_the_same_page_twice():
    events = [
        meta(0, "https://x.example/a"),
        meta(5, "https://x.example/a"),
        meta(90, "https://x.example/b"),
    ]
    [window] = Scene(columns_of([*events, idle(200)]), "p").windows
    assert [(a - START_MS, b - START_MS, url[-1]) for a, b, url in window.visits] == [
        (0, 90, "a"),
        (90, 200, "b"),
    ]


def test_requests_found_at_the_start_are_nobodys_answer():
    initial = network(50, (40, 5, 200, "GET", "fetch"), initial=True)
    own = network(90, (80, 5, 200, "GET", "fetch"), (81, 5, 200, "GET", "css"))
    [window] = Scene(columns_of(page(initial, own)), "p").windows
    assert (window.requests_begun - START_MS).tolist() == [80]
    starts, ends = window.request_ends
    assert ((ends - starts) == 5).all()


def test_pages_of_a_window_are_numbered_by_their_snapshots():
    events = [meta(), full_snapshot(10), changed(50), full_snapshot(100), idle(200)]
    [window] = Scene(columns_of(events), "p").windows
    t = np.array([START_MS, START_MS + 50, START_MS + 100])
    assert window.page_of(t).tolist() == [0, 1, 2]


def test_an_unknown_element_lowers_confidence_and_is_said():
    columns = columns_of(page(tap(5)))
    scene = Scene(columns, "p", nothing_known)
    signal = scene.signal(
        "rage_click", scene.windows[0], START_MS, START_MS, {}, node=6, confidence=1
    )
    assert signal.confidence < 1
    assert signal.findings == ("unknown_nodes",)
    assert signal.element == "element 6"
    known = Scene(columns, "p", lambda *_: Element("button", 'the button "Pay"', "Pay"))
    signal = known.signal(
        "rage_click", known.windows[0], START_MS, START_MS, {"a": 1.23456}, node=6
    )
    assert signal.element == 'the button "Pay"'
    assert signal.to_json()["evidence"] == {"a": 1.235}


def test_a_clock_that_jumps_lowers_confidence():
    columns = columns_of([*page(tap(5)), changed(-300_000)])
    scene = Scene(columns, "p")
    signal = scene.signal("quick_back", scene.windows[0], START_MS, START_MS, {}, confidence=1)
    assert signal.confidence < 1
    assert "clock_jump" in signal.findings
