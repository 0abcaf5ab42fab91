"""Rules about pages."""

from __future__ import annotations

from tests.analysis.building import changed, columns_of, custom, idle, windows_of
from tests.support.builders import full_snapshot, meta

from replayport.analysis.profiles import profile
from replayport.analysis.signals import detect


def found(events, kind, name="replayport-1", *changes):
    return [s for s in detect(columns_of(events), profile(name, changes)).signals if s.kind == kind]


def went(*steps, until_ms=200_000):
    """Steps are ``(ms, page)``; each page is named twice, as recorders do."""
    events = []
    for ms, name in steps:
        events += [
            meta(ms, f"https://shop.example/{name}"),
            custom(ms + 3, "$pageview", {"href": f"https://shop.example/{name}"}),
        ]
    return [*events, idle(until_ms)]


def test_there_and_back_at_once():
    [signal] = found(went((0, "list"), (10_000, "item"), (14_000, "list")), "quick_back")
    assert signal.evidence == {"stayed_ms": 4000}
    assert signal.offset_ms == 10_000


def test_a_longer_look_or_going_on_is_no_quick_back():
    assert not found(went((0, "list"), (10_000, "item"), (15_000, "list")), "quick_back")
    assert not found(went((0, "list"), (10_000, "item"), (12_000, "other")), "quick_back")


def test_posthogs_count_is_of_any_page():
    steps = went((0, "a"), (1999, "b"), (4000, "c"))
    assert len(found(steps, "quick_back", "posthog-2026")) == 1


def test_two_tabs_are_not_one_way():
    columns = windows_of(
        a=[meta(0, "https://shop.example/a"), idle(9000)],
        b=[meta(1000, "https://shop.example/b"), meta(2000, "https://shop.example/a")],
    )
    assert not [
        s for s in detect(columns, profile("replayport-1")).signals if s.kind == "quick_back"
    ]


def test_going_in_circles():
    circle = went((0, "a"), (10_000, "b"), (20_000, "a"), (30_000, "b"), (40_000, "a"))
    [signal] = found(circle, "navigation_loop")
    assert signal.evidence == {"visits": 3, "pages": 2}
    assert not found(went((0, "a"), (10_000, "b"), (20_000, "a")), "navigation_loop")
    slow = went((0, "a"), (30_000, "b"), (60_001, "a"), (90_000, "b"), (120_000, "a"))
    assert not found(slow, "navigation_loop")
    shopping = went(
        (0, "a"), (5000, "b"), (10_000, "a"), (15_000, "c"), (20_000, "d"), (25_000, "a")
    )
    assert not found(shopping, "navigation_loop")


def blank(*after, until_ms=10_000):
    return [meta(), full_snapshot(1, text=""), *after, idle(until_ms)]


def test_a_page_that_stays_empty():
    [signal] = found(blank(), "blank_screen")
    assert signal.evidence == {"blank_ms": 9999}
    assert not found(blank(changed(1500)), "blank_screen")
    assert found(blank(changed(2500)), "blank_screen")[0].evidence == {"blank_ms": 2499}
    assert not found([meta(), full_snapshot(1, text="words"), idle(9000)], "blank_screen")


def test_a_mobile_screen_is_not_judged_by_its_dom():
    detected = detect(columns_of(blank(), mobile=True), profile("replayport-1"))
    assert detected.counts()["blank_screen"] is None
