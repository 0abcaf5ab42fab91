"""Rules about movement."""

from __future__ import annotations

import pytest
from tests.analysis.building import changed, columns_of, move, page, scroll, swipe, tap, touch

from replayport.analysis.profiles import profile
from replayport.analysis.signals import detect


def found(events, kind, name="replayport-1", *changes):
    return [s for s in detect(columns_of(events), profile(name, changes)).signals if s.kind == kind]


def shaken(step_ms=50, width=150.0, turns=10, start=1000):
    return [
        move(start + n * step_ms, (300 + (width if n % 2 else 0), 200 + n, 0)) for n in range(turns)
    ]


def test_a_shaken_mouse():
    [signal] = found(page(*shaken()), "thrashed_cursor")
    assert signal.evidence["reversals"] == 8
    assert signal.evidence["straightness"] < 0.2


@pytest.mark.parametrize(
    "moves",
    [
        shaken(step_ms=450),
        shaken(width=10),
        shaken(turns=6),
        [move(1000 + n * 50, (10 + n * 60, 300, 0)) for n in range(20)],
    ],
)
def test_a_slow_a_small_a_short_or_a_straight_movement_is_none(moves):
    assert not found(page(*moves), "thrashed_cursor")


def test_openreplays_formula_needs_more_positions_than_rrweb_takes():
    dense = page(*shaken(step_ms=15, turns=30))
    assert found(dense, "thrashed_cursor", "openreplay-300ms")
    assert not detect(columns_of(dense), profile("openreplay-300ms")).findings["pointer_too_coarse"]
    sparse = detect(columns_of(page(*shaken())), profile("openreplay-300ms"))
    assert sparse.findings["pointer_too_coarse"]
    assert not [s for s in sparse.signals if s.kind == "thrashed_cursor"]


def test_positions_of_one_event_have_their_own_times():
    positions = [(300 + (150 if n % 2 else 0), 200, -450 + 50 * n) for n in range(10)]
    [signal] = found(page(move(2000, *positions)), "thrashed_cursor")
    assert signal.end_ms - signal.start_ms == 450


def wandering(ways=6, far=900):
    events = []
    y = 0
    for way in range(ways):
        for _ in range(6):
            y += far / 6 * (-1 if way % 2 else 1)
            events.append(scroll(1000 + len(events) * 100, y))
    return events


def test_searching_by_scrolling():
    [signal] = found(page(*wandering()), "excessive_scroll")
    assert signal.evidence == {"reversals": 5, "travel_px": pytest.approx(900 * 6 - 150)}


def test_reading_down_or_a_click_between_is_no_search():
    down = [scroll(1000 + n * 100, n * 200) for n in range(40)]
    assert not found(page(*down), "excessive_scroll")
    broken = wandering()
    broken.insert(18, tap(2750))
    assert not found(page(*broken), "excessive_scroll")


def dragged(*after):
    return page(
        touch(1000, 7, 200, 400),
        swipe(1100, (200, 380, -50), (200, 340, 0)),
        touch(1150, 9, 200, 330),
        *after,
    )


def test_a_swipe_that_moves_nothing():
    [signal] = found(dragged(), "dead_swipe")
    assert signal.evidence == {"swipe_px": 60}
    assert not found(dragged(scroll(1200, 60)), "dead_swipe")
    assert not found(dragged(changed(2149)), "dead_swipe")
    assert found(dragged(changed(2151)), "dead_swipe")
    assert not found(dragged(changed(2151)), "dead_swipe", "posthog-2026")
    assert not found(dragged(), "dead_swipe", "replayport-1", "dead_swipe.min_px=61")


def test_at_most_ten_of_a_page():
    one = dragged()[2:-1]
    many = [{**e, "timestamp": e["timestamp"] + 3000 * n} for n in range(14) for e in one]
    assert len(found(page(*many), "dead_swipe")) == 10


def test_without_a_pointer_it_is_not_judged():
    detected = detect(columns_of(page(tap(10))), profile("replayport-1"))
    assert detected.counts()["thrashed_cursor"] is None
    assert detected.counts()["dead_swipe"] == 0
