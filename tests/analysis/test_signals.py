"""Profiles over one recording, and where they disagree."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.analysis.building import (
    columns_of,
    demo_draft,
    demo_recordings,
    page,
    shop_page,
    table_of,
    tap,
    windows_of,
)
from tests.analysis.test_features import any_event
from tests.support.builders import full_snapshot, meta

from replayport.analysis.columns import Columns
from replayport.analysis.elements import know_elements
from replayport.analysis.findings import ANALYSIS_FINDINGS
from replayport.analysis.profiles import KINDS, PROFILES, profile
from replayport.analysis.signals import Comparison, Detected, detect


def demo(name, profile_name="replayport-1"):
    recording = next(r for n, r in demo_recordings() if n == name)
    table = table_of(demo_draft(recording))
    columns = Columns.from_table(table)
    return detect(columns, profile(profile_name), know_elements(table.to_batches(), columns))


def test_the_frustrated_visit_of_the_demo():
    detected = demo("frustrated")
    kinds = [s.kind for s in detected.signals]
    assert {"rage_click", "dead_click", "error_click", "slow_response"} <= set(kinds)
    first = next(s for s in detected.signals if s.kind == "rage_click")
    assert first.element == 'the button "Add to bag"'
    assert first.evidence["clicks"] == 6


@pytest.mark.parametrize("name", ["checkout", "chat", "mobile", "idle", "dark-canvas", "two-tabs"])
def test_the_other_visits_have_no_trouble(name):
    assert demo(name).signals == []


def test_signals_are_in_playing_order_and_reproducible():
    one, other = demo("frustrated"), demo("frustrated")
    assert [s.to_json() for s in one.signals] == [s.to_json() for s in other.signals]
    assert [s.start_ms for s in one.signals] == sorted(s.start_ms for s in one.signals)


@settings(max_examples=30, deadline=None)
@given(st.lists(any_event, max_size=40), st.sampled_from(sorted(PROFILES)))
def test_anything_can_be_judged(events, name):
    columns = columns_of([meta(), full_snapshot(), *events])
    detected = detect(columns, profile(name))
    for s in detected.signals:
        assert s.kind in detected.judged
        assert columns.start_ms <= s.start_ms <= s.end_ms
        assert 0 <= s.confidence <= 1
        assert s.offset_ms == s.start_ms - columns.start_ms
    assert set(detected.findings) <= set(ANALYSIS_FINDINGS)


def test_what_cannot_be_judged_is_null_and_not_zero():
    counts = detect(columns_of([full_snapshot()]), profile("replayport-1")).counts()
    assert counts["thrashed_cursor"] is None
    assert counts["error_click"] is None
    assert counts["quick_back"] is None
    assert counts["rage_click"] == 0
    assert detect(columns_of([meta()]), profile("highlight-8px")).counts()["dead_click"] is None


def test_order_of_arrival_does_not_matter():
    clicks = [tap(1000 + 200 * n) for n in range(5)]
    straight = detect(columns_of(page(*clicks)), profile("replayport-1"))
    shuffled = detect(
        columns_of([*page()[:2], *clicks[::-1], *page()[2:]]), profile("replayport-1")
    )
    assert [s.to_json() for s in straight.signals] == [s.to_json() for s in shuffled.signals]


def test_a_chain_does_not_cross_windows():
    a = [meta(0), full_snapshot(1), tap(100), tap(300)]
    b = [meta(0), full_snapshot(1), tap(200), tap(400)]
    detected = detect(windows_of(a=a, b=b), profile("replayport-1"))
    assert not [s for s in detected.signals if s.kind == "rage_click"]


def test_where_profiles_disagree():
    events = shop_page(*(tap(5000 + 400 * n, node=12) for n in range(3)))
    columns = columns_of(events)
    report = Comparison(list(PROFILES))
    report.add("r-1", [detect(columns, p) for p in PROFILES.values()])
    document = report.to_json()
    rage = document["kinds"]["rage_click"]
    assert rage["moments"] == 1
    assert rage["counts"]["posthog-2026"] == 1
    assert rage["counts"]["openreplay-300ms"] == 0
    assert document["kinds"]["rage_click"]["agreement"]["replayport-1 posthog-2026"] == 1
    assert rage["agreement"]["posthog-2026 openreplay-300ms"] == 0
    [told] = [d for d in document["disagreements"] if d["kind"] == "rage_click"]
    assert "posthog-2026" in told["found_by"]
    assert "openreplay-300ms" in told["not_by"]
    assert document["kinds"].keys() <= KINDS.keys()


def test_a_profile_without_a_rule_does_not_disagree():
    columns = columns_of(shop_page(tap(5000, node=12)))
    report = Comparison(["posthog-2026", "highlight-8px"])
    report.add("r", [detect(columns, profile(n)) for n in report.profiles])
    dead = report.to_json()["kinds"]["dead_click"]
    assert dead["counts"] == {"posthog-2026": 1, "highlight-8px": None}
    assert dead["agreement"] == {}
    assert report.disagreements == []


def test_what_is_listed_is_bounded():
    report = Comparison(["a", "b"], max_listed=2)
    columns = columns_of(shop_page(*(tap(3000 * n, node=30) for n in range(1, 8))))
    found = detect(columns, profile("posthog-2026"))
    one = Detected("a", found.signals, found.judged)
    other = Detected("b", [], found.judged)
    report.add("r", [one, other])
    assert len(report.disagreements) == 2
    assert report.not_listed == len(found.signals) - 2


def test_more_signals_than_are_kept_are_said_to_be_cut(monkeypatch):
    chains = [tap(3000 * c + 200 * n, node=12) for c in range(1, 6) for n in range(4)]
    columns = columns_of(page(*chains))
    assert len(detect(columns, profile("replayport-1")).signals) > 3
    monkeypatch.setattr("replayport.analysis.signals.MAX_SIGNALS", 3)
    cut = detect(columns, profile("replayport-1"))
    assert len(cut.signals) == 3
    assert cut.findings["too_many_signals"] == 1
